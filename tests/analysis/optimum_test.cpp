#include "analysis/optimum.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "analysis/optimum_figure.hpp"
#include "analysis/over_key.hpp"
#include "soret/base/error.hpp"
#include "synthetic.hpp"

/// The best batch size of curves whose best batch size is known.
namespace soret::analysis {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::int64_t> kBatches = {4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256};

/// A parabola in ln |B| around a best batch size of amplitude * (eta / 0.05)^exponent at step 10; at step 0
/// another curve.
synthetic::Family hills(double amplitude, double exponent, double noise, std::uint64_t seed = 1) {
  return {.learning_rates = {0.025, 0.05, 0.1},
          .batch_sizes = kBatches,
          .steps = {0, 10},
          .noise = noise,
          .seed = seed,
          .truth = [=](double eta, double batch, double step) {
            const double best = amplitude * std::pow(eta / 0.05, exponent);
            const double u = std::log(batch / best);
            return step == 0 ? std::log(batch) : 0.9 - 0.02 * u * u;
          }};
}

Curves over_batch(const store::Dataset& file, std::optional<double> step = std::nullopt) {
  return over_key(extract_curves(file, "y").front(), "batch_size", step);
}
Curves over_batch(const synthetic::Family& family) {
  return over_batch(synthetic::dataset(family));
}

TEST(OverKey, TurnsTheFamilyRound) {
  const auto file = synthetic::dataset(hills(32, 1, 1e-9));
  const auto curves = over_batch(file);
  EXPECT_THAT(curves.keys, ElementsAre("learning_rate"));
  EXPECT_EQ(curves.over, "batch_size");
  EXPECT_EQ(curves.steps, std::vector<double>(kBatches.begin(), kBatches.end()));
  ASSERT_EQ(curves.curves.size(), 3u);
  EXPECT_THAT(curves.curves[1].keys, ElementsAre(0.05));
  EXPECT_EQ(curves.curves[1].label, "learning_rate = 0.05");
  EXPECT_NEAR(curves.curves[1].mean[6], 0.9, 1e-8);                          // |B| = 32
  EXPECT_NEAR(curves.curves[1].blocks[5 * kBatches.size() + 6], 0.9, 1e-8);  // of block 5
  EXPECT_NEAR(over_batch(file, 0).curves[2].mean[1], std::log(6), 1e-8);
}

TEST(OverKey, LeavesOutScanPointsThatLostABlock) {
  auto file = synthetic::dataset(hills(32, 1, 1e-9));
  synthetic::lose(file, 0);  // eta = 0.025, |B| = 4: everything
  auto& survivors = std::get<std::vector<std::int64_t>>(synthetic::variable(file, "block_trajectories").data);
  survivors[1 * 32 + 7] = 0;  // |B| = 6: one block
  survivors[2 * 32 + 7] = 5;  // |B| = 8: a few of a block
  const auto curves = over_batch(file);
  EXPECT_TRUE(std::isnan(curves.curves[0].mean[0]));
  EXPECT_TRUE(std::isnan(curves.curves[0].mean[1]));
  EXPECT_TRUE(std::isfinite(curves.curves[0].mean[2]));
  EXPECT_EQ(curves.curves[0].weights[7], 8);
  EXPECT_THAT(curves.skipped, Contains(HasSubstr("batch_size = 6")));
}

TEST(OverKey, NamesWhatThereIs) {
  const auto family = extract_curves(synthetic::dataset(hills(32, 1, 1e-9)), "y").front();
  EXPECT_THAT([&] { over_key(family, "batch_sise"); },
              testing::Throws<ConfigError>(testing::Property(
                  &ConfigError::what, testing::AllOf(HasSubstr("batch_size"), HasSubstr("learning_rate")))));
  EXPECT_THAT(
      [&] { over_key(family, "batch_size", 5); },
      testing::Throws<ConfigError>(testing::Property(&ConfigError::what, HasSubstr("recorded are 0, 10"))));
}

// Without noise the vertex of a parabola is exact, and so is the power law of the vertices.
TEST(Optimum, AParabolaAndItsPowerLawAreExact) {
  const auto curves = over_batch(hills(30, 0.75, 1e-12));
  const auto fit = fit_optimum(curves);
  ASSERT_EQ(fit.optima.size(), 3u);
  for (const auto& optimum : fit.optima) {
    EXPECT_EQ(optimum.kind, OptimumKind::value);
    EXPECT_NEAR(optimum.place.value, 30 * std::pow(optimum.keys[0] / 0.05, 0.75), 1e-7);
    EXPECT_NEAR(optimum.best, 0.9, 1e-10);
  }
  ASSERT_TRUE(fit.law);
  EXPECT_NEAR(fit.law->exponents[0].value, 0.75, 1e-8);
  EXPECT_NEAR(fit.law->amplitude, 30, 1e-6);
  EXPECT_EQ(fit.law->points, 3u);
  EXPECT_THAT(fit.notes, IsEmpty());
}

// |B| = 32 is the best; the smaller fall, 0.9 - y(256) = 0.02 ln^2 8, halves at ln(|B|/32) = ln 8 / sqrt 2.
TEST(Optimum, TheWindowFollowsTheSmallerFall) {
  const auto fit = fit_optimum(over_batch(hills(32, 0, 1e-12)));
  EXPECT_EQ(fit.optima[0].window_begin, 8);  // 7.35
  EXPECT_EQ(fit.optima[0].window_end, 128);  // 139
  EXPECT_EQ(fit.optima[0].points, 9u);
  EXPECT_EQ(fit_optimum(over_batch(hills(32, 0, 1e-12)), {.share = 1e-6}).optima[0].points, 4u);
}

TEST(Optimum, TheLowestIsTheHighestUpsideDown) {
  auto turned = over_batch(hills(30, 1, 1e-3));
  const auto highest = fit_optimum(turned);
  for (auto& curve : turned.curves) {
    for (double& y : curve.mean) y = -y;
    for (double& y : curve.blocks) y = -y;
  }
  const auto lowest = fit_optimum(turned, {.lowest = true});
  EXPECT_EQ(lowest.optima[1].place.value, highest.optima[1].place.value);
  EXPECT_EQ(lowest.optima[1].place.low, highest.optima[1].place.low);
  EXPECT_EQ(lowest.optima[1].best, -highest.optima[1].best);
}

// 60 data sets of 3 curves; the noise of a block mean is a fifth of the window's depth. The intervals of 95%
// from 32 blocks: 171 +- 2.9 of 180 hold the truth.
TEST(OptimumStatistics, IntervalsCoverTheTruth) {
  constexpr int kSets = 60;
  int covered = 0, covered_exponent = 0;
  for (std::uint64_t trial = 0; trial < kSets; ++trial) {
    const auto fit = fit_optimum(over_batch(hills(30, 0.5, 0.008, 900 + trial)), {.resamples = 200});
    for (const auto& optimum : fit.optima) {
      ASSERT_EQ(optimum.kind, OptimumKind::value) << trial;
      const double truth = 30 * std::pow(optimum.keys[0] / 0.05, 0.5);
      covered += optimum.place.low <= truth && truth <= optimum.place.high;
    }
    ASSERT_TRUE(fit.law);
    const auto& exponent = fit.law->exponents[0];
    covered_exponent += exponent.low <= 0.5 && 0.5 <= exponent.high;
  }
  EXPECT_GE(covered, 171 - 5 * 2.9);
  EXPECT_GE(covered_exponent, 57 - 5 * 1.7);
}

// The best lies at 200, 800 and 3200 of a scan that ends at 256.
TEST(Optimum, TheUpperEdgeIsABoundAndNotAValue) {
  const auto fit = fit_optimum(over_batch(hills(800, 2, 1e-4)));
  EXPECT_EQ(fit.optima[0].kind, OptimumKind::value);
  for (const std::size_t c : {1U, 2U}) {
    EXPECT_EQ(fit.optima[c].kind, OptimumKind::lower_bound);
    EXPECT_TRUE(std::isnan(fit.optima[c].place.value));
    EXPECT_TRUE(std::isnan(fit.optima[c].place.high));
    EXPECT_EQ(fit.optima[c].place.low, 256);
  }
  EXPECT_FALSE(fit.law);
  EXPECT_THAT(fit.notes, Contains(HasSubstr("learning_rate = 0.1: a bound, batch_size >= 256")));
  EXPECT_THAT(fit.notes, Contains(HasSubstr("1 optima that are no bounds do not determine")));
}

TEST(Optimum, ABoundTakesNoPartInTheLawWhichSaysWhetherItAgrees) {
  auto family = hills(60, 1, 1e-5);
  const auto below = fit_optimum(over_batch(family));
  family.learning_rates = {0.0005, 0.025, 0.05, 0.1};  // the best of 0.0005 lies at 0.6
  const auto fit = fit_optimum(over_batch(family));
  EXPECT_EQ(fit.optima[0].kind, OptimumKind::upper_bound);
  EXPECT_EQ(fit.optima[0].place.high, 4);
  ASSERT_TRUE(fit.law);
  EXPECT_EQ(fit.law->points, 3u);
  EXPECT_NEAR(fit.law->exponents[0].value, 1, 0.01);
  EXPECT_THAT(fit.notes, Contains(testing::AllOf(HasSubstr("batch_size <= 4"), HasSubstr("they agree"))));

  // A curve that peaks elsewhere than the law of the others says.
  const auto truth = family.truth;
  family.truth = [truth](double eta, double batch, double step) {
    return truth(eta < 0.001 ? 1 : eta, batch, step);
  };
  const auto other = fit_optimum(over_batch(family));
  EXPECT_EQ(other.optima[0].kind, OptimumKind::lower_bound);
  EXPECT_THAT(other.notes,
              Contains(testing::AllOf(HasSubstr("batch_size >= 256"), HasSubstr("they disagree"))));
}

// The best point lies inside, but the next one, the last, is as good within the noise.
TEST(OptimumStatistics, AnIntervalThatReachesTheEdgeIsABound) {
  const auto fit = fit_optimum(over_batch(hills(230, 0, 0.01)));
  for (const auto& optimum : fit.optima) EXPECT_EQ(optimum.kind, OptimumKind::lower_bound);
}

TEST(OptimumStatistics, AFlatCurveHasNoOptimum) {
  auto family = hills(30, 1, 0.01);
  family.truth = [](double, double, double) { return 0.5; };
  const auto fit = fit_optimum(over_batch(family));
  for (const auto& optimum : fit.optima) EXPECT_NE(optimum.kind, OptimumKind::value);
  EXPECT_FALSE(fit.law);
}

// Half of the blocks rise with |B|, half fall: a resample is best at one end or the other.
TEST(Optimum, WhereBothEndsMayBeBestNothingIsDetermined) {
  auto curves = over_batch(hills(32, 0, 1e-9));
  for (auto& curve : curves.curves)
    for (std::size_t b = 0; b < curves.block_count; ++b)
      for (std::size_t x = 0; x < curves.steps.size(); ++x)
        curve.blocks[b * curves.steps.size() + x] = (b % 2 == 0 ? 1 : -1) * std::log(curves.steps[x]);
  const auto fit = fit_optimum(curves);
  for (const auto& optimum : fit.optima) {
    EXPECT_EQ(optimum.kind, OptimumKind::undetermined);
    EXPECT_TRUE(std::isnan(optimum.place.value));
  }
  EXPECT_FALSE(fit.law);
  EXPECT_THAT(fit.notes, Contains(HasSubstr("no optimum inside of the scan")));
}

// tr Sigma = 3 eta |B|^2 and a squared gradient of 0.01: at the best |B| = 30 (eta / 0.05) the ratio is
// 300 eta |B|^2, a power 3 of eta in all; straight lines in the logarithms are exact for it.
TEST(Optimum, TheCriticalBatchSizeIsTakenAtTheOptimum) {
  auto family = hills(30, 1, 1e-12);
  const auto curves = over_batch(family);
  family.truth = [](double eta, double batch, double) { return 3 * eta * batch * batch; };
  const auto trace = over_batch(family);
  family.truth = [](double, double, double) { return 0.01; };
  const auto fit = fit_optimum(curves, {}, GradientNoise{trace, over_batch(family)});
  for (const auto& optimum : fit.optima) {
    ASSERT_TRUE(optimum.critical);
    const double best = 30 * optimum.keys[0] / 0.05;
    EXPECT_NEAR(optimum.critical->value, 300 * optimum.keys[0] * best * best, 1e-5 * best * best);
  }
  ASSERT_TRUE(fit.critical_law);
  EXPECT_NEAR(fit.critical_law->exponents[0].value, 3, 1e-6);
  EXPECT_NEAR(fit.critical_law->amplitude, 300 * 0.05 * 900, 0.1);
}

TEST(Optimum, BadOptionsAndDataAreRefused) {
  const auto curves = over_batch(hills(30, 1, 1e-3));
  EXPECT_THROW(fit_optimum(curves, {.resamples = 100}), ConfigError);
  EXPECT_THROW(fit_optimum(curves, {.share = 0}), ConfigError);
  EXPECT_THROW(fit_optimum(curves, {.reference = {{"batch_size", 1}}}), ConfigError);
  auto family = hills(30, 1, 1e-3);
  family.batch_sizes = {8, 16, 32};
  EXPECT_THROW(fit_optimum(over_batch(family)), InputError);
}

TEST(Optimum, TheReportAndTheFigureHoldValuesAndBounds) {
  auto family = hills(60, 1, 1e-4);
  family.learning_rates = {0.0005, 0.025, 0.05, 0.1};
  const auto curves = over_batch(family);
  const auto fit = fit_optimum(curves);
  const auto report = optimum_json(curves, fit);
  EXPECT_EQ(report.at("over"), "batch_size");
  EXPECT_EQ(report.at("optima").at(0).at("kind"), "upper_bound");
  EXPECT_TRUE(report.at("optima").at(0).at("value").is_null());
  EXPECT_EQ(report.at("optima").at(0).at("interval_95").at(1), 4);
  EXPECT_EQ(report.at("optima").at(3).at("kind"), "value");
  EXPECT_EQ(report.at("optima").at(3).at("keys").at("learning_rate"), 0.1);
  EXPECT_EQ(report.at("power_law").at("points"), 3);
  const auto parts = optimum_parts(curves, fit);
  ASSERT_EQ(parts.size(), 2u);
  const auto script = figure_script(parts, ".svg");
  EXPECT_THAT(script, HasSubstr("title \"bound\""));
  EXPECT_THAT(script, HasSubstr("exponent: "));
}

}  // namespace
}  // namespace soret::analysis
