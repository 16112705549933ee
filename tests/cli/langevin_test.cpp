#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/command.hpp"

/// What a user of `simulation = langevin` meets: refusals that say what to do, a file that does not depend on
/// threads, divergence that is counted.
namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"(simulation = langevin
[landscape]
kind = double_well
[noise]
variance = 20
[sgd]
learning_rate = 0.02 0.04
steps = 40
[ensemble]
walkers = 70
groups = 5
[record]
every = 20
observables = mean covariance density occupancy loss autocovariance escaped survival_time
)";

class Langevin : public ::testing::Test {
 protected:
  Outcome run(std::vector<std::string> words) {
    words.insert(words.begin(), {"run", config_});
    return soret(words, {.folder = folder_.path()});
  }
  std::string rejection(const std::vector<std::string>& settings) {
    std::vector<std::string> words = {"-o", "bad.h5"};
    for (const auto& setting : settings) words.insert(words.end(), {"--set", setting});
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    return outcome.err;
  }

  TemporaryFolder folder_;
  std::string config_ = folder_.write("scan.cfg", kConfig);
};

TEST_F(Langevin, RefusesWhatIsNoLandscapeOrCovariance) {
  EXPECT_THAT(rejection({"landscape.kind=formula", "landscape.formula=x^^2"}),
              AllOf(HasSubstr("landscape.formula"), HasSubstr("^")));
  EXPECT_THAT(rejection({"landscape.kind=formula", "landscape.formula=x^4 - z"}), HasSubstr("'z'"));
  EXPECT_THAT(rejection({"landscape.kind=formula", "landscape.formula=-x^2"}), HasSubstr("record.range"));
  EXPECT_THAT(rejection({"landscape.kind=formula", "landscape.formula=ln(x)"}), HasSubstr("not a number"));
  EXPECT_THAT(rejection({"landscape.formula=x^4"}),
              AllOf(HasSubstr("landscape.formula"), HasSubstr("landscape.kind = double_well does not read")));
  EXPECT_THAT(rejection({"noise.matrix=1"}), HasSubstr("noise.kind = isotropic does not read"));
  EXPECT_THAT(rejection({"landscape.dimension=2"}), HasSubstr("one dimension"));
  EXPECT_THAT(rejection({"noise.kind=hessian"}), HasSubstr("quadratic"));
  const std::vector<std::string> plane = {"landscape.kind=quadratic", "landscape.dimension=2",
                                          "record.observables=mean", "noise.kind=matrix"};
  const auto with = [&](const char* matrix) {
    auto settings = plane;
    settings.emplace_back(std::string("noise.matrix=") + matrix);
    return settings;
  };
  EXPECT_THAT(rejection(with("1 2 2 1")), AllOf(HasSubstr("noise.matrix"), HasSubstr("eigenvalue is -")));
  EXPECT_THAT(rejection(with("1 0.5 0.4 1")), HasSubstr("not symmetric"));
  EXPECT_THAT(rejection(with("1 0 1")), HasSubstr("3 numbers"));
  EXPECT_THAT(rejection(with("1 0 0 one")), HasSubstr("'one' is not a number"));
}

TEST_F(Langevin, RefusesWhatContradictsItself) {
  EXPECT_THAT(rejection({"langevin.substeps=2"}), HasSubstr("euler_maruyama"));
  EXPECT_THAT(rejection({"start.kind=minimum", "start.minimum=2"}), HasSubstr("counted from 0"));
  EXPECT_THAT(rejection({"landscape.kind=quadratic"}), HasSubstr("escape.target"));
  EXPECT_THAT(rejection({"landscape.kind=quadratic", "record.observables=occupancy"}),
              HasSubstr("two minima"));
  EXPECT_THAT(rejection({"record.observables=density_2d"}), HasSubstr("density"));
  EXPECT_THAT(rejection({"escape.target=far"}), HasSubstr("neither auto nor a number"));
  EXPECT_THAT(rejection({"sgd.steps=20000000", "record.every=20", "record.snapshots=20"}),
              HasSubstr("record.snapshots"));
  EXPECT_THAT(rejection({"record.range=1 -1"}), HasSubstr("must be below"));
  EXPECT_THAT(rejection({"landscape.kind=quadratic", "landscape.spectrum=1 2", "noise.kind=state",
                         "langevin.scheme=milstein", "record.observables=mean"}),
              HasSubstr("commute"));
}

TEST_F(Langevin, RunsQuadraticsOfOneTwoAndThreeDimensions) {
  for (const char* dimension : {"1", "2", "3"})
    for (const char* rotated : {"false", "true"}) {
      const Outcome outcome = run({"-o", "out.h5", "--fresh", "--json", "--set", "landscape.kind=quadratic",
                                   "--set", std::string("landscape.dimension=") + dimension, "--set",
                                   std::string("landscape.rotated=") + rotated, "--set",
                                   std::string("record.observables=mean covariance density") +
                                       (std::string(dimension) == "1" ? "" : " density_2d"),
                                   "--set", "record.bins_2d=64"});
      ASSERT_EQ(outcome.exit_code, 0) << dimension << " " << outcome.err;
      EXPECT_EQ(outcome.json()["diverged"], 0);
    }
}

TEST_F(Langevin, TheFileDoesNotDependOnThreads) {
  ASSERT_EQ(run({"-o", "one.h5", "--threads", "1"}).exit_code, 0);
  ASSERT_EQ(run({"-o", "two.h5", "--threads", "2"}).exit_code, 0);
  for (const char* file : {"one", "two"}) {
    const Outcome csv =
        soret({"export", std::string(file) + ".h5", "--csv", file}, {.folder = folder_.path()});
    ASSERT_EQ(csv.exit_code, 0) << csv.err;
  }
  for (const char* name : {"mean", "covariance", "density", "occupancy", "loss", "survival_time"}) {
    const std::string table = std::string(name) + ".csv";
    EXPECT_EQ(read_text(folder_.path() / "one" / table), read_text(folder_.path() / "two" / table)) << name;
  }
}

TEST_F(Langevin, CountsTheGroupsThatDiverge) {
  const Outcome outcome =
      run({"-o", "out.h5", "--json", "--set", "landscape.kind=quadratic", "--set", "landscape.curvature=200",
           "--set", "sgd.steps=2000", "--set", "record.observables=mean covariance"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["diverged"], 10);
}

}  // namespace
}  // namespace soret::test
