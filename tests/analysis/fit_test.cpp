#include "analysis/fit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "soret/base/error.hpp"
#include "synthetic.hpp"

namespace soret::analysis {
namespace {

using synthetic::every;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

Curves family(const synthetic::Family& settings) {
  return extract_curves(synthetic::dataset(settings), "y").front();
}

// A parabola is fitted exactly, whatever the weights: slope -3 * (2 eta) at t = 0.
TEST(Rates, AParabolaIsExact) {
  const auto curves =
      family({.learning_rates = {0.5, 1},
              .steps = {0, 1, 3, 4, 9, 10},
              .noise = 1e-12,
              .truth = [](double eta, double, double t) { return 7 - 6 * eta * t + 0.2 * t * t; }});
  const auto fit = fit_rates(curves, {.window = Window{0, 10}});
  EXPECT_NEAR(fit.rates[0].value, -3, 1e-10);
  EXPECT_NEAR(fit.rates[1].value, -6, 1e-10);
  EXPECT_EQ(fit.rates[0].records, 6);
  ASSERT_TRUE(fit.law);
  EXPECT_NEAR(fit.law->exponents[0].value, 1, 1e-10);
  EXPECT_EQ(fit.law->exponents[0].reference, 0.5);
  EXPECT_NEAR(fit.law->amplitude, -3, 1e-10);
  EXPECT_TRUE(std::isnan(fit.law->reduced_chi2));
}

TEST(RatesStatistics, ThePowerLawOfARelaxationIsFound) {
  const auto curves = family({.learning_rates = {0.03, 0.05, 0.08},
                              .batch_sizes = {1, 2, 3},
                              .steps = every(10, 3000),
                              .noise = 0.01,
                              .truth = synthetic::relaxation(2, 1)});
  const auto fit = fit_rates(curves, {.reference = {{"batch_size", 1}}});
  EXPECT_THAT(fit.notes, IsEmpty());
  ASSERT_TRUE(fit.law);
  const auto& law = *fit.law;
  EXPECT_EQ(law.points, 9);
  EXPECT_NEAR(law.exponents[0].value, 2, 5 * law.exponents[0].standard_error);
  EXPECT_NEAR(law.exponents[1].value, -1, 5 * law.exponents[1].standard_error);
  EXPECT_LT(law.exponents[0].standard_error, 0.1);
  EXPECT_LT(law.exponents[0].low, 2);
  EXPECT_GT(law.exponents[0].high, 2);
  // The slope at t = 0 is -0.3 / 400; a parabola over 30% of a relaxation is some 1.3% off.
  EXPECT_NEAR(law.amplitude, -0.3 / 400, 5 * law.amplitude_error + 0.02 * 0.3 / 400);
  EXPECT_LT(law.amplitude_low, law.amplitude_high);
}

// Of each curve the same piece of the master curve is used.
TEST(Rates, TheDefaultWindowFollowsTheRelaxation) {
  const auto curves = family({.steps = every(1, 2000), .noise = 1e-6, .truth = synthetic::relaxation(2)});
  const auto fit = fit_rates(curves);
  EXPECT_NEAR(fit.rates[0].window.end, 4 * fit.rates[1].window.end, 4);
  EXPECT_NEAR(fit.rates[1].window.end, 4 * fit.rates[2].window.end, 4);
}

// 40 data sets: 38 +- 1.4 intervals hold the true slope.
TEST(RatesStatistics, IntervalsCoverTheTruth) {
  int covered = 0;
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    const auto curves = family({.learning_rates = {0.05, 0.1},
                                .steps = every(10, 400),
                                .noise = 0.05,
                                .seed = 500 + trial,
                                .truth = [](double eta, double, double t) { return 1 - eta * t / 50; }});
    const auto rate = fit_rates(curves, {.window = Window{0, 400}, .resamples = 200}).rates[0];
    covered += rate.low <= -0.001 && -0.001 <= rate.high;
  }
  EXPECT_GE(covered, 38 - 5 * 1.4);
}

TEST(RatesStatistics, ARateConsistentWithZeroIsReportedAndLeftOut) {
  const auto curves =
      family({.learning_rates = {0.05, 0.1, 0.2},
              .steps = every(10, 400),
              .noise = 0.01,
              .truth = [](double eta, double, double t) { return eta < 0.06 ? 1 : 1 - eta * t / 50; }});
  const auto fit = fit_rates(curves, {.window = Window{0, 400}});
  EXPECT_FALSE(fit.rates[0].significant);
  EXPECT_TRUE(fit.rates[1].significant);
  EXPECT_THAT(fit.notes, Contains(HasSubstr("learning_rate = 0.05: the rate is consistent with zero")));
  ASSERT_TRUE(fit.law);
  EXPECT_EQ(fit.law->points, 2);
  EXPECT_NEAR(fit.law->exponents[0].value, 1, 5 * fit.law->exponents[0].standard_error);
}

TEST(Rates, RatesOfBothSignsHaveNoPowerLaw) {
  const auto curves = family({.learning_rates = {0.05, 0.1, 0.2},
                              .steps = every(10, 400),
                              .noise = 0.001,
                              .truth = [](double eta, double, double t) { return (eta - 0.07) * t; }});
  const auto fit = fit_rates(curves);
  EXPECT_FALSE(fit.law);
  EXPECT_THAT(fit.notes, Contains(HasSubstr("positive at 2 scan points and negative at 1")));
  EXPECT_TRUE(fit_json(curves, fit).at("power_law").is_null());
}

TEST(Rates, ACurveFasterThanItsRecordsIsNamed) {
  const auto curves = family({.steps = every(200, 8000), .noise = 1e-4, .truth = synthetic::relaxation(2)});
  const auto fit = fit_rates(curves);
  EXPECT_THAT(fit.notes, Contains(HasSubstr("learning_rate = 0.1: recorded too coarsely")));
  EXPECT_EQ(fit.rates[2].window.end, 600);
}

TEST(Rates, BadOptionsAreRefused) {
  const auto curves = family({.steps = every(10, 100), .truth = synthetic::relaxation(2)});
  EXPECT_THROW(fit_rates(curves, {.resamples = 100}), ConfigError);
  EXPECT_THROW(fit_rates(curves, {.reference = {{"batch_size", 1}}}), ConfigError);
  EXPECT_THROW(fit_rates(curves, {.window = Window{0, 25}}), InputError);
}

TEST(Rates, TheReportHoldsRatesAndLaw) {
  const auto curves = family({.steps = every(10, 2000), .noise = 0.01, .truth = synthetic::relaxation(2)});
  const auto report = fit_json(curves, fit_rates(curves));
  EXPECT_EQ(report.at("rates").size(), 3);
  EXPECT_EQ(report.at("rates").at(2).at("keys").at("learning_rate"), 0.1);
  EXPECT_NEAR(report.at("power_law").at("exponents").at("learning_rate").at("exponent").get<double>(), 2,
              0.2);
}

}  // namespace
}  // namespace soret::analysis
