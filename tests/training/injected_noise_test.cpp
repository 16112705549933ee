#include "soret/training/injected_noise.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace soret::training {
namespace {

constexpr std::size_t kParameters = 100'003;

std::vector<float> after(const InjectedNoise& noise, std::int64_t first, std::int64_t last,
                         double rate = 0.5) {
  std::vector<float> w(kParameters, 0.0F);
  for (std::int64_t k = first; k < last; ++k) add_noise(noise, rate, 7, k, w);
  return w;
}
double variance(const std::vector<float>& w) {
  double sum = 0;
  for (const float x : w) sum += static_cast<double>(x) * static_cast<double>(x);
  return sum / static_cast<double>(w.size());
}
/// Five standard errors of the variance of normals.
void expect_variance(const std::vector<float>& w, double expected) {
  EXPECT_NEAR(variance(w), expected, 5 * expected * std::sqrt(2.0 / kParameters));
}

TEST(InjectedNoise, HasItsVariance) {
  InjectedNoise noise{.kind = InjectedNoiseKind::independent, .variance = 0.04};
  expect_variance(after(noise, 3, 4), 0.04);
  expect_variance(after(noise, 0, 6), 6 * 0.04);
  noise.scaled_by_learning_rate = true;
  expect_variance(after(noise, 3, 4), 0.04 / 4);
  noise = {.kind = InjectedNoiseKind::anticorrelated, .variance = 0.04};
  expect_variance(after(noise, 3, 4), 2 * 0.04);
  noise.of_difference = true;
  expect_variance(after(noise, 3, 4), 0.04);
}

// xi_k - xi_0 whatever k is; and what one update adds the next takes away again.
TEST(InjectedNoise, AnticorrelatedNoiseTelescopes) {
  const InjectedNoise noise{.kind = InjectedNoiseKind::anticorrelated, .variance = 0.04};
  expect_variance(after(noise, 0, 20), 2 * 0.04);
  const auto two = after(noise, 4, 6);
  const auto one = after(noise, 4, 5);
  const auto next = after(noise, 5, 6);
  double product = 0;
  for (std::size_t i = 0; i < kParameters; ++i) {
    EXPECT_NEAR(two[i], one[i] + next[i], 1e-6);
    product += static_cast<double>(one[i]) * static_cast<double>(next[i]);
  }
  EXPECT_NEAR(product / kParameters, -0.04, 5 * 3 * 0.04 / std::sqrt(static_cast<double>(kParameters)));
}

TEST(InjectedNoise, IsSwitchedOff) {
  InjectedNoise noise{.kind = InjectedNoiseKind::anticorrelated, .variance = 0.04, .until = 5};
  EXPECT_EQ(after(noise, 0, 5), after(noise, 0, 9));
  EXPECT_NE(after(noise, 0, 4), after(noise, 0, 5));
  noise.kind = InjectedNoiseKind::none;
  EXPECT_EQ(variance(after(noise, 0, 5)), 0);
}

}  // namespace
}  // namespace soret::training
