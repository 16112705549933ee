#include <gtest/gtest.h>

#include <cmath>

#include "soret/langevin/equilibrium.hpp"
#include "soret/langevin/observe.hpp"
#include "tests/oracles/statistics.hpp"

namespace soret::langevin {
namespace {

using oracle::kFiveSigma;

Problem parabola(double curvature, double learning_rate) {
  Problem p;
  p.landscape.hessian = {curvature};
  p.noise.factor = {1.0};
  p.start.centre = {0.0};
  p.learning_rate = learning_rate;
  return p;
}

/// One number per group.
std::vector<double> of_groups(const Problem& p, const Plan& plan, std::uint32_t groups) {
  std::vector<double> values;
  for (std::uint32_t g = 0; g < groups; ++g) values.push_back(observe_group(p, plan, g).back());
  return values;
}

/// Truth: Var = eta sigma^2 / (|B| h (2 - eta h)) for every stable step. n = 64 groups of 512 walkers, 20
/// snapshots each.
TEST(LangevinStatistics, SgdOnAParabolaHasTheExactVarianceOfItsRecursion) {
  for (const double eta : {0.01, 0.1, 0.7, 1.0, 1.5, 1.9}) {
    Problem p = parabola(1.0, eta);
    p.walkers = 512;
    p.batch_size = 3;
    p.burn_in = 1500;
    Plan plan;
    plan.records = {1000};
    plan.snapshots = 20;
    plan.observables = {Observable::covariance};
    const double truth = eta / (3 * (2 - eta));
    EXPECT_LT(oracle::mean_deviation(of_groups(p, plan, 64), truth), kFiveSigma) << eta;
  }
}

}  // namespace
}  // namespace soret::langevin
