#include "analysis/curves.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;
using store::Variable;

/// A coordinate of the scan: its values over one scan dimension.
struct ScanAxis {
  std::string name;
  std::string unit;
  std::size_t dimension = 0;   ///< index into the scan dimensions
  std::vector<double> values;  ///< empty for a text axis
  std::vector<std::string> texts;
};

std::string text_attribute(const Variable& variable, const std::string& name, const std::string& otherwise) {
  const auto found = variable.attributes.find(name);
  if (found == variable.attributes.end()) return otherwise;
  const auto* text = std::get_if<std::string>(&found->second);
  return text && !text->empty() ? *text : otherwise;
}

std::vector<double> as_reals(const Variable& variable) {
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&variable.data))
    return {integers->begin(), integers->end()};
  return variable.reals();
}

bool is_text(const Variable& variable) {
  return std::holds_alternative<std::vector<std::string>>(variable.data);
}

ScanAxis scan_axis(const Variable& variable, std::size_t dimension) {
  ScanAxis axis{variable.name, text_attribute(variable, "units", "1"), dimension, {}, {}};
  if (is_text(variable))
    axis.texts = variable.texts();
  else
    axis.values = as_reals(variable);
  return axis;
}

/// In a zipped scan every coordinate lies over the one dimension `point`; otherwise each axis is a dimension.
std::vector<ScanAxis> scan_axes(const Dataset& file, const std::vector<std::string>& scan_dimensions) {
  static const std::set<std::string> kNotSettings = {"point", "diverged", "finished"};
  std::vector<ScanAxis> axes;
  for (std::size_t d = 0; d < scan_dimensions.size(); ++d) {
    if (scan_dimensions[d] != "point") {
      axes.push_back(scan_axis(file.at(scan_dimensions[d]), d));
      continue;
    }
    for (const auto& variable : file.variables)
      if (variable.dimensions == std::vector<std::string>{"point"} && !kNotSettings.contains(variable.name))
        axes.push_back(scan_axis(variable, d));
  }
  return axes;
}

/// "key = 0.05" lines of the resolved config; a key with several values is an axis and no constant.
std::map<std::string, double> config_constants(const store::Attributes& attributes) {
  std::map<std::string, double> constants;
  const auto found = attributes.find("config");
  const auto* config = found == attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  if (!config) return constants;
  for (const auto& line : split_words(*config, "\n")) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    const auto value = parse_real(trim(std::string_view(line).substr(equals + 1)));
    std::string key(trim(std::string_view(line).substr(0, equals)));
    key.erase(0, key.rfind('.') + 1);
    if (value) constants[key] = *value;
  }
  return constants;
}

template <class T>
std::vector<T> slice(const std::vector<T>& all, std::size_t index, std::size_t count) {
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(index * count);
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

bool varies(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [&](double value) { return value != values.front(); });
}

}  // namespace

std::vector<std::string> observables(const Dataset& file) {
  std::vector<std::string> names;
  for (const auto& variable : file.variables)
    if (file.find(variable.name + "_stderr")) names.push_back(variable.name);
  return names;
}

std::vector<Curves> extract_curves(const Dataset& file, const std::string& observable) {
  const auto known = observables(file);
  if (std::find(known.begin(), known.end(), observable) == known.end())
    throw InputError(fmt::format("the file holds no observable '{}'{}\nit holds: {}", observable,
                                 did_you_mean(observable, known), fmt::join(known, ", ")));
  const Variable& variable = file.at(observable);
  if (variable.dimensions.empty() || variable.dimensions.back() != "step")
    throw InputError(
        fmt::format("observable '{}' is no curve over 'step' (its dimensions: {}); choose one of {}",
                    observable, fmt::join(variable.dimensions, ", "), fmt::join(known, ", ")));

  const std::vector<std::string> scan_dimensions(variable.dimensions.begin(), variable.dimensions.end() - 1);
  std::vector<std::size_t> shape;
  std::size_t points = 1;
  for (const auto& dimension : scan_dimensions) {
    shape.push_back(file.size(dimension));
    points *= shape.back();
  }
  const auto axes = scan_axes(file, scan_dimensions);
  const std::size_t steps = file.size("step");
  const std::size_t blocks = file.size("block");
  const auto& means = variable.reals();
  const auto& errors = file.at(observable + "_stderr").reals();
  const auto& block_means = file.at(observable + "_block").reals();
  const auto& survivors = file.at("block_trajectories").integers();
  const auto& diverged = file.at("diverged").integers();
  const auto& finished = file.at("finished").integers();
  if (means.size() != points * steps || errors.size() != means.size() ||
      block_means.size() != means.size() * blocks || survivors.size() != points * blocks ||
      diverged.size() != points || finished.size() != points)
    throw InputError(fmt::format("the sizes of observable '{}' and its errors and blocks do not fit together",
                                 observable));

  Curves common;
  common.observable = observable;
  common.unit = text_attribute(variable, "units", "1");
  common.long_name = text_attribute(variable, "long_name", observable);
  common.reference = text_attribute(variable, "reference", "");
  common.constants = config_constants(file.attributes);
  common.steps = as_reals(file.at("step"));
  common.block_count = blocks;
  common.source = file.attributes;
  for (const auto& axis : axes) common.constants.erase(axis.name);

  // position[axis][point]: where the scan point lies along the axis.
  std::vector<std::vector<std::size_t>> position(axes.size(), std::vector<std::size_t>(points));
  for (std::size_t a = 0; a < axes.size(); ++a) {
    std::size_t stride = 1;
    for (std::size_t d = axes[a].dimension + 1; d < shape.size(); ++d) stride *= shape[d];
    for (std::size_t p = 0; p < points; ++p) position[a][p] = p / stride % shape[axes[a].dimension];
  }
  const auto describe = [&](std::size_t point, bool text_axes, bool numeric_axes) {
    std::vector<std::string> parts;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      const bool text = !axes[a].texts.empty();
      if (text && text_axes)
        parts.push_back(fmt::format("{} = {}", axes[a].name, axes[a].texts[position[a][point]]));
      if (!text && numeric_axes)
        parts.push_back(fmt::format("{} = {}", axes[a].name, shortest(axes[a].values[position[a][point]])));
    }
    return fmt::format("{}", fmt::join(parts, ", "));
  };

  std::vector<std::string> skipped;
  std::vector<std::pair<std::string, std::vector<std::size_t>>> groups;  // usable points, in file order
  for (std::size_t p = 0; p < points; ++p) {
    const std::string name = points == 1 ? "the only scan point" : describe(p, true, true);
    const auto mean = slice(means, p, steps);
    if (finished[p] == 0) {
      skipped.push_back(name + ": not finished");
    } else if (std::none_of(mean.begin(), mean.end(), [](double y) { return std::isfinite(y); })) {
      skipped.push_back(fmt::format("{}: no surviving trajectory ({} diverged)", name, diverged[p]));
    } else {
      const auto group = describe(p, true, false);
      auto found =
          std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == group; });
      if (found == groups.end()) found = groups.insert(groups.end(), {group, {}});
      found->second.push_back(p);
    }
  }
  if (groups.empty())
    throw InputError(
        fmt::format("no scan point of '{}' is usable: {}", observable, fmt::join(skipped, "; ")));

  std::vector<Curves> families;
  for (const auto& [group, members] : groups) {
    Curves family = common;
    family.group = groups.size() > 1 ? group : "";
    family.skipped = skipped;
    std::vector<std::size_t> key_axes;
    for (std::size_t a = 0; a < axes.size(); ++a) {
      if (!axes[a].texts.empty()) continue;
      std::vector<double> values;
      for (const std::size_t p : members) values.push_back(axes[a].values[position[a][p]]);
      if (varies(values)) {
        key_axes.push_back(a);
        family.keys.push_back(axes[a].name);
        family.key_units.push_back(axes[a].unit);
      } else {
        family.constants[axes[a].name] = values.front();
      }
    }
    for (const std::size_t p : members) {
      Curve curve;
      std::vector<std::string> parts;
      for (const std::size_t a : key_axes) {
        curve.keys.push_back(axes[a].values[position[a][p]]);
        parts.push_back(fmt::format("{} = {}", axes[a].name, shortest(curve.keys.back())));
      }
      curve.label = fmt::format("{}", fmt::join(parts, ", "));
      curve.mean = slice(means, p, steps);
      curve.error = slice(errors, p, steps);
      curve.blocks = slice(block_means, p, blocks * steps);
      for (const auto n : slice(survivors, p, blocks)) curve.weights.push_back(static_cast<double>(n));
      curve.diverged = diverged[p];
      family.curves.push_back(std::move(curve));
    }
    families.push_back(std::move(family));
  }
  return families;
}

void check_keys(const Curves& curves, const std::map<std::string, double>& assignments,
                std::string_view option) {
  for (const auto& [key, value] : assignments)
    if (std::find(curves.keys.begin(), curves.keys.end(), key) == curves.keys.end())
      throw ConfigError(fmt::format("{}: '{}' is no numeric key that varies in this scan{}; those are: {}",
                                    option, key, did_you_mean(key, curves.keys),
                                    fmt::join(curves.keys, ", ")));
}

std::vector<double> reference_values(const Curves& curves, const std::map<std::string, double>& given) {
  check_keys(curves, given, "reference");
  std::vector<double> reference;
  for (std::size_t k = 0; k < curves.keys.size(); ++k) {
    std::set<double> values;
    for (const auto& curve : curves.curves) values.insert(curve.keys[k]);
    const auto found = given.find(curves.keys[k]);
    reference.push_back(found == given.end() ? median({values.begin(), values.end()}) : found->second);
    if (found != given.end() && !(found->second > 0))
      throw ConfigError(
          fmt::format("reference: {} = {} must be positive", found->first, shortest(found->second)));
  }
  return reference;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace soret::analysis
