#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

#include "tests/cli/command.hpp"
#include "tests/same_data.hpp"

namespace soret::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A second or two of work in many units; trajectories and blocks do not divide evenly.
constexpr const char* kConfig = R"(simulation = two_layer
[network]
inputs = 10
hidden = 10
[sgd]
learning_rate = 0.05 0.1
batch_size = 1 2 3
steps = 60000
[ensemble]
trajectories = 97
[record]
every = 7000
blocks = 32
observables = activation_rate v_norm gradient_variance
)";

class Resume : public ::testing::Test {
 protected:
  Resume() { folder_.write("scan.cfg", kConfig); }

  std::vector<std::string> words(const std::string& output, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"run", "scan.cfg", "-o", output});
    return more;
  }
  Outcome run(const std::string& output, std::vector<std::string> more = {}) const {
    return soret(words(output, std::move(more)), {.folder = folder_.path()});
  }

  /// Starts or resumes a run and signals it as soon as it has finished something new; its outcome.
  Outcome interrupt(const std::string& output, int signal) const {
    const auto journal_size = [&] {
      std::error_code absent;
      const auto size = fs::file_size(folder_ / (output + ".partial"), absent);
      return absent ? 0 : size;
    };
    auto before = journal_size();
    Process process(words(output, {"--threads", "1"}), {.folder = folder_.path()});
    while (process.running() && !fs::exists(folder_ / output)) std::this_thread::yield();
    if (before == 0) before = journal_size();
    while (process.running() && journal_size() <= before)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process.signal(signal);
    return process.wait();
  }

  TemporaryFolder folder_;
};

TEST_F(Resume, ThreadsShardsAndInterruptionsGiveTheSameData) {
  ASSERT_EQ(run("whole.h5", {"--threads", "2"}).exit_code, 0);

  ASSERT_EQ(run("one.h5", {"--threads", "1"}).exit_code, 0);
  expect_same_data(folder_ / "one.h5", folder_ / "whole.h5");

  for (const char* shard : {"1", "2", "3"})
    ASSERT_EQ(run(std::string("part") + shard + ".h5", {"--shard", std::string(shard) + "/3"}).exit_code, 0);
  const Outcome merged =
      soret({"merge", "part3.h5", "part1.h5", "part2.h5", "-o", "merged.h5"}, {.folder = folder_.path()});
  ASSERT_EQ(merged.exit_code, 0) << merged.err;
  expect_same_data(folder_ / "merged.h5", folder_ / "whole.h5");

  const Outcome by_user = interrupt("killed.h5", SIGINT);
  EXPECT_EQ(by_user.exit_code, 130) << by_user.err;
  EXPECT_THAT(by_user.err, AllOf(HasSubstr("of 6 points"), HasSubstr("killed.h5"), HasSubstr("resumes")));
  EXPECT_EQ(interrupt("killed.h5", SIGKILL).exit_code, 128 + SIGKILL);
  EXPECT_EQ(interrupt("killed.h5", SIGTERM).exit_code, 130);
  EXPECT_EQ(interrupt("killed.h5", SIGKILL).exit_code, 128 + SIGKILL);
  const Outcome last = run("killed.h5", {"--json"});
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_LT(last.json()["trajectories"], 6 * 97) << "nothing was kept";
  expect_same_data(folder_ / "killed.h5", folder_ / "whole.h5");
  EXPECT_FALSE(fs::exists(folder_ / "killed.h5.partial"));

  const Outcome again = run("killed.h5");
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.out, HasSubstr("is complete"));
}

TEST_F(Resume, ASecondRunOnTheSameOutputIsRefused) {
  Process first(words("out.h5"), {.folder = folder_.path()});
  while (first.running() && !fs::exists(folder_ / "out.h5")) std::this_thread::yield();
  const Outcome second = run("out.h5");
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, HasSubstr("another run is writing here"));
  EXPECT_EQ(first.wait().exit_code, 0);
}

/// Three ranks on one machine; skipped where there is no launcher.
TEST_F(Resume, MpiRanksGiveTheSameData) {
#if !defined(SORET_HAVE_MPI)
  GTEST_SKIP() << "built without MPI";
#endif
  if (std::system("command -v mpirun >/dev/null") != 0) GTEST_SKIP() << "no mpirun (Debian: openmpi-bin)";
  const std::string command = "cd '" + folder_.path().string() +
                              "' && mpirun --allow-run-as-root --oversubscribe -n 3 '" SORET_BINARY
                              "' run scan.cfg -o ranks.h5 --threads 1 >out 2>err </dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << read_text(folder_ / "err");
  ASSERT_EQ(run("whole.h5").exit_code, 0);
  expect_same_data(folder_ / "ranks.h5", folder_ / "whole.h5");
  // The parts are gone, and a second run finds nothing to do.
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_EQ(entry.path().string().find(".rank"), std::string::npos) << entry.path();
  ASSERT_EQ(std::system(command.c_str()), 0) << read_text(folder_ / "err");
  EXPECT_THAT(read_text(folder_ / "out"), HasSubstr("is complete"));
}

}  // namespace
}  // namespace soret::test
