#include "analysis/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "analysis/curves.hpp"
#include "analysis/key_formula.hpp"
#include "soret/base/error.hpp"
#include "synthetic.hpp"
#include "walk_file.hpp"
#include "zipped_file.hpp"

namespace soret::analysis {
namespace {

using synthetic::walk_file;
using testing::AllOf;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

/// From n = 5 samples an error makes the mean square residual (n - 1) / (n - 3) too large.
constexpr double kScale = 2.0 / 4.0;

ComparisonRequest request(std::string quantity, std::string x = "") {
  return {.quantity = std::move(quantity), .x = std::move(x), .steps = {}, .chosen = {}};
}

template <class Error>
std::string message(const ComparisonRequest& wanted, const store::Dataset& file = walk_file()) {
  try {
    compare(file, wanted);
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

store::Variable renamed(store::Variable variable, const std::string& name) {
  variable.name = name;
  return variable;
}

TEST(Comparison, AProfileHasAPanelPerPointAndTheLastRecord) {
  const auto density = compare(walk_file(), request("density"));
  EXPECT_EQ(density.kind, ComparisonKind::lines);
  EXPECT_EQ(density.x.name, "position");
  ASSERT_THAT(density.panels, SizeIs(4));
  const auto& panel = density.panels[1];
  EXPECT_EQ(label_text(panel.label), "learning_rate = 0.1, field = bump, step = 10");
  ASSERT_THAT(panel.series, SizeIs(1));
  const auto& series = panel.series[0];
  EXPECT_TRUE(series.label.empty());
  EXPECT_THAT(series.x, ElementsAre(0.25, 0.5, 0.75));
  EXPECT_THAT(series.mean, ElementsAre(10, 11, 12));  // point 1, record 1 of rows of three
  EXPECT_THAT(series.error, ElementsAre(0.5, 0.5, 0.5));
  ASSERT_THAT(series.laws, SizeIs(2));
  EXPECT_EQ(series.laws[1].name, "wrong");
  EXPECT_THAT(series.laws[0].value, ElementsAre(10, 11, 12));
  EXPECT_THAT(series.laws[1].value, ElementsAre(11, 12, 13));
  EXPECT_EQ(series.laws[0].chi_square, 0);
  EXPECT_DOUBLE_EQ(series.laws[1].chi_square, 4 * kScale);  // off by two errors everywhere
  EXPECT_EQ(series.laws[1].degrees, 3u);
}

TEST(Comparison, ChosenStepsAreSeriesAndChoicesAreLeftOutOfLabels) {
  auto wanted = request("density");
  wanted.steps = {10, 0};
  wanted.chosen = {{"walk.learning_rate", "0.20"}, {"field", "linear"}};
  const auto density = compare(walk_file(), wanted);
  ASSERT_THAT(density.panels, SizeIs(1));
  EXPECT_TRUE(density.panels[0].label.empty());
  ASSERT_THAT(density.panels[0].series, SizeIs(2));
  EXPECT_EQ(label_text(density.panels[0].series[0].label), "step = 10");
  EXPECT_THAT(density.panels[0].series[0].mean, ElementsAre(16, 17, 18));
  EXPECT_THAT(density.panels[0].series[1].mean, ElementsAre(13, 14, 15));
}

TEST(Comparison, OverAKeyAxesOfWordsArePanelsAndLawsFollow) {
  const auto escape = compare(walk_file(), request("escape_time"));
  EXPECT_EQ(escape.x.name, "learning_rate");
  ASSERT_THAT(escape.panels, SizeIs(2));
  const auto& series = escape.panels[0].series[0];
  EXPECT_EQ(label_text(escape.panels[0].label), "field = linear");
  EXPECT_THAT(series.x, ElementsAre(0.1, 0.2));
  EXPECT_THAT(series.mean, ElementsAre(10, 20));
  ASSERT_THAT(series.laws, SizeIs(1));
  EXPECT_EQ(series.laws[0].name, "predicted");
  EXPECT_THAT(series.laws[0].value, ElementsAre(12, 20));
  // Two errors off at one of two places; the errors come from 5 blocks.
  EXPECT_DOUBLE_EQ(series.laws[0].chi_square, 4.0 / 2 * kScale);
}

TEST(Comparison, AFormulaOrdersItsPlaces) {
  const auto escape = compare(walk_file(), request("escape_time", "data.samples/temperature"));
  EXPECT_THAT(escape.panels[0].series[0].x, ElementsAre(2, 8));
  EXPECT_THAT(escape.panels[0].series[0].mean, ElementsAre(20, 10));
}

TEST(Comparison, OverWordsThereAreBars) {
  const auto escape = compare(walk_file(), request("escape_time", "field"));
  EXPECT_EQ(escape.kind, ComparisonKind::bars);
  EXPECT_THAT(escape.x.categories, ElementsAre("linear", "bump"));
  ASSERT_THAT(escape.panels, SizeIs(1));
  ASSERT_THAT(escape.panels[0].series, SizeIs(2));
  EXPECT_EQ(label_text(escape.panels[0].series[1].label), "learning_rate = 0.2");
  EXPECT_THAT(escape.panels[0].series[0].x, ElementsAre(0, 1));
}

TEST(Comparison, OneOfFurtherPlacesOverAKey) {
  auto wanted = request("density", "learning_rate");
  wanted.chosen = {{"position", "0.5"}, {"field", "bump"}};
  const auto density = compare(walk_file(), wanted);
  EXPECT_THAT(density.panels[0].series[0].mean, ElementsAre(11, 23));
  EXPECT_THAT(density.panels[0].series[0].laws[1].value, ElementsAre(12, 24));
}

TEST(Comparison, OverTheStepFurtherPlacesAndNumericAxesAreSeries) {
  const auto density = compare(walk_file(), request("density", "step"));
  ASSERT_THAT(density.panels, SizeIs(2));
  ASSERT_THAT(density.panels[1].series, SizeIs(6));
  EXPECT_EQ(label_text(density.panels[1].series[4].label), "learning_rate = 0.2, position = 0.5");
  EXPECT_THAT(density.panels[1].series[4].x, ElementsAre(0, 10));
  EXPECT_THAT(density.panels[1].series[4].mean, ElementsAre(20, 23));
}

TEST(Comparison, TheFilesOwnChiSquareIsTaken) {
  auto file = walk_file();
  auto stated = synthetic::variable(file, "density_by_law");
  stated.name = "density_misfit";
  stated.dimensions.pop_back();
  stated.attributes = {{"chi_square_of", std::string("density")}};
  stated.data = std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  file.variables.push_back(stated);
  const auto density = compare(file, request("density"));
  EXPECT_EQ(density.panels[2].series[0].laws[0].chi_square, 10);  // point 2, record 1, law 0
  EXPECT_EQ(density.panels[2].series[0].laws[1].chi_square, 11);
  EXPECT_EQ(density.panels[2].series[0].laws[1].degrees, 0u);
  // What covers only part of a record has its own.
  auto part = request("density", "learning_rate");
  part.chosen = {{"position", "0.5"}};
  EXPECT_DOUBLE_EQ(compare(file, part).panels[0].series[0].laws[1].chi_square, 4 * kScale);
}

TEST(Comparison, AChiSquareWithoutLawsBelongsToTheOnlyOne) {
  auto file = walk_file();
  auto& law = synthetic::variable(file, "density_by_law");
  law.dimensions = {"learning_rate", "field", "position"};
  law.data = std::vector<double>(12, 0.0);
  store::Variable stated{
      "misfit", {"learning_rate", "field", "step"}, std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}, {}};
  stated.attributes["chi_square_of"] = std::string("density");
  file.variables.push_back(stated);
  const auto density = compare(file, request("density"));
  ASSERT_THAT(density.panels[1].series[0].laws, SizeIs(1));
  EXPECT_EQ(density.panels[1].series[0].laws[0].name, "by_law");
  EXPECT_EQ(density.panels[1].series[0].laws[0].chi_square, 3);
}

TEST(Comparison, FilesWithoutTheAttributeAreReadByTheirNames) {
  auto file = walk_file();
  auto& law = synthetic::variable(file, "density_by_law");
  law.attributes.erase("predicts");
  EXPECT_TRUE(compare(file, request("density")).panels[0].series[0].laws.empty());
  law.name = "density_prediction";
  EXPECT_THAT(predictions_of(file, "density"), ElementsAre("density_prediction"));
  EXPECT_THAT(compare(file, request("density")).panels[0].series[0].laws, SizeIs(2));
}

TEST(Comparison, ALawWithoutNumbersIsLeftOut) {
  auto file = walk_file();
  auto& values = std::get<std::vector<double>>(synthetic::variable(file, "density_by_law").data);
  for (std::size_t row = 0; row < 8; ++row)
    for (std::size_t i = 0; i < 3; ++i) values[(row * 2 + 1) * 3 + i] = NAN;
  EXPECT_THAT(compare(file, request("density")).panels[0].series[0].laws, SizeIs(1));
}

TEST(Comparison, WithoutErrorsThereIsNoChiSquare) {
  auto file = walk_file();
  std::get<std::vector<double>>(synthetic::variable(file, "density_stderr").data).assign(24, 0.0);
  EXPECT_TRUE(std::isnan(compare(file, request("density")).panels[0].series[0].laws[1].chi_square));
}

TEST(Comparison, PointsThatAreNotFinishedAreLeftOutWithANote) {
  auto file = walk_file();
  std::get<std::vector<std::int64_t>>(synthetic::variable(file, "finished").data)[1] = 0;
  const auto density = compare(file, request("density"));
  EXPECT_THAT(density.panels, SizeIs(3));
  ASSERT_THAT(density.notes, SizeIs(1));
  EXPECT_THAT(density.notes[0], HasSubstr("learning_rate = 0.1, field = bump: not finished"));
}

TEST(Comparison, TwoDimensionsMakeAMap) {
  auto file = walk_file();
  file.dimensions.push_back({"height", 2});
  file.variables.push_back({"height", {"height"}, std::vector<double>{-1.5, 1.5}, {}});
  std::vector<double> plane;
  for (int i = 0; i < 4 * 2 * 3 * 2; ++i) plane.push_back(i);
  auto flat = renamed(synthetic::variable(file, "density"), "plane");
  flat.dimensions.push_back("height");
  flat.data = plane;
  file.variables.push_back(flat);
  file.variables.push_back(renamed(flat, "plane_block"));
  auto wanted = request("plane");
  wanted.chosen = {{"learning_rate", "0.1"}, {"field", "linear"}};
  const auto map = compare(file, wanted);
  EXPECT_EQ(map.kind, ComparisonKind::map);
  EXPECT_EQ(map.x.name, "position");
  EXPECT_EQ(map.y.name, "height");
  EXPECT_THAT(map.y.values, ElementsAre(-1.5, 1.5));
  // [y][x] of the last record, whose cells are 6 ... 11 in the order [position][height].
  EXPECT_THAT(map.panels[0].series[0].mean, ElementsAre(6, 8, 10, 7, 9, 11));
}

TEST(Comparison, ThirtyPointsAreThinnedOutAndTheNoteSaysHow) {
  synthetic::Family family{.steps = {0, 10}, .truth = [](double, double, double) { return 1.0; }};
  family.learning_rates.clear();
  for (int i = 1; i <= 30; ++i) family.learning_rates.push_back(0.01 * i);
  auto file = synthetic::dataset(family);
  file.dimensions.push_back({"position", 2});
  file.variables.push_back({"position", {"position"}, std::vector<double>{0.1, 0.7}, {}});
  store::Variable profile{
      "profile", {"learning_rate", "batch_size", "position"}, std::vector<double>(60, 1.0), {}};
  file.variables.push_back(profile);
  const auto profiles = compare(file, request("profile"));
  EXPECT_THAT(profiles.panels, SizeIs(9));
  EXPECT_EQ(label_text(profiles.panels.front().label), "learning_rate = 0.01");
  EXPECT_EQ(label_text(profiles.panels.back().label), "learning_rate = 0.3");
  EXPECT_THAT(profiles.notes, ElementsAre(HasSubstr("9 of 30 panels are drawn; choose others with --at")));
}

TEST(Comparison, WhatAFileShowsFirst) {
  auto file = walk_file();
  EXPECT_THAT(first_quantities(file), ElementsAre("density"));
  std::erase_if(file.variables, [](const auto& v) { return v.name.starts_with("density"); });
  EXPECT_THAT(first_quantities(file), ElementsAre("escape_time"));
  EXPECT_THAT(first_quantities(synthetic::dataset(
                  {.steps = {0, 10}, .truth = [](double, double, double) { return 1.0; }})),
              ElementsAre("y"));
}

TEST(Comparison, SeveralFilesShareAPanel) {
  const auto one = compare(walk_file(), request("escape_time"));
  EXPECT_TRUE(overlayable(one, one));
  EXPECT_FALSE(overlayable(one, compare(walk_file(), request("escape_time", "temperature"))));
  EXPECT_FALSE(overlayable(one, compare(walk_file(), request("density"))));
  const std::vector<Comparison> both{one, one};
  const std::vector<std::string> names{"a", "b"};
  const auto together = overlay(both, names);
  ASSERT_THAT(together.panels, SizeIs(2));
  ASSERT_THAT(together.panels[0].series, SizeIs(2));
  EXPECT_EQ(label_text(together.panels[0].series[1].label), "file = b");
}

TEST(Comparison, ErrorsSayWhatIsAllowed) {
  EXPECT_THAT(message<InputError>(request("densty")),
              AllOf(HasSubstr("did you mean 'density'"), HasSubstr("temperature")));
  EXPECT_THAT(message<ConfigError>(request("density", "positon")),
              AllOf(HasSubstr("step, position"), HasSubstr("nothing is called 'positon'")));
  auto wanted = request("density");
  wanted.steps = {7};
  EXPECT_THAT(message<ConfigError>(wanted), HasSubstr("--step 7: was not recorded; recorded are 0, 10"));
  wanted = request("density", "step");
  wanted.steps = {10};
  EXPECT_THAT(message<ConfigError>(wanted), HasSubstr("--step"));
  wanted = request("density");
  wanted.chosen = {{"field", "flat"}};
  EXPECT_THAT(message<ConfigError>(wanted), HasSubstr("is not one of linear, bump"));
  wanted.chosen = {{"feld", "bump"}};
  EXPECT_THAT(message<ConfigError>(wanted), HasSubstr("did you mean 'field'"));
  wanted.chosen = {{"step", "10"}};
  EXPECT_THAT(message<ConfigError>(wanted), HasSubstr("--step N"));
  EXPECT_THAT(message<ConfigError>(request("escape_time", "walk.steps")),
              HasSubstr("is 10 at every scan point; what varies is learning_rate, field"));
  EXPECT_THAT(message<ConfigError>(request("escape_time", "steps")),
              HasSubstr("may be start.steps or walk.steps"));
  EXPECT_THAT(message<ConfigError>(request("escape_time", "1/")), HasSubstr("names no axis"));
  EXPECT_THAT(message<ConfigError>(request("escape_time", "learning_rate*")), HasSubstr("unexpected end"));
  EXPECT_THAT(message<ConfigError>(request("escape_time", "field*2")), HasSubstr("axis of words"));
}

TEST(Comparison, TheReportHoldsEveryChiSquare) {
  const auto report = comparison_json(compare(walk_file(), request("density")));
  EXPECT_EQ(report["over"], "position");
  const auto& series = report["panels"][3]["series"][0];
  EXPECT_EQ(report["panels"][3]["settings"],
            (nlohmann::json{{"learning_rate", 0.2}, {"field", "bump"}, {"step", 10.0}}));
  EXPECT_EQ(series["places"], 3);
  EXPECT_EQ(series["laws"]["wrong"]["chi_square_per_degree"], 4 * kScale);
  EXPECT_EQ(series["laws"]["wrong"]["degrees"], 3);
}

TEST(KeyFormula, KnowsAxesNumbersOfTheConfigAndQuantitiesOfPoints) {
  const auto file = walk_file();
  const auto axes = scan_axes(file, file.at("finished").dimensions);
  const auto values = [&](const char* text) { return key_formula(file, axes, text).values; };
  EXPECT_THAT(values("learning_rate"), ElementsAre(0.1, 0.1, 0.2, 0.2));
  EXPECT_THAT(values("walk.learning_rate * 10"), ElementsAre(1, 1, 2, 2));
  EXPECT_THAT(values("1e1*samples/temperature"), ElementsAre(80, 80, 20, 20));
  EXPECT_THAT(values("sqrt(temperature) + start.steps"), ElementsAre(4, 4, 5, 5));
  EXPECT_THAT(values("sin(pi*data.samples)^2 + walk.steps"), testing::Each(testing::DoubleNear(10, 1e-12)));
  EXPECT_THAT(key_formula(file, axes, "data.samples/walk.learning_rate").names,
              ElementsAre("data.samples", "walk.learning_rate"));
}

// Names of points stand for all that they differ by.
TEST(Comparison, CallsPointsByTheirLabels) {
  using synthetic::zipped;
  const std::vector<std::vector<double>> ends = {{0.1, 0.2}, {0.3, 0.4}, {0.5, 0.6}};
  const auto file = zipped(ends, "", {"SB", "LB", "GN"}, {"a", "a", "b"}).data;
  const auto over_step = compare(file, {.quantity = "test_error", .x = "", .steps = {}, .chosen = {}});
  ASSERT_EQ(over_step.panels.size(), 1);
  ASSERT_EQ(over_step.panels[0].series.size(), 3);
  EXPECT_EQ(over_step.panels[0].series[2].label, (Label{{"label", "GN"}}));
  const auto bars = compare(file, {.quantity = "test_error", .x = "label", .steps = {}, .chosen = {}});
  EXPECT_EQ(bars.kind, ComparisonKind::bars);
  EXPECT_THAT(bars.x.categories, ElementsAre("SB", "LB", "GN"));
  ASSERT_EQ(bars.panels.size(), 1);
  EXPECT_THAT(bars.panels[0].series.at(0).mean, ElementsAre(DoubleEq(0.15), DoubleEq(0.35), DoubleEq(0.55)));
  const auto chosen =
      compare(file, {.quantity = "test_error", .x = "", .steps = {}, .chosen = {{"label", "LB"}}});
  ASSERT_EQ(chosen.panels.size(), 1);
  ASSERT_EQ(chosen.panels[0].series.size(), 1);
  EXPECT_DOUBLE_EQ(chosen.panels[0].series[0].mean.back(), 0.35);
  // Over a setting it is the settings that count, as without labels; names that repeat tell nothing apart.
  EXPECT_EQ(compare(file, {.quantity = "test_error", .x = "learning_rate", .steps = {}, .chosen = {}})
                .panels.size(),
            2);
  const auto twice = zipped(ends, "", {"SB", "SB", "GN"}).data;
  EXPECT_THAT(derived_quantities(file), ::testing::IsEmpty());
  EXPECT_THAT(label_text(compare(twice, {.quantity = "test_error", .x = "", .steps = {}, .chosen = {}})
                             .panels[0]
                             .series[0]
                             .label),
              ::testing::HasSubstr("learning_rate = 0.1"));
}

// Fig. 5 of seed 000: each curve runs over the time that its own point took.
TEST(Comparison, RunsOverAQuantityOfTheSameSteps) {
  auto file = synthetic::zipped({{0.1, 0.1}, {0.3, 0.3}}, "labels = SB LB\n", {"SB", "LB"}).data;
  file.variables.push_back({"wall_seconds",
                            {"point", "step"},
                            std::vector<double>{9, 0, 1, 4},
                            {{"units", "s"}, {"long_name", "time"}}});
  const auto timed = compare(file, request("test_error", "wall_seconds"));
  EXPECT_EQ(timed.kind, ComparisonKind::lines);
  EXPECT_EQ(timed.x.name, "wall_seconds");
  EXPECT_EQ(timed.x.unit, "s");
  ASSERT_THAT(timed.panels, SizeIs(1));
  ASSERT_THAT(timed.panels[0].series, SizeIs(2));
  EXPECT_EQ(label_text(timed.panels[0].series[0].label), "label = SB");
  EXPECT_THAT(timed.panels[0].series[0].x, ElementsAre(0, 9));  // in the order of x
  EXPECT_THAT(timed.panels[0].series[0].mean, ElementsAre(0.1, 0.9));
  EXPECT_THAT(timed.panels[0].series[1].x, ElementsAre(1, 4));
  EXPECT_THAT(timed.panels[0].series[1].mean, ElementsAre(0.9, 0.3));
}

/// Two scan axes, which the file wants its quantity drawn over, and a named place in their plane.
store::Dataset plane_file() {
  store::Dataset file;
  file.dimensions = {{"a", 3}, {"b", 2}, {"block", 1}, {"place", 2}};
  const auto axis = [&](const char* name, std::vector<double> values) {
    file.variables.push_back({name, {name}, std::move(values), {{"key", std::string("plane.") + name}}});
  };
  axis("a", {-1, 0, 2});
  axis("b", {5, 7});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  file.variables.push_back({"place", {"place"}, std::vector<std::string>{"here", "nowhere"}, {}});
  file.variables.push_back(
      {"loss", {"a", "b"}, std::vector<double>{1, 2, 3, 4, 5, 6}, {{"drawn_over", std::string("a b")}}});
  file.variables.push_back({"accuracy",
                            {"a", "b"},
                            std::vector<double>{6, 5, 4, 3, 2, 1},
                            {{"drawn_over", std::string("a b")}, {"drawn_beside", std::string("loss")}}});
  std::vector<double> xs, ys;
  for (int cell = 0; cell < 6; ++cell) {
    xs.insert(xs.end(), {0.5, nan});
    ys.insert(ys.end(), {6, nan});
  }
  file.variables.push_back({"place_a", {"a", "b", "place"}, xs, {}});
  file.variables.push_back({"place_b", {"a", "b", "place"}, ys, {}});
  file.variables.push_back({"finished", {"a", "b"}, std::vector<std::int64_t>(6, 1), {}});
  file.variables.push_back({"block_trajectories", {"a", "b", "block"}, std::vector<std::int64_t>(6, 1), {}});
  return file;
}

TEST(Comparison, MapsAQuantityOverTwoScanAxes) {
  const store::Dataset file = plane_file();
  const Comparison map = compare(file, {.quantity = "loss", .x = {}, .steps = {}, .chosen = {}});
  EXPECT_EQ(map.kind, ComparisonKind::map);
  EXPECT_TRUE(map.over_scan);
  EXPECT_EQ(map.x.values, (std::vector<double>{-1, 0, 2}));
  EXPECT_EQ(map.y.values, (std::vector<double>{5, 7}));
  ASSERT_EQ(map.panels.size(), 1);
  EXPECT_EQ(map.panels[0].series[0].mean, (std::vector<double>{1, 3, 5, 2, 4, 6}));  // [b][a]
  ASSERT_EQ(map.panels[0].marks.size(), 1);
  EXPECT_EQ(map.panels[0].marks[0].name, "here");
  EXPECT_EQ(map.panels[0].marks[0].x, 0.5);
  EXPECT_EQ(map.panels[0].marks[0].y, 6);

  // The other way round, on request; over one axis alone, where the other keeps one value.
  const Comparison turned =
      compare(file, {.quantity = "loss", .x = "b", .y = "a", .steps = {}, .chosen = {}});
  EXPECT_EQ(turned.panels[0].series[0].mean, (std::vector<double>{1, 2, 3, 4, 5, 6}));
  const Comparison line = compare(file, {.quantity = "loss", .x = "a", .steps = {}, .chosen = {{"b", "7"}}});
  EXPECT_EQ(line.kind, ComparisonKind::lines);
  EXPECT_EQ(line.panels[0].series[0].mean, (std::vector<double>{2, 4, 6}));
  EXPECT_THROW(compare(file, {.quantity = "loss", .x = "a", .y = "a", .steps = {}, .chosen = {}}),
               ConfigError);
  EXPECT_EQ(companions(file), (std::vector<std::pair<std::string, std::string>>{{"loss", "accuracy"}}));
}

}  // namespace
}  // namespace soret::analysis
