#include "analysis/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace soret::analysis {
namespace {

double quantile(const std::vector<double>& sorted, double p) {
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

std::vector<int> draw_blocks(std::size_t block_count, std::uint64_t seed, std::uint64_t index) {
  std::seed_seq words{seed & 0xffffffffU, seed >> 32, index & 0xffffffffU, index >> 32};
  std::mt19937_64 generator(words);
  std::vector<int> draws(block_count, 0);
  for (std::size_t i = 1; i < std::max<std::size_t>(block_count, 2); ++i) ++draws[generator() % block_count];
  return draws;
}

std::optional<std::vector<double>> resampled_mean(const Curve& curve, std::span<const int> draws) {
  const std::size_t steps = curve.mean.size();
  std::vector<double> mean(steps, 0.0);
  double total = 0;
  for (std::size_t b = 0; b < draws.size(); ++b) {
    const double weight = draws[b] * curve.weights[b];
    if (weight == 0) continue;
    total += weight;
    for (std::size_t t = 0; t < steps; ++t) mean[t] += weight * curve.blocks[b * steps + t];
  }
  if (total == 0) return std::nullopt;
  for (double& y : mean) y /= total;
  return mean;
}

Spread spread_of(std::vector<double> estimates) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<double>(estimates.size());
  if (estimates.size() < 2) return {kNaN, kNaN, kNaN};
  std::sort(estimates.begin(), estimates.end());
  const double mean = std::accumulate(estimates.begin(), estimates.end(), 0.0) / n;
  double squares = 0;
  for (const double x : estimates) squares += (x - mean) * (x - mean);
  return {std::sqrt(squares / (n - 1)), quantile(estimates, 0.025), quantile(estimates, 0.975)};
}

}  // namespace soret::analysis
