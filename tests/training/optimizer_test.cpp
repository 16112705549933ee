#include "soret/training/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace soret::training {
namespace {

/// w after `steps` updates by the gradient 2 w - 1 (one parameter), and by a scalar recursion written from
/// the formulas.
struct Pair {
  double ours, plain;
};

Pair follow(const Optimizer& o, double eta, int steps,
            const std::function<double(double g, int t, double& m, double& s)>& rule) {
  std::vector<double> w = {0.7};
  auto state = initial_state<double>(o, 1);
  double x = 0.7;
  double m = 0;
  double s = 0;
  for (int t = 1; t <= steps; ++t) {
    const std::vector<double> g = {2 * w[0] - 1};
    update<double>(o, eta, g, state, w);
    double gradient = 2 * x - 1;
    double shrink = 0;
    if (o.decoupled) {
      shrink = eta * o.weight_decay * x;
    } else {
      gradient += o.weight_decay * x;
    }
    x -= eta * rule(gradient, t, m, s) + shrink;
  }
  EXPECT_EQ(state.updates, steps);
  return {w[0], x};
}

TEST(Optimizer, FollowsItsFormula) {
  for (const bool decoupled : {false, true}) {
    Optimizer o{.momentum = 0.8,
                .decay = 0.9,
                .beta1 = 0.7,
                .beta2 = 0.95,
                .epsilon = 1e-3,
                .weight_decay = 0.1,
                .decoupled = decoupled};
    const auto check = [&](OptimizerKind kind, const auto& rule) {
      o.kind = kind;
      const Pair p = follow(o, 0.05, 9, rule);
      EXPECT_NEAR(p.ours, p.plain, 1e-14) << static_cast<int>(kind);
    };
    check(OptimizerKind::sgd, [](double g, int, double&, double&) { return g; });
    check(OptimizerKind::momentum, [](double g, int, double& m, double&) { return m = 0.8 * m + g; });
    check(OptimizerKind::nesterov, [](double g, int, double& m, double&) {
      m = 0.8 * m + g;
      return g + 0.8 * m;
    });
    check(OptimizerKind::rmsprop, [](double g, int, double&, double& s) {
      s = 0.9 * s + 0.1 * g * g;
      return g / (std::sqrt(s) + 1e-3);
    });
    check(OptimizerKind::adam, [](double g, int t, double& m, double& s) {
      m = 0.7 * m + 0.3 * g;
      s = 0.95 * s + 0.05 * g * g;
      return m / (1 - std::pow(0.7, t)) / (std::sqrt(s / (1 - std::pow(0.95, t))) + 1e-3);
    });
  }
}

// Adam's first step has length eta in every coordinate, whatever the gradient's size.
TEST(Optimizer, AdamBeginsWithStepsOfTheLearningRate) {
  const Optimizer o{.kind = OptimizerKind::adam};
  std::vector<float> w = {1, 1, 1};
  auto state = initial_state<float>(o, 3);
  const std::vector<float> g = {1e3F, -1.0F, 1e-2F};
  update<float>(o, 0.25, g, state, w);
  EXPECT_NEAR(w[0], 0.75, 1e-6);
  EXPECT_NEAR(w[1], 1.25, 1e-6);
  EXPECT_NEAR(w[2], 0.75, 1e-5);
}

// With a constant gradient heavy ball tends to steps of eta g / (1 - momentum).
TEST(Optimizer, MomentumGathersSpeed) {
  const Optimizer o{.kind = OptimizerKind::momentum, .momentum = 0.9};
  std::vector<double> w = {0};
  auto state = initial_state<double>(o, 1);
  double length = 0;
  for (int t = 0; t < 400; ++t) {
    length = -w[0];
    update<double>(o, 0.01, std::vector<double>{1.0}, state, w);
    length = -w[0] - length;
  }
  EXPECT_NEAR(length, 0.1, 1e-12);
}

}  // namespace
}  // namespace soret::training
