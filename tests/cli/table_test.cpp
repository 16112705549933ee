#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kConfig = R"(simulation = train
[scan]
mode = zip
[network]
hidden = 7-6
[data]
kind = clusters
inputs = 10
classes = 4
training_samples = 60
test_samples = 40
[sgd]
optimizer = sgd momentum adam
learning_rate = 0.03 0.01 0.001
batch_size = 10
epochs = 2
[ensemble]
trajectories = 3
[record]
observables = train_loss test_error
[table]
labels = SB GN FT
reference = 92.33+-0.10 91.98 -
source = seed 000 Table 1
observable = test_error
scale = accuracy
)";

class TableCommand : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    folder_->write("scan.cfg", kConfig);
    ASSERT_EQ(command({"run", "scan.cfg", "-o", "scan.h5", "--quiet"}).exit_code, 0);
  }
  static void TearDownTestSuite() { delete folder_; }
  static Outcome command(const std::vector<std::string>& words) {
    return soret(words, {.folder = folder_->path()});
  }
  static TemporaryFolder* folder_;
};

TemporaryFolder* TableCommand::folder_ = nullptr;

// The accuracy is that of the file's error; the table and its tidy form agree.
TEST_F(TableCommand, PrintsWhatTheFileHolds) {
  const auto report = command({"table", "scan.h5", "--json"}).json();
  ASSERT_EQ(report["numbers"].size(), 3);
  const auto& first = report["numbers"][0];
  EXPECT_EQ(first["at"]["label"], "SB");
  EXPECT_EQ(first["reference"], 92.33);
  EXPECT_EQ(first["trajectories"], 3);
  EXPECT_TRUE(report["numbers"][2]["reference"].is_null());
  const auto raw = command({"table", "scan.h5", "--scale", "value", "--json"}).json();
  EXPECT_NEAR(first["mean"].get<double>(), 100 * (1 - raw["numbers"][0]["mean"].get<double>()), 1e-9);

  const Outcome text = command({"table", "scan.h5"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(StartsWith("label  test_accuracy (%)"), HasSubstr("seed 000 Table 1"),
                              HasSubstr("92.33 ± 0.10"), HasSubstr("epoch 2")));
  for (const char* format : {"csv", "latex", "markdown"}) {
    const std::string file = std::string("table.") + format;
    EXPECT_EQ(command({"table", "scan.h5", "--format", format, "-o", file}).out, file + "\n");
    EXPECT_EQ(read_text(*folder_ / file), command({"table", "scan.h5", "--format", format}).out);
  }
}

TEST_F(TableCommand, LaysOutAsAsked) {
  const Outcome crossed = command({"table", "scan.h5", "--columns", "label", "--decimals", "1"});
  EXPECT_THAT(crossed.out, AllOf(HasSubstr("SB"), HasSubstr("measured"), HasSubstr("deviation")));
  const Outcome two = command({"table", "scan.h5", "--observable", "test_error,train_loss", "--step", "0"});
  EXPECT_THAT(two.out, AllOf(HasSubstr("train_loss"), HasSubstr("epoch 0")));
  const Outcome one = command({"table", "scan.h5", "--at", "label=GN", "--rows", "optimizer"});
  EXPECT_THAT(one.out, AllOf(HasSubstr("momentum"), Not(HasSubstr("adam"))));
}

TEST_F(TableCommand, SaysWhatIsWrong) {
  const auto error = [](std::vector<std::string> words, int code = 2) {
    words.insert(words.begin(), {"table", "scan.h5"});
    const Outcome outcome = command(words);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error({"--observable", "test_eror"}, 3), HasSubstr("did you mean 'test_error'?"));
  EXPECT_THAT(error({"--format", "latx"}), HasSubstr("latex"));
  EXPECT_THAT(error({"--interval", "95"}), HasSubstr("bootstrap"));
  EXPECT_THAT(error({"--rows", "lable"}), HasSubstr("did you mean 'label'?"));
  EXPECT_THAT(error({"--step", "1000"}), HasSubstr("was not recorded"));
  EXPECT_THAT(error({"--set", "table.labels=a b"}), HasSubstr("2 names, but the scan has 3 points"));
  EXPECT_THAT(error({"--set", "sgd.epochs=3"}), HasSubstr("no key of the section [table]"));
  EXPECT_THAT(error({"--observable", "train_loss", "--scale", "accuracy"}), HasSubstr("_error"));
  folder_->write("wrong.cfg",
                 std::string(kConfig) + "[smoke]\nsgd.optimizer = sgd adam\nsgd.learning_rate = 1 2\n");
  const Outcome run = command({"run", "wrong.cfg", "--profile", "smoke", "-o", "wrong.h5"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("table.labels has 3 names, but the scan has 2 points"));
}

// Names may change when the run is done, and figures take them.
TEST_F(TableCommand, FollowsTheConfigsNames) {
  const auto again =
      command({"run", "scan.cfg", "-o", "scan.h5", "--json", "--set", "table.labels=x y z"}).json();
  EXPECT_EQ(again["already_complete"], true);
  EXPECT_THAT(command({"table", "scan.h5"}).out, HasSubstr("x      "));
  const auto plot =
      command({"plot", "scan.h5", "--observable", "test_error", "-o", "a.svg", "--json"}).json();
  EXPECT_EQ(plot["parts"][0]["panels"][0]["series"][1]["settings"], nlohmann::json({{"label", "y"}}));
  EXPECT_EQ(command({"export", "scan.h5", "--csv", "tables"}).exit_code, 0);
  EXPECT_THAT(read_text(*folder_ / "tables/test_error.csv"),
              StartsWith("optimizer,learning_rate,label,step,"));
  EXPECT_EQ(command({"run", "scan.cfg", "-o", "scan.h5"}).exit_code, 0);
  EXPECT_THAT(command({"table", "scan.h5"}).out, HasSubstr("SB     "));
}

}  // namespace
}  // namespace soret::test
