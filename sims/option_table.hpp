#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "soret/scan/config.hpp"
#include "soret/scan/experiment.hpp"

/// Rows of option tables, and the keys that simulations have in common.
namespace soret::sims {

inline constexpr double kMaxInt = std::numeric_limits<std::int32_t>::max();
inline constexpr double kAny = -std::numeric_limits<double>::infinity();

Option integer(std::string key, std::string value, double min, std::string help, double max = kMaxInt);
Option real(std::string key, std::string value, double min, std::string help);
Option text(std::string key, std::string value, std::vector<std::string> choices, std::string help);
/// No scan axis.
Option fixed(Option option);
/// The minimum itself is not allowed.
Option positive(Option option);

/// The value of an enumeration whose word stands at the same place among the choices of an option; the config
/// reader has checked the word.
template <class T>
T choice(const std::vector<std::string>& words, const std::string& word) {
  return static_cast<T>(std::ranges::find(words, word) - words.begin());
}

/// ensemble.seed; below 2^53, which every reader of the file can hold.
Option seed_option(std::string help);
Option observables_option(std::string value, std::vector<std::string> names);
/// record.schedule, record.every and record.points, for schedule().
std::vector<Option> schedule_options(std::string schedule, std::string every, std::string points);
/// record.blocks, which the runner reads.
Option blocks_option(std::string value, const std::string& of);

/// A key that only one kind of something reads.
struct KeyOfKind {
  const char *key, *kind_key, *kind;
};
/// Throws ConfigError where one of the keys is set and no scan point has the kind that reads it. The keys are
/// texts that are empty by default, and no scan axes.
void require_used(const ScanPlan& plan, std::span<const KeyOfKind> keys);

/// Steps first, first + every, ... and `last`. Throws ConfigError where these are more than a file should
/// hold.
std::vector<std::int64_t> linear_schedule(std::int64_t first, std::int64_t every, std::int64_t last);

/// Steps 0, every, 2 every, ... and `last`; or record.points of them spread evenly in log(step), as far as
/// they are distinct.
std::vector<std::int64_t> schedule(const Settings& settings, std::int64_t last);

/// The row of a table of derived quantities; it must be there.
const DerivedQuantity& derived_named(const std::vector<DerivedQuantity>& table, const std::string& name);

}  // namespace soret::sims
