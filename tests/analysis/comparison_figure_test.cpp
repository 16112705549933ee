#include "analysis/comparison_figure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "soret/base/error.hpp"
#include "synthetic.hpp"
#include "walk_file.hpp"

namespace soret::analysis {
namespace {

using synthetic::walk_file;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ComparisonRequest request(std::string quantity, std::string x = "") {
  return {.quantity = std::move(quantity), .x = std::move(x), .steps = {}, .chosen = {}};
}

std::string script_of(const Comparison& comparison, const LogScales& scales = {}) {
  const std::vector<Part> parts{comparison_part(comparison, scales)};
  return figure_script(parts, ".svg");
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + word.size())) ++n;
  return n;
}

TEST(ComparisonFigure, DataBlocksHoldMeasuredNumbersLawsAndResiduals) {
  const auto script = script_of(compare(walk_file(), request("density")));
  EXPECT_THAT(script,
              HasSubstr("$p0n1s0 << END\n0.25 10 9.5 10.5\n0.5 11 10.5 11.5\n0.75 12 11.5 12.5\nEND\n"));
  EXPECT_THAT(script, HasSubstr("$p0n1s0l1 << END\n0.25 11 -2\n0.5 12 -2\n0.75 13 -2\nEND\n"));
  EXPECT_EQ(count(script, "using 1:3:(0):($4-$3) with vectors nohead"), 4);  // error bars
  EXPECT_EQ(count(script, "\nplot "), 8);  // four panels, each with residuals
}

TEST(ComparisonFigure, LabelsNameLawsChiSquaresAndSettings) {
  const auto script = script_of(compare(walk_file(), request("density")));
  EXPECT_THAT(script,
              AllOf(HasSubstr("\"\u03b7 = 0.2, field = bump, step 10\""), HasSubstr("title \"measured\""),
                    HasSubstr("title \"right, \u03c7\u00b2/dof = 0.00\""),
                    HasSubstr("title \"wrong, \u03c7\u00b2/dof = 2.00\"")));
  EXPECT_THAT(script,
              AllOf(HasSubstr("set label 2 \"density\""), HasSubstr("set xlabel \"place in the domain\""),
                    HasSubstr("\"residual / \u03c3\"")));
}

TEST(ComparisonFigure, LawsDifferInColourAndDash) {
  const auto script = script_of(compare(walk_file(), request("density")));
  EXPECT_THAT(script,
              AllOf(HasSubstr("\"#0072B2\" dashtype solid"), HasSubstr("\"#D55E00\" dashtype (14,5)")));
}

TEST(ComparisonFigure, LawsThatCoincideAreDrawnOnce) {
  const auto one = compare(walk_file(), request("escape_time"));
  const std::vector<Comparison> both{one, one};
  const std::vector<std::string> names{"a", "b"};
  const auto script = script_of(overlay(both, names));
  EXPECT_EQ(count(script, "$p0n0s0l0 using 1:2 with lines"), 1);
  EXPECT_EQ(count(script, "$p0n0s1l0 using 1:2 with lines"), 0);
  EXPECT_THAT(script, AllOf(HasSubstr("title \"a\""), HasSubstr("title \"b\"")));
}

TEST(ComparisonFigure, AFormulaIsWrittenInSymbols) {
  auto escape = compare(walk_file(), request("escape_time", "data.samples/temperature"));
  EXPECT_THAT(script_of(escape), HasSubstr("set xlabel \"samples/T\""));
  escape.x.name = "data.training_samples/sgd.batch_size";
  EXPECT_THAT(script_of(escape), HasSubstr("set xlabel \"N/|B|\""));
}

TEST(ComparisonFigure, LogarithmicAxesWhereNumbersSpanMuchOrAreAskedFor) {
  auto escape = compare(walk_file(), request("escape_time"));
  EXPECT_THAT(script_of(escape), Not(HasSubstr("\nset logscale")));
  EXPECT_THAT(script_of(escape, {.x = true, .y = true}),
              AllOf(HasSubstr("\nset logscale x"), HasSubstr("\nset logscale y")));
  for (auto& panel : escape.panels) panel.series[0].mean = {10, 2000};
  EXPECT_THAT(script_of(escape), HasSubstr("\nset logscale y"));
  EXPECT_THAT(script_of(escape, {.x = false, .y = false}), Not(HasSubstr("\nset logscale")));
}

TEST(ComparisonFigure, NegativeNumbersHaveNoLogarithm) {
  auto escape = compare(walk_file(), request("escape_time"));
  escape.panels[1].series[0].mean = {-3, 2};
  try {
    script_of(escape, {.x = {}, .y = true});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'escape_time' is -3 at learning_rate = 0.1"));
  }
  // Zeros, as of empty bins, are left out.
  escape.panels[1].series[0].mean = {0, 2};
  EXPECT_THAT(script_of(escape, {.x = {}, .y = true}), HasSubstr("$p0n1s0 << END\n0.2 2 1 3\nEND\n"));
  EXPECT_THROW(script_of(compare(walk_file(), request("escape_time", "field")), {.x = true, .y = {}}),
               ConfigError);
}

TEST(ComparisonFigure, TwinAxesKeepErrorsAndLogarithms) {
  const Comparison density = compare(walk_file(), request("density"));
  const std::vector<Comparison> one{density};
  const std::vector<Part> parts{twin_part(one, one, {.x = true})};
  const auto script = figure_script(parts, ".svg");
  const std::size_t panels = count(script, "\nplot ");
  EXPECT_EQ(panels, 4);
  EXPECT_EQ(count(script, "0.25 10 9.5 10.5\n"), 2);  // at either side
  EXPECT_EQ(count(script, "axes x1y1 with vectors nohead"), panels);
  EXPECT_EQ(count(script, "axes x1y2 with vectors nohead"), panels);
  EXPECT_EQ(count(script, "\nset logscale x\n"), panels);
  EXPECT_THAT(script, HasSubstr("set xlabel \"place in the domain\""));
}

TEST(ComparisonFigure, BarsStandSideBySide) {
  auto wanted = request("escape_time", "field");
  wanted.chosen = {{"learning_rate", "0.1"}};
  const auto script = script_of(compare(walk_file(), wanted));
  // Two bars of width 0.4 in each category: measured on the left, its law on the right.
  EXPECT_THAT(script,
              AllOf(HasSubstr("$p0n0b0 << END\n-0.2 10 9 11\n0.8 10 9 11\nEND\n"),
                    HasSubstr("$p0n0b1 << END\n0.2 12 12 12\n1.2 10 10 10\nEND\n"),
                    HasSubstr("set xtics (\"linear\" 0, \"bump\" 1)"), HasSubstr("title \"predicted, ")));
}

// Flags that are all 0 have a panel, too.
TEST(ComparisonFigure, BarsOfNothingButZeroHaveAnAxis) {
  auto wanted = request("escape_time", "field");
  wanted.chosen = {{"learning_rate", "0.1"}};
  Comparison zeros = compare(walk_file(), wanted);
  for (auto& panel : zeros.panels)
    for (auto& series : panel.series) {
      series.laws.clear();
      series.mean.assign(series.mean.size(), 0);
      series.error.assign(series.mean.size(), 0);
    }
  EXPECT_THAT(script_of(zeros), HasSubstr("set yrange [0:1]\n"));
}

TEST(ComparisonFigure, SmallNumbersLeaveTheirPowerToTheLabel) {
  auto escape = compare(walk_file(), request("escape_time"));
  for (auto& panel : escape.panels) {
    panel.series[0].laws.clear();
    panel.series[0].mean = {-2e-7, 4e-7};
    panel.series[0].error = {1e-8, 1e-8};
  }
  EXPECT_THAT(script_of(escape),
              AllOf(HasSubstr("\"escape time (10^{\u22127})\""), HasSubstr("\"\u22122\" -2e-07")));
}

TEST(ComparisonFigure, EveryKindIsDrawnByGnuplot) {
  if (std::system("gnuplot --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "gnuplot is not installed";
  auto file = walk_file();
  for (const char* name : {"plane", "plane_predicted", "plane_stderr"}) {
    store::Variable variable{
        name, {"learning_rate", "field", "position", "height"}, std::vector<double>(48), {}};
    auto& data = std::get<std::vector<double>>(variable.data);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<double>(i % 12) + 1;
    file.variables.push_back(variable);
  }
  file.dimensions.push_back({"height", 4});
  file.variables.push_back({"height", {"height"}, std::vector<double>{-0.6, -0.2, 0.2, 0.6}, {}});
  std::vector<Part> parts;
  for (const auto& wanted : {request("density"), request("escape_time"), request("escape_time", "field"),
                             request("density", "step"), request("plane")})
    parts.push_back(comparison_part(compare(file, wanted), {}));
  const auto path =
      std::filesystem::temp_directory_path() / ("soret_parts_" + std::to_string(::getpid()) + ".pdf");
  EXPECT_NO_THROW(draw(parts, path));
  EXPECT_GT(std::filesystem::file_size(path), 1000u);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace soret::analysis
