#include "soret/measure/box_ascent.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <random>

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// The best of the points that an ascent looks at, all of which must lie in the box.
struct Watched {
  explicit Watched(ValueAndGradient function) : f(std::move(function)) {}
  ValueAndGradient as_function() {
    return [this](const Vector& u, Vector& gradient) {
      EXPECT_LE(u.lpNorm<Eigen::Infinity>(), 1);
      ++points;
      const double value = f(u, gradient);
      if (points == 1 || value > best_value) best_value = value, best = u, best_gradient = gradient;
      return value;
    };
  }
  ValueAndGradient f;
  Vector best, best_gradient;
  double best_value = 0;
  int points = 0;
};

struct Method {
  const char* name;
  void (*ascend)(const ValueAndGradient&, Vector, const AscentLimits&);
};
constexpr Method kMethods[] = {{"projected gradient", ascend_by_projected_gradient},
                               {"lbfgsb", ascend_by_lbfgsb}};

/// -(u - top).H (u - top) / 2 with eigenvalues from 1 to `condition`.
ValueAndGradient hill(Eigen::Index n, double condition, const Vector& top, unsigned seed) {
  std::mt19937_64 bits(seed);
  std::normal_distribution<double> normal;
  const Matrix random = Matrix::NullaryExpr(n, n, [&] { return normal(bits); });
  const Matrix turn = Eigen::HouseholderQR<Matrix>(random).householderQ();
  const Vector values = Vector::NullaryExpr(n, [&](Eigen::Index i) {
    return std::pow(condition, static_cast<double>(i) / std::max<double>(1, n - 1));
  });
  const Matrix h = turn * values.asDiagonal() * turn.transpose();
  return [h, top](const Vector& u, Vector& gradient) {
    gradient = -h * (u - top);
    return 0.5 * gradient.dot(u - top);
  };
}

// A concave function has one maximum in the box, where the gradient's projection vanishes: here some of its
// coordinates are at bounds, as the hill's top is outside in some, and some are not.
TEST(BoxAscent, FindsTheOnlyMaximumOfConcaveFunctions) {
  for (const Eigen::Index n : {1, 2, 5, 37, 211}) {
    const Vector top = 1.5 * Vector::NullaryExpr(n, [](Eigen::Index i) { return std::sin(3.0 * i + 1); });
    for (const Method& method : kMethods) {
      Watched f(hill(n, 100, top, 3));
      method.ascend(f.as_function(), Vector::Constant(n, 0.3), {.most_iterations = 3000, .tolerance = 1e-9});
      EXPECT_LE(projected_residual(f.best, f.best_gradient, 1), 1e-9 * 100 * 10 * n)
          << method.name << ' ' << n;
      if (n > 2) {
        EXPECT_GT((f.best.cwiseAbs().array() == 1).count(), 0);
        EXPECT_LT((f.best.cwiseAbs().array() == 1).count(), n);
      }
    }
  }
}

// Rosenbrock's function upside down, x = 2 u: its top at (1, 1), from the other end of its curved ridge. The
// gradient there is below 1e-10 of the largest met, some 2000, and the curvature along the ridge about 1.
TEST(BoxAscent, LbfgsbFollowsACurvedValley) {
  Watched f([](const Vector& u, Vector& gradient) {
    const double x = 2 * u[0];
    const double y = 2 * u[1];
    const double bend = y - x * x;
    gradient = Vector(2);
    gradient << 2 * (400 * x * bend + 2 * (1 - x)), 2 * (-200 * bend);
    return -100 * bend * bend - (1 - x) * (1 - x);
  });
  ascend_by_lbfgsb(f.as_function(), Vector::Constant(2, -0.6), {.most_iterations = 200, .tolerance = 1e-10});
  EXPECT_NEAR(f.best[0], 0.5, 2e-7);
  EXPECT_NEAR(f.best[1], 0.5, 2e-7);
  EXPECT_LT(f.points, 120);
}

// A hill of condition 10^4 with its top inside: what the pairs are for. The gradient ends below 1e-9 of the
// largest, less than 10^4, and the least curvature is 1. (SciPy's L-BFGS-B climbs it in as many iterations.)
TEST(BoxAscent, LbfgsbClimbsIllConditionedHills) {
  const Eigen::Index n = 37;
  const Vector top = 0.5 * Vector::NullaryExpr(n, [](Eigen::Index i) { return std::cos(2.0 * i); });
  const AscentLimits limits{.most_iterations = 5000, .tolerance = 1e-9};
  Watched f(hill(n, 1e4, top, 5));
  ascend_by_lbfgsb(f.as_function(), Vector::Zero(n), limits);
  EXPECT_LT((f.best - top).norm(), 1e-5 * std::sqrt(n));
  Watched without(hill(n, 1e4, top, 5));
  ascend_by_projected_gradient(without.as_function(), Vector::Zero(n), limits);
  EXPECT_LT((without.best - top).norm(), 1e-5 * std::sqrt(n));
  EXPECT_LT(2 * f.points, without.points);
}

// Convex in all of 1009 coordinates, of slopes over three decades: all bounds are met in a few iterations.
TEST(BoxAscent, MeetsManyBoundsAtOnce) {
  const Eigen::Index n = 1009;
  const Vector slope = Vector::NullaryExpr(n, [&](Eigen::Index i) {
    return (i % 2 == 0 ? 1 : -1) * std::pow(1000.0, static_cast<double>(i) / (n - 1));
  });
  for (const Method& method : kMethods) {
    Watched f([&](const Vector& u, Vector& gradient) {
      gradient = slope + 0.1 * u;
      return (slope + 0.05 * u).dot(u);
    });
    method.ascend(f.as_function(), Vector::Zero(n), {.most_iterations = 10, .tolerance = 1e-9});
    EXPECT_EQ(f.best, Vector(slope.cwiseSign())) << method.name;
  }
}

}  // namespace
}  // namespace soret::measure
