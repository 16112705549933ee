#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// One small scan, run once for all tests.
class Analysis : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    folder_->write("scan.cfg", R"(simulation = two_layer
[sgd]
learning_rate = 0.05 0.1
steps = 8000
[ensemble]
trajectories = 64
[record]
every = 100
)");
    ASSERT_EQ(command({"run", "scan.cfg", "-o", "scan.h5", "--quiet"}).exit_code, 0);
  }
  static void TearDownTestSuite() { delete folder_; }

  static Outcome command(const std::vector<std::string>& words) {
    return soret(words, {.folder = folder_->path()});
  }

  static TemporaryFolder* folder_;
};

TemporaryFolder* Analysis::folder_ = nullptr;

TEST_F(Analysis, CollapseReportsTheExponentWithItsInterval) {
  const std::vector<std::string> words{"collapse", "scan.h5", "--observable", "activation_rate"};
  auto with_json = words;
  with_json.push_back("--json");
  const auto report = command(with_json).json();
  const auto& group = report["groups"][0];
  const auto& exponent = group["exponents"]["learning_rate"];
  EXPECT_EQ(report["file"], "scan.h5");
  EXPECT_LT(exponent["interval_95"][0], exponent["exponent"]);
  EXPECT_GT(exponent["interval_95"][1], exponent["exponent"]);
  EXPECT_GE(group["bootstrap"]["resamples"], 200);
  EXPECT_FALSE(group["ladder"].empty());
  EXPECT_EQ(command(with_json).json(), report);  // seeded

  const Outcome text = command(words);
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("exponent of learning_rate"), HasSubstr("95% interval"),
                              HasSubstr("other windows")));
}

TEST_F(Analysis, CollapseTakesGivenExponentsAndAWindow) {
  const auto report =
      command({"collapse", "scan.h5", "--observable", "activation_rate", "--rescale", "learning_rate=2",
               "--window", "100:3000", "--reference", "learning_rate=0.05", "--json"})
          .json();
  const auto& group = report["groups"][0];
  EXPECT_EQ(group["exponents"]["learning_rate"]["exponent"], 2.0);
  EXPECT_EQ(group["exponents"]["learning_rate"]["fitted"], false);
  EXPECT_EQ(group["exponents"]["learning_rate"]["reference"], 0.05);
  EXPECT_EQ(group["window"]["begin"], 100.0);
  EXPECT_EQ(group["window"]["end"], 3000.0);
}

TEST_F(Analysis, CollapseWritesAFileThatInfoReads) {
  ASSERT_EQ(command({"collapse", "scan.h5", "--observable", "v_norm", "--rescale", "learning_rate=1", "-o",
                     "collapsed.h5"})
                .exit_code,
            0);
  const auto report = command({"info", "collapsed.h5", "--json"}).json();
  EXPECT_TRUE(report["variables"].contains("rescaled_step"));
  EXPECT_EQ(command({"info", "collapsed.h5"}).exit_code, 0);
  const Outcome exported = command({"export", "collapsed.h5", "--csv", "tables"});
  EXPECT_EQ(exported.exit_code, 3);
  EXPECT_THAT(exported.err, AllOf(HasSubstr("collapsed.h5"), HasSubstr("soret run")));
}

TEST_F(Analysis, FitReportsRatesAndTheirPowerLaw) {
  const std::vector<std::string> words{"fit", "scan.h5", "--observable", "activation_rate"};
  auto with_json = words;
  with_json.push_back("--json");
  const auto report = command(with_json).json();
  EXPECT_EQ(report["groups"][0]["observable"], "activation_rate");
  EXPECT_EQ(report["groups"][0]["rates"].size(), 2u);
  const Outcome text = command(words);
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("learning_rate = 0.05"), HasSubstr("exponent of learning_rate")));
}

TEST_F(Analysis, CorrelateRanksEveryTwoQuantities) {
  ASSERT_EQ(command({"run", "scan.cfg", "-o", "six.h5", "--quiet", "--set", "sgd.batch_size=1 2 4", "--set",
                     "sgd.steps=400"})
                .exit_code,
            0);
  const std::vector<std::string> words{"correlate", "six.h5", "learning_rate/batch_size", "v_norm",
                                       "activation_rate"};
  auto with_json = words;
  with_json.push_back("--json");
  const auto report = command(with_json).json();
  ASSERT_EQ(report["pairs"].size(), 3u);
  EXPECT_EQ(report["pairs"][0]["b"], "v_norm");
  EXPECT_TRUE(report["pairs"][0]["kendall_within"].contains("batch_size"));
  EXPECT_EQ(report["quantities"][0]["mean"].size(), 6u);
  const Outcome text = command(words);
  EXPECT_THAT(text.out, AllOf(HasSubstr("over 6 scan points"), HasSubstr("Spearman")));
  const Outcome unknown = command({"correlate", "six.h5", "v_nrm", "activation_rate"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("v_nrm"), HasSubstr("v_norm")));
  const Outcome few = command({"correlate", "scan.h5", "v_norm", "activation_rate"});
  EXPECT_EQ(few.exit_code, 3);
  EXPECT_THAT(few.err, HasSubstr("three scan points"));
}

TEST_F(Analysis, PlotDrawsEveryFormat) {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no gnuplot";
  const std::pair<const char*, const char*> formats[] = {
      {"figure.png", "\x89PNG"}, {"figure.svg", "<?xml"}, {"figure.pdf", "%PDF"}};
  for (const auto& [name, magic] : formats) {
    const Outcome outcome = command({"plot", "scan.h5", "--observable", "activation_rate", "-o", name});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(read_text(*folder_ / name), ::testing::StartsWith(magic));
  }
  EXPECT_EQ(command({"plot", "scan.h5", "scan.h5", "--x", "step", "-o", "all.svg"}).exit_code, 0);
  const Outcome format = command({"plot", "scan.h5", "-o", "figure.gif"});
  EXPECT_EQ(format.exit_code, 2);
  EXPECT_THAT(format.err, HasSubstr(".png"));
  EXPECT_FALSE(fs::exists(*folder_ / "figure.gif"));
}

TEST_F(Analysis, WrongNamesAndWindowsAreExplained) {
  const auto failure = [](const std::vector<std::string>& words) {
    const Outcome outcome = command(words);
    EXPECT_THAT(outcome.out, IsEmpty());
    return std::pair(outcome.exit_code, outcome.err);
  };
  for (const char* what : {"collapse", "fit"}) {
    const auto [code, message] = failure({what, "scan.h5", "--observable", "v_nrm", "--json"});
    EXPECT_EQ(code, 3);
    EXPECT_THAT(message, AllOf(HasSubstr("'v_norm'"), HasSubstr("activation_rate")));
    EXPECT_EQ(failure({what, "scan.h5", "--observable", "v_norm", "--window", "9:3"}).first, 2);
    EXPECT_EQ(failure({what, "scan.h5", "--observable", "v_norm", "--window", "a:b"}).first, 2);
    EXPECT_EQ(failure({what, "scan.h5", "--observable", "v_norm", "--reference", "batch_size=1"}).first, 2);
    EXPECT_EQ(failure({what, "scan.h5", "--observable", "v_norm", "--resamples", "-1"}).first, 2);
    EXPECT_EQ(failure({what, "scan.h5", "--observable", "v_norm", "--resamples", "10"}).first, 2);
  }
  EXPECT_EQ(failure({"collapse", "scan.h5", "--observable", "v_norm", "--rescale", "learning_rat=2"}).first,
            2);
}

TEST_F(Analysis, CollapseReplacesAnEarlierCollapseAndNothingElse) {
  const std::vector<std::string> words{"collapse", "scan.h5", "--observable", "v_norm", "--resamples",
                                       "200",      "-o"};
  const auto to = [&](const std::string& output) {
    auto all = words;
    all.push_back(output);
    return command(all);
  };
  EXPECT_EQ(to("collapsed.h5").exit_code, 0);
  EXPECT_EQ(to("collapsed.h5").exit_code, 0);
  const std::string run = read_text(*folder_ / "scan.h5");
  const std::string config = read_text(*folder_ / "scan.cfg");
  for (const char* output : {"scan.h5", "scan.cfg"}) {
    const Outcome refused = to(output);
    EXPECT_EQ(refused.exit_code, 2) << output;
    EXPECT_THAT(refused.err, HasSubstr("is not a collapse"));
  }
  EXPECT_EQ(read_text(*folder_ / "scan.h5"), run);
  EXPECT_EQ(read_text(*folder_ / "scan.cfg"), config);
  // A collapse is no run.
  EXPECT_THAT(command({"plot", "collapsed.h5", "-o", "x.png"}).err,
              HasSubstr("not the result of `soret run`"));
}

}  // namespace
}  // namespace soret::test
