#include "soret/scan/config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret {
namespace {

constexpr std::string_view kProfiles[] = {"smoke", "paper"};
constexpr std::size_t kMostPoints = 10'000'000;  // a run must be able to list its points

/// Dimensions and variables that every result file has.
constexpr std::string_view kReservedNames[] = {
    "step",     "trajectory",       "block",    "point", "block_trajectories",
    "diverged", "diverged_by_step", "finished", "label"};

/// "key = value" as somebody wrote it, and where.
struct Assignment {
  std::string where;    ///< "fig03_04.cfg", "fig03_04.cfg [smoke]", "--set"
  std::string profile;  ///< "smoke", ... or empty
  std::string key;      ///< "sgd.steps"
  std::string value;
};

[[noreturn]] void reject(const Assignment& assignment, std::string_view message) {
  throw ConfigError(
      fmt::format("{}: {} = {}: {}", assignment.where, assignment.key, assignment.value, message));
}

std::string_view section_of(std::string_view key) {
  const auto dot = key.find('.');
  return dot == std::string_view::npos ? std::string_view() : key.substr(0, dot);
}

std::string_view last_part(std::string_view key) {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

bool is_profile(std::string_view section) {
  return std::ranges::find(kProfiles, section) != std::end(kProfiles);
}

/// The profiles that a config has, empty sections included (the parser reports entries only).
std::vector<std::string> profiles_of(const std::string& text) {
  std::vector<std::string> profiles;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto section = trim(std::string_view(line).substr(0, line.find('#')));
    for (const auto profile : kProfiles)
      if (section == fmt::format("[{}]", profile)) profiles.emplace_back(profile);
  }
  return profiles;
}

/// All assignments of a config in their order; a key that stands twice in one section is an error.
std::vector<Assignment> read_assignments(const std::string& text, const std::string& origin) {
  namespace po = boost::program_options;
  std::vector<Assignment> assignments;
  std::set<std::string> seen;
  std::istringstream stream(text);
  try {
    constexpr bool kAllowUnregistered = true;  // keys are checked below, with better messages
    for (const auto& option :
         po::parse_config_file(stream, po::options_description(), kAllowUnregistered).options) {
      Assignment assignment{origin, "", option.string_key, option.value.empty() ? "" : option.value[0]};
      if (const auto section = section_of(option.string_key); is_profile(section)) {
        assignment.profile = section;
        assignment.where = fmt::format("{} [{}]", origin, section);
        assignment.key.erase(0, section.size() + 1);
      }
      if (!seen.insert(option.string_key).second) reject(assignment, "the key stands twice in this section");
      assignments.push_back(std::move(assignment));
    }
  } catch (const po::invalid_config_file_syntax& error) {
    throw ConfigError(
        fmt::format("{}: cannot read the line '{}': a line is 'key = value', '[section]' or '# comment'",
                    origin, error.tokens()));
  }
  return assignments;
}

std::vector<Assignment> read_overrides(const std::vector<std::string>& overrides) {
  std::vector<Assignment> assignments;
  for (const auto& text : overrides) {
    const auto equals = text.find('=');
    if (equals == std::string::npos)
      throw ConfigError(
          fmt::format("--set {}: write key=value, for example --set sgd.learning_rate=0.1", text));
    assignments.push_back({"--set", "", std::string(trim(std::string_view(text).substr(0, equals))),
                           std::string(trim(std::string_view(text).substr(equals + 1)))});
  }
  return assignments;
}

void check_profile(const std::string& profile, const std::string& text, const std::string& origin) {
  if (profile.empty()) return;
  const auto profiles = profiles_of(text);
  if (std::ranges::find(profiles, profile) != profiles.end()) return;
  throw ConfigError(fmt::format("{}: no profile '{}'; {}", origin, profile,
                                profiles.empty()
                                    ? "the config has none (a profile is a section [smoke] or [paper])"
                                    : fmt::format("the config has {}", fmt::join(profiles, ", "))));
}

/// The value of `simulation`, which decides what all other keys may be.
std::string find_simulation(const std::vector<Assignment>& assignments, const std::string& origin,
                            const OptionTable& table, std::span<const std::string> known) {
  const Assignment* found = nullptr;
  for (const auto& assignment : assignments)
    if (assignment.profile.empty() && assignment.key == "simulation") found = &assignment;
  const std::string list = fmt::format("{}", fmt::join(known, ", "));
  if (!found) {
    if (assignments.empty()) throw ConfigError(fmt::format("{}: the config is empty", origin));
    throw ConfigError(
        fmt::format("{}: 'simulation = NAME' is missing; it stands before the first section; known are {}",
                    origin, list));
  }
  if (!table(found->value))
    reject(*found,
           fmt::format("unknown simulation{}; known are {}", did_you_mean(found->value, known), list));
  return found->value;
}

const Option& find_option(const Assignment& assignment, const std::vector<Option>& options,
                          const std::string& simulation) {
  std::vector<std::string> keys;
  for (const auto& option : options) {
    if (option.key == assignment.key) return option;
    keys.push_back(option.key);
  }
  if (assignment.key == "simulation") reject(assignment, "a profile cannot change the simulation");

  // A right name in the wrong section is nearer than anything that spelling can tell.
  std::string hint = did_you_mean(assignment.key, keys);
  for (const auto& key : keys)
    if (last_part(key) == last_part(assignment.key)) hint = fmt::format("; did you mean '{}'?", key);
  reject(assignment, fmt::format("unknown key{} (soret describe {} lists them all)", hint, simulation));
}

/// The names that a short axis name must not take: other keys', the observables', every file's dimensions.
bool needs_section(const Option& option, const std::vector<Option>& options) {
  const auto name = last_part(option.key);
  const auto clashes = [&](const Option& other) {
    if (&other == &option || is_annotation(other.key)) return false;
    return last_part(other.key) == name ||
           (other.type == OptionType::list && std::ranges::find(other.choices, name) != other.choices.end());
  };
  return std::ranges::find(kReservedNames, name) != std::end(kReservedNames) ||
         std::ranges::any_of(options, clashes);
}

std::string axis_name(const Option& option, const std::vector<Option>& options) {
  if (!needs_section(option, options)) return std::string(last_part(option.key));
  std::string name = option.key;
  std::ranges::replace(name, '.', '_');
  return name;
}

void check_extent(const ScanPlan& plan, const std::string& origin) {
  double points = 1;
  for (const auto& axis : plan.axes) {
    points *= static_cast<double>(axis.values.size());
    if (plan.zip && axis.values.size() != plan.axes[0].values.size())
      throw ConfigError(
          fmt::format("{}: scan.mode = zip needs axes of equal length, but {} has {} values and {} has {}",
                      origin, plan.axes[0].key, plan.axes[0].values.size(), axis.key, axis.values.size()));
  }
  if (plan.zip) return;
  for (const auto& axis : plan.axes) {  // zipped axes may repeat a value: the points still differ
    std::set<std::string_view> seen;
    for (const auto& value : axis.values)
      if (!seen.insert(value).second)
        throw ConfigError(fmt::format("{}: {}: {} stands twice", origin, axis.key, value));
  }
  if (points > static_cast<double>(kMostPoints))
    throw ConfigError(fmt::format("{}: the axes make {:.3g} scan points; at most {} are allowed", origin,
                                  points, kMostPoints));
}

}  // namespace

double Settings::real(std::string_view key) const {
  return parse_real(text(key)).value();
}

std::int64_t Settings::integer(std::string_view key) const {
  return parse_integer(text(key)).value();
}

bool Settings::flag(std::string_view key) const {
  return text(key) == "true";
}

const std::string& Settings::text(std::string_view key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) throw std::logic_error(fmt::format("the option table has no key '{}'", key));
  return found->second;
}

std::vector<std::string> Settings::list(std::string_view key) const {
  return split_words(text(key));
}

std::size_t ScanPlan::points() const {
  std::size_t points = 1;
  for (const std::size_t extent : shape()) points *= extent;
  return points;
}

std::vector<std::size_t> ScanPlan::shape() const {
  if (zip && !axes.empty()) return {axes[0].values.size()};
  std::vector<std::size_t> shape;
  for (const auto& axis : axes) shape.push_back(axis.values.size());
  return shape;
}

Settings ScanPlan::at(std::size_t i) const {
  if (i >= points()) throw std::out_of_range(fmt::format("scan point {} of {}", i, points()));
  Settings settings = common_;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    settings.set(axis->key, axis->values[i % axis->values.size()]);
    if (!zip) i /= axis->values.size();
  }
  return settings;
}

std::string ScanPlan::text() const {
  std::vector<std::string_view> sections;
  const auto stands = [&](const Option& option) {
    return !is_annotation(option.key) || annotations.contains(option.key);
  };
  for (const auto& option : options_)
    if (stands(option) && std::ranges::find(sections, section_of(option.key)) == sections.end())
      sections.push_back(section_of(option.key));

  std::string text = fmt::format(
      "# A resolved config: profile and overrides applied, defaults filled in.\nsimulation = {}\n",
      simulation);
  for (const auto section : sections) {
    text += fmt::format("\n[{}]\n", section);
    for (const auto& option : options_) {
      if (section_of(option.key) != section || !stands(option)) continue;
      const auto axis = std::ranges::find(axes, option.key, &Axis::key);
      text += fmt::format("{} = {}\n", std::string_view(option.key).substr(section.size() + 1),
                          is_annotation(option.key) ? annotations.at(option.key)
                          : axis == axes.end()      ? common_.text(option.key)
                                                    : fmt::format("{}", fmt::join(axis->values, " ")));
    }
  }
  return text;
}

ScanPlan parse_config(const std::string& text, const std::string& origin, const ConfigRequest& request,
                      const OptionTable& table, std::span<const std::string> known) {
  check_profile(request.profile, text, origin);
  std::vector<Assignment> assignments = read_assignments(text, origin);
  // Later assignments win: the file, then the profile, then the command line.
  std::ranges::stable_partition(assignments, [](const Assignment& a) { return a.profile.empty(); });
  for (auto& assignment : read_overrides(request.overrides)) assignments.push_back(std::move(assignment));

  ScanPlan plan;
  plan.simulation = find_simulation(assignments, origin, table, known);
  plan.options_ = table(plan.simulation).value();
  plan.options_.insert(plan.options_.end(), shared_options().begin(), shared_options().end());

  std::map<std::string, std::vector<std::string>, std::less<>> values;
  for (const auto& option : plan.options_) values[option.key] = parse_values(option, option.default_value);
  for (const auto& assignment : assignments) {
    if (assignment.key == "simulation" && assignment.profile.empty()) continue;
    const Option& option = find_option(assignment, plan.options_, plan.simulation);
    std::vector<std::string> parsed;
    try {
      parsed = parse_values(option, assignment.value);
    } catch (const ConfigError& error) {
      reject(assignment, error.what());
    }
    if (assignment.profile.empty() || assignment.profile == request.profile)
      values[option.key] = std::move(parsed);
  }

  for (const auto& option : plan.options_) {
    auto& of_option = values[option.key];
    if (is_annotation(option.key)) {
      if (of_option[0] != option.default_value) plan.annotations[option.key] = of_option[0];
      continue;
    }
    plan.common_.set(option.key, of_option[0]);
    if (of_option.size() > 1)
      plan.axes.push_back({option.key, axis_name(option, plan.options_), option.type, option.unit,
                           option.help, std::move(of_option)});
  }
  plan.zip = plan.common_.text("scan.mode") == "zip";
  check_extent(plan, origin);
  try {
    table_notes(plan.annotations, plan.points(), plan.zip);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", origin, error.what()));
  }
  return plan;
}

ScanPlan load_config(const std::filesystem::path& file, const ConfigRequest& request,
                     const OptionTable& table, std::span<const std::string> known) {
  if (std::filesystem::is_directory(file))
    throw InputError(fmt::format("{}: is a directory, not a config file", file.string()));
  std::ifstream stream(file, std::ios::binary);
  if (!stream)
    throw InputError(fmt::format("{}: cannot read the config: {}", file.string(), std::strerror(errno)));
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (text.find('\0') != std::string::npos)
    throw InputError(fmt::format("{}: not a config: a config is plain text", file.string()));
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return parse_config(text, file.string(), request, table, known);
}

}  // namespace soret
