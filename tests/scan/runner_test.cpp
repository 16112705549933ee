#include "soret/scan/runner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "soret/base/error.hpp"
#include "soret/scan/merge.hpp"
#include "soret/scan/schedule.hpp"
#include "tests/scan/toy.hpp"

namespace soret {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using test::expect_same_data;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using toy::message_of;

/// 2 x 3 points; 13 trajectories in 5 blocks.
const std::string kConfig = "[walk]\ndrift = 0.1 0.2\nlength = 3 4 5\n";
constexpr std::size_t kTrajectories = 6 * 13;

class Runner : public toy::InFolder {
 protected:
  RunRequest request(const std::string& name = "out.h5") {
    return {.output = file(name), .stop = stop_, .threads = 1, .quiet = true};
  }
  /// The whole scan at one go: what every other way must reproduce.
  fs::path reference(const ScanPlan& plan) {
    if (!fs::exists(file("reference.h5"))) {
      stop_ = false;
      toy::Experiment experiment(plan);
      run_scan(plan, experiment, request("reference.h5"));
    }
    return file("reference.h5");
  }
  std::atomic<bool> stop_ = false;
  ScanPlan plan_ = toy::plan(kConfig);
};

// ---- What is in the file ----

TEST_F(Runner, FileHoldsTheStatisticsOfTheTrajectories) {
  const store::Dataset data = store::read(reference(plan_));
  const auto& mean = data.at("density");
  EXPECT_THAT(mean.dimensions, ElementsAre("drift", "length", "step", "position"));
  EXPECT_THAT(data.at("density_block").dimensions,
              ElementsAre("drift", "length", "block", "step", "position"));
  EXPECT_THAT(data.at("speed_stderr").dimensions, ElementsAre("drift", "length", "step"));

  const std::size_t speed_cells = toy::kSteps.size();
  const std::size_t density_cells = 3 * toy::kSteps.size();
  for (std::size_t point = 0; point < 6; ++point) {
    for (std::size_t cell = 0; cell < density_cells; ++cell) {
      double sum = 0, n = 0, squares = 0;
      std::vector<double> block_sum(5), block_n(5);
      for (std::uint32_t t = 0; t < 13; ++t) {
        if (toy::diverged_at(point, t) >= 0) continue;
        const double x = toy::value(point, t, speed_cells + cell);
        const std::uint32_t block = Blocks(13, 5).of(t);
        sum += x;
        ++n;
        squares += x * x;
        block_sum[block] += x;
        ++block_n[block];
      }
      const std::size_t at = point * density_cells + cell;
      const double error = std::sqrt((squares - sum * sum / n) / (n - 1) / n);
      if (n == 0) {
        EXPECT_TRUE(std::isnan(mean.reals()[at])) << point;
      } else {
        EXPECT_NEAR(mean.reals()[at], sum / n, 1e-12);
      }
      if (n < 2) {
        EXPECT_TRUE(std::isnan(data.at("density_stderr").reals()[at])) << point;
      } else {
        EXPECT_NEAR(data.at("density_stderr").reals()[at], error, 1e-12);
      }
      for (std::size_t k = 0; k < 5; ++k) {
        const double in_file = data.at("density_block").reals()[(point * 5 + k) * density_cells + cell];
        EXPECT_EQ(data.at("block_trajectories").integers()[point * 5 + k], block_n[k]);
        if (block_n[k] == 0) {
          EXPECT_TRUE(std::isnan(in_file));
        } else {
          EXPECT_NEAR(in_file, block_sum[k] / block_n[k], 1e-12);
        }
      }
    }
  }
}

TEST_F(Runner, FileHoldsWhatIsDerivedFromTheEnsemble) {
  const store::Dataset result = store::read(reference(plan_));
  const auto& speed = result.at("speed").reals();
  const auto& counted = result.at("counted_speed").reals();
  EXPECT_EQ(result.at("counted_speed").dimensions.back(), "convention");
  EXPECT_EQ(result.at("convention").texts(), (std::vector<std::string>{"once", "twice"}));
  ASSERT_EQ(counted.size(), 2 * speed.size());
  for (std::size_t i = 0; i < speed.size(); ++i) {
    if (std::isnan(speed[i])) continue;
    EXPECT_EQ(counted[2 * i], speed[i]);
    EXPECT_EQ(counted[2 * i + 1], 2 * speed[i]);
  }
  const auto& peak = result.at("peak").reals();
  ASSERT_EQ(peak.size(), result.at("finished").integers().size());
  double largest = -100;
  for (const char* name : {"speed", "density", "force", "age"}) {
    const auto& all = result.at(name).reals();
    const auto own = static_cast<std::ptrdiff_t>(all.size() / peak.size());
    largest = std::max(largest, *std::max_element(all.begin(), all.begin() + own));
  }
  EXPECT_EQ(peak[0], largest);
}

TEST_F(Runner, EveryObservableHasItsSchedule) {
  const store::Dataset data = store::read(reference(plan_));
  EXPECT_EQ(data.at("slow_step").integers(), toy::kSlowSteps);
  EXPECT_THAT(data.at("force").dimensions, ElementsAre("drift", "length", "slow_step"));
  EXPECT_THAT(data.at("force_block").dimensions, ElementsAre("drift", "length", "block", "slow_step"));
  EXPECT_THAT(data.at("age").dimensions, ElementsAre("drift", "length"));
  EXPECT_THAT(data.at("age_block").dimensions, ElementsAre("drift", "length", "block"));
  const std::size_t first = toy::kSteps.size() * (1 + toy::Experiment::kPlaces);
  for (std::size_t point = 0; point < 6; ++point) {
    double n = 0;
    std::array<double, 3> sums{};
    for (std::uint32_t t = 0; t < 13; ++t) {
      if (toy::diverged_at(point, t) >= 0) continue;
      ++n;
      for (std::size_t i = 0; i < 3; ++i) sums[i] += toy::value(point, t, first + i);
    }
    if (n == 0) continue;
    EXPECT_NEAR(data.at("force").reals()[2 * point], sums[0] / n, 1e-12);
    EXPECT_NEAR(data.at("force").reals()[2 * point + 1], sums[1] / n, 1e-12);
    EXPECT_NEAR(data.at("age").reals()[point], sums[2] / n, 1e-12);
  }
}

TEST_F(Runner, FileCountsDivergedTrajectoriesByStep) {
  const store::Dataset data = store::read(reference(plan_));
  for (std::size_t point = 0; point < 6; ++point) {
    std::int64_t all = 0;
    std::vector<std::int64_t> by_step(toy::kSteps.size());
    for (std::uint32_t t = 0; t < 13; ++t) {
      const std::int64_t at = toy::diverged_at(point, t);
      all += at >= 0;
      for (std::size_t i = 0; i < by_step.size(); ++i) by_step[i] += at >= 0 && at <= toy::kSteps[i];
    }
    EXPECT_EQ(data.at("diverged").integers()[point], all);
    for (std::size_t i = 0; i < by_step.size(); ++i)
      EXPECT_EQ(data.at("diverged_by_step").integers()[point * by_step.size() + i], by_step[i]);
  }
  EXPECT_EQ(data.at("diverged").integers()[2], 13);
  EXPECT_EQ(data.at("diverged").integers()[3], 12);
}

TEST_F(Runner, FileSaysWhatItIs) {
  const store::Dataset data = store::read(reference(plan_));
  EXPECT_EQ(data.at("drift").reals(), (std::vector<double>{0.1, 0.2}));
  EXPECT_EQ(data.at("length").integers(), (std::vector<std::int64_t>{3, 4, 5}));
  EXPECT_EQ(data.at("step").integers(), toy::kSteps);
  EXPECT_EQ(data.at("position").reals(), (std::vector<double>{-1.5, 0.25, 7}));
  const store::Attributes drift{{"units", "m s-1"}, {"long_name", "mean velocity"}, {"key", "walk.drift"}};
  EXPECT_EQ(data.at("drift").attributes, drift);
  const store::Attributes speed{
      {"units", "m s-1"}, {"long_name", "speed of the walker"}, {"reference", "seed 002 Eq. 5"}};
  EXPECT_EQ(data.at("speed").attributes, speed);
  EXPECT_FALSE(data.at("density").attributes.contains("reference"));

  const auto& attributes = data.attributes;
  EXPECT_EQ(attributes.at("simulation"), store::Attribute("toy"));
  EXPECT_EQ(attributes.at("config"), store::Attribute(plan_.text()));
  EXPECT_EQ(attributes.at("seed"), store::Attribute(std::int64_t{17}));
  EXPECT_EQ(attributes.at("complete"), store::Attribute(std::int64_t{1}));
  EXPECT_EQ(attributes.at("shard"), store::Attribute("1/1"));
  EXPECT_EQ(attributes.at("backend"), store::Attribute("cpu"));
  EXPECT_THAT(std::get<std::string>(attributes.at("created")),
              ::testing::MatchesRegex("20..-..-..T..:..:..Z"));
  for (const char* name : {"device", "threads", "wall_seconds", "soret_version", "git_commit"})
    EXPECT_TRUE(attributes.contains(name)) << name;
  EXPECT_THAT(files(), ElementsAre("reference.h5"));
}

TEST_F(Runner, ZippedAxesShareOneDimension) {
  const ScanPlan zipped =
      toy::plan("[scan]\nmode = zip\n[walk]\ndrift = 0.1 0.2 0.3\nwall = soft hard none\n");
  const store::Dataset data = store::read(reference(zipped));
  EXPECT_THAT(data.at("speed").dimensions, ElementsAre("point", "step"));
  EXPECT_THAT(data.at("drift").dimensions, ElementsAre("point"));
  EXPECT_EQ(data.at("drift").reals(), (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(data.at("wall").texts(), (std::vector<std::string>{"soft", "hard", "none"}));
  EXPECT_EQ(data.at("speed").attributes.at("coordinates"), store::Attribute("drift wall"));
}

TEST_F(Runner, ASinglePointHasNoScanDimension) {
  const store::Dataset data = store::read(reference(toy::plan()));
  EXPECT_THAT(data.at("speed").dimensions, ElementsAre("step"));
  EXPECT_TRUE(data.at("diverged").dimensions.empty());
}

TEST_F(Runner, FewerTrajectoriesThanBlocks) {
  const store::Dataset data = store::read(reference(toy::plan("[ensemble]\ntrajectories = 3\n")));
  EXPECT_EQ(data.size("block"), 3u);
}

TEST_F(Runner, OpensInXarray) {
  if (std::system("python3 -c 'import xarray, h5netcdf' >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "needs python3 with xarray and h5netcdf";
  const ScanPlan zipped =
      toy::plan("[scan]\nmode = zip\n[walk]\ndrift = 0.1 0.2 0.3\nwall = soft hard none\n");
  toy::Experiment experiment(zipped);
  run_scan(zipped, experiment, request("zipped.h5"));
  std::ofstream(file("check.py")) << R"(
import sys
import xarray
with xarray.open_dataset(sys.argv[1], engine="h5netcdf") as data:
    assert data["density"].dims == ("drift", "length", "step", "position"), data["density"].dims
    assert set(data.coords) == {"drift", "length", "step", "slow_step", "position", "convention", "block"}, data.coords
    assert data["counted_speed"].sel(convention="twice").dims == ("drift", "length", "step")
    assert data["speed"].sel(drift=0.2, length=4).dims == ("step",)
    assert data["speed"].attrs["units"] == "m s-1"
    assert data.attrs["complete"] == 1
with xarray.open_dataset(sys.argv[2], engine="h5netcdf") as data:
    assert data["speed"].dims == ("point", "step")
    assert set(data["speed"].coords) == {"drift", "wall", "step"}, data["speed"].coords
    assert list(data["wall"].values) == ["soft", "hard", "none"]
)";
  EXPECT_EQ(std::system(("python3 " + file("check.py").string() + " " + reference(plan_).string() + " " +
                         file("zipped.h5").string())
                            .c_str()),
            0);
}

// ---- The same bits, however it ran ----

TEST_F(Runner, GroupingAndThreadsDoNotShow) {
  for (const std::uint32_t group : {1u, 2u, 4u, 13u, 64u}) {
    for (const int threads : {1, 2, 3}) {
      toy::Experiment experiment(plan_, group);
      RunRequest how = request();
      how.threads = threads;
      how.fresh = true;
      const RunReport report = run_scan(plan_, experiment, how);
      EXPECT_EQ(report.trajectories, kTrajectories);
      EXPECT_EQ(experiment.runs(), kTrajectories);
      expect_same_data(file(), reference(plan_));
    }
  }
}

TEST_F(Runner, InterruptionsDoNotShowAndNothingIsRunTwice) {
  for (const int units : {1, 2, 3, 7}) {
    for (const milliseconds snapshot_every : {milliseconds(0), milliseconds(15'000)}) {
      toy::Experiment experiment(plan_, 2);
      int runs = 0;
      for (bool complete = false; !complete; ++runs) {
        ASSERT_LT(runs, 100);
        stop_ = false;
        int left = units;
        experiment.after_unit = [&](int) { stop_ = --left <= 0; };
        RunRequest how = request();
        how.snapshot_every = snapshot_every;
        try {
          run_scan(plan_, experiment, how);
          complete = true;
        } catch (const Interrupted& interrupted) {
          EXPECT_THAT(interrupted.what(), AllOf(HasSubstr("of 6 points"), HasSubstr("resumes")));
          EXPECT_EQ(store::read_attributes(file()).at("complete"), store::Attribute(std::int64_t{0}));
        }
      }
      EXPECT_GT(runs, 1);
      EXPECT_EQ(experiment.runs(), kTrajectories);
      expect_same_data(file(), reference(plan_));
      fs::remove(file());
    }
  }
}

TEST_F(Runner, AnUnfinishedFileMarksWhatIsThere) {
  toy::Experiment experiment(plan_, 64);
  experiment.after_unit = [&](int units) { stop_ = units == 2; };
  EXPECT_THROW(run_scan(plan_, experiment, request()), Interrupted);
  const store::Dataset part = store::read(file());
  const store::Dataset whole = store::read(reference(plan_));
  const auto& finished = part.at("finished").integers();
  EXPECT_EQ(std::count(finished.begin(), finished.end(), 1), 2);
  for (std::size_t point = 0; point < 6; ++point) {
    const double here = part.at("speed").reals()[point * toy::kSteps.size()];
    const double there = whole.at("speed").reals()[point * toy::kSteps.size()];
    if (finished[point] == 1) {
      EXPECT_TRUE(here == there || (std::isnan(here) && std::isnan(there)));
    } else {
      EXPECT_TRUE(std::isnan(here));
    }
  }
}

/// Runs the scan in a child that kills itself after some units.
void run_and_kill(const ScanPlan& plan, const RunRequest& how, int units) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      toy::Experiment experiment(plan);
      experiment.after_unit = [&](int n) {
        if (n > units) ::raise(SIGKILL);
      };
      run_scan(plan, experiment, how);
    } catch (...) {
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST_F(Runner, KillsDoNotShowAndLoseNothing) {
  constexpr std::size_t kUnits = 30;  // 6 points of 5 blocks of 2 or 3 trajectories
  for (const int first : {0, 1, 13, 29}) {
    run_and_kill(plan_, request(), first);
    if (first < 20) run_and_kill(plan_, request(), 4);
    toy::Experiment experiment(plan_);
    const std::size_t units = static_cast<std::size_t>(first) + (first < 20 ? 4 : 0);
    run_scan(plan_, experiment, request());
    EXPECT_GE(experiment.runs(), (kUnits - units) * 2);
    EXPECT_LE(experiment.runs(), (kUnits - units) * 3);
    expect_same_data(file(), reference(plan_));
    EXPECT_EQ(files().size(), 2u);
    fs::remove(file());
  }
}

/// The limit on file sizes stands for a full disk; it binds a whole process, so a child meets it.
TEST_F(Runner, AFullDiskStopsTheRunAndLosesNothing) {
  const ScanPlan large = toy::plan(kConfig + "[ensemble]\ntrajectories = 60\n[record]\nblocks = 60\n");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{70'000, 70'000};  // more than the empty result, less than the journal of all blocks
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      toy::Experiment experiment(large);
      run_scan(large, experiment, request());
    } catch (const RunError& error) {
      const std::string message = error.what();
      const bool clear =
          message.find("File too large") != std::string::npos && message.find("resumes") != std::string::npos;
      ::_exit(clear ? 0 : 2);
    } catch (...) {
      ::_exit(3);
    }
    ::_exit(4);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;

  toy::Experiment experiment(large);
  run_scan(large, experiment, request());
  EXPECT_LT(experiment.runs(), 6u * 60 / 2);  // most of it was kept
  expect_same_data(file(), reference(large));
  EXPECT_EQ(files().size(), 2u);
}

/// A run that dies with an exception leaves the journal behind, which is then cut anywhere.
TEST_F(Runner, ATornJournalDoesNotShow) {
  toy::Experiment failing(plan_, 2);
  failing.after_unit = [](int units) {
    if (units == 9) throw RunError("device lost");
  };
  EXPECT_THAT(message_of<RunError>([&] { run_scan(plan_, failing, request("torn.h5")); }),
              AllOf(HasSubstr("device lost"), HasSubstr("resumes")));
  const auto size = fs::file_size(file("torn.h5.partial"));
  ASSERT_GT(size, 1000u);
  for (std::uintmax_t length = 0; length <= size; length += size / 13) {
    fs::copy_file(file("torn.h5"), file(), fs::copy_options::overwrite_existing);
    fs::copy_file(file("torn.h5.partial"), file("out.h5.partial"), fs::copy_options::overwrite_existing);
    fs::resize_file(file("out.h5.partial"), length);
    toy::Experiment experiment(plan_);
    run_scan(plan_, experiment, request());
    expect_same_data(file(), reference(plan_));
  }
}

/// Killed after the output was replaced and before the journal was: its blocks are in both.
TEST_F(Runner, AJournalOlderThanTheOutputDoesNotShow) {
  toy::Experiment failing(plan_, 64);
  failing.after_unit = [](int units) {
    if (units == 4) throw RunError("");
  };
  EXPECT_THROW(run_scan(plan_, failing, request()), RunError);
  fs::copy_file(file("out.h5.partial"), file("kept"));
  toy::Experiment stopping(plan_, 64);
  stopping.after_unit = [&](int) { stop_ = true; };
  EXPECT_THROW(run_scan(plan_, stopping, request()), Interrupted);
  fs::copy_file(file("kept"), file("out.h5.partial"), fs::copy_options::overwrite_existing);

  stop_ = false;
  toy::Experiment experiment(plan_, 64);
  EXPECT_EQ(run_scan(plan_, experiment, request()).points_found, 4u);
  EXPECT_EQ(experiment.runs(), 2u * 13);
  expect_same_data(file(), reference(plan_));
}

TEST_F(Runner, ShardsMergeIntoTheSameBits) {
  for (const std::size_t count : {1u, 2u, 3u, 8u}) {
    std::vector<fs::path> parts;
    std::size_t runs = 0;
    for (std::size_t index = count; index >= 1; --index) {
      toy::Experiment experiment(plan_, 2);
      RunRequest how = request("shard" + std::to_string(count) + std::to_string(index) + ".h5");
      how.shard = {index, count};
      run_scan(plan_, experiment, how);
      runs += experiment.runs();
      parts.push_back(how.output);
    }
    EXPECT_EQ(runs, kTrajectories);
    merge_shards(parts, file("merged.h5"));
    expect_same_data(file("merged.h5"), reference(plan_));
    fs::remove(file("merged.h5"));
  }
}

// ---- Refusals ----

TEST_F(Runner, ACompleteOutputIsLeftAlone) {
  toy::Experiment first(plan_);
  run_scan(plan_, first, request());
  const auto written = fs::last_write_time(file());
  std::ofstream(file("out.h5.partial"));  // left over by a kill at the very end
  toy::Experiment second(plan_);
  second.backend_ = "cuda";
  const RunReport report = run_scan(plan_, second, request());
  EXPECT_TRUE(report.already_complete);
  EXPECT_EQ(report.points, 6u);
  EXPECT_EQ(report.points_found, 6u);
  EXPECT_EQ(second.runs(), 0u);
  EXPECT_EQ(fs::last_write_time(file()), written);
  EXPECT_THAT(files(), ElementsAre("out.h5"));
}

TEST_F(Runner, FreshRunsAgain) {
  toy::Experiment first(plan_);
  run_scan(plan_, first, request());
  RunRequest how = request();
  how.fresh = true;
  const ScanPlan other = toy::plan(kConfig + "[ensemble]\nseed = 18\n");
  toy::Experiment second(other);
  EXPECT_FALSE(run_scan(other, second, how).already_complete);
  EXPECT_EQ(second.runs(), kTrajectories);
  EXPECT_EQ(store::read_attributes(file()).at("seed"), store::Attribute(std::int64_t{18}));
}

TEST_F(Runner, AnInterruptedFreshRunResumesWithoutFresh) {
  toy::Experiment stopping(plan_);
  stopping.after_unit = [&](int) { stop_ = true; };
  RunRequest how = request();
  how.fresh = true;
  EXPECT_THAT(message_of<Interrupted>([&] { run_scan(plan_, stopping, how); }),
              HasSubstr("the same command without --fresh resumes"));
}

TEST_F(Runner, RefusesTheOutputOfAnotherScan) {
  toy::Experiment stopping(plan_);
  stopping.after_unit = [&](int units) { stop_ = units == 7; };
  EXPECT_THROW(run_scan(plan_, stopping, request()), Interrupted);
  stop_ = false;

  const ScanPlan other = toy::plan("[walk]\ndrift = 0.1 0.3\nlength = 3 4 5\n[ensemble]\nseed = 18\n");
  toy::Experiment experiment(other);
  EXPECT_THAT(message_of<ConfigError>([&] { run_scan(other, experiment, request()); }),
              AllOf(HasSubstr("walk.drift: 0.1 0.2 there, 0.1 0.3 here"),
                    HasSubstr("ensemble.seed: 17 there, 18 here"), HasSubstr("--fresh")));
  EXPECT_EQ(experiment.runs(), 0u);

  RunRequest shard = request();
  shard.shard = {1, 2};
  EXPECT_THAT(message_of<ConfigError>([&] { run_scan(plan_, experiment, shard); }), HasSubstr("shard 1/1"));
  experiment.backend_ = "cuda";
  EXPECT_THAT(message_of<ConfigError>([&] { run_scan(plan_, experiment, request()); }),
              HasSubstr("--backend cpu"));

  fs::remove(file());  // the journal alone knows whose it is
  EXPECT_THAT(message_of<ConfigError>([&] { run_scan(other, experiment, request()); }),
              AllOf(HasSubstr("out.h5.partial"), HasSubstr("--fresh")));
}

TEST_F(Runner, RefusesOutputsThatItCannotOrMustNotWrite) {
  toy::Experiment experiment(plan_);
  const auto refusal = [&](const std::string& name, bool fresh = false) {
    RunRequest how = request(name);
    how.fresh = fresh;
    return message_of<ConfigError>([&] { run_scan(plan_, experiment, how); });
  };
  fs::create_directory(file("directory.h5"));
  EXPECT_THAT(refusal("directory.h5"), HasSubstr("is a directory"));
  EXPECT_THAT(refusal("no/folder.h5"), HasSubstr("no folder"));
  std::ofstream(file("notes.txt")) << "my notes";
  EXPECT_THAT(refusal("notes.txt"), HasSubstr("not a result file"));
  EXPECT_THAT(refusal("notes.txt", true), HasSubstr("not a result file"));
  store::Dataset collapse = store::read(reference(plan_));
  collapse.attributes["title"] = "Collapse of speed";
  store::write(collapse, file("collapse.h5"));
  EXPECT_THAT(refusal("collapse.h5"), HasSubstr("holds something else: Collapse of speed"));
  if (::geteuid() != 0) {  // root may write anywhere
    fs::create_directory(file("locked"));
    ::chmod(file("locked").c_str(), 0500);
    EXPECT_THAT(refusal("locked/out.h5"), HasSubstr("Permission denied"));
  }
  EXPECT_EQ(experiment.runs(), 0u);
}

TEST_F(Runner, RefusesTheLayoutOfAnotherVersion) {
  toy::Experiment stopping(plan_);
  stopping.after_unit = [&](int) { stop_ = true; };
  EXPECT_THROW(run_scan(plan_, stopping, request()), Interrupted);
  stop_ = false;
  store::Dataset data = store::read(file());
  data.variables.pop_back();
  store::write(data, file());
  toy::Experiment experiment(plan_);
  EXPECT_THAT(message_of<InputError>([&] { run_scan(plan_, experiment, request()); }),
              AllOf(HasSubstr("out.h5"), HasSubstr("dimensions or variables"), HasSubstr("--fresh")));
  EXPECT_EQ(experiment.runs(), 0u);
}

TEST_F(Runner, RefusesADamagedOutput) {
  toy::Experiment experiment(plan_);
  run_scan(plan_, experiment, request());
  fs::resize_file(file(), fs::file_size(file()) / 2);
  EXPECT_THAT(message_of<InputError>([&] { run_scan(plan_, experiment, request()); }),
              AllOf(HasSubstr("truncated"), HasSubstr("--fresh")));
  RunRequest how = request();
  how.fresh = true;
  run_scan(plan_, experiment, how);
  expect_same_data(file(), reference(plan_));
}

TEST_F(Runner, RefusesASecondRunOnTheSameOutput) {
  toy::Experiment experiment(plan_);
  std::string refusal;
  experiment.after_unit = [&](int units) {
    if (units > 1) return;
    toy::Experiment second(plan_);
    refusal = message_of<ConfigError>([&] { run_scan(plan_, second, request()); });
  };
  run_scan(plan_, experiment, request());
  EXPECT_THAT(refusal, HasSubstr("another run is writing here"));
  expect_same_data(file(), reference(plan_));
}

TEST_F(Runner, ParsesShards) {
  EXPECT_EQ(parse_shard("3/4").text(), "3/4");
  for (const char* wrong : {"3/2", "0/2", "-1/2", "1", "1/", "/2", "a/b", "1/2/3", ""})
    EXPECT_THROW(parse_shard(wrong), ConfigError) << wrong;
}

TEST_F(Runner, ShardsShareThePointsEvenlyAndMixTheFastestAxis) {
  for (const std::size_t count : {1u, 2u, 3u, 7u}) {
    std::vector<std::size_t> sizes(count);
    std::vector<std::size_t> first_column(count);
    for (std::size_t point = 0; point < 10 * count; ++point) {
      std::size_t holders = 0;
      for (std::size_t index = 1; index <= count; ++index) {
        if (!Shard{index, count}.holds(point)) continue;
        ++holders;
        ++sizes[index - 1];
        if (point % count == 0) ++first_column[index - 1];
      }
      EXPECT_EQ(holders, 1u);
    }
    EXPECT_THAT(sizes, ::testing::Each(10u));
    EXPECT_THAT(first_column, ::testing::Each(::testing::Ge(1u)));
  }
}

TEST_F(Runner, MergeRefusesWhatDoesNotBelongTogether) {
  const auto run_shard = [&](const std::string& name, const ScanPlan& plan, Shard shard) {
    toy::Experiment experiment(plan);
    RunRequest how = request(name);
    how.shard = shard;
    run_scan(plan, experiment, how);
    return file(name);
  };
  const auto one = run_shard("1.h5", plan_, {1, 3});
  const auto two = run_shard("2.h5", plan_, {2, 3});
  const auto three = run_shard("3.h5", plan_, {3, 3});
  const auto again = run_shard("2again.h5", plan_, {2, 3});
  const auto half = run_shard("half.h5", plan_, {1, 2});
  const auto other = run_shard("other.h5", toy::plan(kConfig + "[ensemble]\nseed = 18\n"), {3, 3});
  toy::Experiment stopping(plan_);
  stopping.after_unit = [&](int) { stop_ = true; };
  RunRequest how = request("unfinished.h5");
  how.shard = {3, 3};
  EXPECT_THROW(run_scan(plan_, stopping, how), Interrupted);

  const auto refusal = [&](const std::vector<fs::path>& parts) {
    return message_of<ConfigError>([&] { merge_shards(parts, file("merged.h5")); });
  };
  EXPECT_THAT(refusal({one, three}), HasSubstr("shard 2/3 is missing"));
  EXPECT_THAT(refusal({one, two, three, again}),
              AllOf(HasSubstr("2.h5"), HasSubstr("2again.h5"), HasSubstr("same shard 2/3")));
  EXPECT_THAT(refusal({one, half}), AllOf(HasSubstr("half.h5"), HasSubstr("shard 1/2")));
  EXPECT_THAT(refusal({one, two, other}),
              AllOf(HasSubstr("other.h5"), HasSubstr("ensemble.seed: 17 there, 18 here")));
  EXPECT_THAT(refusal({one, two, how.output}), AllOf(HasSubstr("unfinished.h5"), HasSubstr("not finished")));
  EXPECT_THAT(refusal({}), HasSubstr("nothing to merge"));
  EXPECT_FALSE(fs::exists(file("merged.h5")));

  const std::vector<fs::path> parts{one, two, three};
  EXPECT_THAT(message_of<ConfigError>([&] { merge_shards(parts, two); }), HasSubstr("one of the shards"));
  EXPECT_THAT(message_of<ConfigError>([&] { merge_shards(parts, half); }), HasSubstr("exists"));
  EXPECT_THROW(merge_shards(std::vector<fs::path>{one, file("absent.h5")}, file("merged.h5")), InputError);
}

// ---- Scheduling ----

TEST_F(Runner, UnitsCoverTheRangesAndFillTheGroups) {
  const ScanPlan plan = toy::plan(kConfig + "[ensemble]\ntrajectories = 100\n");
  const toy::Experiment experiment(plan, 16);
  const Blocks blocks(100, 32);
  const std::vector<BlockRange> ranges{{0, 0, 32}, {1, 5, 9}, {1, 30, 32}, {2, 0, 32}};
  std::vector<std::vector<int>> covered(3, std::vector<int>(100));
  double lanes = 0, trajectories = 0;
  double cost = std::numeric_limits<double>::infinity();
  for (const WorkUnit& unit : schedule(ranges, blocks, experiment, 2)) {
    EXPECT_EQ(blocks.first(blocks.of(unit.first)), unit.first);
    EXPECT_LE(experiment.cost(unit.point), cost);
    cost = experiment.cost(unit.point);
    for (std::uint32_t t = unit.first; t < unit.first + unit.count; ++t) ++covered[unit.point][t];
    if (unit.point == 1) continue;
    lanes += 16 * std::ceil(unit.count / 16.0);
    trajectories += unit.count;
  }
  for (const BlockRange& range : ranges)
    for (std::uint32_t t = blocks.first(range.first); t < blocks.first(range.last); ++t)
      EXPECT_EQ(covered[range.point][t]--, 1);
  for (const auto& point : covered) EXPECT_THAT(point, ::testing::Each(0));
  EXPECT_GT(trajectories / lanes, 0.85);
}

TEST_F(Runner, EveryThreadGetsAUnit) {
  const toy::Experiment experiment(toy::plan("[ensemble]\ntrajectories = 64\n"), 64);
  const std::vector<BlockRange> one_point{{0, 0, 32}};
  EXPECT_EQ(schedule(one_point, Blocks(64, 32), experiment, 1).size(), 1u);
  EXPECT_EQ(schedule(one_point, Blocks(64, 32), experiment, 8).size(), 8u);
  EXPECT_EQ(schedule(one_point, Blocks(64, 32), experiment, 1000).size(), 32u);
}

/// Printed, not asserted: the time that the runner adds to 10,000 points of next to no work.
TEST_F(Runner, OverheadOfTenThousandPoints) {
  const ScanPlan plan = toy::plan(
      "[walk]\ndrift = linspace(0.01, 1, 100)\nlength = range(1, 100, 1)\n"
      "[ensemble]\ntrajectories = 32\n[record]\nblocks = 32\n");
  for (const std::uint32_t group : {1u, 16u}) {
    toy::Experiment experiment(plan, group);
    RunRequest how = request();
    how.fresh = true;
    const RunReport report = run_scan(plan, experiment, how);
    EXPECT_EQ(report.points, 10'000u);
    std::printf("groups of %2u: %.3f ms a point\n", group, 1e3 * report.wall_seconds / 10'000);
  }
}

}  // namespace
}  // namespace soret
