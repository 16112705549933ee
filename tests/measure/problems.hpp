#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "soret/measure/regression.hpp"
#include "soret/random/fill.hpp"
#include "tests/oracles/gradient_noise_oracle.hpp"

/// Small regressions on made-up numbers.
namespace soret::measure::test {

inline std::shared_ptr<Regression> random_problem(Loss loss, int samples, int features, int outputs,
                                                  std::uint64_t seed = 5) {
  auto problem = std::make_shared<Regression>();
  problem->loss = loss;
  problem->outputs = outputs;
  problem->inputs.resize(samples, features);
  fill_normal({seed, Purpose::dataset_inputs, 0}, 0,
              {problem->inputs.data(), static_cast<std::size_t>(problem->inputs.size())});
  std::vector<float> draws(static_cast<std::size_t>(samples));
  fill_uniform({seed, Purpose::dataset_labels, 0}, 0, draws);
  problem->targets.resize(samples);
  for (int i = 0; i < samples; ++i) {
    const float u = draws[static_cast<std::size_t>(i)];
    problem->targets[i] = loss == Loss::linear ? 3.0 * u - 1 : (u < 0.5F ? 0 : 1);
    if (loss == Loss::softmax)
      problem->classes.push_back(static_cast<std::int32_t>(u * 0.999F * static_cast<float>(outputs)));
  }
  return problem;
}

inline Matrix random_weights(const Regression& problem, std::uint64_t seed = 5) {
  FloatMatrix draws(problem.outputs, problem.features());
  fill_normal({seed, Purpose::initial_parameters, 0}, 0,
              {draws.data(), static_cast<std::size_t>(draws.size())});
  return 0.3 * draws.cast<double>();
}

/// All per-sample gradients, by the oracle.
inline std::vector<oracle::Vec> gradients(const Regression& problem, const Matrix& weights) {
  const oracle::Vec w(weights.data(), weights.data() + weights.size());
  std::vector<oracle::Vec> out;
  for (int i = 0; i < problem.samples(); ++i) {
    oracle::Vec x;
    for (int j = 0; j < problem.features(); ++j) x.push_back(problem.inputs(i, j));
    const double y =
        problem.loss == Loss::softmax ? problem.classes[static_cast<std::size_t>(i)] : problem.targets[i];
    out.push_back(oracle::sample_gradient(static_cast<int>(problem.loss), problem.outputs, w, x, y));
  }
  return out;
}

}  // namespace soret::measure::test
