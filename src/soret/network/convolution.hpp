#pragma once

#include "soret/network/convolution_kernels.hpp"

namespace soret::network {

/// Convolution with a kernel [out][h][w][in], the same stride and zero padding in both directions.
template <class T>
class Convolution final : public Layer<T> {
 public:
  /// Throws ConfigError if the kernel is larger than the padded input, or for sizes that make no sense.
  Convolution(const Shape& input, int channels, int kernel, int stride, int pad, bool bias);

  const Shape& input() const override { return size_.in; }
  const Shape& output() const override { return size_.out; }
  std::vector<Parameter> parameters() const override;
  void forward(const Values<T>& v, const Mode& mode, const T* state) const override;
  void backward(const Values<T>& v, const Gradients<T>& g) const override;
  void forward_tangent(const Values<T>& v, const Tangents<T>& t) const override;
  void backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                        const Gradients<T>& gt) const override;
  void sample_squares(const Values<T>& v, const T* dy, double* squares) const override;

 private:
  std::size_t weights() const {
    return static_cast<std::size_t>(size_.out.c) * size_.kernel_h * size_.kernel_w * size_.in.c;
  }
  int rows(int n) const { return n * size_.out.h * size_.out.w; }

  ConvolutionSize size_;
  bool bias_;
  std::shared_ptr<ConvolutionKernels<T>> kernels_;
};

}  // namespace soret::network
