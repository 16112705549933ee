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
using ::testing::Not;
using ::testing::StartsWith;

/// A small scan of walkers and one of gradient noise, run once for all tests.
class Plot : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    folder_->write("walk.cfg", R"(simulation = random_walk
[walk]
field = sinusoidal bump
strength = 0.5
boundary = periodic
learning_rate = 0.02 0.04
steps = 300
[ensemble]
walkers = 256
groups = 8
[record]
observables = density flux
every = 100
bins = 6
)");
    folder_->write("noise.cfg", R"(simulation = noise_scale
[problem]
loss = linear
inputs = 3
[data]
kind = gaussian
training_samples = 9
sampling = without_replacement
[sgd]
batch_size = 1 2 3
learning_rate = 0.05 0.1
steps = 16
[noise]
method = sample
[ensemble]
trajectories = 8
[record]
observables = covariance_trace covariance noise_displacement
every = 8
)");
    for (const char* name : {"walk", "noise"})
      ASSERT_EQ(
          command({"run", std::string(name) + ".cfg", "-o", std::string(name) + ".h5", "--quiet"}).exit_code,
          0);
  }
  static void TearDownTestSuite() { delete folder_; }

  void SetUp() override {
    if (std::system("gnuplot --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no gnuplot";
  }

  static Outcome command(const std::vector<std::string>& words) {
    return soret(words, {.folder = folder_->path()});
  }
  /// What `soret plot ... -o figure.svg --json` reports.
  static nlohmann::json report(std::vector<std::string> words) {
    words.insert(words.begin(), "plot");
    words.insert(words.end(), {"-o", "figure.svg", "--json"});
    return command(words).json();
  }
  static std::string failure(int exit_code, std::vector<std::string> words) {
    words.insert(words.begin(), "plot");
    words.insert(words.end(), {"-o", "refused.svg"});
    const Outcome outcome = command(words);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_FALSE(fs::exists(*folder_ / "refused.svg"));
    return outcome.err;
  }

  static TemporaryFolder* folder_;
};

TemporaryFolder* Plot::folder_ = nullptr;

TEST_F(Plot, ShowsFirstWhatIsPredicted) {
  const auto walk = report({"walk.h5"});
  EXPECT_EQ(walk["figure"], "figure.svg");
  ASSERT_EQ(walk["parts"].size(), 2u);
  EXPECT_EQ(walk["parts"][0]["quantity"], "density");
  EXPECT_EQ(walk["parts"][0]["over"], "position");
  EXPECT_EQ(walk["parts"][1]["quantity"], "flux");
  EXPECT_EQ(walk["parts"][1]["over"], "edge");
  ASSERT_EQ(walk["parts"][0]["panels"].size(), 4u);
  EXPECT_THAT(read_text(*folder_ / "figure.svg"), HasSubstr("fokker_planck"));
}

TEST_F(Plot, ChiSquaresAreThoseOfTheFile) {
  const auto laws = report({"walk.h5", "--observable", "density", "--at",
                            "learning_rate=0.04,field=bump"})["parts"][0]["panels"][0]["series"][0]["laws"];
  ASSERT_EQ(command({"export", "walk.h5", "--csv", "tables"}).exit_code, 0);
  const std::string table = read_text(*folder_ / "tables/density_chi_square.csv");
  for (const char* law : {"fokker_planck", "paper_eq10", "paper_eq11"}) {
    const std::string row = std::string("0.04,bump,300,") + law + ",";
    const auto at = table.find(row);
    ASSERT_NE(at, std::string::npos) << table;
    EXPECT_DOUBLE_EQ(laws[law]["chi_square_per_degree"].get<double>(),
                     std::stod(table.substr(at + row.size())));
  }
}

TEST_F(Plot, DrawsOverKeysFormulasWordsAndSteps) {
  const auto covariance = report({"noise.h5", "--observable", "covariance_trace", "--x",
                                  "data.training_samples/sgd.batch_size", "--at", "learning_rate=0.05"});
  EXPECT_EQ(covariance["parts"][0]["panels"][0]["series"][0]["places"], 3);
  EXPECT_THAT(covariance["parts"][0]["panels"][0]["series"][0]["laws"].dump(),
              AllOf(HasSubstr("eq14_unbiased"), HasSubstr("eq15")));
  EXPECT_EQ(report({"noise.h5", "--observable", "covariance"})["parts"][0]["and_over"], "other_parameter");
  EXPECT_EQ(report({"noise.h5", "--observable", "noise_displacement"})["parts"][0]["over"], "step");
  const auto exponent = report({"walk.h5", "--observable", "stationary_exponent", "--x", "field"});
  EXPECT_EQ(exponent["parts"][0]["panels"][0]["series"].size(), 2u);  // one per learning rate
  const auto steps =
      report({"walk.h5", "--observable", "flux", "--step", "100,300", "--at", "field=bump", "--log", "none"});
  EXPECT_EQ(steps["parts"][0]["panels"][0]["series"][1]["settings"]["step"], 300.0);
}

TEST_F(Plot, SeveralFilesAreDrawnOverOneAnother) {
  ASSERT_EQ(command({"run", "walk.cfg", "--set", "ensemble.seed=2", "-o", "again.h5", "--quiet"}).exit_code,
            0);
  const auto both = report({"walk.h5", "again.h5", "--observable", "density"});
  ASSERT_EQ(both["parts"].size(), 1u);
  ASSERT_EQ(both["parts"][0]["panels"].size(), 4u);
  EXPECT_EQ(both["parts"][0]["panels"][0]["series"][1]["settings"]["file"], "again");
  // Files of different simulations stand beside one another.
  EXPECT_EQ(report({"walk.h5", "noise.h5"})["parts"].size(), 4u);
}

TEST_F(Plot, ErrorsSayWhatIsAllowed) {
  EXPECT_THAT(failure(3, {"walk.h5", "--observable", "densty"}), HasSubstr("did you mean 'density'"));
  EXPECT_THAT(failure(2, {"walk.h5", "--step", "150"}), HasSubstr("recorded are 0, 100, 200, 300"));
  EXPECT_THAT(failure(2, {"walk.h5", "--step", "last"}), HasSubstr("'last' is no step"));
  EXPECT_THAT(failure(2, {"walk.h5", "--x", "positon"}), HasSubstr("'positon'"));
  EXPECT_THAT(failure(2, {"walk.h5", "--observable", "flux", "--log", "y"}),
              HasSubstr("a logarithmic axis takes numbers above 0"));
  EXPECT_THAT(failure(2, {"walk.h5", "--log", "z"}), HasSubstr("x, y, none"));
  EXPECT_THAT(failure(2, {"walk.h5", "--at", "field"}), HasSubstr("KEY=VALUE"));
  EXPECT_THAT(failure(2, {"walk.h5", "--at", "field=sin"}), HasSubstr("sinusoidal, bump"));
  EXPECT_THAT(failure(3, {"walk.h5", "--x", "rescaled", "--observable", "density"}), HasSubstr("no curve"));
  EXPECT_THAT(failure(3, {"absent.h5"}), HasSubstr("absent.h5"));
  EXPECT_THAT(failure(2, {"noise.h5", "--observable", "covariance_trace", "--x", "training_samples"}),
              HasSubstr("what varies is"));
}

// An enumerated expectation is the same at every batch size, up to rounding.
TEST_F(Plot, NumbersThatDifferByRoundingHaveAFigure) {
  const Outcome run =
      command({"run", "noise.cfg", "-o", "equal.h5", "--quiet", "--set", "sgd.batch_size=2 3", "--set",
               "noise.method=enumerate", "--set", "record.observables=gradient_variance noise_mean"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (const char* observable : {"gradient_variance", "noise_mean"}) {
    const Outcome plot = command({"plot", "equal.h5", "--observable", observable, "-o", "equal.png"});
    EXPECT_EQ(plot.exit_code, 0) << observable << ": " << plot.err;
  }
}

// The smoke output of every config, where its data are at hand.
TEST_F(Plot, EveryConfigHasAFigure) {
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SORET_SOURCE_DIR) / "configs")) {
    if (entry.path().extension() != ".cfg") continue;
    const std::string name = entry.path().stem().string();
    run_what_is_read_by(entry.path(), {.folder = folder_->path()});
    const Outcome run =
        command({"run", entry.path().string(), "--profile", "smoke", "-o", name + ".h5", "--quiet"});
    if (run.exit_code == 3) continue;
    ASSERT_EQ(run.exit_code, 0) << name << run.err;
    const Outcome plot = command({"plot", name + ".h5", "-o", name + ".png"});
    ASSERT_EQ(plot.exit_code, 0) << name << ": " << plot.err;
    EXPECT_THAT(plot.err, Not(HasSubstr("warning"))) << name;
    EXPECT_THAT(read_text(*folder_ / (name + ".png")), StartsWith("\x89PNG")) << name;
  }
}

}  // namespace
}  // namespace soret::test
