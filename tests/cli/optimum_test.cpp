#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "tests/cli/command.hpp"

/// The optimal batch size from a run to its figure.
namespace soret::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// One small scan, run once for all tests. Large batches follow the gradient and reach the least training
/// loss of this short run, small ones are thrown about: the highest training loss lies at the lower edge.
class OptimalBatch : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    folder_->write("scan.cfg", R"(simulation = deep_ensemble
[network]
inputs = 12
layers = 2
width = 6
outputs = 3
loss = softmax
[data]
labels = teacher
training_samples = 64
[sgd]
learning_rate = 0.2 0.4
batch_size = 1 2 4 8 16 32
steps = 200
[ensemble]
trajectories = 16
[record]
every = 100
probe_samples = 200
observables = accuracy training_loss training_gradient_trace training_gradient_square
)");
    ASSERT_EQ(command({"run", "scan.cfg", "-o", "scan.h5", "--quiet"}).exit_code, 0);
  }
  static void TearDownTestSuite() { delete folder_; }

  static Outcome command(const std::vector<std::string>& words) {
    return soret(words, {.folder = folder_->path()});
  }
  static std::vector<std::string> fit(const std::string& observable, std::vector<std::string> more) {
    std::vector<std::string> words{"fit", "scan.h5", "--observable", observable};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  static TemporaryFolder* folder_;
};

TemporaryFolder* OptimalBatch::folder_ = nullptr;

TEST_F(OptimalBatch, ABestValueAtTheEdgeIsReportedAsABound) {
  const auto words = fit("training_loss", {"--optimum", "batch_size", "--best", "highest"});
  auto with_json = words;
  with_json.emplace_back("--json");
  const auto report = command(with_json).json();
  const auto& group = report["groups"][0];
  EXPECT_EQ(group["over"], "batch_size");
  ASSERT_EQ(group["optima"].size(), 2u);
  for (const auto& optimum : group["optima"]) {
    EXPECT_EQ(optimum["kind"], "upper_bound");
    EXPECT_TRUE(optimum["value"].is_null());
    EXPECT_EQ(optimum["interval_95"][1], 1.0);
    EXPECT_TRUE(optimum["interval_95"][0].is_null());
  }
  EXPECT_TRUE(group["power_law"].is_null());
  EXPECT_EQ(command(with_json).json(), report);  // seeded

  const Outcome text = command(words);
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("learning_rate = 0.2: at most 1 (a bound)"),
                              HasSubstr("every optimum is a bound")));
}

TEST_F(OptimalBatch, TheFitTakesAnyRecordAndDrawsItself) {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no gnuplot";
  const auto report =
      command(fit("accuracy", {"--optimum", "batch_size", "--step", "100", "-o", "optimum.svg", "--json"}))
          .json();
  EXPECT_EQ(report["figure"], "optimum.svg");
  EXPECT_EQ(report["groups"][0]["optima"].size(), 2u);
  EXPECT_THAT(read_text(*folder_ / "optimum.svg"), ::testing::StartsWith("<?xml"));
}

TEST_F(OptimalBatch, CurvesOverTheBatchSizeCollapse) {
  const std::vector<std::string> words{"collapse",      "scan.h5", "--observable",
                                       "training_loss", "--over",  "batch_size"};
  auto with_json = words;
  with_json.emplace_back("--json");
  const auto group = command(with_json).json()["groups"][0];
  EXPECT_EQ(group["over"], "batch_size");
  EXPECT_TRUE(group["exponents"].contains("learning_rate"));
  EXPECT_EQ(group["hypotheses"][1]["name"], "1/eta");
  EXPECT_EQ(group["hypotheses"][1]["exponents"]["learning_rate"], -1.0);
  EXPECT_TRUE(group["noise_scale"].is_object());
  EXPECT_THAT(command(words).out, AllOf(HasSubstr("batch_size' from"), HasSubstr("1/g")));
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) return;
  const Outcome plot = command(
      {"plot", "scan.h5", "--observable", "training_loss", "--over", "batch_size", "-o", "collapse.svg"});
  EXPECT_EQ(plot.exit_code, 0) << plot.err;
  EXPECT_TRUE(fs::exists(*folder_ / "collapse.svg"));
}

TEST_F(OptimalBatch, WrongWordsAreExplained) {
  const auto failure = [](const std::vector<std::string>& words) {
    const Outcome outcome = command(words);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_THAT(outcome.out, IsEmpty());
    return outcome.err;
  };
  const std::vector<std::string> key{"--optimum", "batch_size"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), key.begin(), key.end());
    return failure(fit("accuracy", more));
  };
  EXPECT_THAT(failure(fit("accuracy", {"--optimum", "batch_sise"})),
              AllOf(HasSubstr("'batch_size'"), HasSubstr("learning_rate")));
  EXPECT_THAT(with({"--step", "50"}), HasSubstr("recorded are 0, 100, 200"));
  EXPECT_THAT(with({"--best", "sideways"}), HasSubstr("lowest"));
  EXPECT_THAT(with({"--share", "0"}), HasSubstr("above 0"));
  EXPECT_THAT(with({"--share", "half"}), HasSubstr("half"));
  EXPECT_THAT(with({"--window", "0:100"}), HasSubstr("--share"));
  EXPECT_THAT(with({"-o", "figure.gif"}), HasSubstr(".png"));
  EXPECT_THAT(failure(fit("accuracy", {"--step", "100"})), HasSubstr("--optimum"));
  EXPECT_THAT(failure({"collapse", "scan.h5", "--observable", "accuracy", "--step", "100"}),
              HasSubstr("--over"));
  EXPECT_THAT(failure({"plot", "scan.h5", "--observable", "accuracy", "--over", "batch_size", "--x", "step",
                       "-o", "x.svg"}),
              HasSubstr("--over"));
}

}  // namespace
}  // namespace soret::test
