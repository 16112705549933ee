#include "soret/measure/curvature.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <random>

#include "soret/base/error.hpp"

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;

/// A random symmetric matrix with these eigenvalues, and what is known of it.
struct Known {
  explicit Known(const Eigen::VectorXd& eigenvalues, unsigned seed = 1) : values(eigenvalues) {
    std::mt19937_64 bits(seed);
    std::normal_distribution<double> normal;
    const Matrix random = Matrix::NullaryExpr(values.size(), values.size(), [&] { return normal(bits); });
    vectors = Eigen::HouseholderQR<Matrix>(random).householderQ();
    matrix = vectors * values.asDiagonal() * vectors.transpose();
  }
  SymmetricOperator as_operator() const {
    return {static_cast<std::size_t>(values.size()),
            [this](std::span<const double> v, std::span<double> product) {
              Eigen::Map<Eigen::VectorXd>(product.data(), values.size()) =
                  matrix * Eigen::Map<const Eigen::VectorXd>(v.data(), values.size());
            }};
  }
  Eigen::VectorXd values;
  Matrix vectors, matrix;
};

Eigen::VectorXd some_values(int n) {
  Eigen::VectorXd v(n);
  for (int i = 0; i < n; ++i) v[i] = std::cos(1.7 * i) * std::exp(-0.05 * i);
  v[n / 2] = -7;  // largest in size, but not algebraically
  v[n / 3] = 3;
  std::sort(v.begin(), v.end());
  return v;
}

TEST(Curvature, FindsTheLargestEigenpairs) {
  for (const int n : {1, 2, 3, 7, 60}) {
    const Known known(n > 3 ? some_values(n) : Eigen::VectorXd(Eigen::VectorXd::LinSpaced(n, -1.0, 2.0)));
    const int count = std::min(3, std::max(1, n - 1));
    const Eigenpairs found = largest_eigenpairs(known.as_operator(), count, 1e-10, 2000, 5);
    ASSERT_TRUE(found.converged) << n;
    ASSERT_EQ(found.values.size(), static_cast<std::size_t>(count));
    EXPECT_GT(found.products, 0);
    for (int i = 0; i < count; ++i) {
      EXPECT_NEAR(found.values[i], known.values[n - 1 - i], 1e-8);
      const auto v = Eigen::Map<const Eigen::VectorXd>(found.vectors[i].data(), n);
      EXPECT_NEAR(v.norm(), 1, 1e-12);
      EXPECT_LT((known.matrix * v - found.values[i] * v).norm(), 1e-7);
    }
  }
  EXPECT_THROW(largest_eigenpairs(Known(some_values(5)).as_operator(), 6, 1e-6, 100, 1), ConfigError);
  EXPECT_THROW(largest_eigenpairs(Known(some_values(5)).as_operator(), 0, 1e-6, 100, 1), ConfigError);
}

// A budget that is too small is reported, not passed over; what it has found lies below the truth.
TEST(Curvature, SaysWhenItHasNotConverged) {
  const Known known(Eigen::VectorXd::LinSpaced(400, 0.99, 1.0));
  const Eigenpairs found = largest_eigenpairs(known.as_operator(), 2, 1e-13, 21, 5);
  EXPECT_FALSE(found.converged);
  ASSERT_EQ(found.values.size(), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_LT(found.values[i], known.values[399 - i]);
    EXPECT_GT(found.values[i], 0.995);  // the middle, where a random vector stands
  }
  EXPECT_GT(found.values[0], found.values[1]);
}

TEST(Curvature, FindsAllEigenvalues) {
  const Known known(some_values(7));
  const Eigenpairs found = largest_eigenpairs(known.as_operator(), 7, 1e-10, 100, 5);
  ASSERT_EQ(found.values.size(), 7);
  for (int i = 0; i < 7; ++i) EXPECT_NEAR(found.values[i], known.values[6 - i], 1e-12);
}

TEST(Curvature, BlocksAreThoseOfTheMatrix) {
  const Known known(some_values(20));
  const SymmetricOperator whole = known.as_operator();
  const SymmetricOperator part = block(whole, 4, 9);
  ASSERT_EQ(part.size, 9);
  const Eigen::SelfAdjointEigenSolver<Matrix> exact(known.matrix.block(4, 4, 9, 9));
  EXPECT_NEAR(largest_eigenpairs(part, 1, 1e-10, 500, 1).values[0], exact.eigenvalues()[8], 1e-8);
}

TEST(Curvature, TracesOfDiagonalMatricesAreExact) {
  const SymmetricOperator diagonal{300, [](std::span<const double> v, std::span<double> product) {
                                     for (std::size_t i = 0; i < v.size(); ++i)
                                       product[i] = static_cast<double>(i) * v[i];
                                   }};
  const std::vector<Part> parts = {{"all", 0, 300}, {"some", 10, 13}};
  const auto found = traces(diagonal, parts, 3, 9);
  EXPECT_DOUBLE_EQ(found[0].value, 299 * 150);
  EXPECT_DOUBLE_EQ(found[1].value, 10 + 11 + 12);
  EXPECT_EQ(found[0].error, 0);
  EXPECT_TRUE(std::isnan(traces(diagonal, parts, 1, 9)[0].error));
}

// Neither a NaN nor an infinity, from the first product on or in one row only, keeps a solver busy.
TEST(Curvature, RefusesWhatIsNotFinite) {
  const std::vector<Part> parts = {{"all", 0, 40}};
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    for (const std::size_t size : {2UL, 40UL}) {
      const SymmetricOperator broken{size, [bad](std::span<const double> v, std::span<double> product) {
                                       std::ranges::copy(v, product.begin());
                                       product[1] = bad;
                                     }};
      EXPECT_THROW(largest_eigenpairs(broken, 1, 1e-6, 1000, 1), RunError);
      EXPECT_THROW(traces(broken, std::span(parts).first(size == 40 ? 1 : 0), 2, 1), RunError);
      EXPECT_THROW(spectral_density(broken, 5, 2, 1), RunError);
    }
  }
  int products = 0;
  const SymmetricOperator later{40, [&](std::span<const double> v, std::span<double> product) {
                                  for (std::size_t i = 0; i < v.size(); ++i)
                                    product[i] = static_cast<double>(i) * v[i];
                                  if (++products > 25) product[3] = std::nan("");
                                }};
  EXPECT_THROW(largest_eigenpairs(later, 3, 1e-14, 100000, 1), RunError);
  EXPECT_EQ(products, 26);
}

// n = 400 probes; the estimate within five of its own standard errors, and that error the exact one, the
// variance of v.A v over signs being 2 sum_{i != j} A_ij^2.
TEST(CurvatureStatistics, TracesHaveHonestErrors) {
  const Known known(some_values(50));
  const std::vector<Part> parts = {{"all", 0, 50}, {"first", 0, 20}, {"second", 20, 50}};
  const auto found = traces(known.as_operator(), parts, 400, 3);
  const double exact = known.values.sum();
  EXPECT_LT(std::abs(found[0].value - exact), 5 * found[0].error);
  EXPECT_LT(std::abs(found[1].value - known.matrix.topLeftCorner(20, 20).trace()), 5 * found[1].error);
  EXPECT_NEAR(found[1].value + found[2].value, found[0].value, 1e-10);
  const double off_diagonal = known.matrix.squaredNorm() - known.matrix.diagonal().squaredNorm();
  EXPECT_NEAR(found[0].error, std::sqrt(2 * off_diagonal / 400), 0.25 * found[0].error);
}

// A probe's quadrature has the moments v.A^k v of its vector exactly, k < 2 steps; with as many steps as rows
// all the eigenvalues come out.
TEST(Curvature, DensitiesHaveTheirProbesMoments) {
  const Known known(some_values(12));
  const SpectralDensity all = spectral_density(known.as_operator(), 12, 1, 2);
  ASSERT_EQ(all.values.size(), 12);
  double weight = 0;
  for (int i = 0; i < 12; ++i) {
    EXPECT_NEAR(all.values[i], known.values[i], 1e-8);
    weight += all.weights[i];
  }
  EXPECT_NEAR(weight, 1, 1e-12);
  const SpectralDensity few = spectral_density(known.as_operator(), 4, 1, 2);
  for (int k = 0; k < 8; ++k) {
    double exact = 0;
    double found = 0;
    for (int i = 0; i < 12; ++i) exact += all.weights[i] * std::pow(all.values[i], k);
    for (int i = 0; i < 4; ++i) found += few.weights[i] * std::pow(few.values[i], k);
    EXPECT_NEAR(found, exact, 1e-9 * std::pow(7, k)) << k;
  }
}

// A matrix of two eigenvalues: two steps find the probe's whole space and stop.
TEST(Curvature, LanczosStopsWhenItsSpaceIsFound) {
  Eigen::VectorXd values(30);
  values.head(10).setConstant(1);
  values.tail(20).setConstant(4);
  const SpectralDensity found = spectral_density(Known(values).as_operator(), 15, 40, 2);
  EXPECT_EQ(found.values.size(), 80);
  double share = 0;
  for (std::size_t i = 0; i < found.values.size(); ++i)
    if (found.values[i] > 2) share += found.weights[i];
  EXPECT_NEAR(share, 2.0 / 3, 5 * std::sqrt(2.0 / 9 / 40 * 2 / 30));
  const std::vector<double> places = {1, 2.5, 4};
  const auto curve = smoothed(found, places, 0.1);
  EXPECT_NEAR(curve[2] * 0.1 * std::sqrt(2 * M_PI), share, 1e-6);
  EXPECT_LT(curve[1], 1e-12);
}

// From all eigenvalues, and by quadrature with as many steps as rows, where every probe is exact in the
// moments but not in the weights of the masses: their mean over probes is 1/n each, and that of n weight_i
// log lambda_i has an error of sqrt(2 sum log^2 lambda / probes) about.
TEST(CurvatureStatistics, ThePositivePartHasItsLogDeterminant) {
  Eigen::VectorXd values(12);
  values << -3, -1e-3, 1e-9, 0.02, 0.1, 0.5, 1, 2, 3, 7, 20, 50;
  double exact = 0;
  double square = 0;
  for (int i = 3; i < 12; ++i) {
    exact += std::log(values[i]);
    square += std::pow(std::log(values[i]), 2);
  }
  const Known known(values);
  const auto all = all_eigenvalues(known.as_operator());
  for (int i = 0; i < 12; ++i) EXPECT_NEAR(all[static_cast<std::size_t>(i)], values[i], 1e-12);
  const PositivePart dense = positive_part(all, 1e-6);
  EXPECT_EQ(dense.rank, 9);
  EXPECT_NEAR(dense.log_determinant, exact, 1e-10);
  constexpr int kProbes = 4000;
  const PositivePart sampled = positive_part(spectral_density(known.as_operator(), 12, kProbes, 3), 12, 1e-6);
  EXPECT_NEAR(sampled.rank, 9, 5 * std::sqrt(2.0 * 9 / kProbes));
  EXPECT_NEAR(sampled.log_determinant, exact, 5 * std::sqrt(2 * square / kProbes));
}

}  // namespace
}  // namespace soret::measure
