#include "sims/option_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "soret/base/error.hpp"

namespace soret::sims {

Option integer(std::string key, std::string value, double min, std::string help, double max) {
  return {.key = std::move(key),
          .type = OptionType::integer,
          .default_value = std::move(value),
          .help = std::move(help),
          .min = min,
          .max = max};
}

Option real(std::string key, std::string value, double min, std::string help) {
  return {.key = std::move(key),
          .type = OptionType::real,
          .default_value = std::move(value),
          .help = std::move(help),
          .min = min};
}

Option text(std::string key, std::string value, std::vector<std::string> choices, std::string help) {
  return {.key = std::move(key),
          .default_value = std::move(value),
          .help = std::move(help),
          .choices = std::move(choices)};
}

Option fixed(Option option) {
  option.scannable = false;
  return option;
}

Option positive(Option option) {
  option.min_excluded = true;
  return option;
}

Option seed_option(std::string help) {
  return integer("ensemble.seed", "1", 0, std::move(help), 9007199254740991.0);
}

Option observables_option(std::string value, std::vector<std::string> names) {
  return {.key = "record.observables",
          .type = OptionType::list,
          .default_value = std::move(value),
          .help = "what to record",
          .choices = std::move(names),
          .scannable = false};
}

std::vector<Option> schedule_options(std::string schedule, std::string every, std::string points) {
  return {fixed(text("record.schedule", std::move(schedule), {"linear", "log"},
                     "linear: every `every` steps; log: `points` steps evenly in log(step)")),
          fixed(integer("record.every", std::move(every), 1, "steps between records of the linear schedule")),
          fixed(integer("record.points", std::move(points), 2,
                        "records of the log schedule, as far as they are distinct"))};
}

Option blocks_option(std::string value, const std::string& of) {
  return fixed(
      integer("record.blocks", std::move(value), 1,
              fmt::format("{0} are kept as this many block means for the bootstrap; all of them where there "
                          "are no more {0} than that",
                          of)));
}

void require_used(const ScanPlan& plan, std::span<const KeyOfKind> keys) {
  for (const auto& [key, kind_key, kind] : keys) {
    bool used = plan.common().text(key).empty();
    for (std::size_t i = 0; i < plan.points() && !used; ++i) used = plan.at(i).text(kind_key) == kind;
    if (!used)
      throw ConfigError(fmt::format("{} is set, but {} = {} does not read it; set {} = {}, or leave {} out",
                                    key, kind_key, plan.at(0).text(kind_key), kind_key, kind, key));
  }
}

std::vector<std::int64_t> linear_schedule(std::int64_t first, std::int64_t every, std::int64_t last) {
  constexpr std::int64_t kMostRecords = 1'000'000;
  if (last / every > kMostRecords)
    throw ConfigError(
        fmt::format("record.every = {} makes {} records of {} steps; at most {} are kept: record less often",
                    every, last / every, last, kMostRecords));
  std::vector<std::int64_t> steps;
  for (std::int64_t step = first; step < last; step += every) steps.push_back(step);
  steps.push_back(last);
  return steps;
}

std::vector<std::int64_t> schedule(const Settings& settings, std::int64_t last) {
  if (settings.text("record.schedule") == "linear")
    return linear_schedule(0, settings.integer("record.every"), last);
  std::vector<std::int64_t> steps = {0};
  const std::int64_t points = settings.integer("record.points");
  for (std::int64_t k = 0; k < points; ++k) {
    const double exponent = static_cast<double>(k) / static_cast<double>(points - 1);
    const auto step = std::llround(std::pow(static_cast<double>(last), exponent));
    if (step > steps.back() && step < last) steps.push_back(step);
  }
  steps.push_back(last);
  return steps;
}

const DerivedQuantity& derived_named(const std::vector<DerivedQuantity>& table, const std::string& name) {
  const auto row = std::ranges::find(table, name, [](const DerivedQuantity& q) { return q.what.name; });
  if (row == table.end()) throw std::logic_error(fmt::format("no derived quantity '{}'", name));
  return *row;
}

}  // namespace soret::sims
