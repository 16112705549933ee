#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "soret/scan/experiment.hpp"

/// Errors of what is computed from ensemble means: ratios, fits.
namespace soret::sims {

struct Estimate {
  double value = std::numeric_limits<double>::quiet_NaN();
  double error = std::numeric_limits<double>::quiet_NaN();
};

/// f(at) computes a number from means at(cell); it is repeated without each block of trajectories in turn,
/// which gives its standard error (delete-one jackknife). NaN for the error with fewer than two blocks that
/// have survivors.
template <class F>
Estimate jackknife(const PointEnsemble& ensemble, F f) {
  const auto& mean = ensemble.mean;
  Estimate estimate;
  estimate.value = f([&](std::size_t cell) { return mean[cell]; });
  double total = 0;
  for (const std::int64_t n : ensemble.survivors) total += static_cast<double>(n);
  std::vector<double> replicates;
  for (std::size_t b = 0; b < ensemble.blocks.size(); ++b) {
    const auto n = static_cast<double>(ensemble.survivors[b]);
    if (n == 0 || n == total) continue;
    const auto& block = ensemble.blocks[b];
    replicates.push_back(
        f([&](std::size_t cell) { return (total * mean[cell] - n * block[cell]) / (total - n); }));
  }
  if (replicates.size() < 2) return estimate;
  const auto m = static_cast<double>(replicates.size());
  const double middle = std::accumulate(replicates.begin(), replicates.end(), 0.0) / m;
  double square = 0;
  for (const double x : replicates) square += (x - middle) * (x - middle);
  estimate.error = std::sqrt(square * (m - 1) / m);
  return estimate;
}

}  // namespace soret::sims
