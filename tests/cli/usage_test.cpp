#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

/// Exit code 2, nothing on stdout.
std::string usage_error(const std::vector<std::string>& words) {
  const Outcome outcome = soret(words);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.out, IsEmpty());
  return outcome.err;
}

TEST(Usage, HelpListsEveryCommand) {
  const Outcome outcome = soret({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  for (const char* command :
       {"run", "list", "describe", "info", "collapse", "fit", "plot", "export", "merge", "bench"})
    EXPECT_THAT(outcome.out, HasSubstr(std::string("\n  ") + command + " ")) << command;
  EXPECT_EQ(soret({"help"}).out, outcome.out);
  EXPECT_EQ(soret({"-h"}).out, outcome.out);
}

TEST(Usage, EveryCommandHasHelpWithExamples) {
  for (const std::string command :
       {"run", "list", "describe", "info", "collapse", "fit", "plot", "export", "merge", "bench"}) {
    const Outcome outcome = soret({command, "--help"});
    EXPECT_EQ(outcome.exit_code, 0) << command;
    EXPECT_THAT(outcome.out, AllOf(StartsWith("usage: soret " + command), HasSubstr("--help"),
                                   HasSubstr("examples:\n  soret ")));
    EXPECT_THAT(outcome.err, IsEmpty());
    EXPECT_EQ(soret({"help", command}).out, outcome.out);
  }
}

TEST(Usage, VersionNamesTheCommit) {
  const Outcome outcome = soret({"--version"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, ::testing::MatchesRegex("soret [0-9.]+ \\(.+\\)\n"));
}

TEST(Usage, ACommandIsNeeded) {
  EXPECT_THAT(usage_error({}), AllOf(HasSubstr("usage:"), HasSubstr("a command is missing")));
}

TEST(Usage, UnknownWordsNameTheNearest) {
  EXPECT_THAT(usage_error({"colapse"}), AllOf(HasSubstr("'colapse'"), HasSubstr("did you mean 'collapse'?"),
                                              HasSubstr("soret --help")));
  EXPECT_THAT(usage_error({"run", "a.cfg", "--profil", "smoke"}),
              AllOf(HasSubstr("did you mean '--profile'?"), HasSubstr("soret run --help")));
  EXPECT_THAT(
      usage_error({"run", "a.cfg", "--backend", "cudda"}),
      AllOf(HasSubstr("--backend cudda"), HasSubstr("auto, cpu, cuda"), HasSubstr("did you mean 'cuda'?")));
  EXPECT_THAT(usage_error({"describe", "no_such"}), AllOf(HasSubstr("'no_such'"), HasSubstr("soret list")));
  EXPECT_THAT(usage_error({"bench", "no_such"}), HasSubstr("no_such"));
}

TEST(Usage, MissingAndSuperfluousWordsAreNamed) {
  EXPECT_THAT(usage_error({"run"}), AllOf(HasSubstr("CONFIG is missing"), HasSubstr("soret run --help")));
  EXPECT_THAT(usage_error({"run", "a.cfg", "b.cfg"}), HasSubstr("unexpected word 'b.cfg'"));
  EXPECT_THAT(usage_error({"run", "a.cfg", "--profile"}), HasSubstr("--profile"));
  EXPECT_THAT(usage_error({"list", "all"}), HasSubstr("unexpected word 'all'"));
  EXPECT_THAT(usage_error({"collapse", "a.h5"}), HasSubstr("--observable"));
  EXPECT_THAT(usage_error({"export", "a.h5"}), HasSubstr("--csv"));
  EXPECT_THAT(usage_error({"merge", "a.h5"}), HasSubstr("-o OUT.h5"));
  EXPECT_THAT(usage_error({"plot", "a.h5"}), HasSubstr("-o FIG"));
  EXPECT_THAT(usage_error({"plot", "a.h5", "-o", "a.png", "--log", "z"}), HasSubstr("x, y, none"));
}

TEST(Usage, NumbersOnTheCommandLineAreChecked) {
  EXPECT_THAT(usage_error({"run", "a.cfg", "--threads", "0"}), HasSubstr("--threads 0"));
  EXPECT_THAT(usage_error({"run", "a.cfg", "--threads", "many"}), HasSubstr("many"));
  for (const char* shard : {"3/2", "0/2", "1/0", "-1/2", "1", "one/two", "1/2/3", ""})
    EXPECT_THAT(usage_error({"run", "a.cfg", "--shard", shard}), HasSubstr("--shard")) << shard;
}

TEST(Usage, ListAndDescribeAreJsonOnRequest) {
  EXPECT_TRUE(soret({"list", "--json"}).json()["simulations"].is_array());
}

TEST(Usage, AFullStandardOutputIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const Outcome outcome = soret({"list", "--json"}, {.stdout_file = "/dev/full"});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("standard output"));
}

TEST(Usage, FilesThatAreNoResultsAreInputErrors) {
  const TemporaryFolder folder;
  const std::string text = folder.write("notes.txt", "no HDF5\n");
  const std::string empty = folder.write("empty.h5", "");
  const std::string truncated = folder.write("truncated.h5", std::string("\x89HDF\r\n\x1a\n", 8) + "garbage");
  for (const std::string& file :
       {(folder / "absent.h5").string(), folder.path().string(), text, empty, truncated})
    for (const std::vector<std::string>& words : {std::vector<std::string>{"info", file},
                                                  {"collapse", file, "--observable", "loss"},
                                                  {"export", file, "--csv", folder.path().string()}}) {
      const Outcome outcome = soret(words);
      EXPECT_EQ(outcome.exit_code, 3) << words[0] << " " << file;
      EXPECT_THAT(outcome.err, HasSubstr(file));
      EXPECT_THAT(outcome.out, IsEmpty());
    }
}

}  // namespace
}  // namespace soret::test
