#include "analysis/curves.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "analysis/quantity.hpp"
#include "analysis/scan_axes.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;
using store::Variable;

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

/// The file's numbers for one observable, scan point by scan point.
class Records {
 public:
  Records(const Dataset& file, const std::string& observable, std::size_t points)
      : steps_(file.size(file.at(observable).dimensions.back())),
        blocks_(file.size("block")),
        means_(file.at(observable).reals()),
        errors_(file.at(observable + "_stderr").reals()),
        block_means_(file.at(observable + "_block").reals()),
        survivors_(file.at("block_trajectories").integers()),
        diverged_(file.at("diverged").integers()),
        finished_(file.at("finished").integers()) {
    const std::size_t records = points * steps_;
    if (means_.size() != records || errors_.size() != records || block_means_.size() != records * blocks_ ||
        survivors_.size() != points * blocks_ || diverged_.size() != points || finished_.size() != points)
      throw InputError(fmt::format(
          "the sizes of observable '{}' and its errors and blocks do not fit together", observable));
  }

  /// Without keys and label.
  Curve curve(std::size_t point) const {
    Curve curve;
    curve.point = point;
    curve.mean = slice(means_, point, steps_);
    curve.error = slice(errors_, point, steps_);
    curve.blocks = slice(block_means_, point, blocks_ * steps_);
    for (const auto n : slice(survivors_, point, blocks_)) curve.weights.push_back(static_cast<double>(n));
    curve.diverged = diverged_[point];
    return curve;
  }

  /// Why a point cannot be used; empty if it can.
  std::string fault(std::size_t point) const {
    if (finished_[point] == 0) return "not finished";
    const auto mean = slice(means_, point, steps_);
    if (std::none_of(mean.begin(), mean.end(), [](double y) { return std::isfinite(y); }))
      return fmt::format("no surviving trajectory ({} diverged)", diverged_[point]);
    return {};
  }

 private:
  std::size_t steps_, blocks_;
  const std::vector<double>&means_, &errors_, &block_means_;
  const std::vector<std::int64_t>&survivors_, &diverged_, &finished_;
};

/// "learning_rate = 0.05, activation = relu" of those axes that pass.
std::string label(const std::vector<ScanAxis>& axes, std::size_t point, bool (*pass)(const ScanAxis&)) {
  std::vector<std::string> parts;
  for (const auto& axis : axes)
    if (pass(axis)) parts.push_back(axis.at(point));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// The curves of the given scan points; numeric axes that vary among them become keys, the others constants.
Curves make_family(Curves family, const Records& records, const std::vector<ScanAxis>& axes,
                   const std::vector<std::size_t>& points) {
  std::vector<const ScanAxis*> keys;
  for (const auto& axis : axes) {
    if (axis.is_text()) continue;
    if (!axis.varies(points)) {
      family.constants[axis.name] = axis.values[points.front()];
      continue;
    }
    family.constants.erase(axis.name);
    family.keys.push_back(axis.name);
    family.key_units.push_back(axis.unit);
    keys.push_back(&axis);
  }
  for (const std::size_t p : points) {
    Curve curve = records.curve(p);
    std::vector<std::string> parts;
    for (const auto* key : keys) {
      curve.keys.push_back(key->values[p]);
      parts.push_back(key->at(p));
    }
    curve.label = fmt::format("{}", fmt::join(parts, ", "));
    family.curves.push_back(std::move(curve));
  }
  return family;
}

}  // namespace

std::vector<std::string> observables(const Dataset& file) {
  std::vector<std::string> names;
  for (const auto& variable : file.variables)
    if (file.find(variable.name + "_block")) names.push_back(variable.name);
  return names;
}

std::vector<std::string> derived_quantities(const Dataset& file) {
  static const std::set<std::string> kCounts = {"block_trajectories", "diverged", "diverged_by_step",
                                                "finished"};
  const auto companion = [&](const std::string& name, std::string_view suffix) {
    return name.ends_with(suffix) && file.find(name.substr(0, name.size() - suffix.size()));
  };
  std::vector<std::string> names;
  for (const auto& variable : file.variables) {
    const bool coordinate =
        variable.attributes.contains("key") ||
        std::any_of(file.dimensions.begin(), file.dimensions.end(),
                    [&](const auto& dimension) { return dimension.name == variable.name; });
    if (coordinate || kCounts.contains(variable.name) || file.find(variable.name + "_block") ||
        companion(variable.name, "_stderr") || companion(variable.name, "_block"))
      continue;
    names.push_back(variable.name);
  }
  return names;
}

std::vector<std::string> curve_observables(const Dataset& file) {
  auto names = observables(file);
  std::erase_if(names, [&](const std::string& name) {
    const auto& dimensions = file.at(name).dimensions;
    return dimensions.empty() || !is_step(dimensions.back());
  });
  return names;
}

std::vector<Curves> extract_curves(const Dataset& file, const std::string& observable) {
  if (file.find("finished") == nullptr || file.find("block_trajectories") == nullptr)
    throw InputError("the file is not the result of `soret run`: it has no ensembles");
  const auto known = observables(file);
  const auto drawable = curve_observables(file);
  if (std::find(known.begin(), known.end(), observable) == known.end())
    throw InputError(fmt::format("the file holds no observable '{}'{}\nit holds: {}", observable,
                                 did_you_mean(observable, known), fmt::join(known, ", ")));
  const Variable& variable = file.at(observable);
  if (variable.dimensions.empty() || !is_step(variable.dimensions.back()))
    throw InputError(fmt::format(
        "observable '{}' is no curve over 'step' (its dimensions: {}); {}", observable,
        fmt::join(variable.dimensions, ", "),
        drawable.empty() ? "the file has none" : fmt::format("choose one of {}", fmt::join(drawable, ", "))));

  const std::span<const std::string> dimensions(variable.dimensions.data(), variable.dimensions.size() - 1);
  const std::size_t points = point_count(file, dimensions);
  const Records records(file, observable, points);
  const auto axes = scan_axes(file, dimensions);

  Curves common;
  common.observable = observable;
  common.unit = text_attribute(variable, "units", "1");
  common.long_name = text_attribute(variable, "long_name", observable);
  common.reference = text_attribute(variable, "reference", "");
  common.constants = config_constants(file.attributes);
  const Variable& steps = file.at(variable.dimensions.back());
  common.steps = as_reals(steps);
  common.step_name = step_word(text_attribute(steps, "long_name", ""));
  common.block_count = file.size("block");
  common.source = file.attributes;

  std::vector<std::pair<std::string, std::vector<std::size_t>>> groups;  // usable points, in file order
  for (std::size_t p = 0; p < points; ++p) {
    if (const auto fault = records.fault(p); !fault.empty()) {
      const auto name = label(axes, p, [](const ScanAxis&) { return true; });
      common.skipped.push_back(fmt::format("{}: {}", name.empty() ? "the only scan point" : name, fault));
      continue;
    }
    const auto group = label(axes, p, [](const ScanAxis& axis) { return axis.is_text(); });
    auto found = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == group; });
    if (found == groups.end()) found = groups.insert(groups.end(), {group, {}});
    found->second.push_back(p);
  }
  if (groups.empty())
    throw InputError(
        fmt::format("no scan point of '{}' is usable: {}", observable, fmt::join(common.skipped, "; ")));

  std::vector<Curves> families;
  for (const auto& [group, members] : groups) {
    families.push_back(make_family(common, records, axes, members));
    if (groups.size() > 1) families.back().group = group;
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
