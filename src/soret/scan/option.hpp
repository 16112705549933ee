#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

/// What a simulation declares: the keys of its config and the observables it can record. `soret describe`
/// prints these tables and the config reader checks against them; there is no second list.
namespace soret {

enum class OptionType { integer, real, flag, text, list };

/// One config key.
struct Option {
  std::string key;  ///< "section.name"
  OptionType type = OptionType::text;
  std::string default_value;  ///< as it would stand in the config
  std::string help;           ///< one line; marks a default that no paper gives as "our choice"
  std::string unit = "1";     ///< UDUNITS style; "1" for a pure number

  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_excluded = false;           ///< min itself is not allowed (learning_rate > 0)
  std::vector<std::string> choices{};  ///< text and list: the allowed words; empty allows anything
  bool scannable = true;               ///< several values make a scan axis (never for type list)
};

/// The keys that every simulation has beside its own; those of the section [table] are annotations.
const std::vector<Option>& shared_options();

/// What an option takes, in words: "a number > 0", "one of cross, zip".
std::string allowed_values(const Option& option);

/// Checks the text of a config value and returns its values in canonical spelling (0.10 gives "0.1"): one,
/// or several where they make an axis. A numeric key also takes linspace(first, last, count),
/// geomspace(first, last, count) and range(first, last, step), each with both ends included. A list comes
/// back as one value, its words joined by a blank. Throws ConfigError saying what is allowed; the caller
/// adds the file, the key and the value.
std::vector<std::string> parse_values(const Option& option, std::string_view text);

/// A quantity that a simulation can record.
struct Observable {
  std::string name;
  std::string unit = "1";
  std::string long_name;
  std::string reference;                  ///< seed and equation, e.g. "seed 002 Eq. 14"; may be empty
  std::vector<std::string> dimensions{};  ///< beyond scan axes and step, e.g. {"position"}
  /// The schedule that it is recorded by: "step", one of Experiment::further_schedules(), or empty for a
  /// single value, at the end.
  std::string recorded_over = "step";
  std::string drawn_over{};  ///< scan axes, one or two, that a figure draws it over if nobody says otherwise
  std::string drawn_beside{};  ///< the observable whose panels it shares, on an axis at the right
};

/// A dimension that an observable has beyond the scan axes and the step: numbers, or names where `labels` is
/// not empty.
struct Coordinate {
  std::string name;
  std::string unit = "1";
  std::string long_name;
  std::vector<double> values{};
  std::vector<std::string> labels{};

  std::size_t size() const { return labels.empty() ? values.size() : labels.size(); }
};

}  // namespace soret
