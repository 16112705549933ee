#include "soret/measure/gaussianity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "soret/random/fill.hpp"
#include "tests/oracles/statistics.hpp"

namespace soret::measure {
namespace {

std::vector<double> draws(void (*fill)(const Stream&, std::uint64_t, std::span<float>),
                          std::uint32_t trajectory, std::size_t count) {
  std::vector<float> out(count);
  fill({21, Purpose::inputs, trajectory}, 0, out);
  return {out.begin(), out.end()};
}

TEST(Gaussianity, TailsCountAtLeastOneAndLeaveOne) {
  EXPECT_EQ(tail_count(2, 0.01), 1u);
  EXPECT_EQ(tail_count(1000, 0.05), 50u);
  EXPECT_EQ(tail_count(2, 0.5), 1u);
}

TEST(Gaussianity, HillOfThreeNumbers) {
  // |z| = 8, 4, 2: with k = 2, (ln 4 + ln 2) / 2.
  EXPECT_NEAR(hill_estimate({4, -8, 2}, 2), 1.5 * std::log(2.0), 1e-15);
  EXPECT_NEAR(hill_estimate({4, -8, 2}, 1), std::log(2.0), 1e-15);
}

TEST(Gaussianity, DistanceOfHandSizedSamples) {
  EXPECT_DOUBLE_EQ(kolmogorov_distance({0}), 0.5);
  EXPECT_NEAR(kolmogorov_distance({10, 11}), 1, 1e-15);
  EXPECT_DOUBLE_EQ(excess_kurtosis(std::vector{1.0, -1.0, 1.0}), -2);
}

TEST(GaussianityStatistics, KurtosisOfKnownDistributions) {
  // 40 series of 1000: 0 for a Gaussian, -1.2 for a uniform of variance 1.
  std::vector<double> gaussian, uniform;
  for (std::uint32_t t = 0; t < 40; ++t) {
    gaussian.push_back(excess_kurtosis(draws(fill_normal, t, 1000)));
    auto u = draws(fill_uniform, t, 1000);
    for (double& v : u) v = (v - 0.5) * std::sqrt(12.0);
    uniform.push_back(excess_kurtosis(u));
  }
  EXPECT_LT(oracle::mean_deviation(gaussian, 0), oracle::kFiveSigma);
  EXPECT_LT(oracle::mean_deviation(uniform, -1.2), oracle::kFiveSigma);
}

TEST(GaussianityStatistics, HillIsExactForPareto) {
  // |z| = U^(-1/alpha): Hill's estimate is a mean of k exponentials of mean 1/alpha, of error 1/(alpha
  // sqrt(k)).
  for (const double alpha : {0.8, 2.0, 5.0}) {
    std::vector<double> estimates;
    for (std::uint32_t t = 0; t < 60; ++t) {
      auto z = draws(fill_uniform, t, 400);
      for (double& v : z) v = std::pow(v, -1 / alpha);
      estimates.push_back(hill_estimate(z, 40));
    }
    EXPECT_LT(oracle::mean_deviation(estimates, 1 / alpha), oracle::kFiveSigma);
    const double spread = oracle::mean_and_error(estimates).standard_error * std::sqrt(60.0);
    EXPECT_NEAR(spread * alpha * std::sqrt(40.0), 1, 5 / std::sqrt(2 * 60.0));
  }
}

TEST(GaussianityStatistics, HillOfAGaussianIsTheIntegral) {
  for (const double fraction : {0.01, 0.05, 0.3}) {
    std::vector<double> estimates;
    for (std::uint32_t t = 0; t < 40; ++t)
      estimates.push_back(
          hill_estimate(draws(fill_normal, t, 20000), static_cast<std::size_t>(20000 * fraction)));
    EXPECT_LT(oracle::mean_deviation(estimates, gaussian_hill(fraction)), oracle::kFiveSigma);
  }
  EXPECT_LT(gaussian_hill(1e-6), gaussian_hill(1e-3));
  // Far out the tail falls as e^(-u^2 / 2) / u: E ln(|z|/u) tends to 1 / (u^2 + 3); u = 7.03 at 2e-12.
  EXPECT_NEAR(gaussian_hill(2e-12) * (7.034 * 7.034 + 3), 1, 0.01);
}

TEST(GaussianityStatistics, DistanceOfGaussians) {
  // The mean distance of n numbers is below its limit law by about 1 / (6 n): 0.4% at n = 2000.
  std::vector<double> distances;
  for (std::uint32_t t = 0; t < 60; ++t)
    distances.push_back(kolmogorov_distance(draws(fill_normal, t, 2000)));
  EXPECT_LT(oracle::mean_deviation(distances, gaussian_kolmogorov_distance(2000) - 1 / (6.0 * 2000)),
            oracle::kFiveSigma);
}

}  // namespace
}  // namespace soret::measure
