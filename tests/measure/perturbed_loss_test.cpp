#include "soret/measure/perturbed_loss.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace soret::measure {
namespace {

/// 3 + sum of h_i x_i^2 / 2 + g_i x_i, both growing with i, one h negative.
double curved(std::span<const double> x) {
  double sum = 3;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double h = i == 2 ? -4 : 1 + static_cast<double>(i);
    sum += h * x[i] * x[i] / 2 + static_cast<double>(i) * x[i];
  }
  return sum;
}

// sigma^2 tr H / 2, at any x. The rise of one draw has the variance sigma^2 |grad|^2 + sigma^4 tr H^2 / 2.
TEST(PerturbedLossStatistics, OfAQuadraticIsHalfItsTrace) {
  const std::size_t n = 9;
  constexpr int kDraws = 20000;
  const Differentiable f{n, curved, {}};
  double trace = 0, square = 0, slope = 0;
  const std::vector<double> x(n, 0.25);
  for (std::size_t i = 0; i < n; ++i) {
    const double h = i == 2 ? -4 : 1 + static_cast<double>(i);
    trace += h;
    square += h * h;
    slope += std::pow(h * x[i] + static_cast<double>(i), 2);
  }
  for (const double sigma : {0.01, 2.0}) {
    const TraceEstimate found = expected_sharpness(f, x, sigma, kDraws, 5);
    const double s2 = sigma * sigma;
    const double error = std::sqrt((s2 * slope + s2 * s2 * square / 2) / kDraws);
    EXPECT_NEAR(found.value, s2 * trace / 2, 5 * error);
    EXPECT_NEAR(found.error, error, 0.05 * error);
  }
}

TEST(PerturbedLoss, RefusesWhatHasNone) {
  const Differentiable f{2, curved, {}};
  const std::vector<double> x(2, 0.0);
  EXPECT_THROW(expected_sharpness(f, x, 0, 4, 1), ConfigError);
  EXPECT_THROW(expected_sharpness(f, x, 1, 0, 1), ConfigError);
  const Differentiable root{1, [](std::span<const double> z) { return std::sqrt(z[0]); }, {}};
  EXPECT_THROW(expected_sharpness(root, std::vector<double>(1, 0.01), 1, 20, 1), ConfigError);
}

}  // namespace
}  // namespace soret::measure
