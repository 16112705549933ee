#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "soret/base/lanes.hpp"
#include "soret/ensemble/deep.hpp"

/// How the CPU drivers hold a fully connected network: layer by layer, the weights of one input in a row of
/// vectors over the outputs, w[input][output / 16]. Outputs beyond the layer's are units whose weights stay
/// zero.
namespace soret::deep {

/// Rows come in multiples of this many; what is beyond the inputs is zero.
inline constexpr int kRowGroup = 8;

struct DenseLayer {
  int inputs = 0;
  int outputs = 0;
  int vecs = 0;             ///< vectors that hold the outputs
  std::vector<Lanes> w;     ///< [inputs, rounded up to kRowGroup, + kRowGroup zeros][vecs]
  std::vector<Lanes> bias;  ///< [vecs]

  DenseLayer(int in, int out)
      : inputs(in),
        outputs(out),
        vecs((out + kLanes - 1) / kLanes),
        w(static_cast<std::size_t>((in + kRowGroup - 1) / kRowGroup + 1) * kRowGroup * vecs),
        bias(vecs) {}
  float* row(int input) { return reinterpret_cast<float*>(&w[static_cast<std::size_t>(input) * vecs]); }
  const float* row(int input) const {
    return reinterpret_cast<const float*>(&w[static_cast<std::size_t>(input) * vecs]);
  }
};

inline std::vector<DenseLayer> dense_layers(const Problem& p) {
  std::vector<DenseLayer> layers;
  for (int l = 0; l < p.layers; ++l) layers.emplace_back(p.layer_inputs(l), p.layer_outputs(l));
  return layers;
}

/// From and to the layout of make_network().
inline void load_parameters(std::span<const float> from, std::vector<DenseLayer>& layers) {
  const float* at = from.data();
  for (DenseLayer& layer : layers) {
    for (int i = 0; i < layer.outputs; ++i)
      for (int j = 0; j < layer.inputs; ++j) layer.row(j)[i] = *at++;
    std::copy_n(at, layer.outputs, reinterpret_cast<float*>(layer.bias.data()));
    at += layer.outputs;
  }
}
inline void store_parameters(const std::vector<DenseLayer>& layers, std::vector<float>& to) {
  std::size_t size = 0;
  for (const DenseLayer& layer : layers) size += static_cast<std::size_t>(layer.outputs) * (layer.inputs + 1);
  to.resize(size);
  float* at = to.data();
  for (const DenseLayer& layer : layers) {
    for (int i = 0; i < layer.outputs; ++i)
      for (int j = 0; j < layer.inputs; ++j) *at++ = layer.row(j)[i];
    at = std::copy_n(reinterpret_cast<const float*>(layer.bias.data()), layer.outputs, at);
  }
}

/// The sums of the lanes of four vectors, in the first four lanes: always as the same tree.
inline Lanes sum_four(Lanes a, Lanes b, Lanes c, Lanes d) {
  const auto pairs = [](Lanes x, Lanes y) {  // x0+x2, y0+y2, x1+x3, y1+y3 of every four
    return __builtin_shufflevector(x, y, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
           __builtin_shufflevector(x, y, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  };
  const Lanes sums = pairs(pairs(a, c), pairs(b, d));  // of every four lanes: a, b, c, d
  const Lanes halves =
      sums + __builtin_shufflevector(sums, sums, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  return halves +
         __builtin_shufflevector(halves, halves, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
}

}  // namespace soret::deep
