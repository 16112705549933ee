#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soret/scan/option.hpp"
#include "soret/scan/table_notes.hpp"

/// The config grammar (DESIGN section 3): INI text with sections, read by Boost.Program_options. A key with
/// several values (separated by blanks or commas, or made by linspace, geomspace or range) is a scan axis;
/// all axes form the cross product, unless `[scan] mode = zip`. The sections [smoke] and [paper] are
/// profiles: their `section.key` entries override when that profile is selected.
namespace soret {

/// The settings of one scan point: every option of the simulation has a value, checked.
class Settings {
 public:
  /// A key that the simulation's table does not have is a std::logic_error.
  double real(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  bool flag(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  std::vector<std::string> list(std::string_view key) const;

  void set(std::string key, std::string value) { values_[std::move(key)] = std::move(value); }
  const std::map<std::string, std::string, std::less<>>& values() const { return values_; }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

/// A key that takes several values.
struct Axis {
  std::string key;  ///< "sgd.learning_rate"
  /// Its dimension in the result file: "learning_rate"; "network_loss" where another key of the simulation,
  /// an observable or a dimension of every file has the short name.
  std::string name;
  OptionType type = OptionType::real;
  std::string unit = "1";
  std::string help;
  std::vector<std::string> values;  ///< in config order, canonical spelling
};

/// Finds the option table of a simulation by name; returns nullopt for an unknown name.
using OptionTable = std::function<std::optional<std::vector<Option>>(std::string_view simulation)>;

struct ConfigRequest {
  std::vector<std::string>
      overrides{};        ///< "section.key=value", after the profile; the last of one key counts
  std::string profile{};  ///< "smoke", "paper" or empty
};

/// Everything a config says, resolved: profile and overrides applied, defaults filled in, values checked.
class ScanPlan {
 public:
  std::string simulation;
  std::vector<Axis> axes;   ///< in the order in which the keys stand in the simulation's option table
  bool zip = false;         ///< all axes advance together along one dimension named "point"
  Annotations annotations;  ///< section [table]; in text(), but in no Settings

  std::size_t points() const;
  /// Extent of each scan dimension: one per axis, or a single one when zipped; empty for a single point.
  std::vector<std::size_t> shape() const;
  /// Settings of point i, 0 <= i < points(); row-major, the last axis fastest.
  Settings at(std::size_t i) const;
  /// Values that all points share (axes hold their first value).
  const Settings& common() const { return common_; }
  /// The resolved config as text; reading it again gives the same plan.
  std::string text() const;

 private:
  friend ScanPlan parse_config(const std::string&, const std::string&, const ConfigRequest&,
                               const OptionTable&, std::span<const std::string>);
  Settings common_;
  std::vector<Option> options_;
};

/// Reads a config file. `known` lists the simulations for error messages.
/// Throws ConfigError naming the file, the key, the value, what is allowed and the nearest valid key;
/// InputError if the file cannot be read.
ScanPlan load_config(const std::filesystem::path& file, const ConfigRequest& request,
                     const OptionTable& table, std::span<const std::string> known);

/// The same from text; `origin` stands for the file name in messages.
ScanPlan parse_config(const std::string& text, const std::string& origin, const ConfigRequest& request,
                      const OptionTable& table, std::span<const std::string> known);

}  // namespace soret
