#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sims/cli/cli.hpp"

namespace soret::cli {

namespace po = boost::program_options;

/// How a command is called; its --help is made of this and of its options.
struct Usage {
  std::string_view synopsis;         ///< "soret run CONFIG [options]"
  std::string_view about;            ///< what it does, a few lines
  std::string_view examples;         ///< lines of shell, each indented by two blanks
  std::string_view word{};           ///< what the positional words are: "CONFIG"; empty where there are none
  std::size_t fewest = 0, most = 0;  ///< how many of them
};

/// A command's words, taken apart.
struct Arguments {
  std::vector<std::string> words;  ///< positional
  po::variables_map options;

  bool has(const char* option) const { return options.count(option) > 0; }
  bool flag(const char* option) const { return options[option].as<bool>(); }
  template <class T = std::string>
  T get(const char* option, T otherwise = {}) const {
    return has(option) ? options[option].as<T>() : otherwise;
  }
};

/// Reads a command's words; --help prints the help and returns nullopt. Throws ConfigError, pointing to
/// --help, for an unknown option (names the nearest), a missing value, and too few or too many words.
std::optional<Arguments> read_arguments(const Usage& usage, po::options_description options,
                                        const Words& words);

/// An error in how the command was called; the message points to its --help.
[[noreturn]] void usage_error(const Usage& usage, std::string_view message);

/// The option's value as a number >= 0, or `otherwise`. (Boost would read -1 as 2^64 - 1.)
std::uint64_t natural(const Usage& usage, const Arguments& arguments, const char* option,
                      std::uint64_t otherwise);

/// Throws ConfigError, naming the nearest, unless `word` is one of `choices`.
void require_choice(const Usage& usage, std::string_view option, const std::string& word,
                    const std::vector<std::string>& choices);

}  // namespace soret::cli
