#include "soret/measure/sharpness.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <random>

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

const Matrix kIdentity;

constexpr Maximiser kAscents[] = {Maximiser::lbfgsb, Maximiser::projected_gradient};
constexpr Maximiser kMaximisers[] = {Maximiser::lbfgsb, Maximiser::projected_gradient, Maximiser::vertices};

const std::string& name(Maximiser maximiser) {
  return maximiser_names()[static_cast<std::size_t>(maximiser)];
}

/// constant + sum over arguments of factor x^power
Differentiable powers(const std::vector<std::pair<double, int>>& terms, double constant = 0) {
  const auto value = [=](std::span<const double> x) {
    double sum = constant;
    for (std::size_t i = 0; i < x.size(); ++i) sum += terms[i].first * std::pow(x[i], terms[i].second);
    return sum;
  };
  return {terms.size(), value, [=](std::span<const double> x, std::span<double> gradient) {
            for (std::size_t i = 0; i < x.size(); ++i)
              gradient[i] = terms[i].first * terms[i].second * std::pow(x[i], terms[i].second - 1);
            return value(x);
          }};
}

/// constant + x.H x / 2 + g.x
Differentiable quadratic(const Matrix& h, const Vector& g, double constant = 0) {
  const auto map = [](std::span<const double> x) {
    return Eigen::Map<const Vector>(x.data(), static_cast<Eigen::Index>(x.size()));
  };
  const auto value = [=](std::span<const double> x) {
    return constant + (0.5 * (h * map(x)) + g).dot(map(x));
  };
  return {static_cast<std::size_t>(g.size()), value,
          [=](std::span<const double> x, std::span<double> gradient) {
            Eigen::Map<Vector>(gradient.data(), g.size()) = h * map(x) + g;
            return value(x);
          }};
}

struct Random {
  explicit Random(unsigned seed) : bits(seed) {}
  Vector vector(Eigen::Index n) {
    return Vector::NullaryExpr(n, [&] { return normal(bits); });
  }
  Matrix matrix(Eigen::Index n, Eigen::Index p) {
    return Matrix::NullaryExpr(n, p, [&] { return normal(bits); });
  }
  /// Of full rank if that is the size.
  Matrix semidefinite(Eigen::Index n, Eigen::Index rank) {
    const Matrix root = matrix(n, rank);
    return root * root.transpose();
  }
  std::mt19937_64 bits;
  std::normal_distribution<double> normal;
};

std::span<const double> entries(const Vector& x) {
  return {x.data(), static_cast<std::size_t>(x.size())};
}

Sharpness sharpness(const Differentiable& f, const Vector& x, const Matrix& a,
                    const SharpnessOptions& options) {
  return sharpness(f, entries(x), a, options);
}

double value_at(const Differentiable& f, const Vector& x) {
  return f.value(entries(x));
}

struct Row {
  Differentiable f;
  double epsilon;
  std::string printed;
};

/// A row of Table 1 of seed 003, whichever the maximiser, with gradients and without.
void expect_printed(const Row& row, const Matrix& a) {
  Differentiable without = row.f;
  without.gradient = nullptr;
  for (const Maximiser maximiser : kMaximisers) {
    for (const auto& f : {row.f, without}) {
      const Sharpness found = sharpness(f, Vector::Zero(static_cast<Eigen::Index>(f.size)), a,
                                        {.epsilon = row.epsilon, .maximiser = maximiser, .starts = 4});
      EXPECT_EQ(fmt::format("{:.1e}", found.phi), row.printed) << name(maximiser) << ' ' << row.epsilon;
      EXPECT_TRUE(found.converged);
      EXPECT_EQ(found.value, 0);
    }
  }
}

const Differentiable kSharp = powers({{100, 2}});
const Differentiable kFlat = powers({{1, 8}});
const Differentiable kSharpSharp = powers({{100, 2}, {100, 2}});
const Differentiable kSharpFlat = powers({{100, 2}, {1, 8}});

// To all digits that are printed.
TEST(Sharpness, IsTable1sWithTheIdentity) {
  for (const Row& row :
       {Row{kSharp, 1e-3, "1.0e-02"}, Row{kFlat, 1e-3, "1.0e-22"}, Row{kSharp, 5e-4, "2.5e-03"},
        Row{kFlat, 5e-4, "3.9e-25"}, Row{kSharpSharp, 1e-3, "2.0e-02"}, Row{kSharpFlat, 1e-3, "1.0e-02"},
        Row{kSharpSharp, 5e-4, "5.0e-03"}, Row{kSharpFlat, 5e-4, "2.5e-03"}})
    expect_printed(row, kIdentity);
}

// One |a| = 0.533 gives all four of the random rows in one dimension, and one matrix whose first row has
// sum_j |a_1j| = 1.38 and max |A s|^2 = 2.1 over signs s all four in two.
TEST(Sharpness, IsTable1sWithOneMatrixForEachDimension) {
  for (const Row& row : {Row{kSharp, 1e-3, "2.8e-03"}, Row{kFlat, 1e-3, "6.5e-25"},
                         Row{kSharp, 5e-4, "7.1e-04"}, Row{kFlat, 5e-4, "2.5e-27"}})
    expect_printed(row, Matrix::Constant(1, 1, -0.533));
  Matrix a(2, 2);
  a << 0.8, -0.58, 0.2, -0.25;
  for (const Row& row : {Row{kSharpSharp, 1e-3, "2.1e-02"}, Row{kSharpFlat, 1e-3, "1.9e-02"},
                         Row{kSharpSharp, 5e-4, "5.3e-03"}, Row{kSharpFlat, 5e-4, "4.8e-03"}})
    expect_printed(row, a);
}

// f = c + sum_i h_i x_i^2 / 2 with h_i of either sign: with A = I the maximum is the sum over i of
// h_i (|x_i| + w_i)^2 / 2, or of h_i max(|x_i| - w_i, 0)^2 / 2 where h_i < 0, w_i = eps (|x_i| + 1). Where
// the box reaches across zero the other side has a local maximum, and some start must find the right one of
// 2^n.
TEST(Sharpness, OfSeparableQuadraticsHasItsClosedForm) {
  Random random(3);
  for (const auto& [n, epsilon] :
       {std::pair{1, 1e-3}, {1, 4.0}, {2, 0.3}, {2, 4.0}, {13, 0.3}, {1009, 1e-3}, {1009, 0.3}}) {
    const Vector h = 3 * random.vector(n);
    Vector x = random.vector(n);
    x += x.cwiseSign();
    std::vector<std::pair<double, int>> terms;
    double start = 0;
    double highest = 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      terms.emplace_back(h[i] / 2, 2);
      const double width = epsilon * (std::abs(x[i]) + 1);
      const double end = h[i] > 0 ? std::abs(x[i]) + width : std::max(0.0, std::abs(x[i]) - width);
      start += h[i] / 2 * x[i] * x[i];
      highest += h[i] / 2 * end * end;
    }
    const Differentiable f = powers(terms, 3 - start);  // f(x) = 3
    for (const Maximiser maximiser : kAscents) {
      const Sharpness found = sharpness(
          f, x, kIdentity, {.epsilon = epsilon, .maximiser = maximiser, .starts = epsilon > 1 ? 20 : 1});
      const double exact = 100 * (highest - start) / 4;
      EXPECT_NEAR(found.phi, exact, 1e-11 * n + 1e-9 * exact)
          << name(maximiser) << ' ' << n << ' ' << epsilon;
      EXPECT_TRUE(found.converged) << name(maximiser) << ' ' << n << ' ' << epsilon;
    }
  }
}

// Convex quadratics and an exponential, with A = I and random: the exact maximum is at a vertex. An ascent
// ends at a local one; the best of 100 misses the exact value by nothing but rounding here.
TEST(Sharpness, AscentsReachTheExactMaximumOfConvexFunctions) {
  Random random(4);
  for (const Eigen::Index n : {1, 2, 7, 40}) {
    const Eigen::Index p = std::min<Eigen::Index>(n, 9);
    const Vector x = random.vector(n);
    const Vector slope = random.vector(n) / std::sqrt(n);
    const Differentiable exponential{
        static_cast<std::size_t>(n),
        [slope](std::span<const double> z) {
          return std::exp(slope.dot(Eigen::Map<const Vector>(z.data(), slope.size())));
        },
        [slope](std::span<const double> z, std::span<double> gradient) {
          const double e = std::exp(slope.dot(Eigen::Map<const Vector>(z.data(), slope.size())));
          Eigen::Map<Vector>(gradient.data(), slope.size()) = e * slope;
          return e;
        }};
    for (const auto& f : {quadratic(random.semidefinite(n, n), Vector::Zero(n)),
                          quadratic(random.semidefinite(n, 2), random.vector(n), 30), exponential}) {
      for (const Columns kind :
           {Columns::identity, Columns::gaussian, Columns::uniform, Columns::orthonormal}) {
        if (kind == Columns::identity && n > 10) continue;
        const Matrix a = random_columns(kind, static_cast<std::size_t>(n), static_cast<std::size_t>(p), 8);
        const Sharpness exact = sharpness(f, x, a, {.epsilon = 0.05, .maximiser = Maximiser::vertices});
        EXPECT_EQ(exact.evaluations, (1 << p) + 1);
        for (const Maximiser maximiser : kAscents) {
          const Sharpness found =
              sharpness(f, x, a, {.epsilon = 0.05, .maximiser = maximiser, .starts = 100});
          EXPECT_NEAR(found.phi, exact.phi, 1e-12 * exact.phi) << name(maximiser) << ' ' << n;
          EXPECT_TRUE(found.converged);
        }
      }
    }
  }
}

// The best point is in the box and has the value that is reported; more starts never find less.
TEST(Sharpness, ReportsAPointOfTheBox) {
  Random random(5);
  const Eigen::Index n = 30;
  const Differentiable f =
      quadratic(random.semidefinite(n, n) - 20 * Matrix::Identity(n, n), random.vector(n), 100);
  const Vector x = 0.1 * random.vector(n);
  const Matrix a = random_columns(Columns::gaussian, n, 11, 3);
  const Vector width = box_half_widths(entries(x), a, 0.2);
  for (const Maximiser maximiser : kMaximisers) {
    double before = 0;
    for (const int starts : {1, 2, 8}) {
      const Sharpness found = sharpness(f, x, a, {.epsilon = 0.2, .maximiser = maximiser, .starts = starts});
      ASSERT_EQ(found.best.size(), 11);
      const Eigen::Map<const Vector> y(found.best.data(), 11);
      EXPECT_TRUE((y.cwiseAbs().array() <= width.array()).all());
      EXPECT_NEAR(value_at(f, x + a * y), found.maximum, 1e-12 * std::abs(found.maximum));
      EXPECT_EQ(found.value, value_at(f, x));
      EXPECT_EQ(found.phi, 100 * (found.maximum - found.value) / (1 + found.value));
      EXPECT_EQ(found.maximiser, maximiser);
      EXPECT_GE(found.phi, before);
      before = found.phi;
    }
  }
}

// A maximum inside the box, of a function with a valley (kappa = 1000), which only a method that bends finds;
// and x itself the maximum, where phi is 0.
TEST(Sharpness, FindsMaximaInsideTheBox) {
  Random random(6);
  const Eigen::Index n = 7;
  const Matrix turn = Eigen::HouseholderQR<Matrix>(random.matrix(n, n)).householderQ();
  const Matrix h =
      turn *
      Vector(Vector::LinSpaced(n, 0, 3).unaryExpr([](double e) { return -std::pow(10, e); })).asDiagonal() *
      turn.transpose();
  const Vector top = 0.1 * random.vector(n);
  const Differentiable f = quadratic(h, -h * top, 5);
  const double highest = value_at(f, top);
  for (const Maximiser maximiser : kAscents) {
    const SharpnessOptions options{.epsilon = 0.5, .maximiser = maximiser, .most_iterations = 1000};
    const Sharpness found = sharpness(f, Vector::Zero(n), kIdentity, options);
    EXPECT_TRUE(found.converged) << name(maximiser);
    EXPECT_NEAR(found.maximum, highest, 1e-6 * (highest - 5)) << name(maximiser);
    EXPECT_LE(found.maximum, highest + 1e-12);
    const Sharpness there = sharpness(f, top, kIdentity, options);
    EXPECT_NEAR(there.phi, 0, 1e-12) << name(maximiser);
    EXPECT_TRUE(there.converged) << name(maximiser);
  }
}

// One iteration is not enough, which the result says. An ascent looks at its start and one point an
// iteration, or more where a line search shortens a step: never for a convex f.
TEST(Sharpness, SaysWhenItHasNotConvergedAndWhatItTook) {
  Random random(7);
  const Matrix h = random.semidefinite(5, 5);
  const Differentiable convex = quadratic(h, random.vector(5), 5);
  Differentiable f = quadratic(-h, random.vector(5), 5);
  for (const Maximiser maximiser : kAscents) {
    const SharpnessOptions options{.epsilon = 1, .maximiser = maximiser, .starts = 3, .most_iterations = 1};
    EXPECT_FALSE(sharpness(f, Vector::Zero(5), kIdentity, options).converged) << name(maximiser);
    const Sharpness few = sharpness(convex, Vector::Zero(5), kIdentity, options);
    EXPECT_EQ(few.gradients, 1 + 3 * 2) << name(maximiser);
    EXPECT_EQ(few.evaluations, few.gradients);
  }
  f.gradient = nullptr;
  const Sharpness differences =
      sharpness(f, Vector::Zero(5), kIdentity, {.epsilon = 1, .maximiser = Maximiser::projected_gradient});
  EXPECT_EQ(differences.evaluations, 11 * differences.gradients);
  EXPECT_EQ(keskar(5e-4).epsilon, 5e-4);
  EXPECT_EQ(keskar(5e-4).most_iterations, 10);
}

// Both are the slope in units of the box, whose sides differ here by a factor of 1000: so a step of either
// goes to the same point, whatever A. Differences of a quadratic are exact but at faces, by 2^-18 of its
// second one.
TEST(Sharpness, DifferencesStandForTheGradient) {
  Random random(12);
  const Eigen::Index n = 6;
  Vector x = random.vector(n);
  for (Eigen::Index i = 0; i < n; ++i) x[i] *= std::pow(1000, static_cast<double>(i) / (n - 1));
  const Matrix h = -random.semidefinite(n, n);
  const Differentiable exact = quadratic(h, -h * x * 1.2, 1);
  const Differentiable differences{exact.size, exact.value, {}};
  for (const Matrix& a : {kIdentity, Matrix(random.matrix(n, 4))}) {
    for (const Maximiser maximiser : kAscents) {
      const SharpnessOptions options{.epsilon = 0.1, .maximiser = maximiser, .most_iterations = 2};
      const Sharpness with = sharpness(exact, x, a, options);
      const Sharpness without = sharpness(differences, x, a, options);
      if (a.size() == 0) {
        EXPECT_GT(with.phi, 1);
      }
      EXPECT_NEAR(with.phi, without.phi, 1e-3 * std::abs(with.phi)) << name(maximiser);
      EXPECT_EQ(with.gradients, without.gradients);
    }
  }
}

// Eight times the function: eight times phi (where f(x) = 0) at the same points, bit by bit.
TEST(Sharpness, AscentsDoNotDependOnTheScale) {
  Random random(8);
  const Matrix h = random.semidefinite(12, 4) - Matrix::Identity(12, 12);
  const Vector g = random.vector(12);
  for (const Maximiser maximiser : kAscents) {
    const SharpnessOptions options{.epsilon = 0.3, .maximiser = maximiser, .starts = 2};
    const Sharpness once = sharpness(quadratic(h, g), Vector::Zero(12), kIdentity, options);
    const Sharpness more = sharpness(quadratic(8 * h, 8 * g), Vector::Zero(12), kIdentity, options);
    EXPECT_EQ(more.phi, 8 * once.phi);
    EXPECT_EQ(more.best, once.best);
    EXPECT_EQ(more.evaluations, once.evaluations);
  }
}

// Turning space (x, A and f together) changes nothing, nor do a column's sign and place. A rescaled argument
// of f does change phi: the box is [-eps, eps] at 0 however flat f is along it.
TEST(Sharpness, HasTheInvariancesOfItsDefinition) {
  Random random(9);
  const Eigen::Index n = 14;
  const Eigen::Index p = 6;
  const Matrix h = random.semidefinite(n, n);
  const Vector x = random.vector(n);
  const Matrix a = random_columns(Columns::uniform, n, p, 2);
  const SharpnessOptions options{.epsilon = 0.1, .maximiser = Maximiser::vertices};
  const double phi = sharpness(quadratic(h, Vector::Zero(n)), x, a, options).phi;
  const Matrix turn = Eigen::HouseholderQR<Matrix>(random.matrix(n, n)).householderQ();
  EXPECT_NEAR(
      sharpness(quadratic(turn * h * turn.transpose(), Vector::Zero(n)), turn * x, turn * a, options).phi,
      phi, 1e-11 * phi);
  Matrix other = a.rowwise().reverse();
  other.col(2) *= -1;
  EXPECT_NEAR(sharpness(quadratic(h, Vector::Zero(n)), x, other, options).phi, phi, 1e-11 * phi);
  const Matrix formed = Matrix::Identity(n, n);
  EXPECT_NEAR(sharpness(quadratic(h, Vector::Zero(n)), x, formed, options).phi,
              sharpness(quadratic(h, Vector::Zero(n)), x, kIdentity, options).phi, 1e-11 * phi);
  EXPECT_NEAR(sharpness(powers({{100 * 0.25, 2}}), Vector::Zero(1), kIdentity, options).phi,
              sharpness(kSharp, Vector::Zero(1), kIdentity, options).phi / 4, 1e-12);
}

// Against the pseudo-inverse that is formed, with more rows than are taken at once and a remainder.
TEST(Sharpness, BoxesAreThoseOfThePseudoInverse) {
  Random random(10);
  for (const auto& [n, p] : {std::pair{1, 1}, {2, 2}, {7, 3}, {37, 37}, {1301, 11}, {1031, 600}}) {
    const Matrix a = random.matrix(n, p);
    const Vector x = random.vector(n);
    const Vector exact = a.completeOrthogonalDecomposition().pseudoInverse() * x;
    const Vector width = box_half_widths(entries(x), a, 0.25);
    ASSERT_EQ(width.size(), p);
    EXPECT_LT((width - Vector(0.25 * (exact.cwiseAbs().array() + 1))).lpNorm<Eigen::Infinity>(),
              1e-11 * exact.lpNorm<Eigen::Infinity>() * p);
  }
  const Vector x = random.vector(5);
  EXPECT_EQ(box_half_widths(entries(x), kIdentity, 0.5), Vector(0.5 * (x.cwiseAbs().array() + 1)));
}

// n = 20000 entries a column. Moments of N(0, 1): variance 1 +- sqrt(2 / n); of U(-1, 1): variance 1/3 +-
// sqrt(4 / 45 / n); means 0.
TEST(SharpnessStatistics, ColumnsHaveTheirDistributions) {
  const std::size_t n = 20000;
  const auto check = [&](Columns kind, double variance, double fourth) {
    const Matrix a = random_columns(kind, n, 3, 4);
    for (const auto& column : a.colwise()) {
      EXPECT_LT(std::abs(column.mean()), 5 * std::sqrt(variance / n));
      EXPECT_LT(std::abs(column.squaredNorm() / n - variance),
                5 * std::sqrt((fourth - variance * variance) / n));
    }
    EXPECT_LT(std::abs(a.col(0).dot(a.col(1)) / n), 5 * variance / std::sqrt(n));
    EXPECT_EQ(random_columns(kind, n, 2, 4), a.leftCols(2));
    EXPECT_NE(random_columns(kind, n, 3, 5), a);
  };
  check(Columns::gaussian, 1, 3);
  check(Columns::uniform, 1.0 / 3, 1.0 / 5);
  EXPECT_LE(random_columns(Columns::uniform, n, 1, 1).cwiseAbs().maxCoeff(), 1);
}

TEST(Sharpness, ColumnsAreOrthonormalOrNone) {
  for (const auto& [n, p] : {std::pair{1UL, 1UL}, {5UL, 5UL}, {97UL, 13UL}}) {
    const Matrix a = random_columns(Columns::orthonormal, n, p, 6);
    const auto size = static_cast<Eigen::Index>(p);
    EXPECT_LT((a.transpose() * a - Matrix::Identity(size, size)).norm(), 1e-13 * static_cast<double>(p));
  }
  EXPECT_EQ(random_columns(Columns::identity, 7, 7, 1).size(), 0);
  EXPECT_THROW(random_columns(Columns::gaussian, 7, 8, 1), ConfigError);
  EXPECT_THROW(random_columns(Columns::gaussian, 7, 0, 1), ConfigError);
  for (const auto& kind : columns_names())
    EXPECT_EQ(columns_names()[static_cast<std::size_t>(parse_columns(kind))], kind);
  for (const auto& each : maximiser_names()) EXPECT_EQ(name(parse_maximiser(each)), each);
  EXPECT_THROW(parse_columns("normal"), ConfigError);
  EXPECT_THROW(parse_maximiser("adam"), ConfigError);
}

/// Expects a ConfigError that says this.
void expect_refused(const Differentiable& f, const Vector& x, const Matrix& a,
                    const SharpnessOptions& options, const std::string& message) {
  try {
    sharpness(f, x, a, options);
    ADD_FAILURE() << "not refused: " << message;
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(message));
  }
}

TEST(Sharpness, RefusesWhatHasNone) {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  const Vector zero = Vector::Zero(2);
  for (const double epsilon : {0.0, -1e-3, nan, infinity})
    expect_refused(kSharpFlat, zero, kIdentity, {.epsilon = epsilon}, "epsilon of the sharpness is");
  expect_refused(kSharpFlat, zero, Matrix::Ones(2, 3), {}, "2 rows and 3 columns");
  expect_refused(kSharpFlat, zero, Matrix::Ones(3, 1), {}, "3 rows and 1 columns");
  expect_refused(kSharpFlat, zero, Matrix::Ones(2, 2), {}, "rank 1 only, of 2 columns");
  expect_refused(kSharpFlat, zero, Matrix::Zero(2, 1), {}, "rank 0 only");
  expect_refused(kSharpFlat, Vector::Zero(3), kIdentity, {}, "3 numbers for a function of 2");
  expect_refused(kSharpFlat, zero, kIdentity, {.starts = 0}, "0 starts");
  expect_refused(kSharpFlat, zero, kIdentity, {.most_iterations = 0}, "of 0 iterations");
  const Differentiable many = quadratic(Matrix::Identity(21, 21), Vector::Zero(21));
  expect_refused(many, Vector::Zero(21), kIdentity, {.maximiser = Maximiser::vertices}, "21 dimensions");
  Random random(11);
  Matrix a = random.matrix(3000, 5);
  a.col(4) = a.col(0) - 2 * a.col(3);
  EXPECT_THROW(box_half_widths(entries(random.vector(3000)), a, 1e-3), ConfigError);
  for (const Maximiser maximiser : kMaximisers) {
    expect_refused(quadratic(Matrix::Identity(2, 2), zero, -1), zero, kIdentity, {.maximiser = maximiser},
                   "f(x) is -1");
    // Finite at x only, or nowhere, or without a gradient.
    const Differentiable spike{
        2, [&](std::span<const double> x) { return x[0] == 0 && x[1] == 0 ? 1 : infinity; }, {}};
    expect_refused(spike, zero, kIdentity, {.maximiser = maximiser}, "f is inf in the box");
    expect_refused(kSharpFlat, Vector::Constant(2, nan), kIdentity, {.maximiser = maximiser}, "f is nan");
    const Differentiable slopeless{2, kSharpFlat.value,
                                   [&](std::span<const double> x, std::span<double> gradient) {
                                     std::ranges::fill(gradient, x[0] == 0 ? 0 : nan);
                                     return 1.0;
                                   }};
    if (maximiser != Maximiser::vertices)
      expect_refused(slopeless, zero, kIdentity, {.maximiser = maximiser}, "the gradient of f is nan");
  }
}

}  // namespace
}  // namespace soret::measure
