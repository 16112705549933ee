#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <thread>

#include "tests/cli/command.hpp"
#include "tests/same_data.hpp"

namespace soret::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"(simulation = train
[network]
hidden = 40-30
[data]
kind = clusters
inputs = 20
classes = 5
training_samples = 300
test_samples = 40
[sgd]
optimizer = sgd momentum
batch_size = 10
epochs = 8
[ensemble]
trajectories = 2
[record]
observables = train_loss test_error gradient_norm lambda_max
gradient_every = 4
curvature_every = 8
measured_samples = 50
)";

std::string rejection(const std::vector<std::string>& words, int code = 2) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  std::vector<std::string> all{"run", "scan.cfg", "-o", "out.h5"};
  all.insert(all.end(), words.begin(), words.end());
  const Outcome outcome = soret(all, {.folder = folder.path()});
  EXPECT_EQ(outcome.exit_code, code) << outcome.err;
  return outcome.err;
}

TEST(Train, IsTheSameOnAnyNumberOfThreadsAndInShards) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const auto run = [&](const std::vector<std::string>& words) {
    std::vector<std::string> all{"run", "scan.cfg", "--quiet"};
    all.insert(all.end(), words.begin(), words.end());
    const Outcome outcome = soret(all, {.folder = folder.path()});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  };
  run({"-o", "one.h5", "--threads", "1"});
  run({"-o", "five.h5", "--threads", "5"});
  expect_same_data(folder / "one.h5", folder / "five.h5");
  run({"-o", "a.h5", "--shard", "1/2"});
  run({"-o", "b.h5", "--shard", "2/2"});
  EXPECT_EQ(soret({"merge", "a.h5", "b.h5", "-o", "all.h5"}, {.folder = folder.path()}).exit_code, 0);
  expect_same_data(folder / "one.h5", folder / "all.h5");
  EXPECT_FALSE(fs::exists(folder / "one.h5.checkpoints"));
  const auto info = soret({"info", "one.h5", "--json"}, {.folder = folder.path()}).json();
  EXPECT_EQ(info["dimensions"]["gradient_step"], 3);
  EXPECT_EQ(info["dimensions"]["curvature_step"], 2);
}

// Killed again and again, with checkpoints every few milliseconds, it comes to the same end.
TEST(Train, SurvivesBeingKilled) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const std::vector<std::string> longer = {"--quiet",
                                           "--set",
                                           "sgd.epochs=60",
                                           "--set",
                                           "record.curvature_every=60",
                                           "--set",
                                           "checkpoint.seconds=0.002"};
  const auto words = [&](const char* output) {
    std::vector<std::string> all{"run", "scan.cfg", "-o", output};
    all.insert(all.end(), longer.begin(), longer.end());
    return all;
  };
  ASSERT_EQ(soret(words("whole.h5"), {.folder = folder.path()}).exit_code, 0);
  int kills = 0;
  for (int k = 0; k < 6; ++k) {
    Process process(words("out.h5"), {.folder = folder.path()});
    std::this_thread::sleep_for(std::chrono::milliseconds(60 + 40 * k));
    if (!process.running()) break;
    process.signal(k % 2 == 0 ? SIGKILL : SIGINT);
    const Outcome outcome = process.wait();
    if (outcome.exit_code == 0) break;
    EXPECT_EQ(outcome.exit_code, k % 2 == 0 ? 128 + SIGKILL : 130) << outcome.err;
    ++kills;
  }
  EXPECT_GT(kills, 0);
  ASSERT_EQ(soret(words("out.h5"), {.folder = folder.path()}).exit_code, 0);
  expect_same_data(folder / "whole.h5", folder / "out.h5");
  EXPECT_FALSE(fs::exists(folder / "out.h5.checkpoints"));
}

// In single and in double precision, and by the quotient of differences that a product stands for.
TEST(Train, GradientsOfACheckpoint) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  ASSERT_EQ(
      soret({"run", "scan.cfg", "-o", "out.h5", "--set", "checkpoint.keep=final"}, {.folder = folder.path()})
          .exit_code,
      0);
  const std::string checkpoint = "out.h5.checkpoints/point1-run0.h5";
  ASSERT_TRUE(fs::exists(folder / checkpoint));
  const auto gradient = [&](const std::vector<std::string>& words) {
    std::vector<std::string> all{"gradient", checkpoint, "--json"};
    all.insert(all.end(), words.begin(), words.end());
    return soret(all, {.folder = folder.path()}).json();
  };
  const auto single = gradient({"--samples", "3:20", "-o", "g.h5"});
  const auto twice = gradient({"--samples", "3:20", "--precision", "double"});
  for (const char* name : {"loss", "gradient_norm", "hessian_vector_norm", "curvature"})
    EXPECT_NEAR(single[name].get<double>(), twice[name].get<double>(),
                1e-4 * std::abs(twice[name].get<double>()))
        << name;
  EXPECT_EQ(single["samples"], 17);
  const store::Dataset file = store::read(folder / "g.h5");
  EXPECT_EQ(file.at("label").integers().size(), 17);
  double square = 0;
  double product = 0;
  for (const char* layer : {"dense1", "dense2", "dense3"})
    for (const char* what : {"weight", "bias"}) {
      const std::string name = std::string(layer) + "." + what;
      const auto& g = file.at(name + ".gradient").reals();
      const auto& hv = file.at(name + ".hessian_vector").reals();
      for (std::size_t i = 0; i < g.size(); ++i) square += g[i] * g[i], product += g[i] * hv[i];
    }
  EXPECT_NEAR(std::sqrt(square), single["gradient_norm"], 1e-6);
  EXPECT_NEAR(product / square, single["curvature"], 1e-6);

  const auto failure = [&](const std::vector<std::string>& words) {
    std::vector<std::string> all{"gradient"};
    all.insert(all.end(), words.begin(), words.end());
    const Outcome outcome = soret(all, {.folder = folder.path()});
    return std::pair(outcome.exit_code, outcome.err);
  };
  EXPECT_THAT(failure({checkpoint, "--samples", "290:301"}), ::testing::Pair(2, HasSubstr("300 samples")));
  EXPECT_THAT(failure({checkpoint, "--samples", "7"}), ::testing::Pair(2, HasSubstr("FIRST:LAST")));
  EXPECT_THAT(failure({checkpoint, "--direction", "gradien"}), ::testing::Pair(2, HasSubstr("gradient")));
  EXPECT_THAT(failure({"out.h5"}), ::testing::Pair(3, HasSubstr("not a checkpoint")));
}

TEST(Train, DrawsMethodsInOnePanel) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  ASSERT_EQ(soret({"run", "scan.cfg", "-o", "out.h5"}, {.folder = folder.path()}).exit_code, 0);
  const auto figure = soret({"plot", "out.h5", "--observable", "test_error", "--observable", "gradient_norm",
                             "-o", "figure.svg", "--json"},
                            {.folder = folder.path()})
                          .json();
  const std::string text = figure.dump();
  EXPECT_THAT(text, AllOf(HasSubstr("momentum"), HasSubstr("gradient_step")));
  EXPECT_GT(fs::file_size(folder / "figure.svg"), 1000);
}

// A kept checkpoint is of the network that it began with, and nothing is left of a run that diverged.
TEST(Train, CheckpointsAreOfTheirBeginnings) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const auto run = [&](const std::vector<std::string>& words) {
    std::vector<std::string> all{"run",
                                 "scan.cfg",
                                 "--quiet",
                                 "--set",
                                 "ensemble.trajectories=1",
                                 "--set",
                                 "record.observables=train_loss",
                                 "--set",
                                 "sgd.optimizer=sgd",
                                 "--set",
                                 "checkpoint.keep=final"};
    all.insert(all.end(), words.begin(), words.end());
    return soret(all, {.folder = folder.path()});
  };
  const std::string start = "network.start=a.h5.checkpoints/point0-run0.h5";
  ASSERT_EQ(run({"-o", "a.h5"}).exit_code, 0);
  ASSERT_EQ(run({"-o", "b.h5", "--set", start}).exit_code, 0);
  ASSERT_EQ(run({"-o", "a.h5", "--fresh", "--set", "sgd.epochs=2"}).exit_code, 0);
  fs::remove(folder / "b.h5");
  const Outcome other = run({"-o", "b.h5", "--set", start});
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, AllOf(HasSubstr("b.h5.checkpoints/point0-run0.h5"), HasSubstr("something else")));
  EXPECT_EQ(run({"-o", "b.h5", "--set", start, "--fresh"}).exit_code, 0);

  const Outcome diverged =
      run({"-o", "c.h5", "--set", "sgd.learning_rate=1e9", "--set", "checkpoint.seconds=1e-9"});
  ASSERT_EQ(diverged.exit_code, 0) << diverged.err;
  EXPECT_THAT(diverged.out, HasSubstr("1 trajectories diverged"));
  EXPECT_FALSE(fs::exists(folder / "c.h5.checkpoints/point0-run0.h5"));
  const Outcome table = soret({"table", "c.h5"}, {.folder = folder.path()});
  EXPECT_THAT(table.err, HasSubstr("all of its trajectories diverged"));
}

// Updates without a penalty leave the record of the last one that had it.
TEST(Train, RecordsThePenaltyThatWasLastTaken) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const auto penalties = [&](const std::string& every) {
    const Outcome outcome =
        soret({"run", "scan.cfg", "-o", "out.h5", "--fresh", "--quiet", "--set", "sgd.optimizer=sgd", "--set",
               "sgd.epochs=1", "--set", "penalty.kind=gradient_norm", "--set", "penalty.strength=1e-12",
               "--set", "record.observables=penalty", "--set", "penalty.every=" + every},
              {.folder = folder.path()});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return soret({"table", "out.h5", "--observable", "penalty", "--json"}, {.folder = folder.path()})
        .json()["numbers"][0]["mean"]
        .get<double>();
  };
  EXPECT_GT(penalties("1"), 0);   // of update 29
  EXPECT_GT(penalties("28"), 0);  // of update 28
}

TEST(Train, BadInputIsAUsageError) {
  EXPECT_THAT(rejection({"--set", "data.inputs=1000000", "--set", "data.training_samples=100000000"}),
              AllOf(HasSubstr("data.inputs"), HasSubstr("GiB")));
  EXPECT_THAT(rejection({"--set", "sgd.batch_size=301"}), AllOf(HasSubstr("301"), HasSubstr("300")));
  EXPECT_THAT(rejection({"--set", "network.kind=convolutional", "--set", "network.padding=0"}),
              AllOf(HasSubstr("conv1"), HasSubstr("5 x 5"), HasSubstr("1 x 20 x 1")));
  EXPECT_THAT(rejection({"--set", "network.kind=f2", "--set", "sgd.batch_size=1"}), HasSubstr("batch-norm"));
  EXPECT_THAT(rejection({"--set", "record.observables=selected_step"}), HasSubstr("data.validation_samples"));
  EXPECT_THAT(rejection({"--set", "record.observables=trace_bound", "--set", "network.activation=tanh"}),
              HasSubstr("relu"));
  EXPECT_THAT(rejection({"--set", "record.observables=hessian_trace_layer", "--set", "network.hidden=5 5-5"}),
              HasSubstr("different layers"));
  EXPECT_THAT(rejection({"--set", "sgd.learning_rate=0"}), HasSubstr("> 0"));
  EXPECT_THAT(rejection({"--set", "sgd.optimiser=adam"}), HasSubstr("sgd.optimizer"));
  EXPECT_THAT(rejection({"--set", "data.label_noise=1.5"}), HasSubstr("label_noise"));
  EXPECT_THAT(rejection({"--set", "data.kind=mnist", "--set", "data.path=/nowhere"}, 3), HasSubstr("mnist"));
  EXPECT_THAT(rejection({"--set", "network.start=nothing.h5"}, 3), HasSubstr("nothing.h5"));
  EXPECT_THAT(rejection({"--backend", "cuda"}), HasSubstr("CPU"));
}

}  // namespace
}  // namespace soret::test
