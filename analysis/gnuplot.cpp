#include "analysis/gnuplot.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>
#include <system_error>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

extern char** environ;

namespace soret::analysis {
namespace {

[[noreturn]] void fail(const char* what, int error) {
  throw RunError(fmt::format("cannot run gnuplot: {}: {}", what, std::generic_category().message(error)));
}

/// A file without a name, gone when closed. Files rather than pipes: neither side ever waits for the other.
class ScratchFile {
 public:
  ScratchFile() : file_(std::tmpfile(), &std::fclose) {
    if (!file_) fail("no room for a temporary file", errno);
  }
  int descriptor() const { return ::fileno(file_.get()); }

  void write(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0)
      fail("writing its script", errno);
    std::rewind(file_.get());
  }
  std::vector<std::byte> read() {
    std::vector<std::byte> bytes;
    std::byte buffer[1 << 16];
    std::rewind(file_.get());
    for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, file_.get())) > 0;)
      bytes.insert(bytes.end(), buffer, buffer + n);
    return bytes;
  }

 private:
  std::unique_ptr<std::FILE, decltype(&std::fclose)> file_;
};

/// What the child's standard streams are.
class Redirections {
 public:
  Redirections() { posix_spawn_file_actions_init(&actions_); }
  ~Redirections() { posix_spawn_file_actions_destroy(&actions_); }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;
  void add(const ScratchFile& from, int to) {
    posix_spawn_file_actions_adddup2(&actions_, from.descriptor(), to);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

std::vector<std::byte> run_gnuplot(const std::string& script, const std::string& program) {
  ScratchFile input, output, messages;
  input.write(script);
  Redirections streams;
  streams.add(input, STDIN_FILENO);
  streams.add(output, STDOUT_FILENO);
  streams.add(messages, STDERR_FILENO);

  std::string name = program;
  char* const arguments[] = {name.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, name.c_str(), streams.get(), nullptr, arguments, environ);
  if (error == ENOENT)
    throw RunError(
        fmt::format("'{}' was not found, and figures are drawn with it: install the Debian package "
                    "gnuplot-nox",
                    program));
  if (error != 0) fail(program.c_str(), error);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail("waiting for it", errno);

  auto figure = output.read();
  if (status != 0 || figure.empty()) {
    const auto words = messages.read();
    throw RunError(
        fmt::format("gnuplot failed: {}", trim({reinterpret_cast<const char*>(words.data()), words.size()})));
  }
  return figure;
}

}  // namespace soret::analysis
