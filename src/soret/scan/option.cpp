#include "soret/scan/option.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/scan/table_notes.hpp"

namespace soret {
namespace {

constexpr std::size_t kMostValues = 100'000;  // of one axis: a longer one is a slip of the pen

bool in_range(const Option& option, double x) {
  return (option.min_excluded ? x > option.min : x >= option.min) && x <= option.max;
}

/// One value in canonical spelling; throws ConfigError.
std::string canonical(const Option& option, const std::string& word) {
  switch (option.type) {
    case OptionType::real:
      if (const auto x = parse_real(word); x && in_range(option, *x)) return shortest(*x);
      break;
    case OptionType::integer:
      if (const auto n = parse_integer(word); n && in_range(option, static_cast<double>(*n)))
        return std::to_string(*n);
      break;
    case OptionType::flag:
      for (const char* yes : {"true", "yes", "on", "1"})
        if (word == yes) return "true";
      for (const char* no : {"false", "no", "off", "0"})
        if (word == no) return "false";
      break;
    case OptionType::text:
    case OptionType::list:
      if (option.choices.empty() || std::ranges::find(option.choices, word) != option.choices.end())
        return word;
      break;
  }
  throw ConfigError(
      fmt::format("'{}' is not {}{}", word, allowed_values(option), did_you_mean(word, option.choices)));
}

/// Twelve digits: linspace(0.01, 0.1, 5) then holds 0.0775 and not 0.07750000000000001.
std::string tidy(double x) {
  return fmt::format("{:.12g}", x);
}

/// The values of "name(arguments)".
std::vector<std::string> expand(const std::string& name, std::string_view text) {
  const std::vector<std::string> arguments = split_words(text);
  std::vector<double> x;
  for (const auto& argument : arguments) {
    const auto number = parse_real(argument);
    if (!number) throw ConfigError(fmt::format("'{}' in {}({}) is not a number", argument, name, trim(text)));
    x.push_back(*number);
  }
  const auto require = [&](bool condition, const char* what) {
    if (!condition) throw ConfigError(fmt::format("{}({}): {}", name, trim(text), what));
  };

  std::vector<std::string> values;
  if (name == "linspace" || name == "geomspace") {
    const bool linear = name == "linspace";
    require(x.size() == 3,
            linear ? "write linspace(first, last, count)" : "write geomspace(first, last, count)");
    require(x[2] == std::floor(x[2]) && x[2] >= 2 && x[2] <= kMostValues,
            "the count is not an integer from 2 to 100000");
    require(linear || x[0] * x[1] > 0, "first and last must have one sign and must not be 0");
    const auto last = static_cast<std::size_t>(x[2]) - 1;
    values.push_back(arguments[0]);
    for (std::size_t i = 1; i < last; ++i) {
      const double part = static_cast<double>(i) / static_cast<double>(last);
      values.push_back(tidy(linear ? x[0] + (x[1] - x[0]) * part : x[0] * std::pow(x[1] / x[0], part)));
    }
    values.push_back(arguments[1]);
  } else if (name == "range") {
    require(x.size() == 2 || x.size() == 3,
            "write range(first, last, step); the step is 1 if it is left out");
    const double step = x.size() == 3 ? x[2] : 1;
    require(step != 0, "the step must not be 0");
    // The slack lets range(0.1, 0.5, 0.1) reach its end in spite of rounding.
    const double steps = std::floor((x[1] - x[0]) / step + 1e-9);
    require(steps >= 0, "the step leads away from the last value");
    require(steps < kMostValues, "more than 100000 values");
    for (double i = 0; i <= steps; ++i) values.push_back(tidy(x[0] + i * step));
  } else {
    throw ConfigError(
        fmt::format("unknown function '{}'; known are linspace, geomspace and range{}", name,
                    did_you_mean(name, std::vector<std::string>{"linspace", "geomspace", "range"})));
  }
  return values;
}

/// The words of a numeric value, functions expanded.
std::vector<std::string> numeric_words(std::string_view text) {
  std::vector<std::string> words;
  for (auto open = text.find('('); open != std::string_view::npos; open = text.find('(')) {
    const auto close = text.find(')', open);
    if (close == std::string_view::npos) throw ConfigError("a closing ')' is missing");
    std::vector<std::string> before = split_words(text.substr(0, open));
    if (before.empty() || text[open - 1] == ',')
      throw ConfigError("before '(' stands one of linspace, geomspace, range");
    const std::string name = before.back();
    words.insert(words.end(), before.begin(), before.end() - 1);
    for (auto& value : expand(name, text.substr(open + 1, close - open - 1)))
      words.push_back(std::move(value));
    text.remove_prefix(close + 1);
  }
  for (auto& word : split_words(text)) words.push_back(std::move(word));
  return words;
}

std::vector<std::string> words_of(const Option& option, std::string_view text) {
  switch (option.type) {
    case OptionType::integer:
    case OptionType::real:
      return numeric_words(text);
    case OptionType::text:
      // A free text that is no axis, such as a path, may hold blanks.
      if (option.choices.empty() && !option.scannable && !text.empty()) return {std::string(text)};
      [[fallthrough]];
    default:
      return split_words(text);
  }
}

}  // namespace

const std::vector<Option>& shared_options() {
  static const std::vector<Option> options = [] {
    std::vector<Option> all{
        {.key = "scan.mode",
         .type = OptionType::text,
         .default_value = "cross",
         .help = "cross: every combination of the axes' values; zip: all axes advance together",
         .choices = {"cross", "zip"},
         .scannable = false},
    };
    all.insert(all.end(), table_options().begin(), table_options().end());
    return all;
  }();
  return options;
}

std::string allowed_values(const Option& option) {
  switch (option.type) {
    case OptionType::flag:
      return "true or false";
    case OptionType::text:
      return option.choices.empty() ? "a text" : fmt::format("one of {}", fmt::join(option.choices, ", "));
    case OptionType::list:
      return option.choices.empty() ? "a list" : fmt::format("any of {}", fmt::join(option.choices, ", "));
    default:
      break;
  }
  const std::string kind = option.type == OptionType::integer ? "an integer" : "a number";
  const std::string min = shortest(option.min);
  const std::string max = shortest(option.max);
  const bool above = std::isfinite(option.min);
  const bool below = std::isfinite(option.max);
  if (above && below && option.min_excluded) return fmt::format("{} > {} and <= {}", kind, min, max);
  if (above && below) return fmt::format("{} from {} to {}", kind, min, max);
  if (above) return fmt::format("{} {} {}", kind, option.min_excluded ? ">" : ">=", min);
  if (below) return fmt::format("{} <= {}", kind, max);
  return kind;
}

std::vector<std::string> parse_values(const Option& option, std::string_view text) {
  text = trim(text);
  // '#' starts a comment and a control character ends a line: neither would survive in the resolved config.
  if (std::ranges::any_of(text, [](unsigned char c) { return c == '#' || (c < ' ' && c != '\t'); }))
    throw ConfigError("a value holds no '#' and no line end");

  std::vector<std::string> values;
  std::set<std::string> seen;
  for (const auto& word : words_of(option, text)) {
    values.push_back(canonical(option, word));
    if (!seen.insert(values.back()).second && option.type == OptionType::list)
      throw ConfigError(fmt::format("{} stands twice", values.back()));
  }
  if (values.size() > kMostValues) throw ConfigError("more than 100000 values");

  const bool wordy = option.type == OptionType::text || option.type == OptionType::list;
  if (values.empty() && !(wordy && option.default_value.empty()))
    throw ConfigError(fmt::format("no value; allowed: {}", allowed_values(option)));
  if (option.type == OptionType::list || values.empty()) return {fmt::format("{}", fmt::join(values, " "))};
  if (values.size() > 1 && !option.scannable)
    throw ConfigError(
        fmt::format("takes a single value, not a scan axis; allowed: {}", allowed_values(option)));
  return values;
}

}  // namespace soret
