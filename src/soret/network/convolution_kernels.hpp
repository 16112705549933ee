#pragma once

#include <memory>

#include "soret/network/layer.hpp"

/// The three products that a convolution and all its derivatives are made of; one implementation per backend.
namespace soret::network {

/// y[n][i][j][o] = sum x[n][i stride + a - pad][j stride + b - pad][c] w[o][a][b][c], zeros outside.
struct ConvolutionSize {
  Shape in, out;
  int kernel_h, kernel_w, stride, pad;
};

template <class T>
class ConvolutionKernels {
 public:
  virtual ~ConvolutionKernels() = default;
  /// y = x * w, or y += x * w if `add`.
  virtual void forward(int n, const T* x, const T* w, T* y, bool add) = 0;
  /// Its derivative by x, along dy.
  virtual void data_gradient(int n, const T* dy, const T* w, T* dx, bool add) = 0;
  /// Its derivative by w, along dy; always added.
  virtual void weight_gradient(int n, const T* x, const T* dy, T* dw) = 0;
};

/// The fastest that this build has. Safe to use from several threads at once.
template <class T>
std::shared_ptr<ConvolutionKernels<T>> convolution_kernels(const ConvolutionSize& size);

/// Matrix products of unfolded images (im2col).
template <class T>
std::shared_ptr<ConvolutionKernels<T>> unfolded_convolution(const ConvolutionSize& size);

}  // namespace soret::network
