#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

/// Plain statistics for the *Statistics* suites. Each returns a deviation in standard errors of a true
/// hypothesis, to be compared with kFiveSigma.
namespace soret::oracle {

inline constexpr double kFiveSigma = 5.0;

struct MeanAndError {
  double mean = 0;
  double standard_error = 0;
};

inline MeanAndError mean_and_error(std::span<const double> x) {
  const auto n = static_cast<double>(x.size());
  double mean = 0;
  for (const double v : x) mean += v / n;
  double square = 0;
  for (const double v : x) square += (v - mean) * (v - mean);
  return {mean, std::sqrt(square / (n - 1) / n)};
}

/// (sample mean - truth) / its own standard error.
inline double mean_deviation(std::span<const double> x, double truth) {
  const MeanAndError m = mean_and_error(x);
  return std::abs(m.mean - truth) / m.standard_error;
}

/// Pearson's chi-square of counts against equal expectations, as (chi^2 - dof) / sqrt(2 dof).
inline double chi_square_deviation(std::span<const double> counts) {
  double total = 0;
  for (const double c : counts) total += c;
  const double expected = total / static_cast<double>(counts.size());
  double chi = 0;
  for (const double c : counts) chi += (c - expected) * (c - expected) / expected;
  const auto dof = static_cast<double>(counts.size() - 1);
  return (chi - dof) / std::sqrt(2 * dof);
}

/// sqrt(n) times the largest distance of the samples' distribution function from `cdf` (Kolmogorov and
/// Smirnov), on the scale where the probability 2 exp(-2 x^2) of exceeding x equals that of 5 sigma of a
/// normal: x = 2.74 gives 5.
inline double ks_deviation(std::vector<double> x, const std::function<double(double)>& cdf) {
  std::sort(x.begin(), x.end());
  const auto n = static_cast<double>(x.size());
  double most = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const double f = cdf(x[k]);
    most = std::max({most, f - static_cast<double>(k) / n, static_cast<double>(k + 1) / n - f});
  }
  return std::sqrt(n) * most * 5.0 / 2.74;
}

}  // namespace soret::oracle
