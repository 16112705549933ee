#include "tests/cli/command.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace soret::test {
namespace {

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

void redirect(const std::string& file, int stream) {
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (descriptor < 0 || dup2(descriptor, stream) < 0) _exit(127);
}

/// What the child does between fork and exec.
void enter(const Surroundings& surroundings, const std::string& folder) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (chdir(folder.c_str()) != 0) _exit(127);
  for (const auto& [name, value] : surroundings.environment) setenv(name.c_str(), value.c_str(), 1);
  if (surroundings.most_file_bytes >= 0) {
    const auto bytes = static_cast<rlim_t>(surroundings.most_file_bytes);
    const rlimit limit{bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);  // write() then fails instead
  }
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "soret_test_XXXXXX").string();
  if (!mkdtemp(pattern.data())) fail("mkdtemp");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& text) const {
  std::ofstream(path_ / name, std::ios::binary) << text;
  return (path_ / name).string();
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

nlohmann::json Outcome::json() const {
  auto value = nlohmann::json::parse(out, nullptr, false);
  EXPECT_TRUE(value.is_object()) << "not one JSON object:\n" << out << "\nstderr:\n" << err;
  return value;
}

Process::Process(const std::vector<std::string>& words, const Surroundings& surroundings) {
  const std::string folder = (surroundings.folder.empty() ? streams_.path() : surroundings.folder).string();
  const std::string out =
      surroundings.stdout_file.empty() ? (streams_ / ".stdout").string() : surroundings.stdout_file;
  const std::string err = (streams_ / ".stderr").string();
  std::vector<std::string> all{SORET_BINARY};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (auto& word : all) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ > 0) return;
  enter(surroundings, folder);
  redirect("/dev/null", STDIN_FILENO);
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  execv(SORET_BINARY, arguments.data());
  _exit(127);
}

Process::~Process() {
  if (!running()) return;
  signal(SIGKILL);
  waitpid(pid_, &status_, 0);
}

bool Process::running() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return !ended_;
}

void Process::signal(int number) const {
  kill(pid_, number);
}

Outcome Process::wait(double seconds) {
  using clock = std::chrono::steady_clock;
  const auto deadline = clock::now() + std::chrono::duration<double>(seconds);
  while (running()) {
    if (clock::now() > deadline) {
      ADD_FAILURE() << "soret still runs after " << seconds << " s";
      signal(SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return {WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_),
          read_text(streams_ / ".stdout"), read_text(streams_ / ".stderr")};
}

Outcome soret(const std::vector<std::string>& words, const Surroundings& surroundings) {
  return Process(words, surroundings).wait();
}

void run_what_is_read_by(const std::filesystem::path& config, const Surroundings& surroundings) {
  const std::string text = read_text(config);
  const std::regex checkpoint(R"(results/(\w+)-smoke\.h5\.checkpoints)");
  std::set<std::string> names;
  for (std::sregex_iterator found(text.begin(), text.end(), checkpoint), end; found != end; ++found)
    names.insert((*found)[1]);
  for (const std::string& name : names) {
    const auto other = config.parent_path() / (name + ".cfg");
    const Outcome outcome = soret({"run", other.string(), "--profile", "smoke", "--quiet"}, surroundings);
    EXPECT_EQ(outcome.exit_code, 0) << other << ": " << outcome.err;
  }
}

}  // namespace soret::test
