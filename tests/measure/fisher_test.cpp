#include "soret/measure/fisher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "soret/base/error.hpp"
#include "soret/measure/hessian.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using namespace testing;
using Batches = std::vector<std::vector<std::uint32_t>>;

/// Tr J^T H J of samples that share a pass, summed over them, of one part.
double trace_of(const LossAt<double>& loss, const std::vector<int>& which, const Part& part) {
  const auto outputs = static_cast<Eigen::Index>(loss.network.output().size());
  const Matrix j =
      jacobian(loss, which)
          .middleCols(static_cast<Eigen::Index>(part.first), static_cast<Eigen::Index>(part.size()));
  const Matrix z = outputs_of(loss, which);
  double trace = 0;
  for (Eigen::Index i = 0; i < z.rows(); ++i) {
    const Matrix rows = j.middleRows(i * outputs, outputs);
    trace += (rows.transpose() * output_hessian(loss.head, z.row(i)) * rows).trace();
  }
  return trace;
}

/// Every way to label `samples` samples, and its probability.
template <class F>
void for_each_labelling(const LossAt<double>& loss, const std::vector<int>& which, const F& f) {
  const Matrix z = outputs_of(loss, which);
  const int classes = loss.head == HeadKind::logistic ? 2 : static_cast<int>(z.cols());
  std::vector<std::int32_t> labels(static_cast<std::size_t>(loss.samples));
  const auto count = static_cast<int>(std::pow(classes, which.size()) + 0.5);
  for (int code = 0; code < count; ++code) {
    double p = 1;
    int rest = code;
    for (std::size_t i = 0; i < which.size(); ++i, rest /= classes) {
      labels[which[i]] = rest % classes;
      p *= probabilities(loss.head, z.row(static_cast<Eigen::Index>(i)))[rest % classes];
    }
    f(labels, p);
  }
}

// The expectation over labels, label by label and sample by sample; and the trace of the Gauss-Newton matrix.
TEST(Fisher, TracesAreExpectationsOverTheModelsLabels) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::logistic}) {
    const Measured m(head, 7);
    const LossAt<double> loss = m.at(3, false);
    const std::vector<double> found = fisher_trace(loss);
    const auto parts = layer_parts(m.network);
    ASSERT_EQ(found.size(), parts.size());
    std::vector<double> exact(parts.size());
    for (int i = 0; i < 7; ++i) {
      for_each_labelling(loss, {i}, [&](const std::vector<std::int32_t>& labels, double p) {
        LossAt<double> relabelled = loss;
        relabelled.targets.labels = labels.data();
        const Vector g = plain_gradient(relabelled, {i}, 1);
        for (std::size_t k = 0; k < parts.size(); ++k) {
          exact[k] +=
              p / 7 *
              g.segment(static_cast<Eigen::Index>(parts[k].first), static_cast<Eigen::Index>(parts[k].size()))
                  .squaredNorm();
        }
      });
    }
    for (std::size_t k = 0; k < parts.size(); ++k) EXPECT_NEAR(found[k], exact[k], 1e-13 * exact[0]);
  }
  const Measured m(HeadKind::squared, 7);
  const LossAt<double> loss = m.at(3, false);
  const std::vector<double> found = fisher_trace(loss);
  const auto parts = layer_parts(m.network);
  for (std::size_t k = 0; k < parts.size(); ++k) {
    double exact = 0;
    for (int i = 0; i < 7; ++i) exact += trace_of(loss, {i}, parts[k]) / 7;
    EXPECT_NEAR(found[k], exact, 1e-13 * found[0]);
  }
  const SymmetricOperator matrix = gauss_newton(loss);
  double trace = 0;
  std::vector<double> product(matrix.size);
  for (std::size_t i = 0; i < matrix.size; ++i) {
    std::vector<double> unit(matrix.size);
    unit[i] = 1;
    matrix.apply(unit, product);
    trace += product[i];
  }
  EXPECT_NEAR(found[0], trace, 1e-13 * trace);
}

// E |grad Lhat_M|^2 over all 3^4 (2^4) labellings of a micro-batch is Tr(F_M) / |M|, exactly, also where
// samples share their statistics.
TEST(Fisher, SquaredGradientsOfMicroBatchesAreItsTraceOverTheirSize) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::logistic}) {
    for (const bool batch_statistics : {false, true}) {
      const Measured m(head, 7);
      const LossAt<double> loss = m.at(64, batch_statistics);
      const std::vector<int> batch = {6, 1, 2, 4};
      double expected = 0;
      double total = 0;
      for_each_labelling(loss, batch, [&](const std::vector<std::int32_t>& labels, double p) {
        LossAt<double> relabelled = loss;
        relabelled.targets.labels = labels.data();
        expected += p * plain_gradient(relabelled, batch, 1.0 / 4).squaredNorm();
        total += p;
      });
      EXPECT_NEAR(total, 1, 1e-14);
      const double trace = trace_of(loss, batch, layer_parts(m.network)[0]) / 4;
      EXPECT_NEAR(expected, trace / 4, 1e-13 * trace);
      if (batch_statistics) continue;
      // The same trace from the samples of the batch alone.
      LossAt<double> part = loss;
      std::vector<double> x;
      const std::size_t inputs = m.network.input().size();
      for (const int i : batch) x.insert(x.end(), loss.x + i * inputs, loss.x + (i + 1) * inputs);
      part.x = x.data();
      part.samples = 4;
      EXPECT_NEAR(fisher_trace(part)[0] / 4, expected, 1e-13 * trace);
    }
  }
}

// n = 600 draws: within five of the standard errors that they give themselves, part by part.
TEST(FisherStatistics, SampledTracesAreUnbiased) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::logistic, HeadKind::squared}) {
    const Measured m(head, 7);
    const LossAt<double> loss = m.at(3, false);
    const std::vector<double> exact = fisher_trace(loss);
    const std::vector<TraceEstimate> found = sampled_fisher_trace(loss, 600, 5);
    for (std::size_t k = 0; k < exact.size(); ++k) {
      EXPECT_LT(std::abs(found[k].value - exact[k]), 5 * found[k].error);
      EXPECT_LT(found[k].error, 0.1 * exact[k]);
    }
  }
}

// n = 600 draws of two batches, of the classes' number of labels each; truth: the mean of Tr(F_M)/|M|.
TEST(FisherStatistics, SampledGradientsOfMicroBatchesHaveThatMean) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::logistic, HeadKind::squared}) {
    for (const bool batch_statistics : {false, true}) {
      const Measured m(head, 9);
      const LossAt<double> loss = m.at(64, batch_statistics);
      const Batches batches = {{6, 1, 2, 4, 8}, {0, 3, 5}};
      const auto parts = layer_parts(m.network);
      const std::vector<TraceEstimate> found = sampled_gradient_square<double>(loss, batches, 600, 3);
      for (std::size_t k = 0; k < parts.size(); ++k) {
        const double exact =
            (trace_of(loss, {6, 1, 2, 4, 8}, parts[k]) / 25 + trace_of(loss, {0, 3, 5}, parts[k]) / 9) / 2;
        EXPECT_LT(std::abs(found[k].value - exact), 5 * found[k].error) << parts[k].name;
        EXPECT_LT(found[k].error, 0.1 * exact);
      }
    }
  }
}

TEST(Fisher, DoesNotDependOnTheThreadsNorSamplingOnTheChunks) {
  const Measured m(HeadKind::softmax, 11);
  const Batches batches = {{6, 1, 2, 4, 8}, {0, 3, 5}, {7, 9, 10}};
  expect_independent_of_threads([&] {
    std::vector<double> all = fisher_trace(m.at_in_float(3, false));
    for (const auto& e : sampled_fisher_trace(m.at_in_float(3, false), 3, 1)) all.push_back(e.value);
    for (const auto& e : sampled_gradient_square<float>(m.at_in_float(64, true), batches, 3, 1))
      all.push_back(e.value);
    return all;
  });
  const auto in_threes = sampled_fisher_trace(m.at(3, false), 3, 1);
  const auto at_once = sampled_fisher_trace(m.at(11, false), 3, 1);
  EXPECT_NEAR(in_threes[0].value, at_once[0].value, 1e-13 * at_once[0].value);
  const auto whole = sampled_gradient_square<double>(m.at(64, false), batches, 3, 1);
  const auto cut = sampled_gradient_square<double>(m.at(2, false), batches, 3, 1);
  EXPECT_NEAR(whole[0].value, cut[0].value, 1e-13 * whole[0].value);
  // The same batch again draws labels of its own.
  const auto once = sampled_gradient_square<double>(m.at(64, false), Batches{{0, 3, 5}}, 4, 1);
  const auto twice = sampled_gradient_square<double>(m.at(64, false), Batches{{0, 3, 5}, {0, 3, 5}}, 4, 1);
  EXPECT_NE(once[0].value, twice[0].value);
}

TEST(Fisher, NeedsAModelAndSamplesOfTheirOwn) {
  const Measured m(HeadKind::softmax, 7);
  LossAt<double> linear = m.at(3, false);
  linear.head = HeadKind::linear;
  EXPECT_THROW(fisher_trace(linear), ConfigError);
  EXPECT_THROW(sampled_gradient_square<double>(linear, Batches{{0}}, 1, 1), ConfigError);
  EXPECT_THROW(sampled_fisher_trace(m.at(3, false), 0, 1), ConfigError);
  try {
    fisher_trace(m.at(3, true));
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("norm1: with batch statistics"));
  }
}

}  // namespace
}  // namespace soret::measure
