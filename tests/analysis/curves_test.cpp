#include "analysis/curves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "analysis/bootstrap.hpp"
#include "soret/base/error.hpp"
#include "synthetic.hpp"

namespace soret::analysis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

store::Dataset small_file() {
  return synthetic::dataset({.learning_rates = {0.1, 0.2},
                             .batch_sizes = {1, 2, 4},
                             .steps = {0, 10, 20, 30},
                             .blocks = 3,
                             .noise = 0,
                             .truth = [](double eta, double b, double t) { return 100 * eta + 10 * b + t; }});
}

TEST(Curves, EveryScanPointIsACurveWithItsKeys) {
  auto file = small_file();
  const auto families = extract_curves(file, "y");
  ASSERT_EQ(families.size(), 1);
  const auto& family = families.front();
  EXPECT_EQ(family.group, "");
  EXPECT_THAT(family.keys, ElementsAre("learning_rate", "batch_size"));
  EXPECT_THAT(family.steps, ElementsAre(0, 10, 20, 30));
  EXPECT_EQ(family.long_name, "activation rate");
  ASSERT_EQ(family.curves.size(), 6);
  EXPECT_THAT(family.curves[5].keys, ElementsAre(0.2, 4));
  EXPECT_EQ(family.curves[5].label, "learning_rate = 0.2, batch_size = 4");
  EXPECT_THAT(family.curves[5].mean, ElementsAre(60, 70, 80, 90));
  EXPECT_THAT(family.curves[5].weights, ElementsAre(8, 8, 8));
  EXPECT_EQ(family.curves[5].blocks.size(), 12);
  EXPECT_THAT(family.curves[1].keys, ElementsAre(0.1, 2));
}

TEST(Curves, AnAxisWithOneValueIsAConstantLikeTheConfigsOwn) {
  const auto family =
      extract_curves(synthetic::dataset({.steps = {0, 1, 2}, .truth = synthetic::relaxation(2)}), "y")
          .front();
  EXPECT_THAT(family.keys, ElementsAre("learning_rate"));
  EXPECT_EQ(family.curves[0].label, "learning_rate = 0.025");
  EXPECT_EQ(family.constants.at("batch_size"), 1);
  EXPECT_EQ(family.constants.at("momentum"), 0.9);
}

TEST(Curves, UnfinishedAndWhollyDivergedPointsAreLeftOutAndNamed) {
  auto file = small_file();
  std::get<std::vector<std::int64_t>>(synthetic::variable(file, "finished").data)[2] = 0;
  synthetic::lose(file, 4);
  const auto family = extract_curves(file, "y").front();
  EXPECT_EQ(family.curves.size(), 4);
  EXPECT_THAT(family.skipped,
              ElementsAre("learning_rate = 0.1, batch_size = 4: not finished",
                          "learning_rate = 0.2, batch_size = 2: no surviving trajectory (256 diverged)"));
}

TEST(Curves, NothingUsableIsAnError) {
  auto file = small_file();
  for (std::size_t p = 0; p < 6; ++p) synthetic::lose(file, p);
  EXPECT_THROW(extract_curves(file, "y"), InputError);
}

TEST(Curves, AnUnknownObservableNamesTheNearestAndAll) {
  auto file = small_file();
  for (const std::string part : {"", "_stderr", "_block"}) {
    auto copy = synthetic::variable(file, "y" + part);
    copy.name = "activation_rate" + part;
    file.variables.push_back(copy);
  }
  try {
    extract_curves(file, "activation_rte");
    FAIL();
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("did you mean 'activation_rate'"));
    EXPECT_THAT(e.what(), HasSubstr("y, activation_rate"));
  }
}

TEST(Curves, TextAxesSplitTheScanIntoGroups) {
  // 2 learning rates x 2 words, learning rate slowest.
  auto file = synthetic::dataset({.learning_rates = {0.1, 0.2},
                                  .batch_sizes = {1, 2},
                                  .steps = {0, 10},
                                  .blocks = 2,
                                  .noise = 0,
                                  .truth = [](double eta, double b, double) { return eta + b; }});
  auto& axis = synthetic::variable(file, "batch_size");
  axis = {"activation", {"activation"}, std::vector<std::string>{"relu", "tanh"}, {}};
  file.dimensions[1].name = "activation";
  for (auto& variable : file.variables)
    for (auto& dimension : variable.dimensions)
      if (dimension == "batch_size") dimension = "activation";
  const auto families = extract_curves(file, "y");
  ASSERT_EQ(families.size(), 2);
  EXPECT_EQ(families[1].group, "activation = tanh");
  EXPECT_THAT(families[1].keys, ElementsAre("learning_rate"));
  EXPECT_EQ(families[1].curves[0].label, "learning_rate = 0.1");
  EXPECT_DOUBLE_EQ(families[1].curves[0].mean[1], 2.1);
}

TEST(Curves, AZippedScanHasItsCoordinatesOverPoint) {
  auto file =
      synthetic::dataset({.steps = {0, 10}, .blocks = 2, .noise = 0, .truth = synthetic::relaxation(2)});
  std::erase_if(file.variables,
                [](const auto& v) { return v.name == "batch_size" || v.name == "learning_rate"; });
  for (auto& variable : file.variables) {
    std::erase(variable.dimensions, "batch_size");
    for (auto& dimension : variable.dimensions)
      if (dimension == "learning_rate") dimension = "point";
  }
  file.dimensions = {{"point", 3}, {"step", 2}, {"block", 2}};
  file.variables.push_back(
      {"learning_rate", {"point"}, std::vector<double>{0.1, 0.1, 0.2}, {{"key", "sgd.learning_rate"}}});
  file.variables.push_back(
      {"batch_size", {"point"}, std::vector<std::int64_t>{1, 2, 2}, {{"key", "sgd.batch_size"}}});
  // A quantity derived for every point is no axis, though it lies over the same dimension.
  file.variables.push_back({"noise_scale", {"point"}, std::vector<double>{3, 1, 2}, {}});
  const auto family = extract_curves(file, "y").front();
  EXPECT_THAT(family.keys, ElementsAre("learning_rate", "batch_size"));
  EXPECT_THAT(family.curves[2].keys, ElementsAre(0.2, 2));
}

TEST(Curves, ASinglePointHasNoKeys) {
  auto file = synthetic::dataset(
      {.learning_rates = {0.1}, .steps = {0, 10}, .blocks = 2, .truth = synthetic::relaxation(2)});
  for (auto& variable : file.variables)
    std::erase_if(variable.dimensions,
                  [](const auto& d) { return d == "learning_rate" || d == "batch_size"; });
  std::erase_if(file.variables,
                [](const auto& v) { return v.name == "learning_rate" || v.name == "batch_size"; });
  const auto family = extract_curves(file, "y").front();
  EXPECT_THAT(family.keys, IsEmpty());
  EXPECT_EQ(family.curves.size(), 1);
}

TEST(Curves, AnObservableWithFurtherDimensionsIsNoCurve) {
  auto file = small_file();
  synthetic::variable(file, "y").dimensions.push_back("position");
  EXPECT_THROW(extract_curves(file, "y"), InputError);
}

TEST(Bootstrap, DrawsOneBlockFewerThanThereAreFromSeedAndIndexAlone) {
  const auto draws = draw_blocks(7, 42, 3);
  EXPECT_EQ(std::accumulate(draws.begin(), draws.end(), 0), 6);
  EXPECT_EQ(draws, draw_blocks(7, 42, 3));
  EXPECT_NE(draws, draw_blocks(7, 42, 4));
  EXPECT_NE(draws, draw_blocks(7, 43, 3));
}

TEST(Bootstrap, AResampledMeanWeighsBlocksBySurvivorsAndNeverReadsADeadOne) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  Curve curve;
  curve.mean = {0, 0};
  curve.blocks = {1, 2, kNaN, kNaN, 4, 8};
  curve.weights = {3, 0, 1};
  EXPECT_THAT(resampled_mean(curve, std::vector{1, 1, 3}).value(), ElementsAre(2.5, 5));
  EXPECT_FALSE(resampled_mean(curve, std::vector{0, 2, 0}).has_value());
}

// The variance of the mean of n blocks is s^2 / n; the bootstrap's expectation is exactly that. With R = 4000
// resamples its standard error is about sqrt(2 / R) = 2.2%.
TEST(BootstrapStatistics, TheVarianceOfAMeanIsUnbiased) {
  Curve curve;
  curve.mean = {0};
  curve.blocks = {0.3, -1.2, 2.2, 0.9, -0.4};
  curve.weights.assign(5, 1.0);
  double mean = 0, square = 0;
  for (const double y : curve.blocks) mean += y / 5;
  for (const double y : curve.blocks) square += (y - mean) * (y - mean) / 4;
  std::vector<double> means;
  for (std::uint64_t r = 0; r < 4000; ++r) means.push_back((*resampled_mean(curve, draw_blocks(5, 1, r)))[0]);
  const double variance = std::pow(spread_of(means).standard_error, 2);
  EXPECT_NEAR(variance / (square / 5), 1, 5 * 0.0224);
}

TEST(Bootstrap, PercentilesLieBetweenOrderStatistics) {
  std::vector<double> estimates;
  for (int i = 200; i >= 0; --i) estimates.push_back(i);
  const auto spread = spread_of(estimates);
  EXPECT_DOUBLE_EQ(spread.low, 5);
  EXPECT_DOUBLE_EQ(spread.high, 195);
  EXPECT_TRUE(std::isnan(spread_of({1.0}).low));
}

}  // namespace
}  // namespace soret::analysis
