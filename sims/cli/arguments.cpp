#include "sims/cli/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <iostream>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::cli {
namespace {

constexpr const char* kWords = "positional words";  // no user can type this as an option

/// "soret run", from "soret run CONFIG [options]".
std::string_view command_of(const Usage& usage) {
  return usage.synopsis.substr(0, usage.synopsis.find(' ', std::string_view("soret ").size()));
}

void print_help(const Usage& usage, const po::options_description& options) {
  std::cout << "usage: " << usage.synopsis << "\n\n"
            << usage.about << "\n\noptions:\n"
            << options << "\nexamples:\n"
            << usage.examples << "\n";
}

std::vector<std::string> option_names(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) names.push_back("--" + option->long_name());
  return names;
}

}  // namespace

void usage_error(const Usage& usage, std::string_view message) {
  throw ConfigError(fmt::format("{}\n{} --help shows how it is called", message, command_of(usage)));
}

std::uint64_t natural(const Usage& usage, const Arguments& arguments, const char* option,
                      std::uint64_t otherwise) {
  if (!arguments.has(option)) return otherwise;
  const std::string text = arguments.get(option);
  const auto number = parse_integer(text);
  if (!number || *number < 0)
    usage_error(usage, fmt::format("--{} {}: is not an integer >= 0", option, text));
  return static_cast<std::uint64_t>(*number);
}

void require_choice(const Usage& usage, std::string_view option, const std::string& word,
                    const std::vector<std::string>& choices) {
  if (std::ranges::find(choices, word) != choices.end()) return;
  usage_error(usage, fmt::format("{} {}: is not one of {}{}", option, word, fmt::join(choices, ", "),
                                 did_you_mean(word, choices)));
}

std::optional<Arguments> read_arguments(const Usage& usage, po::options_description options,
                                        const Words& words) {
  options.add_options()("help,h", "this text");
  po::options_description all;
  all.add(options).add_options()(kWords, po::value<std::vector<std::string>>());
  po::positional_options_description positional;
  positional.add(kWords, -1);

  Arguments arguments;
  try {
    // Abbreviated options would change their meaning when a new option comes.
    constexpr int kStyle =
        po::command_line_style::default_style & ~static_cast<int>(po::command_line_style::allow_guessing);
    po::store(po::command_line_parser(words).options(all).positional(positional).style(kStyle).run(),
              arguments.options);
    po::notify(arguments.options);
  } catch (const po::unknown_option& error) {
    usage_error(usage, fmt::format("unknown option '{}'{}", error.get_option_name(),
                                   did_you_mean(error.get_option_name(), option_names(options))));
  } catch (const po::error& error) {
    usage_error(usage, error.what());
  }
  if (arguments.has("help")) {
    print_help(usage, options);
    return std::nullopt;
  }

  arguments.words = arguments.get<std::vector<std::string>>(kWords);
  if (arguments.words.size() > usage.most)
    usage_error(usage, fmt::format("unexpected word '{}'", arguments.words[usage.most]));
  if (arguments.words.size() < usage.fewest) usage_error(usage, fmt::format("{} is missing", usage.word));
  return arguments;
}

}  // namespace soret::cli
