#pragma once

#include <stdexcept>
#include <string>

/// The four ways a command can fail; sims/main.cpp turns each into its exit code.
/// A message says what was wrong, where, what is allowed and what to do.
namespace soret {

/// The command line or a config is wrong (exit code 2).
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An input file is missing, unreadable or invalid (exit code 3).
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The run itself failed: disk full, out of memory, device lost (exit code 4).
struct RunError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// SIGINT or SIGTERM arrived; what was finished is on disk (exit code 130).
struct Interrupted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace soret
