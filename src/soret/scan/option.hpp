#pragma once

#include <cstdint>
#include <limits>
#include <string>
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

/// A quantity that a simulation can record.
struct Observable {
  std::string name;
  std::string unit = "1";
  std::string long_name;
  std::string reference;                  ///< seed and equation, e.g. "seed 002 Eq. 14"; may be empty
  std::vector<std::string> dimensions{};  ///< beyond scan axes and step, e.g. {"position"}
};

/// A dimension that an observable has beyond the scan axes and the step.
struct Coordinate {
  std::string name;
  std::string unit = "1";
  std::string long_name;
  std::vector<double> values;
};

}  // namespace soret
