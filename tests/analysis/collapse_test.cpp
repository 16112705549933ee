#include "analysis/collapse.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "analysis/bootstrap.hpp"
#include "analysis/over_key.hpp"
#include "soret/base/error.hpp"
#include "synthetic.hpp"

namespace soret::analysis {
namespace {

using synthetic::every;
using synthetic::relaxation;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

Curves family(const synthetic::Family& settings) {
  return extract_curves(synthetic::dataset(settings), "y").front();
}

Curves scan_of_learning_rates(double exponent, double noise = 0.02, std::uint64_t seed = 1) {
  return family({.steps = every(20, 4000), .noise = noise, .seed = seed, .truth = relaxation(exponent)});
}

const CollapseOptions kQuick{.resamples = 200, .rungs = 0};

// Two series, worked by hand: the point (2, 3 +- 1) lies between (1, 1 +- 1) and (3, 5 +- 2) of the other.
// Line through those two at x = 2: Y = 3; dY^2 = (1/2)^2 1 + (1/2)^2 4 = 5/4.
TEST(Quality, TwoSeriesByHand) {
  const std::vector<Series> series{{{2}, {4}, {1}}, {{1, 3}, {1, 5}, {1, 4}}};
  const std::vector<double> scales{1, 1};
  const auto master = master_curve(series, scales, 2, 0, 1);
  ASSERT_TRUE(master);
  EXPECT_DOUBLE_EQ(master->value, 3);
  EXPECT_DOUBLE_EQ(master->error, std::sqrt(1.25));
  const auto quality = houdayer_hartmann(series, scales, {}, 1);
  EXPECT_EQ(quality.compared, 1);  // nothing encloses the points of the second series
  EXPECT_EQ(quality.in_window, 3);
  EXPECT_EQ(quality.fewest, 0);
  EXPECT_DOUBLE_EQ(quality.reduced_chi2, 1 / 2.25);
  EXPECT_DOUBLE_EQ(quality.distance, 1);
}

// Four points of unit error at x = -1, 1 (values 0, 2) and x = -3, 1 (values 1, 5), evaluated at x = 0:
// K = 4, Kx = -2, Kxx = 12, Ky = 8, Kxy = 0 + 2 - 3 + 5 = 4, D = 48 - 4 = 44,
// Y = (12 * 8 + 2 * 4) / 44 = 104 / 44, dY^2 = 12 / 44. Shifted by 10 and with one series in half its units.
TEST(Quality, ALineThroughSeveralSeriesByHand) {
  const std::vector<Series> series{
      {{9, 11, 20}, {0, 2, 99}, {1, 1, 1}}, {{3.5, 5.5}, {1, 5}, {1, 1}}, {{10}, {7}, {1}}};
  const std::vector<double> scales{1, 2, 1};
  const auto master = master_curve(series, scales, 10, 2, 1);
  ASSERT_TRUE(master);
  EXPECT_NEAR(master->value, 104.0 / 44, 1e-14);
  EXPECT_NEAR(master->error, std::sqrt(12.0 / 44), 1e-14);
}

TEST(Quality, StraightLinesThatCoincideHaveNoDistance) {
  const std::vector<Series> series{{{0, 1, 2.5, 7}, {1, 3, 6, 15}, {1, 1, 1, 1}},
                                   {{0, 1, 3}, {1, 5, 13}, {4, 1, 2}}};
  const auto quality = houdayer_hartmann(series, std::vector<double>{1, 2}, {});
  EXPECT_EQ(quality.in_window, 5);  // t = 0 is no test of a rescaling
  EXPECT_EQ(quality.compared, 4);   // 7 lies beyond the other's 6
  EXPECT_NEAR(quality.reduced_chi2, 0, 1e-24);
  EXPECT_DOUBLE_EQ(quality.range, 10);
}

TEST(Quality, OnlyPointsInTheWindowAreCompared) {
  const std::vector<Series> series{{{0, 1, 2, 3}, {0, 1, 2, 3}, {1, 1, 1, 1}},
                                   {{0, 1, 2, 3}, {9, 9, 2, 9}, {1, 1, 1, 1}}};
  const auto quality = houdayer_hartmann(series, std::vector<double>{1, 1}, {2, 2});
  EXPECT_EQ(quality.compared, 2);
  EXPECT_NEAR(quality.reduced_chi2, 0, 1e-24);
}

// A cubic in ln t is its own master curve on any grid if the polynomials are in ln t, and not if they are in
// t.
TEST(Quality, PolynomialsMayBeInTheLogarithm) {
  const auto cubic = [](double t) { return std::pow(std::log(t) - 2, 3); };
  std::vector<Series> series(2);
  for (int i = 0; i < 7; ++i)
    for (int k = 0; k < 2; ++k) {
      series[k].time.push_back((1 + k) * std::pow(3 + k, i));
      series[k].value.push_back(cubic(series[k].time.back()));
      series[k].variance.push_back(1);
    }
  const std::vector<double> scales{1, 1};
  EXPECT_LT(houdayer_hartmann(series, scales, {}, 3, Abscissa::logarithmic).distance, 1e-10);
  EXPECT_GT(houdayer_hartmann(series, scales, {}).distance, 0.01);
  const auto master = master_curve(series, scales, 50, 2, 3, Abscissa::logarithmic);
  ASSERT_TRUE(master);
  EXPECT_NEAR(master->value, cubic(50), 1e-10);
}

// The curves' errors are independent and known, so S is a mean of squares of unit normals. Points share
// neighbours; some 6 of them are correlated, and S has a standard error of about sqrt(2 * 6 / 600) = 0.14.
TEST(QualityStatistics, IsOneForAPerfectCollapseWithIndependentErrors) {
  const auto result = collapse(scan_of_learning_rates(2), kQuick);
  EXPECT_NEAR(result.best.quality.reduced_chi2, 1, 0.5);
}

TEST(CollapseStatistics, FindsTheExponentOfAScan) {
  for (const double truth : {0.0, 1.0, 1.7, 2.0}) {
    const auto result = collapse(scan_of_learning_rates(truth), kQuick);
    const auto& exponent = result.best.exponents.front();
    EXPECT_EQ(exponent.key, "learning_rate");
    EXPECT_EQ(exponent.reference, 0.05);
    EXPECT_GT(exponent.standard_error, 0);
    EXPECT_LT(exponent.standard_error, 0.1);
    EXPECT_NEAR(exponent.value, truth, 5 * exponent.standard_error);
    EXPECT_LE(exponent.low, exponent.high);
  }
}

TEST(CollapseStatistics, FindsTheExponentsOfTwoKeysAtOnce) {
  const auto curves = family({.learning_rates = {0.03, 0.05, 0.08},
                              .batch_sizes = {1, 2, 3},
                              .steps = every(20, 3000),
                              .noise = 0.02,
                              .truth = relaxation(2, 1)});
  const auto result = collapse(curves, kQuick);
  ASSERT_EQ(result.best.exponents.size(), 2);
  const auto& eta = result.best.exponents[0];
  const auto& batch = result.best.exponents[1];
  EXPECT_NEAR(eta.value, 2, 5 * eta.standard_error);
  EXPECT_NEAR(batch.value, -1, 5 * batch.standard_error);
  EXPECT_LT(eta.standard_error, 0.1);
  EXPECT_LT(batch.standard_error, 0.1);
  EXPECT_EQ(batch.reference, 2);
}

// 40 independent data sets: a 95% interval holds the truth 38 times, standard deviation 1.4; the estimates'
// mean distance from the truth in standard errors is 0 +- 1/sqrt(40).
TEST(CollapseStatistics, IntervalsCoverTheTruth) {
  constexpr int kTrials = 40;
  int covered = 0;
  double pull = 0, squared_pull = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto curves = family({.steps = every(50, 4000),
                                .noise = 0.03,
                                .seed = 1000 + static_cast<std::uint64_t>(trial),
                                .truth = relaxation(2)});
    const auto exponent =
        collapse(curves, {.window = Window{0, 1000}, .resamples = 200, .rungs = 0}).best.exponents[0];
    covered += exponent.low <= 2 && 2 <= exponent.high;
    pull += (exponent.value - 2) / exponent.standard_error / kTrials;
    squared_pull += std::pow((exponent.value - 2) / exponent.standard_error, 2) / kTrials;
  }
  EXPECT_GE(covered, 38 - 5 * 1.4);
  EXPECT_NEAR(pull, 0, 5 / std::sqrt(kTrials));
  EXPECT_NEAR(squared_pull, 1, 5 * std::sqrt(2.0 / kTrials));
}

TEST(Collapse, TheOrderOfTheCurvesDoesNotMatter) {
  auto curves = scan_of_learning_rates(1.5);
  const auto before = collapse(curves, kQuick).best;
  std::rotate(curves.curves.begin(), curves.curves.begin() + 1, curves.curves.end());
  const auto after = collapse(curves, kQuick).best;
  EXPECT_NEAR(after.exponents[0].value, before.exponents[0].value, 1e-5);
  EXPECT_NEAR(after.exponents[0].low, before.exponents[0].low, 1e-4);
  EXPECT_EQ(after.quality.compared, before.quality.compared);
}

TEST(Collapse, AnotherReferenceChangesTheUnitOfTimeOnly) {
  const auto curves = scan_of_learning_rates(2);
  auto options = kQuick;
  const auto before = collapse(curves, options).best;
  options.reference["learning_rate"] = 0.1;
  const auto after = collapse(curves, options).best;
  EXPECT_EQ(after.exponents[0].reference, 0.1);
  // The default window's end is settled to one part in a thousand.
  EXPECT_NEAR(after.exponents[0].value, before.exponents[0].value, 0.3 * before.exponents[0].standard_error);
  EXPECT_NEAR(after.exponents[0].standard_error, before.exponents[0].standard_error,
              0.2 * before.exponents[0].standard_error);
  EXPECT_NEAR(after.window.end * std::pow(2, after.exponents[0].value), before.window.end, 5);
}

// With a window that ends before the curves' behaviour changes, the exponent is that of the beginning.
TEST(CollapseStatistics, TheWindowDecidesWhichRegimeIsFitted) {
  const auto truth = [](double eta, double, double t) {
    const double first = t * (eta / 0.05), second = t * std::pow(eta / 0.05, 2);
    return first < 100 ? -first : -100 - (second - 100 * eta / 0.05);
  };
  const auto curves =
      family({.learning_rates = {0.04, 0.05, 0.06}, .steps = every(2, 600), .noise = 0.5, .truth = truth});
  const auto early = collapse(curves, {.window = Window{0, 90}, .resamples = 200, .rungs = 0}).best;
  EXPECT_NEAR(early.exponents[0].value, 1, 5 * early.exponents[0].standard_error);
  const auto late = collapse(curves, {.window = Window{150, 350}, .resamples = 200, .rungs = 0}).best;
  EXPECT_GT(late.exponents[0].value - early.exponents[0].value, 0.3);
  EXPECT_EQ(late.window.begin, 150);
  EXPECT_EQ(late.window.end, 350);
}

TEST(CollapseStatistics, TheDefaultWindowIsTheRangeThatAllCurvesCover) {
  const auto best = collapse(scan_of_learning_rates(2), kQuick).best;
  EXPECT_EQ(best.window.begin, 0);
  EXPECT_NEAR(best.window.end, 4000 * std::pow(0.5, best.exponents[0].value), 5);
  EXPECT_NEAR(best.noise_time, 0.05 * 0.05 * best.window.end, 1e-12);
}

TEST(CollapseStatistics, TheLadderHalvesTheWindow) {
  const auto result = collapse(family({.steps = every(4, 2000), .noise = 0.02, .truth = relaxation(2)}),
                               {.resamples = 200, .rungs = 3});
  ASSERT_EQ(result.ladder.size(), 3);
  double end = result.best.window.end;
  for (const auto& rung : result.ladder) {
    EXPECT_DOUBLE_EQ(rung.window.end, end /= 2);
    EXPECT_NEAR(rung.exponents[0].value, 2, 5 * rung.exponents[0].standard_error);
    EXPECT_GT(rung.exponents[0].high, rung.exponents[0].low);
  }
}

// Recorded every 20 steps, the fast curve (16 times faster) has one record up to t' = 125.
TEST(Collapse, ARungWithTooFewRecordsIsABoundWithoutError) {
  const auto result = collapse(scan_of_learning_rates(2), {.resamples = 200, .rungs = 3});
  ASSERT_EQ(result.ladder.size(), 3);
  EXPECT_FALSE(result.ladder[0].exponents[0].bound);
  const auto& exponent = result.ladder[2].exponents[0];
  EXPECT_TRUE(exponent.bound);
  EXPECT_TRUE(std::isnan(exponent.standard_error));
  EXPECT_TRUE(std::isnan(exponent.low));
  EXPECT_THAT(result.ladder[2].notes, Contains(HasSubstr("a bound, not an estimate")));
}

TEST(CollapseStatistics, RaggedCurvesCollapseToo) {
  auto curves = scan_of_learning_rates(2);
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  auto& slow = curves.curves[0];
  auto& fast = curves.curves[2];
  for (std::size_t t = 0; t < curves.steps.size(); ++t) {
    if (t % 3 == 1) slow.mean[t] = slow.error[t] = kNaN;
    if (t > 150) fast.mean[t] = fast.error[t] = kNaN;
  }
  const auto exponent = collapse(curves, kQuick).best.exponents[0];
  EXPECT_NEAR(exponent.value, 2, 5 * exponent.standard_error);
}

// Every 50 steps is every 200 of t' for the fast curve, half its time constant. Chords give 1.989 here.
TEST(Collapse, CoarseRecordingDoesNotPullTheExponent) {
  const auto curves = family({.steps = every(50, 4000), .noise = 0.0005, .truth = relaxation(2)});
  EXPECT_NEAR(collapse(curves, kQuick).best.exponents[0].value, 2, 0.003);
}

TEST(Collapse, ARecordWithoutErrorIsNoObstacle) {
  auto curves = scan_of_learning_rates(2);
  for (auto& curve : curves.curves) curve.error[0] = 0;
  const auto result = collapse(curves, kQuick);
  EXPECT_NEAR(result.best.exponents[0].value, 2, 0.2);
}

TEST(Collapse, GivenExponentsAreEvaluatedNotFitted) {
  auto options = kQuick;
  options.fixed["learning_rate"] = 2;
  const auto result = collapse(scan_of_learning_rates(2), options);
  EXPECT_FALSE(result.best.exponents[0].fitted);
  EXPECT_EQ(result.best.exponents[0].value, 2);
  EXPECT_TRUE(result.samples.empty());
  ASSERT_EQ(result.hypotheses.size(), 3);
  EXPECT_EQ(result.hypotheses[2].name, "eta^2");
  EXPECT_DOUBLE_EQ(result.hypotheses[2].quality.reduced_chi2, result.best.quality.reduced_chi2);
}

TEST(Collapse, TheWrongHypothesesAreFurtherApart) {
  const auto result = collapse(scan_of_learning_rates(2), kQuick);
  ASSERT_EQ(result.hypotheses.size(), 3);
  const double raw = result.hypotheses[0].quality.spread_percent();
  const double eta = result.hypotheses[1].quality.spread_percent();
  const double eta2 = result.hypotheses[2].quality.spread_percent();
  EXPECT_GT(raw, eta);
  EXPECT_GT(eta, 3 * eta2);
}

TEST(Collapse, IsTheSameForAnyNumberOfThreads) {
  const auto curves = scan_of_learning_rates(1.3, 0.1);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = collapse(curves);
  omp_set_num_threads(3);
  const auto three = collapse(curves);
  omp_set_num_threads(before);
  EXPECT_EQ(one.samples, three.samples);
  EXPECT_EQ(collapse_json(curves, one).dump(), collapse_json(curves, three).dump());
}

// Recorded so coarsely that a window of the fast curve holds one record: nothing to compare.
TEST(Collapse, CurvesThatHardlyOverlapAreAnError) {
  const auto curves =
      family({.learning_rates = {0.001, 1}, .steps = {0, 1000, 1500, 2000, 2500}, .truth = relaxation(2)});
  try {
    collapse(curves, {.window = Window{5000, 6000}, .resamples = 200});
    FAIL();
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("overlap in the window 5000:6000"));
  }
}

// The truth, 5, is outside the search.
TEST(Collapse, AnOptimumAtTheEdgeOfTheSearchIsCalledABound) {
  const auto curves =
      family({.learning_rates = {0.04, 0.05, 0.06}, .steps = every(20, 4000), .truth = relaxation(5)});
  const auto best = collapse(curves, {.resamples = 200, .rungs = 0, .exponent_max = 3}).best;
  EXPECT_TRUE(best.exponents[0].bound);
  EXPECT_NEAR(best.exponents[0].value, 3, 0.05);
  EXPECT_THAT(best.notes, Contains(HasSubstr("a bound, not an estimate")));
}

// Scan points share their random streams. Where a block of trajectories is off by the same factor at all of
// them, the curves of every resample collapse as those of the data do, and the exponent has no error to speak
// of; drawing blocks for each curve on its own would give it one of some 0.1.
TEST(Collapse, BlocksAreDrawnTogetherAtAllScanPoints) {
  auto curves = scan_of_learning_rates(2, 1e-6);
  for (auto& curve : curves.curves) {
    const std::size_t steps = curve.mean.size();
    std::fill(curve.mean.begin(), curve.mean.end(), 0.0);
    for (std::size_t b = 0; b < curves.block_count; ++b)
      for (std::size_t t = 0; t < steps; ++t) {
        curve.blocks[b * steps + t] *= 1 + 0.2 * std::sin(7.0 * static_cast<double>(b));
        curve.mean[t] += curve.blocks[b * steps + t] / static_cast<double>(curves.block_count);
      }
    std::fill(curve.error.begin(), curve.error.end(), 0.01);
  }
  const auto exponent = collapse(curves, kQuick).best.exponents[0];
  EXPECT_NEAR(exponent.value, 2, 1e-3);
  EXPECT_LT(exponent.standard_error, 1e-3);
}

TEST(CollapseStatistics, CurvesThatNoRescalingBringsTogetherAreSaidToBeSo) {
  const auto curves =
      family({.steps = every(20, 4000), .noise = 0.01, .truth = [](double eta, double, double t) {
                return 0.2 + 3 * eta * std::exp(-t / 400);
              }});
  EXPECT_THAT(collapse(curves, kQuick).best.notes, Contains(HasSubstr("no scaling law")));
  EXPECT_FALSE(collapse(curves, kQuick).best.collapses);
  EXPECT_TRUE(collapse(scan_of_learning_rates(2), kQuick).best.collapses);
  EXPECT_THAT(collapse(scan_of_learning_rates(2), kQuick).best.notes, testing::IsEmpty());
}

TEST(Collapse, KeysThatVaryTogetherCannotBeToldApart) {
  auto curves = family({.learning_rates = {0.03, 0.05, 0.08},
                        .batch_sizes = {1, 2, 4},
                        .steps = every(20, 1000),
                        .truth = relaxation(2, 1)});
  std::erase_if(curves.curves, [](const Curve& c) {
    return !(c.keys == std::vector{0.03, 1.0} || c.keys == std::vector{0.05, 2.0});
  });
  try {
    collapse(curves, kQuick);
    FAIL();
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("learning_rate and batch_size vary together"));
  }
  auto options = kQuick;
  options.fixed["batch_size"] = -1;
  EXPECT_NO_THROW(collapse(curves, options));
}

TEST(Collapse, AKeyThatIsZeroHasNoPower) {
  auto curves = scan_of_learning_rates(2);
  curves.keys[0] = "momentum";
  curves.curves[0].keys[0] = 0;
  EXPECT_THROW(collapse(curves, kQuick), InputError);
  auto options = kQuick;
  options.fixed["momentum"] = 0;
  EXPECT_NO_THROW(collapse(curves, options));
}

TEST(Collapse, BadOptionsAndDataAreRefused) {
  const auto curves = scan_of_learning_rates(2);
  const auto with = [&](auto change) {
    auto options = kQuick;
    change(options);
    return options;
  };
  EXPECT_THROW(collapse(curves, with([](auto& o) { o.fixed["lr"] = 2; })), ConfigError);
  EXPECT_THROW(collapse(curves, with([](auto& o) { o.reference["learning_rate"] = 0; })), ConfigError);
  EXPECT_THROW(collapse(curves, with([](auto& o) { o.resamples = 199; })), ConfigError);
  EXPECT_THROW(collapse(curves, with([](auto& o) { o.window = Window{3, 3}; })), ConfigError);

  auto lonely = curves;
  lonely.curves.resize(1);
  EXPECT_THROW(collapse(lonely, kQuick), InputError);
  auto exact = curves;
  std::fill(exact.curves[1].error.begin(), exact.curves[1].error.end(), std::nan(""));
  EXPECT_THROW(collapse(exact, kQuick), InputError);
  auto one_block = curves;
  one_block.block_count = 1;
  EXPECT_THROW(collapse(one_block, kQuick), InputError);
}

TEST(Collapse, WindowsAndAssignmentsAreReadFromText) {
  EXPECT_EQ(parse_window("10:2e3").begin, 10);
  EXPECT_EQ(parse_window("10:2e3").end, 2000);
  EXPECT_EQ(parse_window(":5").begin, 0);
  EXPECT_TRUE(std::isinf(parse_window("5:").end));
  for (const auto* bad : {"", "5", "a:b", "5:5", "-1:5", "7:5", "1:2:3"})
    EXPECT_THROW(parse_window(bad), ConfigError);

  const auto both = parse_assignments("learning_rate=2,batch_size=-1", "--rescale");
  EXPECT_EQ(both.at("learning_rate"), 2);
  EXPECT_EQ(both.at("batch_size"), -1);
  EXPECT_TRUE(parse_assignments("auto", "--rescale").empty());
  EXPECT_EQ(parse_assignments("learning_rate=auto,batch_size=-1", "--rescale").size(), 1);
  for (const auto* bad : {"learning_rate", "learning_rate=", "=2", "learning_rate=two"})
    EXPECT_THROW(parse_assignments(bad, "--rescale"), ConfigError);
}

/// Over the batch size: curves of eta N/|B| alone, or of eta (N/|B| - 1); N = 300.
Curves over_batch(bool exact, double noise) {
  auto file = synthetic::dataset({.learning_rates = {0.025, 0.05, 0.1},
                                  .batch_sizes = {4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256},
                                  .steps = {0, 10},
                                  .noise = noise,
                                  .truth = [exact](double eta, double batch, double) {
                                    const double u = std::log(eta * (300 / batch - (exact ? 1 : 0)) / 0.7);
                                    return 0.9 - 0.02 * u * u;
                                  }});
  file.attributes["config"] = std::string("[data]\ntraining_samples = 300\n");
  return over_key(extract_curves(file, "y").front(), "batch_size");
}

TEST(CollapseStatistics, OverTheBatchSizeItFindsTheExponentOfTheLearningRate) {
  const auto result = collapse(over_batch(false, 1e-3), kQuick);
  const auto& exponent = result.best.exponents[0];
  EXPECT_NEAR(exponent.value, -1, 5 * exponent.standard_error);
  EXPECT_LT(exponent.standard_error, 0.02);
  EXPECT_TRUE(result.best.collapses);
  ASSERT_EQ(result.hypotheses.size(), 2u);
  EXPECT_EQ(result.hypotheses[1].name, "1/eta");
  EXPECT_THAT(result.hypotheses[1].exponents, ElementsAre(-1));
  EXPECT_LT(result.hypotheses[1].quality.reduced_chi2, 2);
  EXPECT_GT(result.hypotheses[0].quality.reduced_chi2, 100);
}

// N/|B| - 1 and N/|B| differ where |B| is not small beside N: only the noise scale itself collapses.
TEST(CollapseStatistics, OverTheBatchSizeTheExactNoiseScaleIsAHypothesis) {
  const auto result = collapse(over_batch(true, 2e-4), kQuick);
  ASSERT_TRUE(result.noise_scale);
  EXPECT_LT(result.noise_scale->reduced_chi2, 2);
  EXPECT_GT(result.hypotheses[1].quality.reduced_chi2, 20);
  // Where curves do not run over the batch size there is no such thing.
  EXPECT_FALSE(collapse(scan_of_learning_rates(2), kQuick).noise_scale);
}

TEST(Collapse, TheReportSpeaksOfEverything) {
  const auto curves = scan_of_learning_rates(2);
  const auto report = collapse_json(curves, collapse(curves, {.resamples = 200, .rungs = 2}));
  const auto& exponent = report.at("exponents").at("learning_rate");
  EXPECT_NEAR(exponent.at("exponent").get<double>(), 2, 0.2);
  EXPECT_LT(exponent.at("interval_95").at(0), exponent.at("interval_95").at(1));
  EXPECT_EQ(report.at("hypotheses").size(), 3);
  EXPECT_EQ(report.at("hypotheses").at(1).at("exponents").at("learning_rate"), 1);
  EXPECT_EQ(report.at("ladder").size(), 2);
  EXPECT_EQ(report.at("bootstrap").at("used"), 200);
  EXPECT_GT(report.at("window").at("eta2_t_over_b"), 0);
}

TEST(Collapse, TheDatasetHoldsWhatAFigureNeeds) {
  const auto curves = scan_of_learning_rates(2);
  const auto result = collapse(curves, kQuick);
  const auto out = collapse_dataset({&curves, 1}, {&result, 1});
  for (const auto& variable : out.variables) {
    std::size_t size = 1;
    for (const auto& dimension : variable.dimensions) size *= out.size(dimension);
    std::visit([&](const auto& data) { EXPECT_EQ(data.size(), size) << variable.name; }, variable.data);
    EXPECT_TRUE(variable.attributes.contains("units")) << variable.name;
    EXPECT_TRUE(variable.attributes.contains("long_name")) << variable.name;
  }
  EXPECT_THAT(out.at("rescaling").texts(), ElementsAre("raw", "eta", "eta^2", "best"));
  const std::size_t steps = curves.steps.size();
  const auto& rescaled = out.at("rescaled_step").reals();
  const auto cell = [&](std::size_t scaling, std::size_t curve, std::size_t step) {
    return (scaling * 3 + curve) * steps + step;
  };
  EXPECT_DOUBLE_EQ(rescaled[cell(0, 2, 7)], 140);
  EXPECT_DOUBLE_EQ(rescaled[cell(1, 2, 7)], 280);
  EXPECT_DOUBLE_EQ(rescaled[cell(2, 2, 7)], 560);
  EXPECT_DOUBLE_EQ(out.at("exponent").reals()[3], result.best.exponents[0].value);

  // The residuals in the window are those that the quality is made of.
  const auto& residual = out.at("y_residual").reals();
  const auto& error = out.at("y_residual_stderr").reals();
  double chi2 = 0;
  std::size_t n = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t t = 1; t < steps; ++t) {
      if (rescaled[cell(3, c, t)] > result.best.window.end || std::isnan(residual[cell(3, c, t)])) continue;
      chi2 += std::pow(residual[cell(3, c, t)] / error[cell(3, c, t)], 2);
      ++n;
    }
  }
  EXPECT_EQ(n, result.best.quality.compared);
  EXPECT_NEAR(chi2 / static_cast<double>(n), result.best.quality.reduced_chi2, 1e-9);

  // The master curve of a relaxation from 0.5 to 0.2 with time constant 400.
  const auto& grid = out.at("master_step").reals();
  const auto& master = out.at("y_master").reals();
  const auto& master_error = out.at("y_master_stderr").reals();
  for (std::size_t g = 0; g < 200; g += 11)
    EXPECT_NEAR(master[3 * 200 + g], 0.2 + 0.3 * std::exp(-grid[g] / 400),
                5 * master_error[3 * 200 + g] + 1e-3);
}

}  // namespace
}  // namespace soret::analysis
