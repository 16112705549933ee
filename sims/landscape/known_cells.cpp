#include "sims/landscape/known_cells.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "sims/landscape/options.hpp"
#include "soret/base/error.hpp"
#include "soret/scan/scan_result.hpp"
#include "soret/store/result_file.hpp"

namespace soret::sims {
namespace {

/// Keys that no number of a cell depends on, or that say which cell it is.
bool may_differ(const std::string& key) {
  for (const char* one : {"landscape.alpha", "landscape.beta", "landscape.take_from", "data.path"})
    if (key == one) return true;
  return key.starts_with("record.") || key.starts_with("scan.");
}

/// Scanned values, and the place, as text.
std::string place_of(const Settings& settings, const std::vector<std::string>& keys) {
  std::vector<std::string> values;
  for (const std::string& key : keys) values.push_back(settings.text(key));
  return fmt::format("{}", fmt::join(values, "\n"));
}

std::string values_of(const ScanPlan& plan, const std::string& key) {
  for (const Axis& axis : plan.axes)
    if (axis.key == key) return fmt::format("{}", fmt::join(axis.values, " "));
  return plan.common().text(key);
}

ScanPlan plan_of(const store::Dataset& there, const std::string& file) {
  const auto found = there.attributes.find("config");
  const auto* config = found == there.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  if (!config || config->find("simulation = landscape\n") == std::string::npos || !there.find("finished"))
    throw InputError(fmt::format("landscape.take_from: {} is no result of simulation = landscape", file));
  const OptionTable table = [](std::string_view name) -> std::optional<std::vector<Option>> {
    return name == "landscape" ? std::optional(landscape_options()) : std::nullopt;
  };
  const std::string known[] = {"landscape"};
  return parse_config(*config, file, {}, table, known);
}

}  // namespace

std::vector<std::optional<std::vector<double>>> known_cells(const std::string& file, const ScanPlan& plan,
                                                            const std::vector<Observable>& observables,
                                                            const Sources& sources) {
  const store::Dataset there = store::read(file);
  const ScanPlan earlier = plan_of(there, file);
  for (const auto& [key, value] : plan.common().values())
    if (!may_differ(key) && values_of(plan, key) != values_of(earlier, key))
      throw ConfigError(fmt::format("landscape.take_from: {} is of another landscape: {} = {} there, {} here",
                                    file, key, values_of(earlier, key), values_of(plan, key)));
  for (const auto& [checkpoint, digest] : sources)
    if (!has_source(there.attributes, checkpoint, digest))
      throw ConfigError(fmt::format(
          "landscape.take_from: {} was computed from {} when that held something else", file, checkpoint));
  const auto trajectories = static_cast<std::size_t>(plan.common().integer("ensemble.trajectories"));
  if (there.size("block") != trajectories)
    throw ConfigError(
        fmt::format("landscape.take_from: {} keeps {} blocks of {} trajectories; it needs as many "
                    "(record.blocks)",
                    file, there.size("block"), trajectories));
  std::vector<const std::vector<double>*> numbers;  // [observable][cell there][trajectory]
  for (const Observable& observable : observables) {
    const store::Variable* variable = there.find(observable.name + "_block");
    if (!variable)
      throw ConfigError(fmt::format("landscape.take_from: {} holds no {}", file, observable.name));
    numbers.push_back(&variable->reals());
  }

  std::vector<std::string> keys = {"landscape.alpha", "landscape.beta"};
  for (const Axis& axis : plan.axes)
    if (!may_differ(axis.key)) keys.push_back(axis.key);
  std::map<std::string, std::size_t> cells;
  const auto& finished = there.at("finished").integers();
  for (std::size_t cell = 0; cell < earlier.points(); ++cell)
    if (finished[cell] != 0) cells[place_of(earlier.at(cell), keys)] = cell;

  std::vector<std::optional<std::vector<double>>> known(plan.points());
  for (std::size_t point = 0; point < plan.points(); ++point) {
    const auto found = cells.find(place_of(plan.at(point), keys));
    if (found == cells.end()) continue;
    std::vector<double> all;
    for (const auto* values : numbers) {
      const auto first = values->begin() + static_cast<std::ptrdiff_t>(found->second * trajectories);
      all.insert(all.end(), first, first + static_cast<std::ptrdiff_t>(trajectories));
    }
    if (std::ranges::all_of(all, [](double x) { return std::isfinite(x); })) known[point] = std::move(all);
  }
  return known;
}

}  // namespace soret::sims
