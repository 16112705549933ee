#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "soret/ensemble/deep_cpu.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "tests/oracles/convolutional_oracle.hpp"

/// Problems for the tests, and the oracle's run of a trajectory on the very samples that the library draws.
namespace soret::deep {

struct DeepShape {
  int inputs, width, layers, outputs;
};

/// From one unit to more than one tile of every kernel, none of them a power of two.
inline const std::vector<DeepShape> kDeepShapes = {{1, 1, 2, 1},     {3, 5, 4, 1},     {17, 33, 3, 19},
                                                   {100, 100, 6, 1}, {130, 117, 3, 4}, {7, 145, 2, 2}};
inline const std::vector<Activation> kDeepActivations = {Activation::relu, Activation::leaky_relu,
                                                         Activation::tanh, Activation::gelu};
inline const std::vector<Loss> kDeepLosses = {Loss::logistic, Loss::softmax, Loss::squared};

/// All that the problem has: those of the training set where it is fully connected and has one.
inline std::vector<Observable> all_observables(const Problem& p) {
  std::vector<Observable> all;
  for (int k = 0; k < kObservables; ++k) {
    const auto o = static_cast<Observable>(k);
    const bool is_accuracy = o == Observable::accuracy || o == Observable::training_accuracy;
    if ((is_accuracy && p.loss == Loss::squared) ||
        (of_training_set(o) && (!p.training || p.architecture == Architecture::convolutional)))
      continue;
    all.push_back(o);
  }
  return all;
}

/// The number of outputs bends to what the loss allows.
inline Problem deep_problem(DeepShape shape, Activation activation, Loss loss) {
  Problem p;
  p.input = {1, 1, shape.inputs};
  p.width = shape.width;
  p.layers = shape.layers;
  p.outputs = loss == Loss::logistic ? 1 : loss == Loss::softmax ? std::max(2, shape.outputs) : shape.outputs;
  p.activation = activation;
  p.leak = 0.125F;
  p.loss = loss;
  p.teacher_hidden = 5;
  p.seed = 20240517;
  return p;
}

inline std::string describe(const Problem& p) {
  return std::to_string(p.inputs()) + " inputs, width " + std::to_string(p.width) + ", layers " +
         std::to_string(p.layers) + ", outputs " + std::to_string(p.outputs) + ", activation " +
         std::to_string(static_cast<int>(p.activation)) + ", loss " +
         std::to_string(static_cast<int>(p.loss)) + ", batch " + std::to_string(p.batch_size) +
         ", momentum " + std::to_string(p.momentum) + ", sampling " +
         std::to_string(static_cast<int>(p.sampling));
}

/// What the oracle met on its way.
struct DeepReplay {
  oracle::DeepNetwork network;
  double largest_parameter = 0;
  /// Smallest |u| of a hidden unit: how far all stayed from the kink of a ReLU, where rounding decides.
  double kink_distance = std::numeric_limits<double>::infinity();
};

inline two_layer::Parameters teacher_of(const Problem& p) {
  return p.label_kind == Labels::teacher ? teacher_parameters(sample_problem(p)) : two_layer::Parameters{};
}

/// The oracle's `steps` steps of one trajectory.
inline DeepReplay deep_replay(const Problem& p, std::uint32_t trajectory, int steps) {
  const two_layer::Problem sample = sample_problem(p);
  const two_layer::Parameters teacher = teacher_of(p);
  two_layer::SampleStream samples(sample, teacher, trajectory);
  DeepReplay run{oracle::in_double(p, initial_parameters(p, trajectory))};
  oracle::DeepNetwork velocity = oracle::deep_zeros(p);
  std::vector<float> x(static_cast<std::size_t>(p.batch_size) * p.inputs());
  std::vector<float> t(static_cast<std::size_t>(p.batch_size) * p.outputs);
  for (int s = 0; s < steps; ++s) {
    samples.rows(static_cast<std::uint64_t>(s) * p.batch_size, p.batch_size, x.data(), p.inputs(), t.data());
    const std::vector<double> inputs(x.begin(), x.end());
    const std::vector<double> targets(t.begin(), t.end());
    for (int r = 0; r < p.batch_size; ++r) {
      const auto pass = oracle::deep_forward(p, run.network, inputs.data() + r * p.inputs());
      for (int l = 0; l + 1 < p.layers; ++l)
        for (const double u : pass.u[l]) run.kink_distance = std::min(run.kink_distance, std::abs(u));
    }
    oracle::deep_sgd_step(p, run.network, velocity, inputs.data(), targets.data());
    for (const double w : oracle::flat(run.network))
      run.largest_parameter = std::max(run.largest_parameter, std::abs(w));
  }
  return run;
}

/// Largest difference; a NaN counts as infinite.
inline double distance(const std::vector<double>& a, std::span<const float> b) {
  double most = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k < std::min(a.size(), b.size()); ++k) {
    const double d = std::abs(a[k] - b[k]);
    most = d <= most ? most : d;
  }
  return std::isnan(most) ? std::numeric_limits<double>::infinity() : most;
}

/// A small convolutional problem on images of 9 x 7 (or so) with two channels.
inline Problem small_convolutional(Activation activation, Loss loss, int pad) {
  Problem p = deep_problem({0, 3, 3, 4}, activation, loss);
  p.architecture = Architecture::convolutional;
  p.input = {11, 9, 2};
  p.pad = pad;
  p.learning_rate = 0.02F;
  return p;
}

}  // namespace soret::deep
