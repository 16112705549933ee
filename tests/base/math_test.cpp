#include "soret/base/math.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "tests/oracles/accuracy.hpp"

namespace soret {
namespace {

using oracle::same_bits;
using oracle::ulps;
using oracle::worst;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Calls check(x) for floats from lo to hi: every `stride`-th of them, in the order of their bits. Odd
/// strides reach every pattern of low bits.
void for_floats(float lo, float hi, std::uint32_t stride, const std::function<void(float)>& check) {
  for (std::uint64_t b = std::bit_cast<std::uint32_t>(lo); b <= std::bit_cast<std::uint32_t>(hi); b += stride)
    check(std::bit_cast<float>(static_cast<std::uint32_t>(b)));
}

/// The same for the floats of both signs between `lo` and `hi` in size.
void for_both_signs(float lo, float hi, std::uint32_t stride, const std::function<void(float)>& check) {
  for_floats(lo, hi, stride, [&](float x) {
    check(x);
    check(-x);
  });
}

double exact_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

TEST(Log, IsWithinItsBound) {
  double most = 0;
  const auto check = [&](float x) { most = worst(most, ulps(log(x), std::log(static_cast<double>(x)))); };
  for_floats(std::numeric_limits<float>::min(), std::numeric_limits<float>::max(), 4001, check);
  for_floats(0.5F, 2.0F, 37, check);  // around the zero, where cancellation would show
  RecordProperty("ulps", std::to_string(most));
  EXPECT_LT(most, 2);
  EXPECT_EQ(log(1.0F), 0.0F);
}

TEST(Exp, IsWithinItsBound) {
  double most = 0;
  const auto check = [&](float x) { most = worst(most, ulps(exp(x), std::exp(static_cast<double>(x)))); };
  for_both_signs(0x1p-30F, 87.0F, 499, check);
  RecordProperty("ulps", std::to_string(most));
  EXPECT_LT(most, 2);
  EXPECT_EQ(exp(0.0F), 1.0F);
  EXPECT_EQ(exp(-0.0F), 1.0F);
}

TEST(Exp, SaturatesInsteadOfOverflowing) {
  EXPECT_EQ(exp(88.0F), exp(87.0F));
  EXPECT_EQ(exp(kInfinity), exp(87.0F));
  EXPECT_EQ(exp(-1000.0F), exp(-87.0F));
  EXPECT_EQ(exp(-kInfinity), exp(-87.0F));
  EXPECT_GE(exp(-kInfinity), std::numeric_limits<float>::min());
  EXPECT_TRUE(std::isfinite(exp(kInfinity)));
}

TEST(Sigmoid, IsWithinItsBound) {
  double most = 0;
  const auto check = [&](float x) {
    most = worst(most, ulps(sigmoid(x), 1 / (1 + std::exp(-static_cast<double>(x)))));
  };
  for_both_signs(0x1p-30F, 86.0F, 499, check);
  RecordProperty("ulps", std::to_string(most));
  EXPECT_LT(most, 4);
  EXPECT_EQ(sigmoid(0.0F), 0.5F);
  EXPECT_EQ(sigmoid(kInfinity), 1.0F);
  EXPECT_LT(sigmoid(-kInfinity), 2e-38F);
  EXPECT_GE(sigmoid(-kInfinity), 0.0F);
}

TEST(Tanh, IsWithinItsBound) {
  double most = 0;
  const auto check = [&](float x) { most = worst(most, ulps(tanh(x), std::tanh(static_cast<double>(x)))); };
  for_both_signs(0x1p-60F, 100.0F, 1499, check);
  for_both_signs(0.6F, 0.65F, 7, check);  // where the two formulas meet
  RecordProperty("ulps", std::to_string(most));
  EXPECT_LT(most, 4);
  EXPECT_EQ(tanh(0.0F), 0.0F);
  EXPECT_EQ(tanh(kInfinity), 1.0F);
  EXPECT_EQ(tanh(-kInfinity), -1.0F);
}

TEST(NormalCdf, IsWithinItsBound) {
  double absolute = 0;
  const auto check = [&](float x) {
    absolute = worst(absolute, std::abs(static_cast<double>(normal_cdf(x)) - exact_cdf(x)));
  };
  for_both_signs(0x1p-30F, 40.0F, 499, check);
  RecordProperty("absolute", std::to_string(absolute * 1e9) + "e-9");
  EXPECT_LT(absolute, 2.5e-7);
  EXPECT_NEAR(normal_cdf(0.0F), 0.5F, 1.2e-7F);
  EXPECT_EQ(normal_cdf(kInfinity), 1.0F);
  EXPECT_EQ(normal_cdf(-kInfinity), 0.0F);
}

// The left tail keeps its relative accuracy until the exponential saturates: e^-40 at x = -9.
TEST(NormalCdf, KeepsRelativeAccuracyInTheTail) {
  double share = 0;
  for_floats(0x1p-30F, 9.0F, 499, [&](float x) {
    const double exact = exact_cdf(-static_cast<double>(x));
    // The fit's 1.2e-7 with a few roundings; and z^2 = x^2 / 2, exponentiated, carries four half eps (z, its
    // square, the difference with the polynomial).
    const double bound = 4.5e-7 + 4 * 0x1p-24 * (0.5 * x * x);
    share = worst(share, std::abs(normal_cdf(-x) / exact - 1) / bound);
  });
  RecordProperty("share", std::to_string(share));
  EXPECT_LT(share, 1);
}

TEST(NormalDensity, IsWithinItsBound) {
  double relative = 0;
  for_both_signs(0x1p-30F, 13.0F, 499, [&](float x) {
    const double exact = std::exp(-0.5 * static_cast<double>(x) * x) / std::sqrt(2 * std::numbers::pi);
    // x^2 / 2 is rounded twice before it is exponentiated.
    relative = worst(relative, std::abs(normal_density(x) / exact - 1) / (4 + 0.5 * x * x));
  });
  EXPECT_LT(relative, std::numeric_limits<float>::epsilon());
}

TEST(Math, KeepsNaN) {
  EXPECT_TRUE(std::isnan(exp(kNaN)));
  EXPECT_TRUE(std::isnan(sigmoid(kNaN)));
  EXPECT_TRUE(std::isnan(tanh(kNaN)));
  EXPECT_TRUE(std::isnan(normal_cdf(kNaN)));
  EXPECT_TRUE(std::isnan(normal_density(kNaN)));
}

TEST(Math, MaximumFollowsItsContract) {
  EXPECT_EQ(maximum(1.0F, 2.0F), 2.0F);
  EXPECT_EQ(maximum(2.0F, 1.0F), 2.0F);
  EXPECT_EQ(maximum(-kInfinity, -3.0F), -3.0F);
  EXPECT_EQ(maximum(kNaN, 1.0F), 1.0F);
  EXPECT_TRUE(std::isnan(maximum(1.0F, kNaN)));
  EXPECT_EQ(negate(2.5F), -2.5F);
}

/// f on one float and on the lanes must give the same bits: the scalar CPU path, the vector path and, since
/// they share the source and its correctly rounded operations, CUDA.
template <class Scalar, class Vector>
void expect_lanes_equal(float lo, float hi, Scalar scalar, Vector vector) {
  Lanes x{};
  int filled = 0;
  const auto check = [&](float value) {
    x[filled++] = value;
    if (filled < kLanes) return;
    filled = 0;
    const Lanes y = vector(x);
    for (int l = 0; l < kLanes; ++l)
      ASSERT_TRUE(same_bits(y[l], scalar(x[l]))) << x[l] << ": " << y[l] << " or " << scalar(x[l]);
  };
  for_both_signs(lo, hi, 30011, check);
  for (const float special : {0.0F, -0.0F, kInfinity, -kInfinity, 87.0F, -87.0F, 0.625F, -0.625F,
                              std::numeric_limits<float>::max(), std::numeric_limits<float>::min()}) {
    for (int l = 0; l < kLanes; ++l) check(special);
  }
}

constexpr float kTiny = 0x1p-100F;
constexpr float kHuge = 0x1p100F;

TEST(LanesMath, EqualsScalarMathBitByBit) {
  expect_lanes_equal(
      kTiny, kHuge, [](float x) { return exp(x); }, [](Lanes x) { return exp(x); });
  expect_lanes_equal(
      kTiny, kHuge, [](float x) { return sigmoid(x); }, [](Lanes x) { return sigmoid(x); });
  expect_lanes_equal(
      kTiny, kHuge, [](float x) { return tanh(x); }, [](Lanes x) { return tanh(x); });
  expect_lanes_equal(
      kTiny, kHuge, [](float x) { return normal_cdf(x); }, [](Lanes x) { return normal_cdf(x); });
  expect_lanes_equal(
      kTiny, kHuge, [](float x) { return normal_density(x); }, [](Lanes x) { return normal_density(x); });
  expect_lanes_equal(
      kTiny, kHuge, [](float x) { return log(x); }, [](Lanes x) { return log(x); });
  expect_lanes_equal(
      kTiny, kHuge, [](float x) { return sqrt(x * x); }, [](Lanes x) { return sqrt(x * x); });
}

TEST(LanesMath, KeepsNaNInItsLane) {
  Lanes x = broadcast(0.5F);
  x[3] = kNaN;
  for (const Lanes y : {exp(x), sigmoid(x), tanh(x), normal_cdf(x)}) {
    for (int l = 0; l < kLanes; ++l) EXPECT_EQ(std::isnan(y[l]), l == 3) << l;
  }
}

}  // namespace
}  // namespace soret
