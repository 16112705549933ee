#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"(simulation = noise_scale
[problem]
inputs = 3
[data]
training_samples = 8
[sgd]
batch_size = 2
steps = 20
[ensemble]
trajectories = 3
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

TEST(NoiseScale, RunsAndIsDescribed) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const auto report = soret({"run", "scan.cfg", "-o", "out.h5", "--json"}, {.folder = folder.path()}).json();
  EXPECT_EQ(report["trajectories"], 3);
  const auto info = soret({"info", "out.h5", "--json"}, {.folder = folder.path()}).json();
  EXPECT_EQ(info["attributes"]["simulation"], "noise_scale");
  EXPECT_TRUE(info["variables"].contains("covariance_ratio_stderr"));
  EXPECT_THAT(soret({"describe", "noise_scale"}).out, HasSubstr("covariance_leading"));
}

TEST(NoiseScale, BadInputIsAUsageError) {
  EXPECT_THAT(rejection({"--set", "sgd.batch_size=9"}),
              AllOf(HasSubstr("sgd.batch_size = 9"), HasSubstr("only 8")));
  EXPECT_THAT(rejection({"--set", "sgd.batch_size=0"}), HasSubstr("batch_size"));
  EXPECT_THAT(rejection({"--set", "sgd.steps=2000000000", "--set", "record.schedule=linear", "--set",
                         "record.every=1"}),
              HasSubstr("record less often"));
  EXPECT_THAT(rejection({"--set", "noise.tail_fraction=0"}), HasSubstr("> 0"));
  EXPECT_THAT(rejection({"--set", "data.training_samples=1"}), HasSubstr("at least 2"));
  EXPECT_THAT(rejection({"--set", "data.training_samples=4", "--set", "point.start=minimiser"}),
              HasSubstr("no gradient noise"));
  EXPECT_THAT(rejection({"--set", "problem.los=linear"}), HasSubstr("problem.loss"));
  EXPECT_THAT(rejection({"--backend", "cuda"}), HasSubstr("cpu"));
}

}  // namespace
}  // namespace soret::test
