#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// Runs the soret binary as a user would: words in, exit code and both streams out.
namespace soret::test {

/// A new folder that goes away with this object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  /// Writes a file in this folder and returns its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

std::string read_text(const std::filesystem::path& file);

struct Outcome {
  int exit_code = -1;  ///< 128 + the signal's number if one killed it
  std::string out, err;

  /// All of `out` as one JSON object; fails the test if it is anything else.
  nlohmann::json json() const;
};

struct Surroundings {
  std::filesystem::path folder{};  ///< to run in; default a temporary one
  std::map<std::string, std::string> environment{};
  long most_file_bytes = -1;  ///< writing more to one file fails, as on a full disk; -1: no limit
  std::string stdout_file{};  ///< instead of capturing
};

/// A running soret; killed, if it still runs, when this object goes.
class Process {
 public:
  explicit Process(const std::vector<std::string>& words, const Surroundings& surroundings = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool running();
  void signal(int number) const;
  /// Waits for the end; kills it and fails the test if that takes longer.
  Outcome wait(double seconds = 120);

 private:
  TemporaryFolder streams_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

Outcome soret(const std::vector<std::string>& words, const Surroundings& surroundings = {});

/// Runs, with their smoke profile, the configs whose checkpoints the smoke profile of this one reads: those
/// of all results/NAME-smoke.h5.checkpoints that stand in it. In surroundings.folder, which must be given.
void run_what_is_read_by(const std::filesystem::path& config, const Surroundings& surroundings);

}  // namespace soret::test
