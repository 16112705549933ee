#include "soret/network/convolution.hpp"

#include <fmt/format.h>

#include "soret/base/error.hpp"
#include "soret/network/bias.hpp"
#include "soret/network/elementwise.hpp"

namespace soret::network {
namespace {

ConvolutionSize size_of(const Shape& in, int channels, int kernel, int stride, int pad) {
  if (channels < 1 || kernel < 1 || stride < 1 || pad < 0) {
    throw ConfigError(
        fmt::format("a convolution of {} channels, kernel {}, stride {} and padding {}: channels, "
                    "kernel and stride must be at least 1, padding at least 0",
                    channels, kernel, stride, pad));
  }
  if (kernel > in.h + 2 * pad || kernel > in.w + 2 * pad) {
    throw ConfigError(fmt::format("a kernel of {0} x {0} is larger than its input {1} with padding {2}",
                                  kernel, text(in), pad));
  }
  const auto places = [&](int n) { return (n + 2 * pad - kernel) / stride + 1; };
  return {in, {places(in.h), places(in.w), channels}, kernel, kernel, stride, pad};
}

}  // namespace

template <class T>
Convolution<T>::Convolution(const Shape& input, int channels, int kernel, int stride, int pad, bool bias)
    : size_(size_of(input, channels, kernel, stride, pad)),
      bias_(bias),
      kernels_(convolution_kernels<T>(size_)) {}

template <class T>
std::vector<Parameter> Convolution<T>::parameters() const {
  const int window = size_.kernel_h * size_.kernel_w;
  const int fan_in = window * size_.in.c;
  const int fan_out = window * size_.out.c;
  std::vector<Parameter> all = {{"weight",
                                 {size_.out.c, size_.kernel_h, size_.kernel_w, size_.in.c},
                                 Parameter::Kind::weight,
                                 fan_in,
                                 fan_out}};
  if (bias_) all.push_back({"bias", {size_.out.c}, Parameter::Kind::bias, fan_in, fan_out});
  return all;
}

template <class T>
void Convolution<T>::forward(const Values<T>& v, const Mode& /*mode*/, const T* /*state*/) const {
  kernels_->forward(v.n, v.x, v.parameters, v.y, false);
  if (bias_) add_bias(rows(v.n), size_.out.c, v.parameters + weights(), v.y);
}

template <class T>
void Convolution<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  if (g.x) kernels_->data_gradient(v.n, g.y, v.parameters, g.x, g.add);
  if (!g.parameters) return;
  kernels_->weight_gradient(v.n, v.x, g.y, g.parameters);
  if (bias_) add_bias_gradient(rows(v.n), size_.out.c, g.y, g.parameters + weights());
}

template <class T>
void Convolution<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  kernels_->forward(v.n, v.x, t.parameters, t.y, false);
  if (t.x) kernels_->forward(v.n, t.x, v.parameters, t.y, true);
  if (bias_) add_bias(rows(v.n), size_.out.c, t.parameters + weights(), t.y);
}

template <class T>
void Convolution<T>::backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                                      const Gradients<T>& gt) const {
  if (gt.x) {
    kernels_->data_gradient(v.n, gt.y, v.parameters, gt.x, gt.add);
    kernels_->data_gradient(v.n, g.y, t.parameters, gt.x, true);
  }
  kernels_->weight_gradient(v.n, v.x, gt.y, gt.parameters);
  if (t.x) kernels_->weight_gradient(v.n, t.x, g.y, gt.parameters);
  if (bias_) add_bias_gradient(rows(v.n), size_.out.c, gt.y, gt.parameters + weights());
}

// A sample's places share the kernel, so its gradient has no simpler norm than its own.
template <class T>
void Convolution<T>::sample_squares(const Values<T>& v, const T* dy, double* squares) const {
  thread_local std::vector<T> gradient;
  const std::size_t size = weights() + (bias_ ? static_cast<std::size_t>(size_.out.c) : 0);
  for (int i = 0; i < v.n; ++i) {
    gradient.assign(size, T{});
    const T* const y = dy + i * size_.out.size();
    kernels_->weight_gradient(1, v.x + i * size_.in.size(), y, gradient.data());
    if (bias_) add_bias_gradient(rows(1), size_.out.c, y, gradient.data() + weights());
    squares[i] = sum_of_squares(size, gradient.data());
  }
}

template class Convolution<float>;
template class Convolution<double>;

}  // namespace soret::network
