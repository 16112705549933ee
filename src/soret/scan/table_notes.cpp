#include "soret/scan/table_notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret {
namespace {

constexpr std::string_view kSection = "table.";

/// "92.33+-0.10", "92.33" or "-".
std::optional<Reference> reference_of(const std::string& word) {
  if (word == "-") return std::nullopt;
  for (const std::string_view sign : {"+-", "±"}) {
    const auto at = word.find(sign);
    if (at == std::string::npos) continue;
    const auto value = parse_real(word.substr(0, at));
    const auto error = parse_real(word.substr(at + sign.size()));
    if (value && error && *error >= 0)
      return Reference{*value, *error,
                       fmt::format("{} ± {}", word.substr(0, at), word.substr(at + sign.size()))};
  }
  if (const auto value = parse_real(word)) return Reference{*value, std::nullopt, word};
  throw ConfigError(
      fmt::format("table.reference: '{}' is none of 92.33+-0.10, 92.33 and - (no published value)", word));
}

void require_count(const char* key, std::size_t count, const char* what, std::size_t points) {
  if (count != 0 && count != points)
    throw ConfigError(fmt::format("{} has {} {}, but the scan has {} point{}", key, count, what, points,
                                  points == 1 ? "" : "s"));
}

}  // namespace

const std::vector<Option>& table_options() {
  const auto text = [](const char* key, std::string value, const char* help,
                       std::vector<std::string> choices = {}) {
    return Option{.key = std::string(kSection) + key,
                  .type = OptionType::text,
                  .default_value = std::move(value),
                  .help = help,
                  .choices = std::move(choices),
                  .scannable = false};
  };
  static const std::vector<Option> options{
      text("labels", "", "names of the points of a zipped scan, in order, as SB LB GN"),
      text("reference", "",
           "published value of every scan point, in order, as 92.33+-0.10, or 92.33, or - for none; of the "
           "first "
           "observable, in the units that the table shows"),
      text("source", "", "where these values stand, as seed 000 Table 1"),
      text("observable", "", "what soret table shows unless it is told"),
      text("scale", "value",
           "of classification errors (test_error and others). value: as recorded; percent: 100 x; accuracy: "
           "100 (1 - x)",
           {std::begin(kTableScales), std::end(kTableScales)}),
  };
  return options;
}

bool is_annotation(std::string_view key) {
  return key.starts_with(kSection);
}

Annotations annotations_of(const std::string& config) {
  Annotations annotations;
  std::string section;
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1) + ".";
    const auto equals = line.find('=');
    if (section != kSection || line.starts_with('#') || equals == std::string::npos) continue;
    annotations[section + std::string(trim(std::string_view(line).substr(0, equals)))] =
        trim(std::string_view(line).substr(equals + 1));
  }
  return annotations;
}

std::string without_annotations(const std::string& config) {
  std::string rest;
  bool annotation = false;
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) annotation = line == "[table]";
    if (!annotation) rest += line + "\n";
  }
  // The blank line before the section that follows, or that followed none.
  while (rest.ends_with("\n\n")) rest.pop_back();
  return rest;
}

TableNotes table_notes(const Annotations& annotations, std::size_t points, bool zip) {
  const auto words = [&](const char* key) {
    const auto found = annotations.find(std::string(kSection) + key);
    return found == annotations.end() ? std::vector<std::string>() : split_words(found->second);
  };
  TableNotes notes{.labels = words("labels")};
  if (!notes.labels.empty() && !zip && points > 1)
    throw ConfigError("table.labels names the points of a zipped scan; here scan.mode = cross");
  require_count("table.labels", notes.labels.size(), "names", points);
  for (const auto& word : words("reference")) notes.references.push_back(reference_of(word));
  require_count("table.reference", notes.references.size(), "values", points);
  if (const auto found = annotations.find("table.source"); found != annotations.end())
    notes.source = found->second;
  notes.observables = words("observable");
  if (const auto scale = words("scale"); !scale.empty()) {
    const auto found = std::ranges::find(kTableScales, scale[0]);
    if (found == std::end(kTableScales))
      throw ConfigError(fmt::format("table.scale: '{}' is not one of value, percent, accuracy", scale[0]));
    notes.scale = static_cast<TableScale>(found - std::begin(kTableScales));
  }
  return notes;
}

}  // namespace soret
