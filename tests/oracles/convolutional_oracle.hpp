#pragma once

#include "tests/oracles/deep_oracle.hpp"

/// The convolutional network of seed 002 Fig. 2 (bottom): `layers` - 1 convolutions of 5 x 5 with stride 1
/// and an activation each, then a dense layer. Plain loops in double, one sample at a time; images and
/// parameters are laid out as deep::make_network() says.
namespace soret::oracle {

struct Image {
  int h = 0, w = 0, c = 0;
  std::vector<double> x;                               ///< x[(row * w + column) * c + channel]
  double at(int row, int column, int channel) const {  // zero around the image
    if (row < 0 || row >= h || column < 0 || column >= w) return 0;
    return x[(row * w + column) * c + channel];
  }
};

inline constexpr int kKernel = 5;

/// u[row][column][k] = b_k + sum over the kernel of w[k][a][b][c] x[row + a - pad][column + b - pad][c].
inline Image convolve(const Image& in, int channels, int pad, const double* w, const double* b) {
  Image out{in.h + 2 * pad - kKernel + 1, in.w + 2 * pad - kKernel + 1, channels, {}};
  for (int row = 0; row < out.h; ++row) {
    for (int column = 0; column < out.w; ++column) {
      for (int k = 0; k < channels; ++k) {
        double u = b[k];
        for (int i = 0; i < kKernel; ++i) {
          for (int j = 0; j < kKernel; ++j) {
            for (int c = 0; c < in.c; ++c)
              u +=
                  w[((k * kKernel + i) * kKernel + j) * in.c + c] * in.at(row + i - pad, column + j - pad, c);
          }
        }
        out.x.push_back(u);
      }
    }
  }
  return out;
}

/// One sample: what each convolution takes and gives, and f.
struct ConvolutionalPass {
  std::vector<Image> in, u;
  std::vector<std::size_t> offset;  ///< of each layer's parameters
  Image flat;                       ///< what the dense layer takes
  std::vector<double> f;
};
inline ConvolutionalPass convolutional_forward(const deep::Problem& p, const std::vector<double>& parameters,
                                               const double* x) {
  const two_layer::Problem head = head_of(p);
  ConvolutionalPass pass;
  Image image{p.input.h, p.input.w, p.input.c, {x, x + p.input.h * p.input.w * p.input.c}};
  std::size_t at = 0;
  for (int l = 1; l < p.layers; ++l) {
    const std::size_t weights = static_cast<std::size_t>(p.width) * kKernel * kKernel * image.c;
    pass.offset.push_back(at);
    pass.in.push_back(image);
    image = convolve(image, p.width, p.pad, &parameters[at], &parameters[at + weights]);
    pass.u.push_back(image);
    for (double& value : image.x) value = activation(head, value);
    at += weights + p.width;
  }
  pass.offset.push_back(at);
  const std::size_t size = image.x.size();
  for (int c = 0; c < p.outputs; ++c) {
    double f = parameters[at + p.outputs * size + c];
    for (std::size_t k = 0; k < size; ++k) f += parameters[at + c * size + k] * image.x[k];
    pass.f.push_back(f);
  }
  pass.flat = image;
  return pass;
}

/// Gradient of one sample's loss, laid out as the parameters.
inline std::vector<double> convolutional_gradient(const deep::Problem& p,
                                                  const std::vector<double>& parameters, const double* x,
                                                  const double* target) {
  const two_layer::Problem head = head_of(p);
  const ConvolutionalPass pass = convolutional_forward(p, parameters, x);
  std::vector<double> g(parameters.size(), 0.0);
  const std::vector<double> d = loss_slope(head, pass.f, target);
  const std::size_t size = pass.flat.x.size();
  std::vector<double> below(size, 0.0);  // dL/dh of the layer below
  for (int c = 0; c < p.outputs; ++c) {
    const std::size_t at = pass.offset.back();
    g[at + p.outputs * size + c] = d[c];
    for (std::size_t k = 0; k < size; ++k) {
      g[at + c * size + k] = d[c] * pass.flat.x[k];
      below[k] += d[c] * parameters[at + c * size + k];
    }
  }
  for (int l = p.layers - 2; l >= 0; --l) {
    const Image& in = pass.in[l];
    const Image& u = pass.u[l];
    const std::size_t at = pass.offset[l];
    const std::size_t weights = static_cast<std::size_t>(p.width) * kKernel * kKernel * in.c;
    std::vector<double> next(in.x.size(), 0.0);
    for (int row = 0; row < u.h; ++row) {
      for (int column = 0; column < u.w; ++column) {
        for (int k = 0; k < p.width; ++k) {
          const int unit = (row * u.w + column) * p.width + k;
          const double delta = below[unit] * activation_slope(head, u.x[unit]);
          g[at + weights + k] += delta;
          for (int i = 0; i < kKernel; ++i) {
            for (int j = 0; j < kKernel; ++j) {
              const int r = row + i - p.pad;
              const int q = column + j - p.pad;
              if (r < 0 || r >= in.h || q < 0 || q >= in.w) continue;
              for (int c = 0; c < in.c; ++c) {
                const std::size_t weight = at + ((k * kKernel + i) * kKernel + j) * in.c + c;
                g[weight] += delta * in.at(r, q, c);
                next[(r * in.w + q) * in.c + c] += delta * parameters[weight];
              }
            }
          }
        }
      }
    }
    below = next;
  }
  return g;
}

}  // namespace soret::oracle
