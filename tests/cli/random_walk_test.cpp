#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"(simulation = random_walk
[walk]
g = 1 + 0.5*sin(2*pi*q)
learning_rate = 0.02 0.04
steps = 200
[ensemble]
walkers = 640
groups = 10
[record]
every = 100
bins = 10
)";

std::string rejection(const std::vector<std::string>& words) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  std::vector<std::string> all{"run", "scan.cfg", "-o", "out.h5"};
  all.insert(all.end(), words.begin(), words.end());
  const Outcome outcome = soret(all, {.folder = folder.path()});
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "out.h5"));
  return outcome.err;
}

TEST(RandomWalk, RunsAndIsDescribed) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const auto report = soret({"run", "scan.cfg", "-o", "out.h5", "--json"}, {.folder = folder.path()}).json();
  EXPECT_EQ(report["trajectories"], 20);
  const auto info = soret({"info", "out.h5", "--json"}, {.folder = folder.path()}).json();
  EXPECT_EQ(info["attributes"]["simulation"], "random_walk");
  EXPECT_EQ(info["variables"]["convention"]["values"],
            (nlohmann::json{"fokker_planck", "paper_eq10", "paper_eq11"}));
  EXPECT_EQ(info["variables"]["density_chi_square"]["dimensions"],
            (nlohmann::json{"learning_rate", "step", "convention"}));
  EXPECT_TRUE(info["variables"].contains("stationary_exponent_stderr"));
  EXPECT_THAT(soret({"describe", "random_walk"}).out, HasSubstr("net crossings of a bin edge"));
}

// The formula stands in the resolved config and runs again to the same file.
TEST(RandomWalk, AFormulaSurvivesInTheResolvedConfig) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  ASSERT_EQ(soret({"run", "scan.cfg", "-o", "out.h5"}, {.folder = folder.path()}).exit_code, 0);
  folder.write("again.cfg", soret({"info", "out.h5", "--config"}, {.folder = folder.path()}).out);
  const auto again = soret({"run", "again.cfg", "-o", "out.h5", "--json"}, {.folder = folder.path()}).json();
  EXPECT_EQ(again["already_complete"], true);
}

TEST(RandomWalk, BadInputIsAUsageError) {
  EXPECT_THAT(rejection({"--set", "walk.g=1 + 0.5*sin(2*pi*x)"}),
              AllOf(HasSubstr("walk.g"), HasSubstr("'x'"), HasSubstr("character 18")));
  EXPECT_THAT(rejection({"--set", "walk.g=1 + (q"}), HasSubstr("walk.g"));
  EXPECT_THAT(rejection({"--set", "walk.g=q = 0.5"}), AllOf(HasSubstr("character 3"), HasSubstr("==")));
  EXPECT_THAT(rejection({"--set", "walk.g=1 + q;"}), HasSubstr("the formula is empty"));
  EXPECT_THAT(rejection({"--set", "walk.g=1/abs(q - 1/3)"}),
              AllOf(HasSubstr("walk.g: "), HasSubstr("g is inf at q = 0.333333;")));
  EXPECT_THAT(rejection({"--set", "walk.g=", "--set", "walk.field=linear", "--set", "walk.level=-1"}),
              AllOf(HasSubstr("walk.field: "), HasSubstr("g is -1 at q = 0;")));
  EXPECT_THAT(rejection({"--set", "walk.g=q - 0.5"}), HasSubstr("g is -0.5 at q = 0;"));
  EXPECT_THAT(rejection({"--set", "walk.g=0"}), HasSubstr("zero in the whole domain"));
  EXPECT_THAT(rejection({"--set", "walk.learning_rate=2"}), HasSubstr("walk.learning_rate"));
  EXPECT_THAT(rejection({"--set", "walk.start=stationary", "--set", "walk.boundary=line"}),
              HasSubstr("walk.boundary"));
  EXPECT_THAT(rejection({"--set", "walk.lower=-1e308", "--set", "walk.upper=1e308"}),
              HasSubstr("walk.upper"));
  EXPECT_THAT(rejection({"--set", "walk.steps=9000000000000000"}), HasSubstr("record less often"));
  EXPECT_THAT(
      rejection({"--set", "walk.steps=1000000", "--set", "record.every=1", "--set", "record.bins=1000000"}),
      HasSubstr("GB"));
  EXPECT_THAT(rejection({"--set", "walk.dimensions=9"}), HasSubstr("walk.dimensions"));
  EXPECT_THAT(rejection({"--set", "walk.boundary=reflectng"}), HasSubstr("did you mean 'reflecting'?"));
  EXPECT_THAT(rejection({"--set", "ensemble.walkers=643"}), HasSubstr("640"));
  EXPECT_THAT(rejection({"--set", "walk.kik=gaussian"}), HasSubstr("walk.kick"));
}

}  // namespace
}  // namespace soret::test
