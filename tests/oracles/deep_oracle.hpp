#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "soret/ensemble/deep.hpp"
#include "tests/oracles/two_layer_oracle.hpp"

/// The fully connected network of seed 002 Fig. 2 (middle) and its SGD by the chain rule, layer by layer:
/// double precision, one sample at a time, one loop per index, every per-sample gradient formed. Slow on
/// purpose; it shares no arithmetic with the library, only the description of a problem.
namespace soret::oracle {

/// Losses and activations are those of the two-layer oracle.
inline two_layer::Problem head_of(const deep::Problem& p) {
  two_layer::Problem head;
  head.activation = p.activation;
  head.leak = p.leak;
  head.loss = p.loss;
  head.outputs = p.outputs;
  return head;
}

struct DeepLayer {
  int inputs = 0, outputs = 0;
  std::vector<double> w;  ///< w[i * inputs + j]
  std::vector<double> b;  ///< b[i]
};
/// Parameters, or anything shaped like them: a gradient, a velocity.
using DeepNetwork = std::vector<DeepLayer>;

inline DeepNetwork deep_zeros(const deep::Problem& p) {
  DeepNetwork net;
  int inputs = p.input.h * p.input.w * p.input.c;
  for (int l = 1; l <= p.layers; ++l) {
    const int outputs = l == p.layers ? p.outputs : p.width;
    net.push_back({inputs, outputs, std::vector<double>(static_cast<std::size_t>(outputs) * inputs),
                   std::vector<double>(outputs)});
    inputs = outputs;
  }
  return net;
}

inline DeepNetwork in_double(const deep::Problem& p, const std::vector<float>& parameters) {
  DeepNetwork net = deep_zeros(p);
  std::size_t at = 0;
  for (DeepLayer& layer : net) {
    for (double& w : layer.w) w = parameters[at++];
    for (double& b : layer.b) b = parameters[at++];
  }
  return net;
}

inline std::vector<double> flat(const DeepNetwork& net) {
  std::vector<double> all;
  for (const DeepLayer& layer : net) {
    all.insert(all.end(), layer.w.begin(), layer.w.end());
    all.insert(all.end(), layer.b.begin(), layer.b.end());
  }
  return all;
}

/// u_l = W_l h_(l-1) + b_l for every layer; h_l = sigma(u_l) below the last, whose u is f.
struct DeepPass {
  std::vector<std::vector<double>> h;  ///< what goes into each layer
  std::vector<std::vector<double>> u;  ///< what comes out of it
};
inline DeepPass deep_forward(const deep::Problem& p, const DeepNetwork& net, const double* x) {
  const two_layer::Problem head = head_of(p);
  DeepPass pass;
  std::vector<double> h(x, x + net[0].inputs);
  for (const DeepLayer& layer : net) {
    pass.h.push_back(h);
    std::vector<double> u = layer.b;
    for (int i = 0; i < layer.outputs; ++i) {
      for (int j = 0; j < layer.inputs; ++j) u[i] += layer.w[i * layer.inputs + j] * h[j];
    }
    pass.u.push_back(u);
    h.clear();
    for (const double ui : u) h.push_back(activation(head, ui));
  }
  return pass;
}

/// Gradient of one sample's loss: dL/dW_l = delta_l h_(l-1)^T, dL/db_l = delta_l with delta_L = dL/df and
/// delta_l = sigma'(u_l) W_(l+1)^T delta_(l+1).
inline DeepNetwork deep_gradient(const deep::Problem& p, const DeepNetwork& net, const double* x,
                                 const double* target) {
  const two_layer::Problem head = head_of(p);
  const DeepPass pass = deep_forward(p, net, x);
  DeepNetwork g = deep_zeros(p);
  std::vector<double> delta = loss_slope(head, pass.u.back(), target);
  for (int l = p.layers - 1; l >= 0; --l) {
    for (int i = 0; i < net[l].outputs; ++i) {
      g[l].b[i] = delta[i];
      for (int j = 0; j < net[l].inputs; ++j) g[l].w[i * net[l].inputs + j] = delta[i] * pass.h[l][j];
    }
    if (l == 0) break;
    std::vector<double> below(net[l].inputs, 0.0);
    for (int j = 0; j < net[l].inputs; ++j) {
      for (int i = 0; i < net[l].outputs; ++i) below[j] += net[l].w[i * net[l].inputs + j] * delta[i];
      below[j] *= activation_slope(head, pass.u[l - 1][j]);
    }
    delta = below;
  }
  return g;
}

/// to += factor * from, entry by entry.
inline void add(DeepNetwork& to, double factor, const DeepNetwork& from) {
  for (std::size_t l = 0; l < to.size(); ++l) {
    for (std::size_t k = 0; k < to[l].w.size(); ++k) to[l].w[k] += factor * from[l].w[k];
    for (std::size_t k = 0; k < to[l].b.size(); ++k) to[l].b[k] += factor * from[l].b[k];
  }
}

/// One step on a batch: g = mean of the samples' gradients, velocity <- mu velocity + g,
/// net <- net - eta velocity. inputs[batch][M], targets[batch][C].
inline void deep_sgd_step(const deep::Problem& p, DeepNetwork& net, DeepNetwork& velocity,
                          const double* inputs, const double* targets) {
  DeepNetwork g = deep_zeros(p);
  for (int s = 0; s < p.batch_size; ++s)
    add(g, 1.0 / p.batch_size, deep_gradient(p, net, inputs + s * net[0].inputs, targets + s * p.outputs));
  add(g, p.momentum, velocity);
  velocity = g;
  add(net, -static_cast<double>(p.learning_rate), velocity);
}

/// What deep::Observable can record, as averages over the samples of a set.
struct DeepAverages {
  double gradient_variance = 0;                 ///< mean over parameters of the unbiased variance
  std::vector<double> gradient_variance_layer;  ///< the same per layer
  double gradient_norm = 0;                     ///< of the mean gradient
  double activation_rate = 0;
  double loss = 0;
  double accuracy = 0;
  double output_variance = 0;
};
inline DeepAverages deep_averages(const deep::Problem& p, const DeepNetwork& net, const Samples& set) {
  const two_layer::Problem head = head_of(p);
  DeepAverages mean;
  std::vector<std::vector<double>> gradients;
  std::vector<std::vector<std::vector<double>>> by_layer(p.layers);
  std::vector<std::vector<double>> outputs;
  for (int s = 0; s < set.size; ++s) {
    const double* x = &set.inputs[static_cast<std::size_t>(s) * net[0].inputs];
    const double* t = &set.targets[static_cast<std::size_t>(s) * p.outputs];
    const DeepPass pass = deep_forward(p, net, x);
    for (int l = 0; l + 1 < p.layers; ++l) {
      for (const double u : pass.u[l])
        mean.activation_rate += activation_slope(head, u) / p.width / (p.layers - 1) / set.size;
    }
    mean.loss += loss(head, pass.u.back(), t) / set.size;
    mean.accuracy += (classified_right(head, pass.u.back(), t) ? 1.0 : 0.0) / set.size;
    const DeepNetwork g = deep_gradient(p, net, x, t);
    gradients.push_back(flat(g));
    for (int l = 0; l < p.layers; ++l) by_layer[l].push_back(flat({g[l]}));
    outputs.push_back(pass.u.back());
  }
  mean.gradient_variance = mean_variance(gradients);
  for (const auto& layer : by_layer) mean.gradient_variance_layer.push_back(mean_variance(layer));
  for (std::size_t k = 0; k < gradients[0].size(); ++k) {
    double g = 0;
    for (const auto& sample : gradients) g += sample[k] / set.size;
    mean.gradient_norm += g * g;
  }
  mean.gradient_norm = std::sqrt(mean.gradient_norm);
  mean.output_variance = mean_variance(outputs);
  return mean;
}

}  // namespace soret::oracle
