#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "soret/ensemble/two_layer.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "tests/oracles/two_layer_oracle.hpp"

/// Problems for the tests, and the oracle's run of a trajectory on the very samples that the library draws.
namespace soret::two_layer {

struct NetworkShape {
  int inputs, hidden, outputs;
};

/// Widths from one unit to more than one tile of every kernel, none of them a power of two.
inline const std::vector<NetworkShape> kShapes = {{1, 1, 1},   {3, 5, 1},     {10, 10, 1},
                                                  {17, 33, 1}, {100, 100, 1}, {7, 19, 4}};

inline const std::vector<Activation> kActivations = {Activation::relu, Activation::leaky_relu,
                                                     Activation::tanh, Activation::gelu};
inline const std::vector<Loss> kLosses = {Loss::logistic, Loss::softmax, Loss::squared};

/// A problem of the given shape; the number of outputs bends to what the loss allows.
inline Problem make_problem(NetworkShape shape, Activation activation, Loss loss) {
  Problem p;
  p.inputs = shape.inputs;
  p.hidden = shape.hidden;
  p.outputs = loss == Loss::logistic ? 1 : loss == Loss::softmax ? std::max(2, shape.outputs) : shape.outputs;
  p.activation = activation;
  p.leak = 0.125F;
  p.loss = loss;
  p.teacher_hidden = 5;
  p.seed = 20240517;
  return p;
}

inline std::string describe(const Problem& p, Driver driver) {
  return std::to_string(p.inputs) + "-" + std::to_string(p.hidden) + "-" + std::to_string(p.outputs) +
         " activation " + std::to_string(static_cast<int>(p.activation)) + " loss " +
         std::to_string(static_cast<int>(p.loss)) + " bias " + std::to_string(p.bias) + " momentum " +
         std::to_string(p.momentum) + " batch " + std::to_string(p.batch_size) + " inputs " +
         std::to_string(static_cast<int>(p.input_kind)) + " labels " +
         std::to_string(static_cast<int>(p.label_kind)) + " sampling " +
         std::to_string(static_cast<int>(p.sampling)) + (driver == Driver::lanes ? " lanes" : " blocked");
}

inline Parameters teacher_of(const Problem& p) {
  return p.label_kind == Labels::teacher ? teacher_parameters(p) : Parameters{};
}

/// What the oracle met on its way.
struct Replay {
  oracle::Network network;
  double largest_parameter = 0;
  double largest_velocity = 0;
  /// Smallest |u|: how far every hidden unit stayed from the kink of a ReLU, where rounding decides.
  double kink_distance = std::numeric_limits<double>::infinity();
};

inline double largest(const Problem& p, const oracle::Network& net) {
  double most = 0;
  for (const double x : oracle::flat(p, net)) most = std::max(most, std::abs(x));
  return most;
}

/// The oracle's `steps` steps of one trajectory.
inline Replay replay(const Problem& p, std::uint32_t trajectory, int steps) {
  const Parameters teacher = teacher_of(p);
  SampleStream samples(p, teacher, trajectory);
  Replay run{oracle::in_double(initial_parameters(p, trajectory))};
  oracle::Network velocity = oracle::zeros(p);
  std::vector<float> x(static_cast<std::size_t>(p.batch_size) * p.inputs);
  std::vector<float> t(static_cast<std::size_t>(p.batch_size) * p.outputs);
  for (int s = 0; s < steps; ++s) {
    samples.rows(static_cast<std::uint64_t>(s) * p.batch_size, p.batch_size, x.data(), p.inputs, t.data());
    const std::vector<double> inputs(x.begin(), x.end());
    const std::vector<double> targets(t.begin(), t.end());
    for (int r = 0; r < p.batch_size; ++r) {
      for (const double u : oracle::pre_activations(p, run.network, inputs.data() + r * p.inputs))
        run.kink_distance = std::min(run.kink_distance, std::abs(u));
    }
    run.largest_parameter = std::max(run.largest_parameter, largest(p, run.network));
    oracle::sgd_step(p, run.network, velocity, inputs.data(), targets.data());
    run.largest_velocity = std::max(run.largest_velocity, largest(p, velocity));
  }
  return run;
}

/// Largest difference of two networks' parameters.
inline double distance(const Problem& p, const oracle::Network& a, const oracle::Network& b) {
  const std::vector<double> x = oracle::flat(p, a);
  const std::vector<double> y = oracle::flat(p, b);
  double most = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const double d = std::abs(x[k] - y[k]);
    most = d <= most ? most : d;  // a NaN stays
  }
  return most;
}

}  // namespace soret::two_layer
