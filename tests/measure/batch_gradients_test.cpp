#include "soret/measure/batch_gradients.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "soret/base/error.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using namespace testing;
using Batches = std::vector<std::vector<std::uint32_t>>;

/// 17 samples in an order of their own, in batches of `size`; the last may be smaller.
Batches cut(int samples, int size) {
  Batches batches;
  for (int i = 0; i < samples; ++i) {
    if (i % size == 0) batches.emplace_back();
    batches.back().push_back(static_cast<std::uint32_t>((5 * i + 3) % samples));
  }
  return batches;
}

/// g_k, a row each.
Matrix all_gradients(const LossAt<double>& loss, const Batches& batches) {
  Matrix g(static_cast<Eigen::Index>(batches.size()), static_cast<Eigen::Index>(loss.parameters.size()));
  for (std::size_t k = 0; k < batches.size(); ++k) {
    g.row(static_cast<Eigen::Index>(k)) =
        plain_gradient(loss, {batches[k].begin(), batches[k].end()}, 1.0 / batches[k].size());
  }
  return g;
}

std::vector<double> second_moments(std::size_t parameters) {
  std::vector<double> s(parameters);
  for (std::size_t i = 0; i < s.size(); ++i) s[i] = 1e-3 * static_cast<double>(i % 7);
  return s;
}

// Batches of 5, 5, 5 and 2 (unequal: the split of Eq. 2 leaves a remainder), and four of 4 with a sample
// twice.
TEST(BatchGradients, HaveTheMomentsOfAPlainLoop) {
  const Measured m(HeadKind::softmax, 17);
  Batches equal = cut(16, 4);
  equal[2][1] = equal[3][0];
  for (const bool batch_statistics : {false, true}) {
    for (const Batches& batches : {cut(17, 5), equal}) {
      const LossAt<double> loss = m.at(64, batch_statistics);
      const auto s = second_moments(loss.parameters.size());
      const BatchGradients found = batch_gradients<double>(loss, batches, {s, 1e-2});
      const Matrix g = all_gradients(loss, batches);
      const auto count = g.rows();
      Vector shares(count);
      for (Eigen::Index k = 0; k < count; ++k) shares[k] = static_cast<double>(batches[k].size());
      shares /= shares.sum();
      const Vector mean = g.transpose() * shares;
      for (Eigen::Index i = 0; i < mean.size(); ++i) EXPECT_NEAR(found.mean[i], mean[i], 1e-14);
      const auto parts = layer_parts(m.network);
      for (std::size_t p = 0; p < parts.size(); ++p) {
        BatchGradientMoments exact;
        for (Eigen::Index k = 0; k < count; ++k) {
          double square = 0;
          for (auto i = static_cast<Eigen::Index>(parts[p].first);
               i < static_cast<Eigen::Index>(parts[p].last); ++i) {
            const double gi = g(k, i);
            const double d = gi - mean[i];
            square += gi * gi;
            if (k == 0) exact.gradient_square += mean[i] * mean[i];
            exact.deviation_square += d * d / count;
            exact.remainder += 2 * mean[i] * d / count;
            exact.weighted_deviation_square += shares[k] * d * d;
            exact.literal += std::pow(s[i] * gi, 2) / count;
            exact.preconditioned += std::pow(gi / (std::sqrt(s[i]) + 1e-2), 2) / count;
            exact.half_preconditioned += gi * gi / (std::sqrt(s[i]) + 1e-2) / count;
          }
          exact.norm += std::sqrt(square) / count;
          exact.square += square / count;
          exact.weighted_square += shares[k] * square;
        }
        const BatchGradientMoments& part = found.parts[p];
        const double tolerance = 1e-13 * (1 + exact.square);
        EXPECT_NEAR(part.norm, exact.norm, tolerance);
        EXPECT_NEAR(part.square, exact.square, tolerance);
        EXPECT_NEAR(part.gradient_square, exact.gradient_square, tolerance);
        EXPECT_NEAR(part.deviation_square, exact.deviation_square, tolerance);
        EXPECT_NEAR(part.remainder, exact.remainder, tolerance);
        EXPECT_NEAR(part.weighted_square, exact.weighted_square, tolerance);
        EXPECT_NEAR(part.weighted_deviation_square, exact.weighted_deviation_square, tolerance);
        EXPECT_NEAR(part.literal, exact.literal, tolerance);
        EXPECT_NEAR(part.preconditioned, exact.preconditioned, 1e-13 * (1 + exact.preconditioned));
        EXPECT_NEAR(part.half_preconditioned, exact.half_preconditioned, tolerance * 100);
        // The splits, exactly.
        EXPECT_NEAR(part.square, part.gradient_square + part.deviation_square + part.remainder, tolerance);
        EXPECT_NEAR(part.weighted_square, part.gradient_square + part.weighted_deviation_square, tolerance);
      }
      const bool unequal = batches.back().size() != batches.front().size();
      EXPECT_EQ(found.parts[0].remainder != 0, unequal);
      EXPECT_GE(std::abs(found.parts[0].remainder), unequal ? 0.01 * found.parts[0].square : 0);
    }
  }
}

// Eq. 1 of seed 001 as it stands: the batches' mean loss and eta/4m of their squared gradients.
TEST(BatchGradients, CoverTheLossOfTheSet) {
  const Measured m(HeadKind::squared, 17);
  const LossAt<double> loss = m.at(64, false);
  const BatchGradients found = batch_gradients<double>(loss, cut(17, 5));
  auto s = m.s;
  s.mode.batch_statistics = false;
  EXPECT_NEAR(found.loss, s.loss(s.parameters), 1e-13);
  const auto whole = s.gradient(s.parameters);
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(found.mean[i], whole[i], 1e-14);
  EXPECT_EQ(found.parts[0].literal, 0);
  EXPECT_EQ(found.parts[0].preconditioned, 0);
  EXPECT_EQ(implicit_term(0.1, 8), 0.2);
}

// Batches that agree to nine digits: the deviation comes from the differences, not from squares that cancel.
TEST(BatchGradients, KeepTheDigitsOfSmallDeviations) {
  Measured m(HeadKind::squared, 12);
  const std::size_t inputs = m.network.input().size();
  for (int i = 1; i < 12; ++i) {
    for (std::size_t k = 0; k < inputs; ++k)
      m.s.x[i * inputs + k] = m.s.x[k] + 1e-9 * std::sin(static_cast<double>(i * 31 + k));
    std::copy_n(m.s.values.begin(), 3, m.s.values.begin() + static_cast<std::ptrdiff_t>(3 * i));
  }
  const LossAt<double> loss = m.at(64, false);
  const Batches batches = cut(12, 3);
  const Matrix g = all_gradients(loss, batches);
  const Vector mean = g.colwise().mean();
  const double exact = (g.rowwise() - mean.transpose()).squaredNorm() / 4;
  const BatchGradientMoments whole = batch_gradients<double>(loss, batches).parts[0];
  EXPECT_LT(exact, 1e-16 * whole.square);
  // The gradients themselves are rounded in the 16th digit, their differences of 1e-9 in the seventh.
  EXPECT_NEAR(whole.deviation_square, exact, 1e-5 * exact);
}

// A batch larger than a chunk is cut as training cuts it: statistics are those of chunks.
TEST(BatchGradients, CutLargeBatchesIntoChunks) {
  const Measured m(HeadKind::softmax, 17);
  const Batches batches = {{2, 3, 5, 7, 11, 13, 16}};
  const LossAt<double> loss = m.at(4, true);
  const Vector exact =
      plain_gradient(loss, {2, 3, 5, 7}, 1.0 / 7) + plain_gradient(loss, {11, 13, 16}, 1.0 / 7);
  const BatchGradients found = batch_gradients<double>(loss, batches);
  for (Eigen::Index i = 0; i < exact.size(); ++i) EXPECT_NEAR(found.mean[i], exact[i], 1e-14);
}

TEST(BatchGradients, DoNotDependOnTheThreads) {
  const Measured m(HeadKind::softmax, 17);
  const std::vector<float> s(m.parameters.size(), 0.01F);
  expect_independent_of_threads([&] {
    const BatchGradients found = batch_gradients<float>(m.at_in_float(64, true), cut(17, 3), {s, 1e-8});
    std::vector<double> all = found.mean;
    for (const auto& p : found.parts) {
      for (const double x : {p.norm, p.square, p.gradient_square, p.deviation_square, p.remainder,
                             p.weighted_square, p.weighted_deviation_square, p.preconditioned})
        all.push_back(x);
    }
    return all;
  });
}

TEST(BatchGradients, RefuseBatchesThatAreNone) {
  const Measured m(HeadKind::softmax, 17);
  const auto refused = [&](const Batches& batches, const std::string& words) {
    try {
      batch_gradients<double>(m.at(64, false), batches);
      FAIL() << words;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(words));
    }
  };
  refused({}, "no micro-batches");
  refused({{1}, {}}, "micro-batch 1 is empty");
  refused({{1}, {2, 17}}, "micro-batch 1 names sample 17 of 17");
  const std::vector<double> s(5);
  EXPECT_THROW(batch_gradients<double>(m.at(64, false), cut(17, 5), {s, 1e-8}), ConfigError);
}

}  // namespace
}  // namespace soret::measure
