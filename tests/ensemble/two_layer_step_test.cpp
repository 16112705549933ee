#include "soret/ensemble/two_layer_step.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "tests/ensemble/replay.hpp"

/// The per-sample formulas alone: value by value against the oracle, and far from where networks live.
namespace soret::two_layer {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

template <class F>
void activate_as(const Problem& p, F u, F& value, F& slope) {
  with_types(p.activation, p.loss, [&]<Activation A, Loss>() { activate<A>(u, p.leak, value, slope); });
}

template <class F>
void residual_as(const Problem& p, F* f, const F* target) {
  with_types(p.activation, p.loss, [&]<Activation, Loss L>() { residual<L>(p.outputs, f, target); });
}

TEST(TwoLayerStep, ActivationsAgreeWithTheOracle) {
  for (const Activation activation : kActivations) {
    const Problem p = make_problem({1, 1, 1}, activation, Loss::squared);
    for (double x = -12; x <= 12; x += 0.0317) {
      const auto u = static_cast<float>(x);
      float value = 0;
      float slope = 0;
      activate_as(p, u, value, slope);
      // 4 ulps of tanh; 2.5e-7 of normal_cdf, multiplied by u in gelu.
      EXPECT_NEAR(value, oracle::activation(p, u), 5e-7 * (1 + std::abs(u))) << u;
      EXPECT_NEAR(slope, oracle::activation_slope(p, u), 1e-6) << u;
    }
  }
}

TEST(TwoLayerStep, ReluIsInactiveAtItsKink) {
  const Problem p = make_problem({1, 1, 1}, Activation::relu, Loss::squared);
  for (const float zero : {0.0F, -0.0F}) {
    float value = 1;
    float slope = 1;
    activate_as(p, zero, value, slope);
    EXPECT_EQ(value, 0.0F);
    EXPECT_EQ(slope, 0.0F);
  }
}

TEST(TwoLayerStep, ANaNStaysOne) {
  for (const Activation activation : kActivations) {
    const Problem p = make_problem({1, 1, 1}, activation, Loss::squared);
    float value = 0;
    float slope = 0;
    activate_as(p, kNaN, value, slope);
    EXPECT_TRUE(std::isnan(value));
    Lanes lane_value, lane_slope;
    Lanes u = broadcast(1.0F);
    u[5] = kNaN;
    activate_as(p, u, lane_value, lane_slope);
    for (int l = 0; l < kLanes; ++l) EXPECT_EQ(std::isnan(lane_value[l]), l == 5);
  }
  for (const Loss loss : kLosses) {
    const Problem p = make_problem({1, 1, 3}, Activation::relu, loss);
    for (int at = 0; at < p.outputs; ++at) {
      std::array<float, 3> f = {0.5F, -1.0F, 2.0F};
      const std::array<float, 3> target = {1, 0, 0};
      f[at] = kNaN;
      residual_as(p, f.data(), target.data());
      EXPECT_TRUE(std::isnan(f[at])) << "loss " << static_cast<int>(loss) << " output " << at;
    }
  }
}

TEST(TwoLayerStep, ResidualsAgreeWithTheOracle) {
  for (const Loss loss : kLosses) {
    const Problem p = make_problem({1, 1, 3}, Activation::relu, loss);
    for (int trial = 0; trial < 200; ++trial) {
      std::array<float, 3> f{};
      std::array<float, 3> target{};
      for (int c = 0; c < p.outputs; ++c) f[c] = static_cast<float>(10 * std::sin(1.7 * trial + 2.3 * c));
      target[trial % p.outputs] = loss == Loss::logistic ? static_cast<float>(trial % 2) : 1.0F;
      const std::array<double, 3> t = {target[0], target[1], target[2]};
      const std::vector<double> truth = oracle::loss_slope(p, {f.begin(), f.begin() + p.outputs}, t.data());
      residual_as(p, f.data(), target.data());
      for (int c = 0; c < p.outputs; ++c) EXPECT_NEAR(f[c], truth[c], 1e-6) << trial;
    }
  }
}

TEST(TwoLayerStep, CrossEntropiesSaturate) {
  for (const float huge : {100.0F, 1e30F, kInfinity}) {
    for (const float y : {0.0F, 1.0F}) {
      const std::array<float, 1> target = {y};
      std::array<float, 1> f = {huge};
      residual<Loss::logistic>(1, f.data(), target.data());
      EXPECT_NEAR(f[0], 1 - y, 1e-7F);
      f = {-huge};
      residual<Loss::logistic>(1, f.data(), target.data());
      EXPECT_NEAR(f[0], -y, 1e-7F);
    }
  }
  std::array<float, 3> f = {1e4F, -1e4F, 9e3F};
  const std::array<float, 3> target = {0, 1, 0};
  residual<Loss::softmax>(3, f.data(), target.data());
  EXPECT_NEAR(f[0], 1, 1e-7F);
  EXPECT_NEAR(f[1], -1, 1e-7F);
  EXPECT_NEAR(f[2], 0, 1e-7F);
}

TEST(TwoLayerStep, SoftmaxResidualsSumToZero) {
  std::array<float, 4> f = {0.3F, -2.0F, 1.5F, 0.0F};
  const std::array<float, 4> target = {0, 0, 1, 0};
  residual<Loss::softmax>(4, f.data(), target.data());
  EXPECT_NEAR(f[0] + f[1] + f[2] + f[3], 0, 4 * std::numeric_limits<float>::epsilon());
}

}  // namespace
}  // namespace soret::two_layer
