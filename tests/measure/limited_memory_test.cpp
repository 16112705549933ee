#include "soret/measure/limited_memory.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <random>

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

struct Random {
  explicit Random(unsigned seed) : bits(seed) {}
  Vector vector(Eigen::Index n) {
    return Vector::NullaryExpr(n, [&] { return normal(bits); });
  }
  std::mt19937_64 bits;
  std::normal_distribution<double> normal;
};

/// A model after some pairs of a convex quadratic, and its matrix B from the definition, by updates of the
/// whole matrix (BFGS from theta I).
struct Model {
  Model(Eigen::Index n, int pairs, unsigned seed) : memory(1), dense(n, n) {
    Random random(seed);
    const Matrix root = Matrix::NullaryExpr(n, n, [&] { return random.normal(random.bits); });
    const Matrix h = root * root.transpose() / static_cast<double>(n) + 0.1 * Matrix::Identity(n, n);
    std::vector<std::pair<Vector, Vector>> all;
    for (int k = 0; k < pairs; ++k) {
      const Vector s = random.vector(n);
      all.emplace_back(s, h * s);
      memory.learn(s, h * s);
    }
    dense = memory.theta() * Matrix::Identity(n, n);
    for (const auto& [s, y] : all) {
      const Vector bs = dense * s;
      dense += y * y.transpose() / s.dot(y) - bs * bs.transpose() / s.dot(bs);
    }
  }
  LimitedMemory memory;
  Matrix dense;
};

/// Where the steepest descent, projected onto the box, is after a time.
Vector on_path(const Vector& u, const Vector& g, double time) {
  return (u - time * g).cwiseMax(-1).cwiseMin(1);
}

/// The first local minimum of g.d + d.B d / 2 along that path: stretch by stretch between the times at which
/// bounds are met, from the whole matrix.
Vector first_minimum(const Matrix& b, const Vector& u, const Vector& g) {
  std::vector<double> times = {0};
  for (Eigen::Index i = 0; i < u.size(); ++i)
    if (g[i] != 0) times.push_back((u[i] - (g[i] < 0 ? 1 : -1)) / g[i]);
  std::sort(times.begin(), times.end());
  for (std::size_t k = 0; k < times.size(); ++k) {
    const Vector from = on_path(u, g, times[k]);
    const double length = k + 1 < times.size() ? times[k + 1] - times[k] : 1;
    if (length <= 0) continue;
    const Vector direction = (on_path(u, g, times[k] + 0.5 * length) - from) / (0.5 * length);
    if (direction.isZero(0)) return from;
    const double slope = (g + b * (from - u)).dot(direction);
    if (slope >= 0) return from;
    const double stop = -slope / direction.dot(b * direction);
    if (stop < length) return from + stop * direction;
  }
  return on_path(u, g, times.back());
}

TEST(LimitedMemory, IsTheMatrixOfItsUpdates) {
  for (const auto& [n, pairs] : {std::pair{1, 1}, {7, 3}, {23, 10}}) {
    const Model model(n, pairs, 3);
    const Matrix compact = model.memory.theta() * Matrix::Identity(n, n) -
                           model.memory.w() * model.memory.m() * model.memory.w().transpose();
    EXPECT_LT((compact - model.dense).norm(), 1e-9 * model.dense.norm()) << n;
  }
}

// The path turns at many bounds before the model rises: every term of the update at a bound counts.
TEST(LimitedMemory, TheCauchyPointIsTheFirstMinimumOfThePath) {
  int turns = 0;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    Random random(100 + seed);
    const Eigen::Index n = 3 + seed % 20;
    const Model model(n, 1 + static_cast<int>(seed % 6), seed);
    const Vector u = (0.5 * random.vector(n)).cwiseMax(-1).cwiseMin(1);
    const Vector g = std::pow(10, seed % 3) * random.vector(n);
    const Cauchy found = cauchy_point(model.memory, u, g);
    const Vector exact = first_minimum(model.dense, u, g);
    EXPECT_LT((found.point - exact).lpNorm<Eigen::Infinity>(), 1e-9) << seed;
    EXPECT_LT((found.c - model.memory.w().transpose() * (exact - u)).norm(), 1e-8 * model.dense.norm())
        << seed;
    turns += static_cast<int>((exact.array().abs() == 1).count() - (u.array().abs() == 1).count());
  }
  EXPECT_GT(turns, 100);
}

// Inside the box it is -B^-1 g, from wherever the Cauchy point is.
TEST(LimitedMemory, TheSubspaceMinimumIsNewtons) {
  for (unsigned seed = 1; seed <= 10; ++seed) {
    Random random(seed);
    const Eigen::Index n = 2 + seed;
    const Model model(n, 4, seed);
    const Vector u = Vector::Zero(n);
    const Vector g = 1e-3 * random.vector(n);
    const Vector found = subspace_minimum(model.memory, u, g, cauchy_point(model.memory, u, g));
    EXPECT_LT((model.dense * found + g).norm(), 1e-9 * g.norm()) << seed;
  }
}

}  // namespace
}  // namespace soret::measure
