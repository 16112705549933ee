#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

#include "soret/ensemble/two_layer.hpp"

/// The two-layer network of seed 002 §4 and its SGD, as the paper writes them: double precision, one sample
/// at a time, one loop per index, every per-sample gradient formed. Slow on purpose; it shares no arithmetic
/// with the library, only the description of a problem.
namespace soret::oracle {

using two_layer::Activation;
using two_layer::Loss;
using two_layer::Problem;

/// Parameters, or anything shaped like them: a gradient, a velocity.
struct Network {
  std::vector<double> w;  ///< w[i * M + j] = W_ij
  std::vector<double> b;  ///< b[i]
  std::vector<double> v;  ///< v[c * N + i] = V_ci
};

inline Network zeros(const Problem& p) {
  const auto n = static_cast<std::size_t>(p.hidden);
  return {std::vector<double>(n * p.inputs), std::vector<double>(n), std::vector<double>(p.outputs * n)};
}

inline Network in_double(const two_layer::Parameters& p) {
  return {{p.w.begin(), p.w.end()}, {p.b.begin(), p.b.end()}, {p.v.begin(), p.v.end()}};
}

/// sigma(u).
inline double activation(const Problem& p, double u) {
  switch (p.activation) {
    case Activation::relu:
      return std::max(0.0, u);
    case Activation::leaky_relu:
      return u > 0 ? u : static_cast<double>(p.leak) * u;
    case Activation::tanh:
      return std::tanh(u);
    case Activation::gelu:
      break;
  }
  return u * 0.5 * std::erfc(-u / std::numbers::sqrt2);
}

/// sigma'(u), 0 at the kink of a ReLU (seed 002 §4.2: active when u > 0).
inline double activation_slope(const Problem& p, double u) {
  switch (p.activation) {
    case Activation::relu:
      return u > 0 ? 1 : 0;
    case Activation::leaky_relu:
      return u > 0 ? 1 : static_cast<double>(p.leak);
    case Activation::tanh:
      return 1 / (std::cosh(u) * std::cosh(u));
    case Activation::gelu:
      break;
  }
  return 0.5 * std::erfc(-u / std::numbers::sqrt2) +
         u * std::exp(-u * u / 2) / std::sqrt(2 * std::numbers::pi);
}

/// sum_j W_ij x_j + b_i for every hidden unit i.
inline std::vector<double> pre_activations(const Problem& p, const Network& net, const double* x) {
  std::vector<double> u(p.hidden);
  for (int i = 0; i < p.hidden; ++i) {
    u[i] = net.b[i];
    for (int j = 0; j < p.inputs; ++j) u[i] += net.w[i * p.inputs + j] * x[j];
  }
  return u;
}

/// f_c(x) = sum_i V_ci sigma(u_i).
inline std::vector<double> outputs(const Problem& p, const Network& net, const double* x) {
  const std::vector<double> u = pre_activations(p, net, x);
  std::vector<double> f(p.outputs, 0.0);
  for (int c = 0; c < p.outputs; ++c) {
    for (int i = 0; i < p.hidden; ++i) f[c] += net.v[c * p.hidden + i] * activation(p, u[i]);
  }
  return f;
}

/// e^f_c / sum_k e^f_k.
inline std::vector<double> softmax(const std::vector<double>& f) {
  double total = 0;
  for (const double fk : f) total += std::exp(fk);
  std::vector<double> probability;
  for (const double fc : f) probability.push_back(std::exp(fc) / total);
  return probability;
}

/// L of one sample. Logistic: seed 002 §4.2 with both of its signs turned, L = -[y ln p + (1-y) ln(1-p)],
/// p = 1/(1 + e^-f), which leaves Eq. 15 as printed.
inline double loss(const Problem& p, const std::vector<double>& f, const double* target) {
  double total = 0;
  switch (p.loss) {
    case Loss::logistic: {
      const double probability = 1 / (1 + std::exp(-f[0]));
      return -(target[0] * std::log(probability) + (1 - target[0]) * std::log(1 - probability));
    }
    case Loss::softmax: {
      const std::vector<double> probability = softmax(f);
      for (int c = 0; c < p.outputs; ++c) total -= target[c] * std::log(probability[c]);
      return total;
    }
    case Loss::squared:
      break;
  }
  for (int c = 0; c < p.outputs; ++c) total += 0.5 * (f[c] - target[c]) * (f[c] - target[c]);
  return total;
}

/// dL/df_c: p - y (Eq. 15) for both cross entropies, f - t for the squared loss.
inline std::vector<double> loss_slope(const Problem& p, std::vector<double> f, const double* target) {
  if (p.loss == Loss::logistic) f[0] = 1 / (1 + std::exp(-f[0]));
  if (p.loss == Loss::softmax) f = softmax(f);
  for (int c = 0; c < p.outputs; ++c) f[c] -= target[c];
  return f;
}

/// Gradient of one sample's loss: dL/df grad f with grad f of seed 002 §4.2. A network without bias has none.
inline Network gradient(const Problem& p, const Network& net, const double* x, const double* target) {
  const std::vector<double> u = pre_activations(p, net, x);
  const std::vector<double> d = loss_slope(p, outputs(p, net, x), target);
  Network g = zeros(p);
  for (int c = 0; c < p.outputs; ++c) {
    for (int i = 0; i < p.hidden; ++i) {
      const double v = net.v[c * p.hidden + i];
      const double slope = activation_slope(p, u[i]);
      g.v[c * p.hidden + i] += d[c] * activation(p, u[i]);
      for (int j = 0; j < p.inputs; ++j) g.w[i * p.inputs + j] += d[c] * v * x[j] * slope;
      if (p.bias) g.b[i] += d[c] * v * slope;
    }
  }
  return g;
}

/// to += factor * from, entry by entry.
inline void add(Network& to, double factor, const Network& from) {
  for (std::size_t k = 0; k < to.w.size(); ++k) to.w[k] += factor * from.w[k];
  for (std::size_t k = 0; k < to.b.size(); ++k) to.b[k] += factor * from.b[k];
  for (std::size_t k = 0; k < to.v.size(); ++k) to.v[k] += factor * from.v[k];
}

/// One step on a batch: g = mean of the samples' gradients (Eq. 13), velocity <- mu velocity + g,
/// net <- net - eta velocity. inputs[batch][M], targets[batch][C].
inline void sgd_step(const Problem& p, Network& net, Network& velocity, const double* inputs,
                     const double* targets) {
  Network g = zeros(p);
  for (int s = 0; s < p.batch_size; ++s)
    add(g, 1.0 / p.batch_size, gradient(p, net, inputs + s * p.inputs, targets + s * p.outputs));
  add(g, p.momentum, velocity);
  velocity = g;
  add(net, -static_cast<double>(p.learning_rate), velocity);
}

/// All parameters in a row: W, b (if any), V.
inline std::vector<double> flat(const Problem& p, const Network& net) {
  std::vector<double> all = net.w;
  if (p.bias) all.insert(all.end(), net.b.begin(), net.b.end());
  all.insert(all.end(), net.v.begin(), net.v.end());
  return all;
}

/// A labelled set: inputs[size][M], targets[size][C].
struct Samples {
  int size = 0;
  std::vector<double> inputs;
  std::vector<double> targets;
};

inline Samples in_double(const two_layer::SampleSet& set) {
  return {set.size, {set.inputs.begin(), set.inputs.end()}, {set.targets.begin(), set.targets.end()}};
}

/// What two_layer::Observable can record, as averages over the samples of a set.
struct Averages {
  double activation_rate = 0;    ///< Eq. 14
  double h_v = 0;                ///< mean over outputs and units of E[(df_c/dV_ci)^2]
  double h_w = 0;                ///< mean over outputs, units and inputs of E[(df_c/dW_ij)^2]
  double h_b = 0;                ///< mean over outputs and units of E[(df_c/db_i)^2]
  double loss = 0;               ///< mean
  double accuracy = 0;           ///< fraction classified right
  double gradient_variance = 0;  ///< mean over parameters of the unbiased variance over samples
  double output_variance = 0;    ///< mean over outputs of the unbiased variance over samples
};

/// Unbiased variance of column k of rows[sample][k].
inline double variance(const std::vector<std::vector<double>>& rows, std::size_t k) {
  double mean = 0;
  for (const auto& row : rows) mean += row[k] / static_cast<double>(rows.size());
  double square = 0;
  for (const auto& row : rows) square += (row[k] - mean) * (row[k] - mean);
  return square / static_cast<double>(rows.size() - 1);
}

inline double mean_variance(const std::vector<std::vector<double>>& rows) {
  double total = 0;
  for (std::size_t k = 0; k < rows[0].size(); ++k) total += variance(rows, k);
  return total / static_cast<double>(rows[0].size());
}

inline bool classified_right(const Problem& p, const std::vector<double>& f, const double* target) {
  if (p.loss == Loss::logistic) return (f[0] > 0) == (target[0] == 1);
  const auto best = std::max_element(f.begin(), f.end()) - f.begin();
  return target[best] == 1;
}

inline Averages averages(const Problem& p, const Network& net, const Samples& set) {
  Averages mean;
  std::vector<std::vector<double>> gradients;
  std::vector<std::vector<double>> all_outputs;
  for (int s = 0; s < set.size; ++s) {
    const double* x = &set.inputs[static_cast<std::size_t>(s) * p.inputs];
    const double* t = &set.targets[static_cast<std::size_t>(s) * p.outputs];
    const std::vector<double> u = pre_activations(p, net, x);
    for (int i = 0; i < p.hidden; ++i) {
      const double value = activation(p, u[i]);
      const double slope = activation_slope(p, u[i]);
      const double per_unit = 1.0 / set.size / p.hidden;
      mean.activation_rate += slope * per_unit;
      for (int c = 0; c < p.outputs; ++c) {
        const double v = net.v[c * p.hidden + i];
        const double per_output = per_unit / p.outputs;
        mean.h_v += value * value * per_output;
        mean.h_b += v * slope * v * slope * per_output;
        for (int j = 0; j < p.inputs; ++j)
          mean.h_w += v * x[j] * slope * v * x[j] * slope * per_output / p.inputs;
      }
    }
    const std::vector<double> f = outputs(p, net, x);
    mean.loss += loss(p, f, t) / set.size;
    mean.accuracy += (classified_right(p, f, t) ? 1.0 : 0.0) / set.size;
    gradients.push_back(flat(p, gradient(p, net, x, t)));
    all_outputs.push_back(f);
  }
  mean.gradient_variance = mean_variance(gradients);
  mean.output_variance = mean_variance(all_outputs);
  if (p.loss == Loss::squared) mean.accuracy = std::numeric_limits<double>::quiet_NaN();
  return mean;
}

}  // namespace soret::oracle
