#include "soret/theory/langevin_laws.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/theory/fokker_planck.hpp"

namespace soret::theory {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr GradientNoise kNoise{.learning_rate = 0.1, .batch_size = 4, .variance = 2};

// eta sigma^2/|B| = 0.05.
TEST(QuadraticLaw, ByHand) {
  EXPECT_DOUBLE_EQ(equilibrium_temperature(kNoise), 0.025);
  EXPECT_DOUBLE_EQ(continuous_variance(kNoise, 5), 0.005);
  EXPECT_DOUBLE_EQ(discrete_variance(kNoise, 5), 0.05 / (5 * 1.5));
  EXPECT_DOUBLE_EQ(discrete_autocorrelation(0.1, 15, 3), -0.125);
  EXPECT_DOUBLE_EQ(continuous_autocorrelation(0.1, 5, 2), std::exp(-1.0));
}

// v <- (1 - eta h)^2 v + eta^2 sigma^2/|B| step by step, over the whole range of stability.
TEST(QuadraticLaw, IsTheFixedPointOfTheRecursion) {
  for (const double product : {0.01, 0.3, 1.0, 1.5, 1.9}) {
    const double h = product / kNoise.learning_rate;
    const double kick = kNoise.learning_rate * kNoise.learning_rate * kNoise.variance / kNoise.batch_size;
    double v = 0.7;
    for (int k = 1; k <= 3000; ++k) {
      v = (1 - product) * (1 - product) * v + kick;
      if (k == 1 || k == 7) {
        EXPECT_NEAR(discrete_variance_after(kNoise, h, 0.7, k), v, 1e-15);
      }
    }
    EXPECT_NEAR(discrete_variance(kNoise, h) / v, 1, 1e-12) << product;
  }
}

TEST(QuadraticLaw, HoldsOnlyWhereDescentIsStable) {
  EXPECT_THROW(discrete_variance(kNoise, 20), std::domain_error);
  EXPECT_THROW(discrete_variance(kNoise, 0), std::domain_error);
  EXPECT_THROW(discrete_variance(kNoise, -1), std::domain_error);
  EXPECT_THROW(discrete_variance(kNoise, std::nan("")), std::domain_error);
  EXPECT_THROW(discrete_autocorrelation(0.1, 20, 1), std::domain_error);
  EXPECT_THROW(equilibrium_temperature({0.1, 0, 1}), std::domain_error);
  EXPECT_NO_THROW(discrete_variance(kNoise, 19.999));
}

Eigen::MatrixXd random_symmetric(Eigen::Index n, unsigned seed, double floor) {
  std::srand(seed);
  const Eigen::MatrixXd a = Eigen::MatrixXd::Random(n, n);
  return a * a.transpose() + floor * Eigen::MatrixXd::Identity(n, n);
}

TEST(LyapunovEquation, ResidualsVanish) {
  for (const Eigen::Index n : {1, 2, 7, 13}) {
    const Eigen::MatrixXd h = random_symmetric(n, 3, 0.1);
    const Eigen::MatrixXd c = random_symmetric(n, 4, 0.0);
    const Eigen::MatrixXd one = Eigen::MatrixXd::Identity(n, n);
    const double eta = 1.9 / h.eigenvalues().real().maxCoeff();
    const double batch = 3;
    const Eigen::MatrixXd s = discrete_covariance(h, c, eta, batch);
    const Eigen::MatrixXd next = (one - eta * h) * s * (one - eta * h) + eta * eta / batch * c;
    EXPECT_LT((next - s).norm(), 1e-12 * s.norm()) << n;
    const Eigen::MatrixXd limit = continuous_covariance(h, c, eta, batch);
    EXPECT_LT((h * limit + limit * h - eta / batch * c).norm(), 1e-12 * c.norm()) << n;
  }
}

// w <- (1 - hH + (hH)^2/2) w + (1 - hH/2) noise for Heun.
TEST(LyapunovEquation, OfASchemeIsTheFixedPointOfItsRecursion) {
  const Eigen::Index n = 5;
  const Eigen::MatrixXd h = random_symmetric(n, 3, 0.1);
  const Eigen::MatrixXd c = random_symmetric(n, 4, 0.0);
  const Eigen::MatrixXd one = Eigen::MatrixXd::Identity(n, n);
  const double eta = 0.3;
  const double step = 1.8 / h.eigenvalues().real().maxCoeff();
  const Eigen::MatrixXd x = step * h;
  const Eigen::MatrixXd heun = scheme_covariance(h, c, eta, 4, step, heun_response);
  const Eigen::MatrixXd decay = one - x + 0.5 * x * x;
  const Eigen::MatrixXd gain = one - 0.5 * x;
  EXPECT_LT((decay * heun * decay + eta * step / 4 * gain * c * gain - heun).norm(), 1e-12 * heun.norm());
  const Eigen::MatrixXd euler = scheme_covariance(h, c, eta, 4, step, euler_response);
  EXPECT_LT(((one - x) * euler * (one - x) + eta * step / 4 * c - euler).norm(), 1e-12 * euler.norm());
  EXPECT_THROW(scheme_covariance(h, c, eta, 4, 1.2 * step, heun_response), std::domain_error);
}

TEST(LyapunovEquation, OfOneParameterIsTheScalarLaw) {
  const Eigen::MatrixXd h = Eigen::MatrixXd::Constant(1, 1, 5);
  const Eigen::MatrixXd c = Eigen::MatrixXd::Constant(1, 1, kNoise.variance);
  EXPECT_NEAR(discrete_covariance(h, c, 0.1, 4)(0, 0), discrete_variance(kNoise, 5), 1e-17);
  EXPECT_NEAR(continuous_covariance(h, c, 0.1, 4)(0, 0), continuous_variance(kNoise, 5), 1e-17);
}

// Noise whose covariance is the Hessian heats every direction to eta/(2|B|).
TEST(LyapunovEquation, NoiseLikeTheHessianIsIsotropic) {
  const Eigen::MatrixXd h = random_symmetric(5, 9, 0.2);
  const Eigen::MatrixXd s = continuous_covariance(h, h, 0.06, 3);
  EXPECT_LT((s - 0.01 * Eigen::MatrixXd::Identity(5, 5)).norm(), 1e-14);
}

TEST(LyapunovEquation, RejectsWhatHasNoStateOfRest) {
  const Eigen::MatrixXd one = Eigen::MatrixXd::Identity(2, 2);
  Eigen::MatrixXd indefinite = one;
  indefinite(1, 1) = -0.1;
  Eigen::MatrixXd lopsided = one;
  lopsided(0, 1) = 0.5;
  EXPECT_THROW(discrete_covariance(indefinite, one, 0.1, 1), std::domain_error);
  EXPECT_THROW(discrete_covariance(lopsided, one, 0.1, 1), std::domain_error);
  EXPECT_THROW(discrete_covariance(one, indefinite, 0.1, 1), ConfigError);
  EXPECT_THROW(discrete_covariance(one, lopsided, 0.1, 1), ConfigError);
  EXPECT_THROW(discrete_covariance(one, Eigen::MatrixXd::Identity(3, 3), 0.1, 1), ConfigError);
  EXPECT_THROW(discrete_covariance(one, one, 2, 1), std::domain_error);
  EXPECT_NO_THROW(continuous_covariance(one, one, 2, 1));
  EXPECT_NO_THROW(continuous_covariance(one, Eigen::MatrixXd::Zero(2, 2), 1, 1));
}

// l = h w^2/2: Gaussian of variance T/h, and the stationary state of the Fokker-Planck equation.
TEST(EquilibriumDensity, IsGaussianInAQuadratic) {
  const double temperature = 0.3;
  const double h = 2;
  const Cells cells{-4, 4, 64};
  const auto loss = [=](double w) { return 100 + h * w * w / 2; };
  const std::vector<double> density = equilibrium_density(cells, loss, temperature);
  const double scale = std::sqrt(2 * temperature / h);
  for (int i = 0; i < cells.count; ++i) {
    const double mass = 0.5 * (std::erf(cells.edge(i + 1) / scale) - std::erf(cells.edge(i) / scale));
    EXPECT_NEAR(density[static_cast<std::size_t>(i)] * cells.width(), mass, 1e-12);
  }
  const FokkerPlanck equation = langevin_equation(cells, {}, loss, temperature);
  const std::vector<double> rest = long_time_density(equation, point_start(cells, 1).density);
  // The solver is exact at the centres, 1 - (h w/T)^2 width^2/24 times the mean.
  for (std::size_t i = 24; i < 40; ++i) EXPECT_NEAR(rest[i] / density[i], 1, 0.03);
}

TEST(EquilibriumDensity, OfASumIsAProduct) {
  const Cells x{-2, 1, 5};
  const Cells y{0, 2, 4};
  const auto fx = [](double w) { return w * w * w * w - w; };
  const auto fy = [](double w) { return std::cos(3 * w) - 5000; };
  const std::vector<double> plane = equilibrium_density(
      x, y, [&](double a, double b) { return fx(a) + fy(b); }, 0.8);
  const std::vector<double> along_x = equilibrium_density(x, fx, 0.8);
  const std::vector<double> along_y = equilibrium_density(y, fy, 0.8);
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t j = 0; j < 4; ++j) EXPECT_NEAR(plane[i * 4 + j], along_x[i] * along_y[j], 1e-6);
  }
}

TEST(EquilibriumDensity, NamesALossThatIsNotFinite) {
  const Cells cells{0, 1, 4};
  EXPECT_THROW(equilibrium_density(
                   cells, [](double) { return std::nan(""); }, 1),
               ConfigError);
  EXPECT_THROW(equilibrium_density(
                   cells, [](double w) { return w; }, 0),
               std::domain_error);
}

// Two bowls, losses 0 and 0.05, det H 1 and 4; eta sigma^2/|B| = 0.05: weights 1 and e^-2/2 with the factor
// 2, 1 and e^-1/2 as printed.
TEST(BasinOccupancy, ByHand) {
  const std::vector<Basin> basins = {{1.0, 1}, {1.05, 4}};
  const auto right = basin_occupancy(OccupancyLaw::laplace, basins, kNoise);
  const auto printed = basin_occupancy(OccupancyLaw::paper_eq26, basins, kNoise);
  EXPECT_NEAR(right[0] / right[1], 2 * std::exp(2.0), 1e-11);
  EXPECT_NEAR(printed[0] / printed[1], 2 * std::exp(1.0), 1e-11);
  EXPECT_DOUBLE_EQ(right[0] + right[1], 1);
  // Only differences of losses count, however large the losses.
  const std::vector<Basin> high = {{1e6, 1}, {1e6 + 1, 1}};
  EXPECT_GT(basin_occupancy(OccupancyLaw::laplace, high, kNoise)[0], 0.999);
  const std::vector<Basin> flat = {{0, 1}, {0, 0}};
  EXPECT_THROW(basin_occupancy(OccupancyLaw::laplace, flat, kNoise), std::domain_error);
}

// A well per side, l = (w^2 - 1)^2 + tilt: Laplace's shares approach the integral's as T falls, the printed
// ones do not.
TEST(BasinOccupancy, LaplaceTendsToTheIntegral) {
  // Piecewise quartic bowls, both with l = 1 at 0: curvatures 2 d / r^2 * 4 / 2 = 8 d / r^2.
  const double radius = 1.5;
  const double depth = 1.02;
  const auto loss = [=](double w) {
    const double z = w < 0 ? w * w - 1 : w * w / (radius * radius) - 1;
    return w < 0 ? z * z : depth * z * z + (1 - depth);
  };
  const std::vector<Basin> basins = {{0, 8}, {1 - depth, 8 * depth / (radius * radius)}};
  const auto error = [&](OccupancyLaw law, double temperature) {
    const std::vector<double> ends = {-3, 0, 4};
    const auto exact = basin_probabilities(loss, temperature, ends);
    EXPECT_NEAR(exact[0] + exact[1], 1, 1e-14);
    const auto shares = basin_occupancy(law, basins, {2 * temperature, 1, 1});
    return std::abs(shares[0] - exact[0]);
  };
  EXPECT_LT(error(OccupancyLaw::laplace, 0.02), 1e-3);
  EXPECT_GT(error(OccupancyLaw::paper_eq26, 0.02), 0.05);
}

}  // namespace
}  // namespace soret::theory
