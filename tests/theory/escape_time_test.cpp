#include "soret/theory/escape_time.hpp"

#include <gsl/gsl_integration.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <stdexcept>

#include "soret/theory/fokker_planck.hpp"

namespace soret::theory {
namespace {

constexpr double kPi = std::numbers::pi;

double double_well(double w) {
  return (w * w - 1) * (w * w - 1) / 4 + 0.1 * w;
}

double integral(const std::function<double(double)>& f, double from, double to) {
  using Workspace = std::unique_ptr<gsl_integration_workspace, decltype(&gsl_integration_workspace_free)>;
  const Workspace workspace(gsl_integration_workspace_alloc(500), &gsl_integration_workspace_free);
  std::function<double(double)> copy = f;
  gsl_function integrand;
  integrand.params = &copy;
  integrand.function = [](double x, void* g) { return (*static_cast<std::function<double(double)>*>(g))(x); };
  double value = 0;
  double error = 0;
  EXPECT_EQ(gsl_integration_qag(&integrand, from, to, 0, 1e-11, 500, GSL_INTEG_GAUSS31, workspace.get(),
                                &value, &error),
            0);
  return value;
}

TEST(MeanFirstPassageTime, IsTheNestedIntegral) {
  for (const double temperature : {0.05, 0.3}) {
    const auto outer = [&](double y) {
      return std::exp(double_well(y) / temperature) *
             integral([&](double z) { return std::exp(-double_well(z) / temperature); }, -3, y);
    };
    const double truth = integral(outer, -1, 0.9) / temperature;
    EXPECT_NEAR(mean_first_passage_time(double_well, temperature, -3, -1, 0.9) / truth, 1, 1e-8)
        << temperature;
  }
}

// Flat ground: (target^2 - start^2) / (2T) from a wall at 0.
TEST(MeanFirstPassageTime, OnFlatGroundIsAParabola) {
  const auto flat = [](double) { return 17.0; };
  EXPECT_NEAR(mean_first_passage_time(flat, 0.2, 0, 1, 3), (9 - 1) / 0.4, 1e-11);
  EXPECT_NEAR(mean_first_passage_time(flat, 0.2, 0, 0, 3), 9 / 0.4, 1e-11);
  // The same to the left.
  EXPECT_NEAR(mean_first_passage_time(flat, 0.2, 3, 2, 0), (9 - 1) / 0.4, 1e-11);
}

// No force, D = w^2 and a wall at c: the mean time T has T'' = -1/D, T'(c) = 0 and T(b) = 0, so
// T(a) = (b - a)/c - ln(b/a).
TEST(MeanFirstPassageTime, OfNoiseThatDependsOnThePlace) {
  const auto flat = [](double) { return 0.0; };
  const auto square = [](double w) { return w * w; };
  EXPECT_NEAR(mean_first_passage_time(flat, square, 0.5, 0.8, 3), (3 - 0.8) / 0.5 - std::log(3 / 0.8), 1e-8);
  EXPECT_NEAR(mean_first_passage_time(flat, square, -0.5, -0.8, -3), (3 - 0.8) / 0.5 - std::log(3 / 0.8),
              1e-8);
}

TEST(MeanFirstPassageTime, MirrorsWithTheLandscape) {
  const auto mirrored = [](double w) { return double_well(-w); };
  EXPECT_DOUBLE_EQ(mean_first_passage_time(double_well, 0.1, -2.5, -1, 1),
                   mean_first_passage_time(mirrored, 0.1, 2.5, 1, -1));
}

TEST(MeanFirstPassageTime, IsTheSolversAbsorptionTime) {
  const double temperature = 0.15;
  const Cells cells{-2.5, 0.8, 660};
  const auto equation = langevin_equation(cells, {Wall::no_flux, Wall::absorbing}, double_well, temperature);
  const double found = mean_absorption_time(equation, point_start(cells, -1).density);
  EXPECT_NEAR(found / mean_first_passage_time(double_well, temperature, -2.5, -1, 0.8), 1, 1e-4);
}

TEST(MeanFirstPassageTime, RejectsWhatIsOutOfOrder) {
  const auto flat = [](double) { return 0.0; };
  EXPECT_THROW(mean_first_passage_time(flat, 0.1, 0, 2, 1), std::domain_error);
  EXPECT_THROW(mean_first_passage_time(flat, 0.1, 2, 1, 3), std::domain_error);
  EXPECT_THROW(mean_first_passage_time(flat, 0, 0, 1, 2), std::domain_error);
  EXPECT_THROW(mean_first_passage_time([](double) { return std::nan(""); }, 1, 0, 1, 2), std::domain_error);
  // A barrier of 1000 T: no double holds the time.
  EXPECT_THROW(mean_first_passage_time([](double w) { return w; }, 1e-3, 0, 0.5, 1), std::domain_error);
}

TEST(KramersTime, ByHand) {
  EXPECT_NEAR(kramers_time(4, -1, 0.6, 0.2), kPi * std::exp(3.0), 1e-12);
  Eigen::MatrixXd well(2, 2);
  well << 4, 0, 0, 9;
  Eigen::MatrixXd saddle(2, 2);
  saddle << -2, 0, 0, 16;
  EXPECT_NEAR(kramers_time(well, saddle, 0.6, 0.2), kPi * std::sqrt(32.0 / 36) * std::exp(3.0), 1e-12);
  // A coordinate that is the same in well and saddle does not matter, nor does a rotation.
  saddle(1, 1) = 9;
  const Eigen::Rotation2Dd turn(0.7);
  const Eigen::MatrixXd r = turn.toRotationMatrix();
  EXPECT_NEAR(kramers_time(r * well * r.transpose(), r * saddle * r.transpose(), 0.6, 0.2),
              kramers_time(4, -2, 0.6, 0.2), 1e-12);
}

// The exact time to the far well approaches Kramers' as T falls, with an error proportional to T.
TEST(KramersTime, IsTheLimitOfTheExactTime) {
  const auto loss = [](double w) {
    return (w * w - 1) * (w * w - 1) / 4;
  };  // curvatures 2 and -1, barrier 1/4
  const auto excess = [&](double temperature) {
    return mean_first_passage_time(loss, temperature, -3, -1, 1) / kramers_time(2, -1, 0.25, temperature) - 1;
  };
  EXPECT_NEAR(excess(0.01) / excess(0.005), 2, 0.15);
  EXPECT_LT(std::abs(excess(0.005)), 0.05);
  // The top is reached in half the time.
  const double to_top = mean_first_passage_time(loss, 0.005, -3, -1, 0);
  EXPECT_NEAR(to_top / kramers_time(2, -1, 0.25, 0.005), 0.5, 0.05);
}

TEST(KramersTime, NeedsAWellAndASaddle) {
  const Eigen::MatrixXd one = Eigen::MatrixXd::Identity(2, 2);
  Eigen::MatrixXd saddle = one;
  saddle(0, 0) = -1;
  EXPECT_THROW(kramers_time(one, one, 1, 1), std::domain_error);
  EXPECT_THROW(kramers_time(one, -one, 1, 1), std::domain_error);
  EXPECT_THROW(kramers_time(saddle, saddle, 1, 1), std::domain_error);
  EXPECT_THROW(kramers_time(one, Eigen::MatrixXd::Identity(3, 3), 1, 1), std::domain_error);
  EXPECT_THROW(kramers_time(-1, -1, 1, 1), std::domain_error);
  EXPECT_THROW(kramers_time(1, 1, 1, 1), std::domain_error);
  EXPECT_THROW(kramers_time(1, -1, 0, 1), std::domain_error);
  EXPECT_THROW(kramers_time(1, -1, 1, 0), std::domain_error);
}

}  // namespace
}  // namespace soret::theory
