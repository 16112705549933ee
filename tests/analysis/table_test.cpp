#include "analysis/table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "soret/base/error.hpp"
#include "tests/analysis/zipped_file.hpp"

namespace soret::analysis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using synthetic::Ends;
using synthetic::zipped;
constexpr double kNaN = synthetic::kNaN;

Table table_of(const NamedDataset& file, const TableRequest& request = {}) {
  return make_table(std::span(&file, 1), request);
}

std::string message(const auto& call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

// Tables of Student's t: 12.706, 4.303, 2.776, and 1.96 for many.
TEST(Table, KnowsStudentsDistribution) {
  EXPECT_TRUE(std::isnan(student_t95(1)));
  EXPECT_NEAR(student_t95(2), 12.7062, 1e-4);
  EXPECT_NEAR(student_t95(3), 4.30265, 1e-5);
  EXPECT_NEAR(student_t95(5), 2.77645, 1e-5);
  EXPECT_NEAR(student_t95(100'001), 1.95998, 1e-4);
}

// 0.1, 0.2, 0.3: mean 0.2, standard deviation 0.1, standard error 0.1 / sqrt(3) = 0.057735.
TEST(Table, IntervalsAreThoseOfTheFormulas) {
  const auto file = zipped({{0.1, 0.2, 0.3}}, "");
  const TableNumber t95 = table_of(file).numbers.at(0);
  EXPECT_NEAR(t95.value, 0.2, 1e-15);
  EXPECT_NEAR(t95.high - t95.value, 0.248414, 1e-6);
  EXPECT_NEAR(t95.value - t95.low, 0.248414, 1e-6);
  EXPECT_EQ(t95.trajectories, 3);
  TableRequest request;
  request.interval = IntervalKind::stderr_;
  EXPECT_NEAR(table_of(file, request).numbers[0].high, 0.257735, 1e-6);
  // Two blocks of the three, drawn with replacement: means from 0.1 to 0.3.
  request.interval = IntervalKind::bootstrap;
  const TableNumber bootstrap = table_of(file, request).numbers[0];
  EXPECT_NEAR(bootstrap.low, 0.1, 1e-12);
  EXPECT_NEAR(bootstrap.high, 0.3, 1e-12);
  // Another record.
  request.step = 0;
  EXPECT_EQ(table_of(file, request).numbers[0].value, 0.9);
  EXPECT_THAT(table_of(file, request).steps, ElementsAre("epoch 0"));
  request.step = 7;
  EXPECT_THAT(message([&] { table_of(file, request); }), HasSubstr("recorded are 0, 30"));
}

TEST(Table, AccuracyIsWhatIsNoError) {
  auto file = zipped({{0.1, 0.2, 0.3}}, "scale = accuracy\n");
  const TableNumber number = table_of(file).numbers[0];
  EXPECT_NEAR(number.value, 80, 1e-12);
  EXPECT_NEAR(number.standard_error, 5.7735, 1e-4);
  EXPECT_NEAR(number.low, 80 - 24.8414, 1e-4);
  EXPECT_NEAR(number.high, 80 + 24.8414, 1e-4);
  EXPECT_EQ(number.place.back().second, "test_accuracy (%)");
  TableRequest request;
  request.scale = TableScale::percent;
  EXPECT_NEAR(table_of(file, request).numbers[0].value, 20, 1e-12);
  request.scale = TableScale::value;
  EXPECT_NEAR(table_of(file, request).numbers[0].value, 0.2, 1e-12);
  // What is no error has no accuracy.
  for (auto& variable : file.data.variables)
    if (variable.name.starts_with("test_error")) variable.name.replace(0, 10, "test_loss");
  EXPECT_NEAR(table_of(file).numbers[0].value, 0.2, 1e-12);
  request.scale = TableScale::accuracy;
  EXPECT_THAT(message([&] { table_of(file, request); }), HasSubstr("here are test_loss"));
  // Neither has a standard error, whatever it is called.
  for (auto& variable : file.data.variables)
    if (variable.name.starts_with("test_loss")) variable.name.replace(0, 9, "hessian_trace_probe_error");
  EXPECT_THAT(message([&] { table_of(file, request); }), HasSubstr("here are hessian_trace_probe_error"));
  request.scale.reset();
  EXPECT_NEAR(table_of(file, request).numbers[0].value, 0.2, 1e-12);
  EXPECT_EQ(table_of(file, request).numbers[0].place.back().second, "hessian_trace_probe_error");
}

// (80 - 81) / hypot(0.5, 0.3), and so on.
TEST(Table, DeviationsAreInCombinedErrors) {
  const Ends ends = {
      {0.19, 0.2, 0.21}, {0.4, 0.5, 0.6}, {0.3, 0.3, 0.3}, {0.3, 0.2, kNaN}, {0.2, kNaN, kNaN}};
  const auto file =
      zipped(ends, "scale = accuracy\nreference = 81.0+-0.3 60 70+-0 - 81+-1\nsource = a paper\n");
  const auto numbers = table_of(file).numbers;
  const double s = 1 / std::sqrt(3.0);
  EXPECT_NEAR(numbers[0].deviation, -1 / std::hypot(s, 0.3), 1e-9);
  EXPECT_NEAR(numbers[1].deviation, -10 / (10 * s), 1e-9);
  EXPECT_FALSE(numbers[3].reference);
  EXPECT_TRUE(std::isnan(numbers[4].deviation));  // one trajectory has no error
  EXPECT_EQ(table_of(file).source(), "a paper");
  // On another scale the references would mean something else.
  TableRequest request;
  request.scale = TableScale::value;
  const Table raw = table_of(file, request);
  EXPECT_FALSE(raw.numbers[0].reference);
  EXPECT_THAT(raw.notes, ElementsAre(HasSubstr("left out")));
}

TEST(Table, ShowsWhatDiverged) {
  const auto file = zipped({{0.1, kNaN, 0.3}, {kNaN, kNaN, kNaN}, {0.1, kNaN, kNaN}}, "", {"SB", "LB", "GN"});
  const Table table = table_of(file);
  ASSERT_EQ(table.numbers.size(), 3);
  EXPECT_NEAR(table.numbers[0].value, 0.2, 1e-15);
  EXPECT_NEAR(table.numbers[0].high - table.numbers[0].value, 12.7062 * 0.1, 1e-4);  // of two
  EXPECT_EQ(table.numbers[0].diverged, 1);
  EXPECT_TRUE(std::isnan(table.numbers[1].value));
  EXPECT_TRUE(std::isnan(table.numbers[2].high));
  const std::string text = table_text(table, TableFormat::text, {});
  EXPECT_THAT(text, AllOf(HasSubstr("0.2 ± 1.3 (1 of 3 diverged)"), HasSubstr("all 3 diverged"),
                          HasSubstr("0.1 (2 of 3 diverged)")));
}

TEST(Table, ShowsWhatIsNotFinished) {
  auto file = zipped({{0.1, 0.2}, {kNaN, kNaN}}, "labels = SB LB\n");
  for (auto& variable : file.data.variables) {
    if (variable.name == "finished") variable.data = std::vector<std::int64_t>{1, 0};
    if (variable.name == "diverged") variable.data = std::vector<std::int64_t>{0, 0};
  }
  EXPECT_THAT(table_text(table_of(file), TableFormat::text, {}), HasSubstr("LB     not finished"));
}

TEST(Table, IsLaidOutByLabelsWhereTheyTellPointsApart) {
  const Ends ends = {{0.1, 0.2}, {0.3, 0.4}};
  const std::string named = table_text(table_of(zipped(ends, "labels = SB LB\n")), TableFormat::text, {});
  EXPECT_THAT(named, AllOf(HasSubstr("label  test_error"), HasSubstr("SB     0.15 ± 0.64"),
                           Not(HasSubstr("learning_rate"))));
  const std::string unnamed = table_text(table_of(zipped(ends, "")), TableFormat::text, {});
  EXPECT_THAT(unnamed, AllOf(HasSubstr("learning_rate  test_error"), HasSubstr("0.1            0.15")));
  const std::string twice = table_text(table_of(zipped(ends, "labels = SB SB\n")), TableFormat::text, {});
  EXPECT_THAT(twice, HasSubstr("learning_rate  test_error"));
}

// Table 1 of seed 000: data sets down, methods across, published values below.
TEST(Table, CrossesTwoAxes) {
  const auto file = zipped({{0.1, 0.1}, {0.2, 0.2}, {0.3, 0.3}, {0.4, 0.4}},
                           "labels = SB LB SB LB\nreference = 1 2 3 -\nsource = paper\n", {},
                           {"c10", "c10", "c100", "c100"});
  const Table table = table_of(file);
  const std::string csv = table_text(table, TableFormat::csv, {});
  EXPECT_THAT(csv, AllOf(HasSubstr("file,label,kind,learning_rate,observable,mean,stderr,low,high"),
                         HasSubstr("file,LB,c10,0.2,test_error,0.2,0,0.2,0.2,2,0,2,,\n")))
      << csv;
  EXPECT_EQ(
      table_text(table, TableFormat::markdown, {{"kind"}, {"label"}, 2}),
      "| kind |  | SB | LB |\n"
      "|---|---|---|---|\n"
      "| c10 | measured | 0.10 ± 0.00 | 0.20 ± 0.00 |\n"
      "|  | paper | 1 | 2 |\n"
      "| c100 | measured | 0.30 ± 0.00 | 0.40 ± 0.00 |\n"
      "|  | paper | 3 | - |\n"
      "\ntest\\_error: mean ± 95% interval over n trajectories (Student's t); epoch 30. deviation: (mean - "
      "published) / combined error, a published +- taken as one standard error.\n");
  EXPECT_THAT(message([&] {
                table_text(table, TableFormat::text, {{"kind"}, {"observable"}, {}});
              }),
              AllOf(HasSubstr("several numbers"), HasSubstr("label")));
  EXPECT_THAT(message([&] {
                table_text(table, TableFormat::text, {{"knd"}, {}, {}});
              }),
              AllOf(HasSubstr("did you mean 'kind'?"), HasSubstr("learning_rate")));
}

TEST(Table, EscapesWhatFormatsReserve) {
  const auto file = zipped({{0.1, 0.3}, {2e7, 4e7}},
                           "labels = a_1&50%\\{$^~ b|\"c\nsource = T_1, 50%\nreference = 1+-2 -\n");
  const Table table = table_of(file);
  const std::string latex = table_text(table, TableFormat::latex, {});
  EXPECT_THAT(
      latex,
      AllOf(HasSubstr("a\\_1\\&50\\%\\textbackslash{}\\{\\$\\textasciicircum{}\\textasciitilde{} & "),
            HasSubstr("test\\_error"), HasSubstr("$0.2 \\pm 1.3$ & $1 \\pm 2$"), HasSubstr("T\\_1, 50\\%"),
            HasSubstr("$3.000\\cdot 10^{7} \\pm 1.3\\cdot 10^{8}$"), Not(HasSubstr("±"))))
      << latex;
  EXPECT_THAT(table_text(table, TableFormat::markdown, {}), HasSubstr("| b\\|\"c |"));
  EXPECT_THAT(table_text(table, TableFormat::csv, {}),
              HasSubstr("\nfile,\"b|\"\"c\",mlp,0.2,test_error,30000000,"));
}

TEST(Table, TakesAnnotationsInPlaceOfTheFiles) {
  const auto file = zipped({{0.1, 0.2}, {0.3, 0.4}}, "labels = SB LB\nobservable = train_loss\n");
  TableRequest request;
  request.annotations = {{"table.labels", "x y"}, {"table.observable", "test_error"}};
  EXPECT_THAT(table_text(table_of(file, request), TableFormat::text, {}), HasSubstr("x      0.15"));
  request.annotations["table.reference"] = "1 2 3";
  EXPECT_THAT(message([&] { table_of(file, request); }),
              AllOf(HasSubstr("file"), HasSubstr("3 values"), HasSubstr("2 points")));
  EXPECT_THROW(table_of(file), InputError);  // it has no train_loss
}

TEST(Table, OfSeveralFilesNamesThem) {
  const std::vector<NamedDataset> files = [] {
    std::vector<NamedDataset> all{zipped({{0.1, 0.2}, {0.3, 0.4}}, "labels = SB LB\n"),
                                  zipped({{0.5, 0.6}, {0.7, 0.8}}, "labels = SB LB\n")};
    all[1].name = "other";
    return all;
  }();
  const Table table = make_table(files, {});
  EXPECT_THAT(table_text(table, TableFormat::text, {{"file"}, {"label"}, {}}),
              AllOf(HasSubstr("file   SB           LB"), HasSubstr("other  0.55 ± 0.64  0.75 ± 0.64")));
  EXPECT_THAT(table_text(table, TableFormat::text, {}), HasSubstr("other  SB     0.55"));
}

// "Table 1" is a source of its own beside "Table 10", which it begins.
TEST(Table, NamesEverySourceOnce) {
  std::vector<NamedDataset> files;
  for (const std::string source : {"seed 000 Table 10", "seed 000 Table 1", "seed 000 Table 10"}) {
    files.push_back(zipped({{0.1, 0.2}, {0.3, 0.4}}, "reference = 1 2\nsource = " + source + "\n"));
    files.back().name = std::to_string(files.size());
  }
  EXPECT_EQ(make_table(files, {}).source(), "seed 000 Table 10; seed 000 Table 1");
}

}  // namespace
}  // namespace soret::analysis
