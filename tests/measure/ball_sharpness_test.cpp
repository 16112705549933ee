#include "soret/measure/ball_sharpness.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <random>

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// 2 + g.x + x.H x / 2
struct Quadratic {
  Matrix h;
  Vector g;

  Differentiable function(bool with_gradient = true) const {
    const auto map = [](std::span<const double> x) {
      return Eigen::Map<const Vector>(x.data(), static_cast<Eigen::Index>(x.size()));
    };
    const auto value = [=, this](std::span<const double> x) {
      return 2 + (0.5 * (h * map(x)) + g).dot(map(x));
    };
    Differentiable f{static_cast<std::size_t>(g.size()), value, {}};
    if (with_gradient)
      f.gradient = [=, this](std::span<const double> x, std::span<double> slope) {
        Eigen::Map<Vector>(slope.data(), g.size()) = h * map(x) + g;
        return value(x);
      };
    return f;
  }
};

Quadratic random_quadratic(Eigen::Index n, double shift, double slope, unsigned seed) {
  std::mt19937_64 bits(seed);
  std::normal_distribution<double> normal;
  const Matrix root = Matrix::NullaryExpr(n, n, [&] { return normal(bits); });
  return {root * root.transpose() / static_cast<double>(n) + shift * Matrix::Identity(n, n),
          slope * Vector::NullaryExpr(n, [&] { return normal(bits); })};
}

/// max of g.d + d.H d / 2 in |d| <= rho (More and Sorensen 1983): d = (mu - H)^-1 g with mu >= max(0,
/// lambda_max) such that |d| = rho, by bisection; inside the ball where H < 0 and |H^-1 g| < rho. No hard
/// case: g has a part along every eigenvector.
double exact_rise(const Quadratic& q, double rho) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(q.h);
  const Vector lambda = solver.eigenvalues();
  const Vector c = solver.eigenvectors().transpose() * q.g;
  const auto length = [&](double mu) { return (c.array() / (mu - lambda.array())).matrix().norm(); };
  double low = std::max(0.0, lambda[lambda.size() - 1]);
  double high = low + q.g.norm() / rho + 1;
  if (!(lambda.maxCoeff() < 0 && length(0) < rho))
    for (int k = 0; k < 200; ++k) (length((low + high) / 2) > rho ? low : high) = (low + high) / 2;
  else
    high = 0;
  const Vector d = c.array() / (high - lambda.array());
  return c.dot(d) + 0.5 * (lambda.array() * d.array().square()).sum();
}

// At a minimum: rho^2 lambda_max / 2, from random points, as the gradient leads nowhere.
TEST(BallSharpness, OfAMinimumIsTheLargestEigenvalues) {
  for (const Eigen::Index n : {1, 2, 7, 61}) {
    const Quadratic q = random_quadratic(n, 0, 0, 1);
    const double lambda = Eigen::SelfAdjointEigenSolver<Matrix>(q.h).eigenvalues().maxCoeff();
    const std::vector<double> x(static_cast<std::size_t>(n), 0.0);
    for (const bool with_gradient : {true, false}) {
      const BallSharpness found = ball_sharpness(q.function(with_gradient), x,
                                                 {.radius = 0.3, .most_iterations = 2000, .tolerance = 1e-9});
      EXPECT_NEAR(found.rise, 0.045 * lambda, 1e-8 * lambda) << n;
      EXPECT_EQ(found.first_step, 0);
      EXPECT_EQ(found.value, 2);
    }
  }
}

// With a slope, for convex, concave and indefinite H: the solution of the trust-region problem.
TEST(BallSharpness, OfQuadraticsIsTheTrustRegions) {
  for (const Eigen::Index n : {1, 2, 7, 41}) {
    for (const double shift : {0.0, -1.0, -6.0}) {
      for (const double rho : {0.01, 0.7, 30.0}) {
        const Quadratic q = random_quadratic(n, shift, 1, 2);
        const std::vector<double> x(static_cast<std::size_t>(n), 0.0);
        const BallSharpness found = ball_sharpness(
            q.function(), x, {.radius = rho, .starts = 8, .most_iterations = 5000, .tolerance = 1e-6});
        const double exact = exact_rise(q, rho);
        EXPECT_NEAR(found.rise, exact, 1e-6 * exact) << n << ' ' << shift << ' ' << rho;
        EXPECT_TRUE(found.converged) << n << ' ' << shift << ' ' << rho;
        const double length = q.g.norm();
        EXPECT_NEAR(found.first_step, rho * length + rho * rho / 2 * q.g.dot(q.h * q.g) / (length * length),
                    1e-12 * (1 + rho * rho) * static_cast<double>(n) * length);
        EXPECT_LE(found.first_step, found.rise + 1e-13);
      }
    }
  }
}

TEST(BallSharpness, SaysThatItHasNotConverged) {
  const Quadratic q = random_quadratic(41, 0, 1, 2);
  const std::vector<double> x(41, 0.0);
  const BallSharpness found =
      ball_sharpness(q.function(), x, {.radius = 30, .starts = 1, .most_iterations = 1, .tolerance = 1e-6});
  EXPECT_FALSE(found.converged);
  EXPECT_LT(found.rise, exact_rise(q, 30) * (1 - 1e-3));
}

TEST(BallSharpness, RefusesWhatHasNone) {
  const Quadratic q = random_quadratic(3, 0, 1, 3);
  const std::vector<double> x(3, 0.0);
  for (const double radius : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    EXPECT_THROW(ball_sharpness(q.function(), x, {.radius = radius}), ConfigError);
  EXPECT_THROW(ball_sharpness(q.function(), x, {.starts = 0}), ConfigError);
  EXPECT_THROW(ball_sharpness(q.function(), std::vector<double>(2), {}), ConfigError);
  const Differentiable root{1, [](std::span<const double> z) { return std::sqrt(z[0]); }, {}};
  EXPECT_THROW(ball_sharpness(root, std::vector<double>(1, 0.01), {.radius = 1, .starts = 8}), ConfigError);
}

}  // namespace
}  // namespace soret::measure
