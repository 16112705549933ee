#include "analysis/key_formula.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>

#include "analysis/curves.hpp"
#include "soret/base/error.hpp"
#include "soret/base/formula.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;

/// "section.key" -> number, of the resolved config; keys with several values are axes and not here.
std::map<std::string, double> config_numbers(const Dataset& file) {
  std::map<std::string, double> numbers;
  const auto found = file.attributes.find("config");
  const auto* config = found == file.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  if (!config) return numbers;
  std::string section;
  std::istringstream lines(*config);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1) + ".";
    const auto equals = line.find('=');
    if (line.starts_with('#') || equals == std::string::npos) continue;
    if (const auto value = parse_real(trim(std::string_view(line).substr(equals + 1))))
      numbers[section + std::string(trim(std::string_view(line).substr(0, equals)))] = *value;
  }
  return numbers;
}

/// What names stand for at a file's scan points.
class Names {
 public:
  Names(const Dataset& file, const std::vector<ScanAxis>& axes)
      : file_(file),
        axes_(axes),
        config_(config_numbers(file)),
        points_(file.at("finished").integers().size()) {}

  /// [point]. Throws ConfigError for a name that stands for no numbers.
  std::vector<double> values(const std::string& name) const {
    for (const auto& axis : axes_) {
      if (axis.name != name && axis.key != name) continue;
      if (axis.is_text())
        throw ConfigError(
            fmt::format("'{}' is an axis of words ({} ...), no number", name, axis.texts.front()));
      return axis.values;
    }
    if (const auto found = config_.find(name); found != config_.end())
      return std::vector<double>(points_, found->second);
    std::vector<std::string> full;
    for (const auto& [key, value] : config_)
      if (key.ends_with("." + name)) full.push_back(key);
    if (full.size() > 1)
      throw ConfigError(fmt::format("'{}' may be {}; write one of them", name, fmt::join(full, " or ")));
    if (full.size() == 1) return std::vector<double>(points_, config_.at(full[0]));
    for (const auto& quantity : point_quantities())
      if (quantity == name) return as_reals(file_.at(name));
    const auto known = all();
    throw ConfigError(
        fmt::format("nothing is called '{}'{}; known are the axes and quantities {}, and the "
                    "numbers of the config",
                    name, did_you_mean(name, known), fmt::join(shown(), ", ")));
  }

 private:
  /// Quantities that are one number per scan point.
  std::vector<std::string> point_quantities() const {
    auto names = derived_quantities(file_);
    std::erase_if(names, [&](const std::string& name) {
      return file_.at(name).dimensions != file_.at("finished").dimensions;
    });
    return names;
  }
  std::vector<std::string> shown() const {
    std::vector<std::string> names;
    for (const auto& axis : axes_)
      if (!axis.is_text()) names.push_back(axis.name);
    for (const auto& quantity : point_quantities()) names.push_back(quantity);
    return names;
  }
  std::vector<std::string> all() const {
    auto names = shown();
    for (const auto& axis : axes_)
      if (!axis.is_text()) names.push_back(axis.key);
    for (const auto& [key, value] : config_) {
      names.push_back(key);
      names.push_back(key.substr(key.rfind('.') + 1));
    }
    return names;
  }

  const Dataset& file_;
  const std::vector<ScanAxis>& axes_;
  std::map<std::string, double> config_;
  std::size_t points_;
};

/// A name in a formula, with dots; nothing that is followed by a bracket (a function).
struct Token {
  std::size_t at, size;
};

std::vector<Token> name_tokens(const std::string& text) {
  const auto starts = [&](std::size_t i) {
    return i < text.size() && (std::isalpha(static_cast<unsigned char>(text[i])) || text[i] == '_');
  };
  const auto inside = [&](std::size_t i) {
    return starts(i) || (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i]))) ||
           (i < text.size() && text[i] == '.' && starts(i + 1));
  };
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!starts(i)) {
      // The digits and the exponent of a number are no name: 1e3.
      if (std::isdigit(static_cast<unsigned char>(text[i])))
        while (i + 1 < text.size() && std::isalnum(static_cast<unsigned char>(text[i + 1]))) ++i;
      continue;
    }
    std::size_t end = i;
    while (inside(end)) ++end;
    auto next = text.find_first_not_of(' ', end);
    if (next == std::string::npos || text[next] != '(') tokens.push_back({i, end - i});
    i = end - 1;
  }
  return tokens;
}

}  // namespace

KeyFormula key_formula(const Dataset& file, const std::vector<ScanAxis>& axes, const std::string& text) {
  const Names names(file, axes);
  KeyFormula formula{text, {}, {}};
  std::string plain = text;  // without dots, which muParser has no use for in names
  std::vector<std::string> variables;
  std::vector<std::vector<double>> columns;
  for (const auto& [at, size] : name_tokens(text)) {
    const std::string name = text.substr(at, size);
    if (name == "pi") continue;
    std::replace(plain.begin() + static_cast<std::ptrdiff_t>(at),
                 plain.begin() + static_cast<std::ptrdiff_t>(at + size), '.', '_');
    if (std::find(formula.names.begin(), formula.names.end(), name) != formula.names.end()) continue;
    columns.push_back(names.values(name));
    formula.names.push_back(name);
    variables.push_back(plain.substr(at, size));
  }
  if (columns.empty())
    throw ConfigError(fmt::format("'{}' names no axis, quantity or number of the config", text));
  if (variables.front() == plain) {
    formula.values = columns.front();
    return formula;
  }
  const Formula parsed(plain, variables);
  const std::size_t points = columns.front().size();
  for (std::size_t p = 0; p < points; ++p) {
    std::vector<double> place;
    for (const auto& column : columns) place.push_back(column[p]);
    formula.values.push_back(parsed(place));
  }
  return formula;
}

}  // namespace soret::analysis
