#include "soret/measure/gradient_noise.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <map>
#include <set>

#include "soret/base/error.hpp"
#include "tests/measure/problems.hpp"
#include "tests/oracles/statistics.hpp"

namespace soret::measure {
namespace {

using test::gradients;
using test::random_problem;
using test::random_weights;
using ::testing::HasSubstr;

constexpr Sampling kBoth[] = {Sampling::with_replacement, Sampling::without_replacement};
constexpr Wanted kEverything{.vectors = true, .matrix = true};

Matrix as_matrix(const std::vector<oracle::Vec>& rows) {
  Matrix m(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows.size()));
  for (std::size_t a = 0; a < rows.size(); ++a)
    for (std::size_t b = 0; b < rows.size(); ++b)
      m(static_cast<Eigen::Index>(a), static_cast<Eigen::Index>(b)) = rows[a][b];
  return m;
}

/// All batches, measured.
NoiseMeasurement enumerated(const Population& p, int batch_size, Sampling sampling) {
  NoiseMeasurement m(p, batch_size, kEverything);
  for_each_batch(p.samples(), batch_size, sampling, [&](auto batch) { m.add(batch); });
  return m;
}

/// A problem, a batch size, a way to sample: small enough for the oracle's ordered lists.
struct Case {
  Loss loss;
  int samples, features, outputs, batch_size;
  Sampling sampling;
};

class Enumeration : public ::testing::TestWithParam<Case> {
 protected:
  Enumeration()
      : problem_(
            random_problem(GetParam().loss, GetParam().samples, GetParam().features, GetParam().outputs)),
        weights_(random_weights(*problem_)),
        gradients_(gradients(*problem_, weights_)),
        population_(population(problem_, weights_, 3, 7)) {}

  std::shared_ptr<Regression> problem_;
  Matrix weights_;
  std::vector<oracle::Vec> gradients_;
  Population population_;
};

TEST_P(Enumeration, IsTheOraclesAndTheExactLaw) {
  const auto [loss, n, features, outputs, b, sampling] = GetParam();
  const bool with = sampling == Sampling::with_replacement;
  const auto expected = oracle::enumerate_noise(gradients_, static_cast<std::size_t>(b), with);
  const NoiseMeasurement m = enumerated(population_, b, sampling);
  EXPECT_EQ(static_cast<double>(m.batches()), batch_count(n, b, sampling));

  const Matrix cov = as_matrix(expected.moment);
  const double scale = n * n * as_matrix(oracle::gradient_covariance(gradients_, 0)).trace();
  EXPECT_LT((m.covariance() - cov).norm(), 1e-12 * scale);
  EXPECT_NEAR(m.trace(), cov.trace(), 1e-12 * scale);
  const Matrix diagonal = m.diagonal();
  EXPECT_LT((Eigen::Map<const Vector>(diagonal.data(), diagonal.size()) - cov.diagonal()).norm(),
            1e-12 * scale);
  // Unbiased: psi sums to zero over all batches (Eq. 9-10).
  EXPECT_LT(m.sum().norm() / static_cast<double>(m.batches()), 1e-11 * n);

  // Eq. 15 with F over N is exact with replacement, Eq. 14 with F over N - 1 without.
  const double factor = with ? double(n) * n / b : n * (double(n) / b - 1);
  const Matrix law = factor * as_matrix(oracle::gradient_covariance(gradients_, with ? 0 : 1));
  EXPECT_LT((cov - law).norm(), 1e-12 * scale);
  EXPECT_LT((covariance_factor(exact_law(sampling), n, b) * gradient_covariance(population_) - law).norm(),
            1e-12 * scale);
}

TEST_P(Enumeration, TheLeadingVectorLeads) {
  const auto& [loss, n, features, outputs, b, sampling] = GetParam();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gradient_covariance(population_));
  EXPECT_NEAR(population_.variances[0], solver.eigenvalues().maxCoeff(),
              1e-6 * solver.eigenvalues().maxCoeff());
  const NoiseMeasurement m = enumerated(population_, b, sampling);
  double square = 0;
  for (const double psi : m.along(0)) square += psi * psi / static_cast<double>(m.batches());
  const double scale = n * n * population_.trace;
  EXPECT_NEAR(square, covariance_factor(exact_law(sampling), n, b) * population_.variances[0], 1e-12 * scale);
}

TEST_P(Enumeration, KurtosisIsExact) {
  const auto& [loss, n, features, outputs, b, sampling] = GetParam();
  if (b == n && sampling == Sampling::without_replacement) return;  // no noise, no kurtosis
  const NoiseMeasurement m = enumerated(population_, b, sampling);
  const Vector exact = exact_excess_kurtosis(population_, b, sampling);
  for (int u = 0; u < exact.size(); ++u) {
    double square = 0;
    double fourth = 0;
    for (const double psi : m.along(u)) {
      square += psi * psi / static_cast<double>(m.batches());
      fourth += psi * psi * psi * psi / static_cast<double>(m.batches());
    }
    EXPECT_NEAR(fourth / (square * square) - 3, exact[u], 1e-10 * n);
  }
}

TEST_P(Enumeration, TwoBatchSizesGiveSignalAndNoise) {
  const auto& [loss, n, features, outputs, b, sampling] = GetParam();
  if (b == 1) return;  // one batch size cannot tell signal from noise
  const NoiseMeasurement m = enumerated(population_, b, sampling);
  const auto estimate = signal_and_noise(m.sample_square(), m.batch_square(), b, n, sampling);
  const double unbiased = sampling == Sampling::with_replacement ? 1 : n / (n - 1.0);
  const double scale = population_.mean_square + population_.trace;
  EXPECT_NEAR(estimate.gradient_square, population_.mean_square, 1e-11 * scale);
  EXPECT_NEAR(estimate.trace, unbiased * population_.trace, 1e-11 * scale);
}

INSTANTIATE_TEST_SUITE_P(Problems, Enumeration,
                         ::testing::Values(Case{Loss::linear, 7, 3, 1, 1, Sampling::with_replacement},
                                           Case{Loss::linear, 5, 3, 1, 4, Sampling::with_replacement},
                                           Case{Loss::linear, 2, 1, 1, 3,
                                                Sampling::with_replacement},  // |B| > N
                                           Case{Loss::logistic, 6, 4, 1, 3, Sampling::with_replacement},
                                           Case{Loss::softmax, 5, 2, 3, 3, Sampling::with_replacement},
                                           Case{Loss::linear, 7, 3, 1, 1, Sampling::without_replacement},
                                           Case{Loss::linear, 2, 2, 1, 1, Sampling::without_replacement},
                                           Case{Loss::linear, 3, 2, 1, 2, Sampling::without_replacement},
                                           Case{Loss::logistic, 8, 3, 1, 5, Sampling::without_replacement},
                                           Case{Loss::softmax, 6, 2, 3, 4, Sampling::without_replacement},
                                           Case{Loss::softmax, 5, 2, 3, 5, Sampling::without_replacement}));

TEST(GradientNoise, TheLawsDifferAsTheSeedPrintsThem) {
  // N = 5, |B| = 2: 5 (2.5 - 1) = 7.5 and 25 / 2 = 12.5.
  EXPECT_DOUBLE_EQ(covariance_factor(CovarianceLaw::eq14, 5, 2), 7.5);
  EXPECT_DOUBLE_EQ(covariance_factor(CovarianceLaw::eq14_unbiased, 5, 2), 7.5 * 5 / 4);
  EXPECT_DOUBLE_EQ(covariance_factor(CovarianceLaw::eq15, 5, 2), 12.5);
  EXPECT_DOUBLE_EQ(covariance_factor(CovarianceLaw::eq15_unbiased, 5, 2), 12.5 * 5 / 4);
  EXPECT_EQ(covariance_factor(CovarianceLaw::eq14_unbiased, 5, 5), 0);
}

TEST(GradientNoise, EnumerationVisitsEveryBatchOnce) {
  for (const Sampling sampling : kBoth) {
    std::set<std::vector<std::uint32_t>> seen;
    for_each_batch(5, 3, sampling, [&](auto batch) {
      EXPECT_TRUE(seen.emplace(batch.begin(), batch.end()).second);
      for (const auto i : batch) EXPECT_LT(i, 5u);
    });
    EXPECT_EQ(seen.size(), sampling == Sampling::with_replacement ? 125u : 10u);
    EXPECT_EQ(batch_count(5, 3, sampling), static_cast<double>(seen.size()));
  }
  EXPECT_EQ(batch_count(60, 30, Sampling::without_replacement), 118264581564861424.0);
  EXPECT_EQ(batch_count(7, 7, Sampling::without_replacement), 1);
}

TEST(GradientNoise, ABatchWithoutReplacementHasNoRepeats) {
  BatchSampler batches(11, 7, Sampling::without_replacement, 3, 0);
  for (int k = 0; k < 50; ++k) {
    const auto batch = batches.next();
    EXPECT_EQ(std::set<std::uint32_t>(batch.begin(), batch.end()).size(), 7u);
  }
  BatchSampler whole(11, 11, Sampling::without_replacement, 3, 0);
  const auto batch = whole.next();
  EXPECT_EQ(std::set<std::uint32_t>(batch.begin(), batch.end()).size(), 11u);
}

TEST(GradientNoiseStatistics, EveryBatchIsEquallyLikely) {
  // 10 sets without, 25 pairs with; 20000 batches each.
  for (const Sampling sampling : kBoth) {
    std::map<std::vector<std::uint32_t>, double> counts;
    for_each_batch(5, 2, sampling, [&](auto batch) { counts[{batch.begin(), batch.end()}] = 0; });
    BatchSampler batches(5, 2, sampling, 11, 4);
    for (int k = 0; k < 20000; ++k) {
      const auto batch = batches.next();
      std::vector<std::uint32_t> key(batch.begin(), batch.end());
      if (sampling == Sampling::without_replacement) std::ranges::sort(key);
      ++counts.at(key);
    }
    std::vector<double> numbers;
    for (const auto& [key, count] : counts) numbers.push_back(count);
    EXPECT_LT(oracle::chi_square_deviation(numbers), oracle::kFiveSigma);
  }
}

TEST(GradientNoiseStatistics, SampledNoiseIsTheEnumerated) {
  // 40 samples, batches of 6 of 3.8 million (without) and 4.1 billion (with): truth by the law, 64
  // trajectories of 200 batches.
  const auto problem = random_problem(Loss::softmax, 40, 3, 3);
  const Population p = population(problem, random_weights(*problem), 4, 2);
  for (const Sampling sampling : kBoth) {
    const double factor = covariance_factor(exact_law(sampling), 40, 6);
    const Vector kurtosis = exact_excess_kurtosis(p, 6, sampling);
    std::vector<double> trace, leading, mean, fourth, displacement, signal, noise;
    for (std::uint32_t t = 0; t < 64; ++t) {
      NoiseMeasurement m(p, 6, kEverything);
      BatchSampler batches(40, 6, sampling, 9, t);
      for (int k = 0; k < 200; ++k) m.add(batches.next());
      trace.push_back(m.trace());
      displacement.push_back(m.displacement());
      const auto estimate = signal_and_noise(m.sample_square(), m.batch_square(), 6, 40, sampling);
      signal.push_back(estimate.gradient_square);
      noise.push_back(estimate.trace);
      double sum = 0, square = 0, four = 0;
      for (const double psi : m.along(0)) {
        sum += psi / 200;
        square += psi * psi / 200;
      }
      for (const double psi : m.along(1)) four += psi * psi * psi * psi / 200;
      mean.push_back(sum);
      leading.push_back(square);
      fourth.push_back(four);
    }
    EXPECT_LT(oracle::mean_deviation(mean, 0), oracle::kFiveSigma);
    EXPECT_LT(oracle::mean_deviation(trace, factor * p.trace), oracle::kFiveSigma);
    EXPECT_LT(oracle::mean_deviation(leading, factor * p.variances[0]), oracle::kFiveSigma);
    EXPECT_LT(oracle::mean_deviation(displacement, 200 * factor * p.trace), oracle::kFiveSigma);
    const double variance = factor * p.variances[1];
    EXPECT_LT(oracle::mean_deviation(fourth, (kurtosis[1] + 3) * variance * variance), oracle::kFiveSigma);
    EXPECT_LT(oracle::mean_deviation(signal, p.mean_square), oracle::kFiveSigma);
    const double unbiased = sampling == Sampling::with_replacement ? 1 : 40.0 / 39;
    EXPECT_LT(oracle::mean_deviation(noise, unbiased * p.trace), oracle::kFiveSigma);
    // The other law is far off: the test can tell them apart.
    const auto other = exact_law(kBoth[sampling == Sampling::with_replacement ? 1 : 0]);
    EXPECT_GT(oracle::mean_deviation(trace, covariance_factor(other, 40, 6) * p.trace), 10);
  }
}

TEST(GradientNoise, KurtosisFallsAsOneOverTheBatch) {
  const auto problem = random_problem(Loss::linear, 50, 2, 1);
  const Population p = population(problem, random_weights(*problem), 2, 1);
  const Vector one = exact_excess_kurtosis(p, 1, Sampling::with_replacement);
  const Vector ten = exact_excess_kurtosis(p, 10, Sampling::with_replacement);
  EXPECT_LT((one - 10 * ten).norm(), 1e-12 * one.norm());
  EXPECT_LT((one - exact_excess_kurtosis(p, 1, Sampling::without_replacement)).norm(), 1e-11 * one.norm());
}

TEST(GradientNoise, WhatIsNotWantedChangesNothing) {
  const auto problem = random_problem(Loss::logistic, 30, 3, 1);
  const Population p = population(problem, random_weights(*problem), 2, 1);
  NoiseMeasurement all(p, 5, kEverything);
  NoiseMeasurement few(p, 5, {.vectors = true, .projections = false});
  NoiseMeasurement projected(p, 5, {});
  BatchSampler batches(30, 5, Sampling::without_replacement, 9, 0);
  for (int k = 0; k < 7; ++k) {
    const auto batch = batches.next();
    all.add(batch);
    few.add(batch);
    projected.add(batch);
  }
  EXPECT_NEAR(all.trace(), few.trace(), 1e-12 * all.trace());
  EXPECT_THAT(projected.along(2), ::testing::ElementsAreArray(all.along(2)));
}

TEST(GradientNoise, ALargeBatchIsTheSumOfItsSamples) {
  // 300 draws of 17 samples: two whole parts of 128 and a rest.
  const auto problem = random_problem(Loss::softmax, 17, 3, 3);
  const Matrix w = random_weights(*problem);
  const Population p = population(problem, w, 2, 1);
  const auto all = gradients(*problem, w);
  NoiseMeasurement m(p, 300, {.vectors = true});
  BatchSampler batches(17, 300, Sampling::with_replacement, 9, 0);
  const auto batch = batches.next();
  m.add(batch);
  double squares = 0;
  for (std::size_t a = 0; a < all[0].size(); ++a) {
    double psi = 0;
    for (const auto i : batch) psi += 17.0 / 300 * all[i][a];
    for (const auto& g : all) psi -= g[a];
    EXPECT_NEAR(m.sum().data()[a], psi, 1e-12);
    squares += psi * psi;
  }
  EXPECT_NEAR(m.trace(), squares, 1e-11);
}

TEST(GradientNoise, NoNoiseIsRefused) {
  const auto refusal = [](const std::shared_ptr<Regression>& problem, const Matrix& w) -> std::string {
    try {
      population(problem, w, 2, 1);
    } catch (const ConfigError& error) {
      return error.what();
    }
    ADD_FAILURE() << "not refused";
    return "";
  };
  // Four samples, seven parameters: the minimiser fits every sample.
  const auto fitted = random_problem(Loss::linear, 4, 7, 1);
  EXPECT_THAT(refusal(fitted, minimiser(*fitted)), HasSubstr("no gradient noise"));
  const auto equal = random_problem(Loss::linear, 9, 2, 1);
  equal->inputs.setOnes();
  equal->targets.setConstant(0.25);
  EXPECT_THAT(refusal(equal, Matrix::Zero(1, 2)), HasSubstr("no gradient noise"));
  const auto single = random_problem(Loss::linear, 1, 2, 1);
  EXPECT_THAT(refusal(single, Matrix::Zero(1, 2)), HasSubstr("at least 2"));
}

}  // namespace
}  // namespace soret::measure
