#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "soret/store/result_file.hpp"

/// Result files in memory whose observable `y` is a known function with known noise.
namespace soret::analysis::synthetic {

struct Family {
  std::vector<double> learning_rates = {0.025, 0.05, 0.1};
  std::vector<std::int64_t> batch_sizes = {1};
  std::vector<std::int64_t> steps;
  std::size_t blocks = 32;
  std::int64_t block_size = 8;  ///< trajectories
  double noise = 0.1;  ///< standard deviation of one block mean, independent in time and between points
  std::uint64_t seed = 1;
  std::function<double(double learning_rate, double batch_size, double step)> truth;
};

inline std::vector<std::int64_t> every(std::int64_t interval, std::int64_t last) {
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 0; step <= last; step += interval) steps.push_back(step);
  return steps;
}

/// A relaxation that depends on eta^a t / |B|^b alone; time constant 400 steps at eta = 0.05, |B| = 1.
inline std::function<double(double, double, double)> relaxation(double a, double b = 0) {
  return [a, b](double learning_rate, double batch_size, double step) {
    const double time = step * std::pow(learning_rate / 0.05, a) * std::pow(batch_size, -b);
    return 0.2 + 0.3 * std::exp(-time / 400);
  };
}

/// Axes learning_rate and batch_size as a cross product, like a file of `soret run`.
inline store::Dataset dataset(const Family& family) {
  const std::size_t rates = family.learning_rates.size(), batches = family.batch_sizes.size();
  const std::size_t points = rates * batches, steps = family.steps.size(), blocks = family.blocks;
  std::mt19937_64 generator(family.seed);
  std::normal_distribution<double> normal;
  std::vector<double> mean, error, block_mean(points * blocks * steps);
  for (std::size_t p = 0; p < points; ++p) {
    for (std::size_t t = 0; t < steps; ++t) {
      const double truth = family.truth(family.learning_rates[p / batches],
                                        static_cast<double>(family.batch_sizes[p % batches]),
                                        static_cast<double>(family.steps[t]));
      double sum = 0;
      for (std::size_t b = 0; b < blocks; ++b) {
        const double value = truth + family.noise * normal(generator);
        block_mean[(p * blocks + b) * steps + t] = value;
        sum += value;
      }
      mean.push_back(sum / static_cast<double>(blocks));
      error.push_back(family.noise / std::sqrt(static_cast<double>(blocks)));
    }
  }
  store::Dataset file;
  file.attributes = {{"simulation", "two_layer"}, {"config", "[sgd]\nmomentum = 0.9\nsteps = 4000\n"}};
  file.dimensions = {{"learning_rate", rates}, {"batch_size", batches}, {"step", steps}, {"block", blocks}};
  const store::Attributes unit{
      {"units", "1"}, {"long_name", "activation rate"}, {"reference", "seed 002 Eq. 14"}};
  file.variables = {
      {"learning_rate", {"learning_rate"}, family.learning_rates, unit},
      {"batch_size", {"batch_size"}, family.batch_sizes, unit},
      {"step", {"step"}, family.steps, unit},
      {"y", {"learning_rate", "batch_size", "step"}, mean, unit},
      {"y_stderr", {"learning_rate", "batch_size", "step"}, error, unit},
      {"y_block", {"learning_rate", "batch_size", "block", "step"}, block_mean, unit},
      {"block_trajectories",
       {"learning_rate", "batch_size", "block"},
       std::vector<std::int64_t>(points * blocks, family.block_size),
       unit},
      {"diverged", {"learning_rate", "batch_size"}, std::vector<std::int64_t>(points, 0), unit},
      {"finished", {"learning_rate", "batch_size"}, std::vector<std::int64_t>(points, 1), unit},
  };
  return file;
}

inline store::Variable& variable(store::Dataset& file, const std::string& name) {
  for (auto& candidate : file.variables)
    if (candidate.name == name) return candidate;
  throw std::out_of_range(name);
}

/// Scan point p as if every trajectory had diverged.
inline void lose(store::Dataset& file, std::size_t point) {
  const std::size_t steps = file.size("step"), blocks = file.size("block");
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto blank = [&](const std::string& name, std::size_t count) {
    auto& data = std::get<std::vector<double>>(variable(file, name).data);
    std::fill_n(data.begin() + static_cast<std::ptrdiff_t>(point * count), count, kNaN);
  };
  blank("y", steps);
  blank("y_stderr", steps);
  blank("y_block", blocks * steps);
  auto& survivors = std::get<std::vector<std::int64_t>>(variable(file, "block_trajectories").data);
  std::fill_n(survivors.begin() + static_cast<std::ptrdiff_t>(point * blocks), blocks, 0);
  std::get<std::vector<std::int64_t>>(variable(file, "diverged").data)[point] = 256;
}

}  // namespace soret::analysis::synthetic
