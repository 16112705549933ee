#include "soret/measure/hessian.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>

#include "soret/base/error.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using namespace testing;

/// All of an operator, column by column.
Matrix dense(const SymmetricOperator& matrix) {
  const auto n = static_cast<Eigen::Index>(matrix.size);
  Matrix all(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const Vector unit = Vector::Unit(n, i);
    matrix.apply({unit.data(), matrix.size}, {all.col(i).data(), matrix.size});
  }
  return all;
}

/// The gradient of the mean of chunks' losses.
Vector mean_gradient(const LossAt<double>& loss, const std::vector<double>& parameters) {
  Vector g = Vector::Zero(static_cast<Eigen::Index>(parameters.size()));
  for (const auto& chunk : chunks_of(loss)) g += plain_gradient(loss, parameters, chunk, 1.0 / loss.samples);
  return g;
}

/// By fourth-order central differences of it.
Matrix hessian_by_differences(const LossAt<double>& loss) {
  constexpr double kStep = 1e-3;
  const std::vector<double> w(loss.parameters.begin(), loss.parameters.end());
  const auto n = static_cast<Eigen::Index>(w.size());
  Matrix h(n, n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto at = [&](double step) {
      std::vector<double> moved = w;
      moved[static_cast<std::size_t>(i)] += step;
      return mean_gradient(loss, moved);
    };
    h.col(i) = (at(-2 * kStep) - 8 * at(-kStep) + 8 * at(kStep) - at(2 * kStep)) / (12 * kStep);
  }
  return h;
}

struct Kind {
  HeadKind head;
  bool batch_statistics;
};
constexpr Kind kKinds[] = {{HeadKind::softmax, false},
                           {HeadKind::softmax, true},
                           {HeadKind::logistic, true},
                           {HeadKind::squared, false}};

// Eleven samples in chunks of four, four and three. The truncation of the differences is of the order 1e-12
// times the sixth derivatives; rounding is 1e-16 / step.
TEST(Hessian, IsThatOfTheMeanLoss) {
  for (const Kind kind : kKinds) {
    const Measured m(kind.head, 11);
    const LossAt<double> loss = m.at(4, kind.batch_statistics);
    const Matrix h = dense(hessian(loss));
    const Matrix exact = hessian_by_differences(loss);
    EXPECT_LT((h - exact).cwiseAbs().maxCoeff(), 1e-8 * exact.cwiseAbs().maxCoeff());
    EXPECT_LT((h - h.transpose()).cwiseAbs().maxCoeff(), 1e-13 * exact.cwiseAbs().maxCoeff());
  }
}

// Product after product, also with the passes of all, some or none of the chunks kept, on any number of
// threads.
TEST(Hessian, IsTheSameWithKeptPasses) {
  for (const Kind kind : kKinds) {
    const Measured m(kind.head, 11);
    const LossAt<double> loss = m.at(4, kind.batch_statistics);
    const double all = kept_bytes(loss.network, 11, 4, 1e9);
    for (const double most : {0.0, 0.4 * all, 0.9 * all, 1e9}) {
      EXPECT_EQ(dense(fixed_hessian(loss, most)), dense(hessian(loss)));
      expect_independent_of_threads([&] { return dense(fixed_hessian(loss, most)); });
    }
  }
}

TEST(Hessian, KeepsWholeChunksWithinItsLimit) {
  const auto network = mixed_network<float>(3);
  const double one = kept_bytes(network, 128, 128, 1e9);
  EXPECT_GT(one, 0);
  EXPECT_EQ(kept_bytes(network, 384, 128, 1e9), 3 * one);
  EXPECT_EQ(kept_bytes(network, 384, 128, 2.5 * one), 2 * one);
  EXPECT_EQ(kept_bytes(network, 384, 128, 0.5 * one), 0);
  EXPECT_EQ(kept_bytes(network, 384, 128, 0), 0);
}

TEST(Hessian, ItsGaussNewtonPartIsMadeOfJacobians) {
  for (const Kind kind : kKinds) {
    const Measured m(kind.head, 11);
    const LossAt<double> loss = m.at(4, kind.batch_statistics);
    const auto size = static_cast<Eigen::Index>(loss.parameters.size());
    Matrix exact = Matrix::Zero(size, size);
    for (const auto& chunk : chunks_of(loss)) {
      const Matrix j = jacobian(loss, chunk);
      const Matrix z = outputs_of(loss, chunk);
      for (Eigen::Index i = 0; i < z.rows(); ++i) {
        const auto rows = j.middleRows(i * m.outputs(), m.outputs());
        exact += rows.transpose() * output_hessian(kind.head, z.row(i)) * rows / loss.samples;
      }
    }
    const Matrix g = dense(gauss_newton(loss));
    EXPECT_LT((g - exact).cwiseAbs().maxCoeff(), 1e-13 * exact.cwiseAbs().maxCoeff());
  }
}

TEST(Hessian, HasTheEigenvaluesOfTheDenseOne) {
  const Measured m(HeadKind::softmax, 11);
  const LossAt<double> loss = m.at(4, true);
  const SymmetricOperator whole = hessian(loss);
  const Matrix exact = hessian_by_differences(loss);
  const std::vector<Part> parts = layer_parts(m.network);
  for (const Part& part : parts) {
    const auto first = static_cast<Eigen::Index>(part.first);
    const auto size = static_cast<Eigen::Index>(part.size());
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(exact.block(first, first, size, size));
    const Vector& values = solver.eigenvalues();
    const Eigenpairs found = largest_eigenpairs(block(whole, part.first, part.size()), 2, 1e-10, 3000, 3);
    EXPECT_NEAR(found.values[0], values[size - 1], 1e-7 * values.cwiseAbs().maxCoeff()) << part.name;
    EXPECT_NEAR(found.values[1], values[size - 2], 1e-7 * values.cwiseAbs().maxCoeff()) << part.name;
  }
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(exact);
  const SpectralDensity density = spectral_density(whole, 60, 1, 4);
  EXPECT_NEAR(*std::max_element(density.values.begin(), density.values.end()),
              solver.eigenvalues().maxCoeff(), 1e-7);
}

// 300 probes for all parts at once; each within five of its own standard errors, whose truth is
// sqrt(2 sum of squared off-diagonal entries / probes).
TEST(HessianStatistics, TracesOfLayersAreThoseOfTheDenseOne) {
  const Measured m(HeadKind::softmax, 11);
  const LossAt<double> loss = m.at(4, false);
  const Matrix exact = hessian_by_differences(loss);
  const std::vector<Part> parts = layer_parts(m.network);
  const auto found = traces(hessian(loss), parts, 300, 8);
  ASSERT_EQ(found.size(), 6);
  double sum = 0;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const auto first = static_cast<Eigen::Index>(parts[k].first);
    const auto size = static_cast<Eigen::Index>(parts[k].size());
    EXPECT_LT(std::abs(found[k].value - exact.diagonal().segment(first, size).sum()), 5 * found[k].error);
    if (k > 0) sum += found[k].value;
  }
  EXPECT_NEAR(sum, found[0].value, 1e-12 * std::abs(sum));
  const double off_diagonal = exact.squaredNorm() - exact.diagonal().squaredNorm();
  EXPECT_NEAR(found[0].error, std::sqrt(2 * off_diagonal / 300), 0.25 * found[0].error);
}

// Single precision with double vectors: some tens of roundings, of sums of up to a hundred terms.
TEST(Hessian, IsTheSameInSinglePrecision) {
  const Measured m(HeadKind::softmax, 11);
  for (const bool batch_statistics : {false, true}) {
    const Matrix exact = dense(hessian(m.at(4, batch_statistics)));
    const Matrix rounded = dense(hessian(m.at_in_float(4, batch_statistics)));
    EXPECT_LT((rounded - exact).cwiseAbs().maxCoeff(), 200 * 0x1p-24 * exact.cwiseAbs().maxCoeff());
    const Matrix exact_part = dense(gauss_newton(m.at(4, batch_statistics)));
    const Matrix rounded_part = dense(gauss_newton(m.at_in_float(4, batch_statistics)));
    EXPECT_LT((rounded_part - exact_part).cwiseAbs().maxCoeff(),
              200 * 0x1p-24 * exact_part.cwiseAbs().maxCoeff());
  }
}

TEST(Hessian, DoesNotDependOnTheThreads) {
  const Measured m(HeadKind::softmax, 23);
  for (const int chunk : {4, 23}) {
    expect_independent_of_threads([&] {
      const auto found = largest_eigenpairs(hessian(m.at_in_float(chunk, true)), 2, 1e-3, 60, 1);
      return std::pair(found.values, found.vectors);
    });
  }
  // An operator goes on when there are more threads than it was made for.
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const SymmetricOperator h = hessian(m.at(4, false));
  const Matrix one = dense(h);
  omp_set_num_threads(3);
  EXPECT_EQ(dense(h), one);
  omp_set_num_threads(before);
}

TEST(Hessian, OfWhatIsNotFiniteIsRefused) {
  Measured m(HeadKind::softmax, 11);
  m.s.x[17] = std::nan("");
  EXPECT_THROW(largest_eigenpairs(hessian(m.at(4, false)), 1, 1e-3, 100, 1), RunError);
  m.s.x[17] = 0;
  m.s.parameters[3] = HUGE_VAL;
  EXPECT_THROW(largest_eigenpairs(hessian(m.at(4, true)), 1, 1e-3, 100, 1), RunError);
}

TEST(Hessian, OfAnIncompleteLossIsRefused) {
  const Measured m(HeadKind::softmax, 11);
  const auto refused = [&](const auto& spoil, const std::string& words) {
    LossAt<double> loss = m.at(4, false);
    spoil(loss);
    try {
      hessian(loss);
      FAIL() << words;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(words));
    }
  };
  refused([](auto& l) { l.samples = 0; }, "samples to measure on: 0");
  refused([](auto& l) { l.chunk = 0; }, "samples computed at a time: 0");
  refused([](auto& l) { l.parameters = l.parameters.subspan(1); }, "parameters: 134; it must be 135");
  refused([](auto& l) { l.state = {}; }, "running statistics: 0; it must be 12");
  refused([](auto& l) { l.targets.labels = nullptr; }, "compares with labels");
  refused([](auto& l) { l.head = HeadKind::squared, l.targets.values = nullptr; }, "compares with values");
  auto labels = m.s.labels;
  labels[7] = 3;
  refused([&](auto& l) { l.targets.labels = labels.data(); },
          "sample 7 has label 3; it must be at least 0 and below 3");
  labels[7] = -1;
  refused([&](auto& l) { l.targets.labels = labels.data(); }, "sample 7 has label -1");
  // The last chunk is one sample, and its layer norm2 has one place.
  try {
    largest_eigenpairs(hessian(m.at(5, true)), 1, 1e-3, 100, 1);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("norm2: batch normalisation of one value"));
  }
}

}  // namespace
}  // namespace soret::measure
