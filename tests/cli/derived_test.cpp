#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A scan with predictions, fits and chi-squares, run once for all tests.
class Derived : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    folder_->write("scan.cfg", R"(simulation = random_walk
[walk]
field = sinusoidal
strength = 0.5
boundary = periodic
learning_rate = 0.02 0.04
steps = 20
[ensemble]
walkers = 64
groups = 4
[record]
observables = density
every = 10
bins = 5
)");
    ASSERT_EQ(command({"run", "scan.cfg", "-o", "scan.h5", "--quiet"}).exit_code, 0);
  }
  static void TearDownTestSuite() { delete folder_; }
  static Outcome command(const std::vector<std::string>& words) {
    return soret(words, {.folder = folder_->path()});
  }
  static std::size_t lines(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  static TemporaryFolder* folder_;
};

TemporaryFolder* Derived::folder_ = nullptr;

TEST_F(Derived, QuantitiesAreExportedWithTheirErrors) {
  const auto report = command({"export", "scan.h5", "--csv", "tables", "--blocks", "--json"}).json();
  EXPECT_EQ(report["file"], "scan.h5");
  EXPECT_THAT(report["tables"].dump(),
              AllOf(HasSubstr("density_block.csv"), HasSubstr("soret_coefficient.csv")));

  // 2 learning rates, 3 records, 3 conventions, 5 bins.
  const std::string prediction = read_text(*folder_ / "tables/density_prediction.csv");
  EXPECT_THAT(prediction,
              StartsWith("learning_rate,step,convention,position,value\n0.02,0,fokker_planck,0.1,"));
  EXPECT_EQ(lines(prediction), 1u + 2 * 3 * 3 * 5);
  const std::string exponent = read_text(*folder_ / "tables/stationary_exponent.csv");
  EXPECT_THAT(exponent, StartsWith("learning_rate,step,value,stderr\n"));
  EXPECT_EQ(lines(exponent), 1u + 2 * 3);
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "tables/stationary_exponent_stderr.csv"));
  EXPECT_FALSE(std::filesystem::exists(*folder_ / "tables/diverged.csv"));
}

TEST_F(Derived, InfoAndDescribeSayWhatPredictsWhat) {
  const auto info = command({"info", "scan.h5", "--json"}).json();
  EXPECT_EQ(info["variables"]["density_prediction"]["predicts"], "density");
  EXPECT_EQ(info["variables"]["density_chi_square"]["chi_square_of"], "density");
  EXPECT_EQ(info["variables"]["stationary_exponent_prediction"]["predicts"], "stationary_exponent");
  EXPECT_THAT(command({"info", "scan.h5"}).out,
              AllOf(HasSubstr("; predicts density\n"), HasSubstr("; chi-square of density\n"),
                    HasSubstr("stationary_exponent (learning_rate, step), with its standard error\n")));

  EXPECT_THAT(command({"describe", "random_walk"}).out,
              AllOf(HasSubstr("density_prediction, per convention, per position, per step; predicts density"),
                    HasSubstr("diffusion_prediction, per position, per step; predicts diffusion")));
}

TEST_F(Derived, DescribeListsAllThatAFileHolds) {
  for (const std::string simulation : {"random_walk", "langevin", "noise_scale"}) {
    const auto description = command({"describe", simulation, "--json"}).json();
    std::set<std::string> names;
    for (const auto& observable : description["observables"]) names.insert(observable["name"]);
    for (const auto& derived : description["derived"]) {
      EXPECT_TRUE(names.insert(derived["name"]).second) << derived["name"] << " is there twice";
      EXPECT_NE(derived["long_name"], "") << derived["name"];
    }
    for (const auto& derived : description["derived"])
      for (const char* tie : {"predicts", "chi_square_of"})
        if (derived.contains(tie)) {
          EXPECT_TRUE(names.contains(derived[tie])) << derived["name"];
        }
    if (simulation != "random_walk") continue;
    const auto info = command({"info", "scan.h5", "--json"}).json();
    for (const char* name :
         {"density_prediction", "density_chi_square", "soret_coefficient", "stationary_exponent_stderr"}) {
      EXPECT_TRUE(info["variables"].contains(name));
      EXPECT_TRUE(names.contains(name));
    }
  }
}

TEST_F(Derived, MergeReportsInJson) {
  for (const std::string shard : {"1", "2"})
    ASSERT_EQ(command({"run", "scan.cfg", "--shard", shard + "/2", "-o", shard + ".h5", "--quiet"}).exit_code,
              0);
  const auto report = command({"merge", "1.h5", "2.h5", "-o", "merged.h5", "--json"}).json();
  EXPECT_EQ(report, (nlohmann::json{{"file", "merged.h5"}, {"shards", {"1.h5", "2.h5"}}}));
}

}  // namespace
}  // namespace soret::test
