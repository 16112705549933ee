#include <gtest/gtest.h>

#include "tests/ensemble/replay.hpp"

/// The oracle itself: its gradients against central differences of its own loss, in double.
namespace soret::two_layer {
namespace {

double loss_of(const Problem& p, const oracle::Network& net, const std::vector<double>& x,
               const std::vector<double>& t) {
  return oracle::loss(p, oracle::outputs(p, net, x.data()), t.data());
}

/// (L(theta + h e) - L(theta - h e)) / 2h along the entry that `at` points to in `net`.
double central_difference(const Problem& p, oracle::Network& net, double& at, const std::vector<double>& x,
                          const std::vector<double>& t) {
  constexpr double kStep = 1e-5;
  const double here = at;
  at = here + kStep;
  const double up = loss_of(p, net, x, t);
  at = here - kStep;
  const double down = loss_of(p, net, x, t);
  at = here;
  return (up - down) / (2 * kStep);
}

TEST(TwoLayerOracle, GradientsAreTheLossesDerivatives) {
  // Rounding of the differences: eps |L| / h = 1e-10; curvature: h^2 L''' / 6 = 1e-10.
  constexpr double kTolerance = 1e-8;
  for (const Activation activation : kActivations) {
    for (const Loss loss : kLosses) {
      for (const NetworkShape& shape :
           {NetworkShape{1, 1, 1}, NetworkShape{3, 5, 1}, NetworkShape{7, 19, 4}}) {
        Problem p = make_problem(shape, activation, loss);
        p.initialisation = Initialisation::normal;
        oracle::Network net = oracle::in_double(initial_parameters(p, 1));
        for (std::size_t i = 0; i < net.b.size(); ++i) net.b[i] = 0.3 - 0.07 * static_cast<double>(i);
        const oracle::Samples set = oracle::in_double(synthetic_set(p, 3, true));
        for (int s = 0; s < set.size; ++s) {
          const std::vector<double> x(&set.inputs[s * p.inputs], &set.inputs[s * p.inputs] + p.inputs);
          const std::vector<double> t(&set.targets[s * p.outputs], &set.targets[s * p.outputs] + p.outputs);
          const oracle::Network g = oracle::gradient(p, net, x.data(), t.data());
          for (std::size_t k = 0; k < net.w.size(); ++k)
            EXPECT_NEAR(g.w[k], central_difference(p, net, net.w[k], x, t), kTolerance) << "w " << k;
          for (std::size_t k = 0; k < net.b.size(); ++k)
            EXPECT_NEAR(g.b[k], central_difference(p, net, net.b[k], x, t), kTolerance) << "b " << k;
          for (std::size_t k = 0; k < net.v.size(); ++k)
            EXPECT_NEAR(g.v[k], central_difference(p, net, net.v[k], x, t), kTolerance) << "v " << k;
        }
      }
    }
  }
}

// One unit, one input, done by hand: u = 2*3 - 1 = 5, f = 0.5 * 5 = 2.5, squared loss with t = 1: d = 1.5.
TEST(TwoLayerOracle, StepsAsByHand) {
  Problem p = make_problem({1, 1, 1}, Activation::relu, Loss::squared);
  p.momentum = 0.5F;
  p.learning_rate = 0.125F;
  const oracle::Network start{{2.0}, {-1.0}, {0.5}};
  const double x = 3;
  const double t = 1;
  const oracle::Network g = oracle::gradient(p, start, &x, &t);
  EXPECT_DOUBLE_EQ(g.v[0], 7.5);   // d h
  EXPECT_DOUBLE_EQ(g.w[0], 2.25);  // d V x
  EXPECT_DOUBLE_EQ(g.b[0], 0.75);  // d V
  oracle::Network net = start;
  oracle::Network velocity{{1.0}, {0.0}, {-1.0}};
  oracle::sgd_step(p, net, velocity, &x, &t);
  EXPECT_DOUBLE_EQ(velocity.w[0], 2.75);  // mu v + g
  EXPECT_DOUBLE_EQ(net.w[0], 2 - 0.125 * 2.75);
  EXPECT_DOUBLE_EQ(net.b[0], -1 - 0.125 * 0.75);
  EXPECT_DOUBLE_EQ(net.v[0], 0.5 - 0.125 * 7.0);
}

TEST(TwoLayerOracle, LossesHaveTheirKnownValues) {
  Problem p = make_problem({1, 1, 1}, Activation::relu, Loss::logistic);
  const double one = 1;
  EXPECT_NEAR(oracle::loss(p, {0.0}, &one), std::log(2.0), 1e-15);
  EXPECT_NEAR(oracle::loss(p, {2.0}, &one), std::log1p(std::exp(-2.0)), 1e-15);
  p = make_problem({1, 1, 3}, Activation::relu, Loss::softmax);
  const double second[] = {0, 1, 0};
  EXPECT_NEAR(oracle::loss(p, {0.0, 0.0, 0.0}, second), std::log(3.0), 1e-15);
  p.loss = Loss::squared;
  EXPECT_DOUBLE_EQ(oracle::loss(p, {1.0, 3.0, -1.0}, second), 0.5 * (1 + 4 + 1));
}

}  // namespace
}  // namespace soret::two_layer
