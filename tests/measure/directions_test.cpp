#include "soret/measure/directions.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>

#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

Vector waves(Eigen::Index n, double frequency) {
  return Vector::NullaryExpr(n, [&](Eigen::Index i) { return std::sin(frequency * i + 1); });
}

// More rows than are taken at a time, and a remainder that is no multiple of four.
TEST(Directions, DrawnAnewAreTheSameAsStored) {
  for (const Columns kind : {Columns::gaussian, Columns::uniform}) {
    for (const auto& [n, p] : {std::pair{1UL, 1UL}, {7UL, 3UL}, {5003UL, 11UL}}) {
      const Directions stored(kind, n, p, 3);
      const Directions anew(kind, n, p, 3, 0);
      EXPECT_TRUE(stored.is_stored());
      EXPECT_FALSE(anew.is_stored());
      const Vector x = waves(stored.rows(), 1.3);
      const Vector y = waves(stored.cols(), 0.7);
      Vector a, b;
      stored.place(x, y, a);
      anew.place(x, y, b);
      EXPECT_EQ(a, b);
      stored.project(x, a);
      anew.project(x, b);
      EXPECT_EQ(a, b);
      EXPECT_EQ(stored.coordinates(x), anew.coordinates(x));
    }
  }
  EXPECT_TRUE(Directions(Columns::orthonormal, 50, 5, 1, 0).is_stored());
  EXPECT_THROW(Directions(Columns::gaussian, 5, 6, 1, 0), ConfigError);
}

// Against the products of the whole matrix.
TEST(Directions, MultiplyAsTheirMatrix) {
  const Matrix a = random_columns(Columns::gaussian, 4099, 13, 5);
  const Directions directions(a);
  const Vector x = waves(4099, 0.3);
  const Vector y = waves(13, 2.1);
  Vector out;
  directions.place(x, y, out);
  EXPECT_LT((out - (x + a * y)).lpNorm<Eigen::Infinity>(), 1e-13 * 13);
  directions.project(x, out);
  EXPECT_LT((out - a.transpose() * x).lpNorm<Eigen::Infinity>(), 1e-13 * 4099);
  EXPECT_LT((directions.coordinates(x) - a.colPivHouseholderQr().solve(x)).lpNorm<Eigen::Infinity>(), 1e-13);
}

TEST(Directions, OfTheIdentityAreAll) {
  const Directions all(Columns::identity, 5, 2, 1);
  const Vector x = waves(5, 1);
  Vector out;
  all.place(x, x, out);
  EXPECT_EQ(out, 2 * x);
  all.project(x, out);
  EXPECT_EQ(out, x);
  EXPECT_EQ(all.coordinates(x), x);
}

TEST(Directions, DoNotDependOnThreads) {
  const Directions anew(Columns::gaussian, 9001, 7, 3, 0);
  testing::expect_independent_of_threads([&] {
    Vector g;
    anew.project(waves(9001, 0.1), g);
    return g;
  });
}

}  // namespace
}  // namespace soret::measure
