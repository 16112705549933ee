#include "soret/network/dense.hpp"

#include <fmt/format.h>

#include "soret/base/error.hpp"
#include "soret/network/bias.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/network/gemm.hpp"

namespace soret::network {

template <class T>
Dense<T>::Dense(const Shape& input, int outputs, bool bias)
    : input_(input), output_{1, 1, outputs}, inputs_(static_cast<int>(input.size())), bias_(bias) {
  if (outputs < 1)
    throw ConfigError(fmt::format("a dense layer of {} outputs: it needs at least 1", outputs));
}

template <class T>
std::vector<Parameter> Dense<T>::parameters() const {
  std::vector<Parameter> all = {
      {"weight", {output_.c, inputs_}, Parameter::Kind::weight, inputs_, output_.c, true}};
  if (bias_) all.push_back({"bias", {output_.c}, Parameter::Kind::bias, inputs_, output_.c, true});
  return all;
}

template <class T>
void Dense<T>::forward(const Values<T>& v, const Mode& /*mode*/, const T* /*state*/) const {
  multiply(false, true, v.n, output_.c, inputs_, v.x, v.parameters, v.y, false);
  if (bias_) add_bias(v.n, output_.c, v.parameters + weights(), v.y);
}

template <class T>
void Dense<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  if (g.x) multiply(false, false, v.n, inputs_, output_.c, g.y, v.parameters, g.x, g.add);
  if (!g.parameters) return;
  multiply(true, false, output_.c, inputs_, v.n, g.y, v.x, g.parameters, true);
  if (bias_) add_bias_gradient(v.n, output_.c, g.y, g.parameters + weights());
}

template <class T>
void Dense<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  multiply(false, true, v.n, output_.c, inputs_, v.x, t.parameters, t.y, false);
  if (t.x) multiply(false, true, v.n, output_.c, inputs_, t.x, v.parameters, t.y, true);
  if (bias_) add_bias(v.n, output_.c, t.parameters + weights(), t.y);
}

template <class T>
void Dense<T>::backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                                const Gradients<T>& gt) const {
  if (gt.x) {
    multiply(false, false, v.n, inputs_, output_.c, gt.y, v.parameters, gt.x, gt.add);
    multiply(false, false, v.n, inputs_, output_.c, g.y, t.parameters, gt.x, true);
  }
  multiply(true, false, output_.c, inputs_, v.n, gt.y, v.x, gt.parameters, true);
  if (t.x) multiply(true, false, output_.c, inputs_, v.n, g.y, t.x, gt.parameters, true);
  if (bias_) add_bias_gradient(v.n, output_.c, gt.y, gt.parameters + weights());
}

// dW of sample i is dy_i x_i^T.
template <class T>
void Dense<T>::sample_squares(const Values<T>& v, const T* dy, double* squares) const {
  const auto outputs = static_cast<std::size_t>(output_.c);
  const auto inputs = static_cast<std::size_t>(inputs_);
  for (int i = 0; i < v.n; ++i) {
    squares[i] = sum_of_squares(outputs, dy + i * outputs) *
                 (sum_of_squares(inputs, v.x + i * inputs) + (bias_ ? 1 : 0));
  }
}

template class Dense<float>;
template class Dense<double>;

}  // namespace soret::network
