#include "analysis/collapse_figure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "analysis/gnuplot.hpp"
#include "soret/base/error.hpp"
#include "synthetic.hpp"

namespace soret::analysis {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace fs = std::filesystem;

FigureRow learning_rates() {
  const auto file = synthetic::dataset(
      {.steps = synthetic::every(20, 4000), .noise = 0.02, .truth = synthetic::relaxation(2)});
  FigureRow row{extract_curves(file, "y").front()};
  row.collapse = collapse(row.curves, {.resamples = 200, .rungs = 0});
  return row;
}

std::string script_of(const std::vector<FigureRow>& rows, Panels panels, const std::string& extension) {
  std::vector<Part> parts;
  for (const auto& row : rows) parts.push_back(collapse_part(row, panels));
  return figure_script(parts, extension);
}

void draw_row(const FigureRow& row, Panels panels, const fs::path& output) {
  const std::vector<Part> parts{collapse_part(row, panels)};
  draw(parts, output);
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + word.size())) ++n;
  return n;
}

bool have_gnuplot() {
  return std::system("gnuplot --version >/dev/null 2>&1") == 0;
}

class FigureFile : public testing::Test {
 protected:
  void SetUp() override {
    if (!have_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
    folder_ = fs::temp_directory_path() / ("soret_figure_" + std::to_string(::getpid()));
    fs::create_directory(folder_);
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  static std::string contents(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path folder_;
};

TEST(FigureScript, ShowsRawStatedAndFittedTime) {
  auto row = learning_rates();
  auto& exponent = row.collapse->best.exponents[0];
  exponent.value = 1.97;
  exponent.low = 1.9;
  exponent.high = 2.04;
  const auto script = script_of({row}, Panels::all, ".svg");
  EXPECT_EQ(count(script, "\nplot "), 3);
  EXPECT_THAT(script, HasSubstr("raw steps"));
  EXPECT_THAT(script, HasSubstr("given exponent\\nη: 1\""));
  EXPECT_THAT(script, HasSubstr("fitted exponent, 95% interval\\nη: 1.97 [1.90, 2.04]"));
  EXPECT_THAT(script, HasSubstr("set xlabel \"{/:Italic t} (η/0.05)^{1.97}\""));
  EXPECT_THAT(script, HasSubstr("title \"η = 0.025\""));
  EXPECT_THAT(script, HasSubstr("set label 2 \"activation rate\""));
  EXPECT_EQ(count(script, "filledcurves"), 9);
}

TEST(FigureScript, ABoundIsNotPrintedAsAnEstimate) {
  auto row = learning_rates();
  row.collapse->best.exponents[0].bound = true;
  const auto script = script_of({row}, Panels::all, ".svg");
  EXPECT_THAT(script, HasSubstr("(a bound)"));
  EXPECT_THAT(script, Not(HasSubstr("2.00 [")));
}

TEST(FigureScript, OnePanelWhereOneIsWanted) {
  const auto row = learning_rates();
  EXPECT_EQ(count(script_of({row}, Panels::step, ".png"), "\nplot "), 1);
  const auto rescaled = script_of({row}, Panels::rescaled, ".png");
  EXPECT_EQ(count(rescaled, "\nplot "), 1);
  EXPECT_THAT(rescaled, HasSubstr("fitted exponent"));
  auto alone = row;
  alone.collapse.reset();
  EXPECT_EQ(count(script_of({alone}, Panels::all, ".png"), "\nplot "), 1);
  EXPECT_THROW(script_of({alone}, Panels::rescaled, ".png"), ConfigError);
}

TEST(FigureScript, SeveralObservablesAreRows) {
  const std::vector<FigureRow> rows{learning_rates(), learning_rates()};
  EXPECT_EQ(count(script_of(rows, Panels::all, ".pdf"), "\nplot "), 6);
}

TEST(FigureScript, CurvesDifferInColourDashAndSymbol) {
  const auto row = learning_rates();
  const auto script = script_of({row}, Panels::step, ".png");
  for (const auto* look : {"#0072B2", "#D55E00", "#009E73", "dashtype solid", "dashtype (14,5)",
                           "dashtype (4,4)", "pointtype 7", "pointtype 5", "pointtype 9"})
    EXPECT_THAT(script, HasSubstr(look));
}

TEST(FigureScript, UnitsAreShownAndMarkupIsNotInterpreted) {
  auto row = learning_rates();
  row.curves.unit = "nat";
  row.curves.long_name = "loss_{a}^b \"x\"";
  const auto script = script_of({row}, Panels::step, ".png");
  EXPECT_THAT(script, HasSubstr(R"x("loss\\_\\{a\\}\\^b \"x\" (nat)")x"));
}

TEST(FigureScript, TheExplanationOfALongNameIsLeftOut) {
  auto row = learning_rates();
  row.curves.long_name = "activation rate: mean over hidden units of E_x sigma'(W x + b)";
  EXPECT_THAT(script_of({row}, Panels::step, ".png"), HasSubstr("set label 2 \"activation rate\" at"));
}

TEST(FigureScript, LogarithmicRecordsHaveALogarithmicAxis) {
  auto row = learning_rates();
  EXPECT_THAT(script_of({row}, Panels::step, ".png"), Not(HasSubstr("\nset logscale x")));
  for (std::size_t t = 1; t < row.curves.steps.size(); ++t)
    row.curves.steps[t] = std::pow(1.1, static_cast<double>(t));
  EXPECT_THAT(script_of({row}, Panels::step, ".png"), HasSubstr("\nset logscale x"));
}

TEST(FigureScript, UnknownFormatsAndNothingAreRefused) {
  const auto row = learning_rates();
  for (const auto* extension : {"", ".jpg", ".PNG"})
    EXPECT_THROW(script_of({row}, Panels::all, extension), ConfigError);
  EXPECT_THROW(script_of({}, Panels::all, ".png"), ConfigError);
}

TEST_F(FigureFile, IsDrawnInEveryFormat) {
  const auto row = learning_rates();
  draw_row(row, Panels::all, folder_ / "f.png");
  EXPECT_THAT(contents(folder_ / "f.png"), StartsWith("\x89PNG\r\n"));
  draw_row(row, Panels::all, folder_ / "f.svg");
  EXPECT_THAT(contents(folder_ / "f.svg"), HasSubstr("<svg"));
  draw_row(row, Panels::all, folder_ / "f.pdf");
  EXPECT_THAT(contents(folder_ / "f.pdf"), StartsWith("%PDF"));
}

TEST_F(FigureFile, AFailureLeavesTheOldFigure) {
  std::ofstream(folder_ / "f.png") << "old";
  auto row = learning_rates();
  row.curves.long_name = "unbalanced {/:";
  row.collapse.reset();
  EXPECT_NO_THROW(draw_row(row, Panels::step, folder_ / "g.png"));
  EXPECT_THROW(draw_row(row, Panels::rescaled, folder_ / "f.png"), ConfigError);
  EXPECT_EQ(contents(folder_ / "f.png"), "old");
  EXPECT_THROW(draw_row(row, Panels::step, folder_ / "absent" / "f.png"), RunError);
}

TEST_F(FigureFile, GnuplotsOwnWordsAreInTheMessage) {
  try {
    run_gnuplot("set terminal dumb\nplot nonsense(x)\n");
    FAIL();
  } catch (const RunError& e) {
    EXPECT_THAT(e.what(), HasSubstr("undefined function: nonsense"));
  }
}

TEST(Gnuplot, WhereItIsMissingTheMessageNamesThePackage) {
  try {
    run_gnuplot("plot x", "no-such-gnuplot");
    FAIL();
  } catch (const RunError& e) {
    EXPECT_THAT(e.what(), HasSubstr("gnuplot-nox"));
  }
}

}  // namespace
}  // namespace soret::analysis
