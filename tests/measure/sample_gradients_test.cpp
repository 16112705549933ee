#include "soret/measure/sample_gradients.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "soret/base/error.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using namespace testing;

/// g_i, a row each.
Matrix all_gradients(const LossAt<double>& loss) {
  Matrix g(loss.samples, static_cast<Eigen::Index>(loss.parameters.size()));
  for (int i = 0; i < loss.samples; ++i) g.row(i) = plain_gradient(loss, {i}, 1);
  return g;
}

TEST(SampleGradients, HaveTheMomentsOfAPlainLoop) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::logistic, HeadKind::squared}) {
    const Measured m(head, 13);
    const LossAt<double> loss = m.at(5, false);
    const Matrix g = all_gradients(loss);
    const Vector mean = g.colwise().mean();
    const SampleGradients found = sample_gradients(loss);

    auto s = m.s;
    s.mode.batch_statistics = false;
    EXPECT_NEAR(found.loss, s.loss(s.parameters), 1e-14);
    for (Eigen::Index k = 0; k < mean.size(); ++k) EXPECT_NEAR(found.mean[k], mean[k], 1e-14 * g.norm());
    for (int i = 0; i < 13; ++i)
      EXPECT_NEAR(found.squares[i], g.row(i).squaredNorm(), 1e-14 * g.squaredNorm());
    const auto parts = layer_parts(m.network);
    ASSERT_EQ(found.parts.size(), parts.size());
    for (std::size_t k = 0; k < parts.size(); ++k) {
      const auto first = static_cast<Eigen::Index>(parts[k].first);
      const auto size = static_cast<Eigen::Index>(parts[k].size());
      const Matrix part = g.middleCols(first, size);
      const Matrix noise = part.rowwise() - mean.segment(first, size).transpose();
      const double trace = noise.squaredNorm() / 13;
      const GradientMoments& moments = found.parts[k];
      const double tolerance = 1e-14 * g.squaredNorm();
      EXPECT_NEAR(moments.mean_square, part.squaredNorm() / 13, tolerance);
      EXPECT_NEAR(moments.square_of_mean, mean.segment(first, size).squaredNorm(), tolerance);
      EXPECT_NEAR(moments.trace_over_n(), trace, tolerance);
      EXPECT_NEAR(moments.trace_over_n_minus_1(), noise.squaredNorm() / 12, tolerance);
      // The mean over parameters of each parameter's variance.
      const Vector variances = noise.colwise().squaredNorm() / 13;
      EXPECT_NEAR(moments.variance(), variances.mean(), tolerance);
      EXPECT_NEAR(moments.critical_batch_size() * moments.signal_to_noise(), 1, 1e-12);
      EXPECT_NEAR(moments.critical_batch_size(), trace / mean.segment(first, size).squaredNorm(), 1e-10);
    }
  }
}

TEST(SampleGradients, AreTheSameInSinglePrecision) {
  const Measured m(HeadKind::softmax, 13);
  const SampleGradients exact = sample_gradients(m.at(5, false));
  const SampleGradients rounded = sample_gradients(m.at_in_float(5, false));
  for (std::size_t k = 0; k < exact.parts.size(); ++k) {
    EXPECT_NEAR(rounded.parts[k].mean_square, exact.parts[k].mean_square,
                100 * 0x1p-24 * exact.parts[0].mean_square);
    EXPECT_NEAR(rounded.parts[k].square_of_mean, exact.parts[k].square_of_mean,
                100 * 0x1p-24 * exact.parts[0].square_of_mean);
  }
}

TEST(SampleGradients, OfEqualSamplesHaveNoNoise) {
  Measured m(HeadKind::softmax, 6);
  const std::size_t inputs = m.network.input().size();
  for (int i = 1; i < 6; ++i) {
    std::copy_n(m.s.x.begin(), inputs, m.s.x.begin() + static_cast<std::ptrdiff_t>(i * inputs));
    m.s.labels[i] = m.s.labels[0];
  }
  const GradientMoments whole = sample_gradients(m.at(4, false)).parts[0];
  EXPECT_GT(whole.square_of_mean, 0.01);
  EXPECT_LT(whole.trace_over_n(), 1e-14 * whole.square_of_mean);
  EXPECT_GE(whole.trace_over_n(), 0);
  m.s.n = 1;
  EXPECT_TRUE(std::isnan(sample_gradients(m.at(4, false)).parts[0].trace_over_n_minus_1()));
}

TEST(SampleGradients, DoNotDependOnTheThreads) {
  const Measured m(HeadKind::softmax, 29);
  expect_independent_of_threads([&] {
    const SampleGradients found = sample_gradients(m.at_in_float(4, false));
    std::vector<double> all = found.mean;
    all.insert(all.end(), found.squares.begin(), found.squares.end());
    for (const auto& part : found.parts) all.push_back(part.mean_square + part.square_of_mean);
    return all;
  });
}

TEST(SampleGradients, NeedRunningStatistics) {
  const Measured m(HeadKind::softmax, 13);
  try {
    sample_gradients(m.at(5, true));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("norm1: with batch statistics"));
  }
}

}  // namespace
}  // namespace soret::measure
