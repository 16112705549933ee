#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "soret/store/result_file.hpp"
#include "tests/cli/command.hpp"
#include "tests/same_data.hpp"

namespace soret::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kTraining = R"(simulation = train
[network]
kind = f2
[data]
kind = clusters
inputs = 12
classes = 4
training_samples = 300
test_samples = 150
[sgd]
optimizer = adam
batch_size = 20 100
epochs = 2
[record]
observables = test_loss
[checkpoint]
keep = final
)";

constexpr const char* kLandscape = R"(simulation = landscape
[landscape]
from = train.h5.checkpoints/point0-run0.h5
to = train.h5.checkpoints/point1-run0.h5
batch_norm = reestimate
alpha = linspace(-1, 2, 31)
)";

class Landscape : public ::testing::Test {
 protected:
  Landscape() {
    folder_.write("train.cfg", kTraining);
    folder_.write("line.cfg", kLandscape);
    EXPECT_EQ(command({"run", "train.cfg", "-o", "train.h5"}).exit_code, 0);
  }
  Outcome command(const std::vector<std::string>& words) const {
    return soret(words, {.folder = folder_.path()});
  }

  TemporaryFolder folder_;
};

// Killed after each new cell, and on other numbers of threads.
TEST_F(Landscape, InterruptionsAndThreadsGiveTheSameData) {
  ASSERT_EQ(command({"run", "line.cfg", "-o", "whole.h5", "--threads", "2"}).exit_code, 0);
  ASSERT_EQ(command({"run", "line.cfg", "-o", "one.h5", "--threads", "1"}).exit_code, 0);
  expect_same_data(folder_ / "one.h5", folder_ / "whole.h5");

  const auto kept = [&] {
    std::error_code absent;
    const auto size = fs::file_size(folder_ / "killed.h5.partial", absent);
    return absent ? 0 : size;
  };
  int kills = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    auto before = kept();
    Process process({"run", "line.cfg", "-o", "killed.h5", "--threads", "1"}, {.folder = folder_.path()});
    while (process.running() && !fs::exists(folder_ / "killed.h5")) std::this_thread::yield();
    if (before == 0) before = kept();
    while (process.running() && kept() <= before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process.signal(SIGKILL);
    if (process.wait().exit_code == 128 + SIGKILL) ++kills;
  }
  EXPECT_GT(kills, 0);
  const Outcome last = command({"run", "line.cfg", "-o", "killed.h5", "--json"});
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_LT(last.json()["trajectories"], 31) << "nothing was kept";
  expect_same_data(folder_ / "killed.h5", folder_ / "whole.h5");
}

TEST_F(Landscape, DrawsLinesWithTwoAxesAndPlanes) {
  ASSERT_EQ(command({"run", "line.cfg", "-o", "line.h5", "--set", "landscape.kind=linear curved"}).exit_code,
            0);
  const Outcome line = command({"plot", "line.h5", "-o", "line.png", "--json"});
  ASSERT_EQ(line.exit_code, 0) << line.err;
  std::vector<std::string> drawn;
  const auto report = line.json();
  for (const auto& part : report["parts"]) {
    drawn.push_back(part["quantity"]);
    EXPECT_EQ(part["over"], "alpha");
    EXPECT_EQ(part["panels"].size(), 2);
  }
  EXPECT_THAT(drawn, ::testing::ElementsAre("train_loss", "test_loss", "train_accuracy", "test_accuracy"));
  EXPECT_THAT(read_text(folder_ / "line.png"), ::testing::StartsWith("\x89PNG"));
  const Outcome chosen = command({"plot", "line.h5", "--observable", "train_loss", "--right", "test_accuracy",
                                  "-o", "chosen.svg", "--json"});
  ASSERT_EQ(chosen.exit_code, 0) << chosen.err;
  EXPECT_EQ(chosen.json()["parts"].size(), 2);
  EXPECT_THAT(read_text(folder_ / "chosen.svg"), AllOf(HasSubstr("test accuracy"), HasSubstr("train loss")));

  ASSERT_EQ(command({"run", "line.cfg", "-o", "plane.h5", "--set", "landscape.kind=filter_normalised",
                     "--set", "landscape.alpha=linspace(-1, 1, 5)", "--set", "landscape.beta=-1 0 2"})
                .exit_code,
            0);
  for (const bool surface : {false, true}) {
    std::vector<std::string> words = {"plot", "plane.h5",  "--observable", "test_loss",
                                      "-o",   "plane.png", "--json"};
    if (surface) words.emplace_back("--surface");
    const Outcome plane = command(words);
    ASSERT_EQ(plane.exit_code, 0) << plane.err;
    EXPECT_THAT(plane.err, ::testing::Not(HasSubstr("warning")));
    const auto part = plane.json()["parts"][0];
    EXPECT_EQ(part["over"], "alpha");
    EXPECT_EQ(part["and_over"], "beta");
    EXPECT_EQ(part["panels"][0]["series"][0]["places"], 15);
  }
  const auto failure = [&](const std::vector<std::string>& words) {
    const Outcome outcome = command(words);
    return std::pair(outcome.exit_code, outcome.err);
  };
  EXPECT_THAT(failure({"plot", "line.h5", "--observable", "test_loss", "--surface", "-o", "x.png"}),
              ::testing::Pair(2, HasSubstr("two axes")));
  EXPECT_THAT(failure({"plot", "line.h5", "--right", "test_accuracy", "-o", "x.png"}),
              ::testing::Pair(2, HasSubstr("--observable")));
  EXPECT_THAT(failure({"plot", "plane.h5", "--observable", "test_loss", "--x", "alpha", "--y", "kind", "-o",
                       "x.png"}),
              ::testing::Pair(2, HasSubstr("alpha, beta")));
}

// The cells lie along coordinates in the order of the config, and the ends are marked.
TEST_F(Landscape, FileHasNamedCoordinates) {
  ASSERT_EQ(command({"run", "line.cfg", "-o", "plane.h5", "--set", "landscape.kind=random", "--set",
                     "landscape.alpha=-1 0.5 4", "--set", "landscape.beta=0 1"})
                .exit_code,
            0);
  const store::Dataset file = store::read(folder_ / "plane.h5");
  EXPECT_EQ(file.at("train_loss").dimensions, (std::vector<std::string>{"alpha", "beta"}));
  EXPECT_EQ(file.at("alpha").reals(), (std::vector{-1.0, 0.5, 4.0}));
  EXPECT_EQ(file.at("beta").reals(), (std::vector{0.0, 1.0}));
  EXPECT_EQ(file.at("checkpoint").texts(), (std::vector<std::string>{"from", "to", "third"}));
  EXPECT_EQ(file.at("direction_norm").reals()[0], 1);
}

TEST_F(Landscape, SaysWhatIsWrong) {
  const auto failure = [&](const std::string& setting) {
    const Outcome outcome = command({"run", "line.cfg", "-o", "bad.h5", "--set", setting});
    EXPECT_FALSE(fs::exists(folder_ / "bad.h5"));
    return std::pair(outcome.exit_code, outcome.err);
  };
  EXPECT_THAT(failure("landscape.from=nowhere.h5"), ::testing::Pair(3, HasSubstr("nowhere.h5")));
  EXPECT_THAT(failure("landscape.from=train.h5"), ::testing::Pair(3, HasSubstr("not a checkpoint")));
  EXPECT_THAT(failure("landscape.alpha=linspace(2, -1, 7)"), ::testing::Pair(2, HasSubstr("ascending")));
  EXPECT_THAT(failure("landscape.alpha=1"), ::testing::Pair(2, HasSubstr("at least two")));
  EXPECT_THAT(failure("scan.mode=zip"), ::testing::Pair(2, HasSubstr("zip")));
  EXPECT_THAT(failure("landscape.kind=lineer"), ::testing::Pair(2, HasSubstr("linear")));
}

}  // namespace
}  // namespace soret::test
