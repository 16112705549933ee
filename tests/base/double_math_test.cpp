#include "soret/base/double_math.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

namespace soret {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr long double kTwoPi = 6.283185307179586476925286766559L;

DoubleLanes ramp(double first, double step) {
  DoubleLanes x{};
  for (int l = 0; l < kDoubleLanes; ++l) x[l] = first + step * l;
  return x;
}

/// `count` numbers from first to last, evenly spaced, some with all their bits set.
std::vector<double> sweep(double first, double last, int count) {
  std::vector<double> x(count);
  for (int k = 0; k < count; ++k) x[k] = first + (last - first) * k / (count - 1) * (1 + kEpsilon * (k % 7));
  return x;
}

/// Largest |f(x) - exact(x)| / scale(x); the vector form must give the bits of the scalar.
template <class Scalar, class Vector>
double worst(const std::vector<double>& x, Scalar f, Vector g,
             const std::function<long double(long double)>& exact,
             const std::function<double(double)>& scale) {
  double most = 0;
  for (std::size_t k = 0; k + kDoubleLanes <= x.size(); k += kDoubleLanes) {
    const DoubleLanes v = g(load(&x[k]));
    for (int l = 0; l < kDoubleLanes; ++l) {
      const double y = f(x[k + l]);
      EXPECT_EQ(bits(y), bits(double{v[l]})) << x[k + l];
      const auto truth = exact(static_cast<long double>(x[k + l]));
      most = std::max(most, static_cast<double>(std::fabs(y - truth)) / scale(static_cast<double>(truth)));
    }
  }
  return most;
}

const auto kRelative = [](double y) { return std::abs(y); };
const auto kAbsolute = [](double) { return 1.0; };

TEST(DoubleMath, SineOfTurns) {
  const auto f = [](auto x) { return sin_turns(x); };
  const auto exact = [](long double x) { return std::sin(kTwoPi * (x - std::rint(x))); };
  EXPECT_LT(worst(sweep(-0.2499, 0.2501, 40000), f, f, exact, kRelative), 3 * kEpsilon);
  EXPECT_LT(worst(sweep(-7.3, 12.9, 40000), f, f, exact, kAbsolute), 2 * kEpsilon);
  EXPECT_EQ(sin_turns(0.5), 0.0);
  EXPECT_EQ(sin_turns(0.25), 1.0);
  EXPECT_EQ(sin_turns(-1e6 - 0.25), -1.0);
  EXPECT_TRUE(std::isnan(sin_turns(std::numeric_limits<double>::quiet_NaN())));
}

TEST(DoubleMath, CosineOfTurns) {
  const auto f = [](auto x) { return cos_turns(x); };
  const auto exact = [](long double x) { return std::cos(kTwoPi * (x - std::rint(x))); };
  EXPECT_LT(worst(sweep(-7.3, 12.9, 40000), f, f, exact, kAbsolute), 2 * kEpsilon);
  EXPECT_EQ(cos_turns(0.25), 0.0);
  EXPECT_EQ(cos_turns(0.0), 1.0);
  EXPECT_EQ(cos_turns(3.5), -1.0);
}

TEST(DoubleMath, Exponential) {
  const auto f = [](auto x) { return exponential(x); };
  const auto exact = [](long double x) { return std::exp(x); };
  EXPECT_LT(worst(sweep(-1, 1, 40000), f, f, exact, kRelative), 2 * kEpsilon);
  EXPECT_LT(worst(sweep(-707.9, 707.9, 40000), f, f, exact, kRelative), 2 * kEpsilon);
  EXPECT_EQ(exponential(0.0), 1.0);
  EXPECT_EQ(exponential(1e300), exponential(708.0));
  EXPECT_TRUE(std::isnan(exponential(std::numeric_limits<double>::quiet_NaN())));
}

TEST(DoubleMath, Logarithm) {
  const auto f = [](auto x) { return logarithm(x); };
  const auto exact = [](long double x) { return std::log(x); };
  EXPECT_LT(worst(sweep(1e-3, 5, 40000), f, f, exact, kRelative), 2 * kEpsilon);
  std::vector<double> powers;
  for (int e = -1022; e < 1024; ++e) powers.push_back(std::ldexp(1.37, e));
  EXPECT_LT(worst(powers, f, f, exact, kRelative), 2 * kEpsilon);
  EXPECT_EQ(logarithm(1.0), 0.0);
}

TEST(DoubleLanes, LoadStoreAndBroadcast) {
  std::array<double, 20> data{};
  for (std::size_t k = 0; k < data.size(); ++k) data[k] = static_cast<double>(k);
  for (std::size_t offset = 0; offset < 9; ++offset) {
    std::array<double, 20> copy{};
    store(&copy[offset + 1], load(&data[offset]));
    for (std::size_t k = 0; k < copy.size(); ++k) {
      const bool inside = k > offset && k <= offset + kDoubleLanes;
      EXPECT_EQ(copy[k], inside ? data[k - 1] : 0.0);
    }
  }
  const DoubleLanes x = broadcast(-2.5);
  for (int l = 0; l < kDoubleLanes; ++l) EXPECT_EQ(x[l], -2.5);
}

TEST(DoubleLanes, FmaSqrtNearestRoundAsTheScalar) {
  const double e = 0x1p-27;
  const DoubleLanes fused = fma(broadcast(1 + e), broadcast(1 - e), broadcast(-1.0));
  const DoubleLanes root = sqrt(ramp(0, 0.7));
  const DoubleLanes integer = nearest(ramp(-1.75, 0.25));
  for (int l = 0; l < kDoubleLanes; ++l) {
    EXPECT_EQ(fused[l], -e * e);
    EXPECT_EQ(root[l], std::sqrt(0.7 * l));
    EXPECT_EQ(integer[l], std::nearbyint(-1.75 + 0.25 * l));
  }
}

TEST(DoubleLanes, SelectAnyAndSum) {
  const DoubleLanes x = ramp(-4, 1);
  const DoubleLanes y = select(x > DoubleLanes{}, x, broadcast(100.0));
  for (int l = 0; l < kDoubleLanes; ++l) EXPECT_EQ(y[l], l > 4 ? l - 4.0 : 100.0);
  EXPECT_TRUE(any(x > 2.5));
  EXPECT_FALSE(any(x > 3.0));
  EXPECT_EQ(sum(ramp(1, 1)), 36.0);
  for (int l = 0; l < kDoubleLanes; ++l) {
    DoubleLanes one{};
    one[l] = 3;
    EXPECT_EQ(sum(one), 3.0);
  }
}

TEST(DoubleLanes, HalvesWidenInOrder) {
  Lanes x{};
  LanesU32 n{};
  for (int l = 0; l < kLanes; ++l)
    x[l] = 0.5F * static_cast<float>(l), n[l] = 0xfffffff0U + static_cast<unsigned>(l);
  for (int l = 0; l < kDoubleLanes; ++l) {
    EXPECT_EQ(low_half(x)[l], 0.5 * l);
    EXPECT_EQ(high_half(x)[l], 0.5 * (l + 8));
    EXPECT_EQ(low_half(n)[l], 0xfffffff0U + static_cast<unsigned>(l));
    EXPECT_EQ(high_half(n)[l], 0xfffffff8U + static_cast<unsigned>(l));
  }
}

// The functions that take floats as well do so to a few units in their last place.
TEST(DoubleMath, WorksInSinglePrecisionWhereItSaysSo) {
  constexpr float kUnit = std::numeric_limits<float>::epsilon();
  double sine = 0;
  double relative_sine = 0;
  double exponent = 0;
  double log = 0;
  for (int k = -20000; k <= 20000; ++k) {
    const float x = static_cast<float>(k) * 4.7e-4F;
    const double exact = std::sin(3.14159265358979323846 * (x - 2 * std::rint(x / 2.0)));
    sine = std::max(sine, std::abs(sin_pi(x) - exact));
    if (std::abs(x) < 0.5F && k != 0)
      relative_sine = std::max(relative_sine, std::abs(sin_pi(x) / exact - 1));
    exponent = std::max(exponent, std::abs(exponential(x) / std::exp(static_cast<double>(x)) - 1));
    if (k > 0) log = std::max(log, std::abs(logarithm(x) - std::log(static_cast<double>(x))));
    EXPECT_EQ(absolute(x), std::abs(x));
    EXPECT_EQ(sin_pi(constant<Lanes>(x))[3], sin_pi(x));
  }
  EXPECT_LT(sine, 2 * kUnit);
  EXPECT_LT(relative_sine, 2 * kUnit);
  EXPECT_LT(exponent, 2 * kUnit);
  EXPECT_LT(log, 8 * kUnit);
}

}  // namespace
}  // namespace soret
