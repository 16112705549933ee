#include "analysis/over_key.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::size_t place_of_step(const Curves& family, std::optional<double> step) {
  if (!step) return family.steps.size() - 1;
  const auto found = std::ranges::find(family.steps, *step);
  if (found == family.steps.end()) {
    std::vector<std::string> recorded;
    for (const double one : family.steps) recorded.push_back(shortest(one));
    constexpr std::size_t kShown = 12;
    if (recorded.size() > kShown) {
      recorded[kShown - 2] = "...";
      recorded[kShown - 1] = recorded.back();
      recorded.resize(kShown);
    }
    throw ConfigError(fmt::format("--step {}: was not recorded; recorded are {}", shortest(*step),
                                  fmt::join(recorded, ", ")));
  }
  return static_cast<std::size_t>(found - family.steps.begin());
}

/// A curve without numbers.
Curve blank(const Curves& turned, std::vector<double> keys) {
  Curve curve;
  std::vector<std::string> parts;
  for (std::size_t k = 0; k < keys.size(); ++k)
    parts.push_back(fmt::format("{} = {}", turned.keys[k], shortest(keys[k])));
  curve.label = fmt::format("{}", fmt::join(parts, ", "));
  curve.keys = std::move(keys);
  curve.mean.assign(turned.steps.size(), kNaN);
  curve.error = curve.mean;
  curve.blocks.assign(turned.block_count * turned.steps.size(), kNaN);
  curve.weights.assign(turned.block_count, 0.0);
  return curve;
}

}  // namespace

Curves over_key(const Curves& family, const std::string& key, std::optional<double> step) {
  check_keys(family, {{key, 0}}, "key");
  const auto along = static_cast<std::size_t>(std::ranges::find(family.keys, key) - family.keys.begin());
  const std::size_t at = place_of_step(family, step);
  const auto without = [&](auto list) {
    list.erase(list.begin() + static_cast<std::ptrdiff_t>(along));
    return list;
  };

  Curves turned = family;
  turned.curves.clear();
  turned.keys = without(family.keys);
  turned.key_units = without(family.key_units);
  turned.step_name = turned.over = key;
  turned.steps.clear();
  for (const auto& curve : family.curves) turned.steps.push_back(curve.keys[along]);
  std::ranges::sort(turned.steps);
  turned.steps.erase(std::unique(turned.steps.begin(), turned.steps.end()), turned.steps.end());

  for (const auto& point : family.curves) {
    if (!std::isfinite(point.mean[at]) || std::ranges::find(point.weights, 0.0) != point.weights.end()) {
      turned.skipped.push_back(point.diverged > 0
                                   ? fmt::format("{}: {} of its trajectories diverged, all of some block",
                                                 point.label, point.diverged)
                                   : fmt::format("{}: no number at this record", point.label));
      continue;
    }
    auto others = without(point.keys);
    auto curve = std::ranges::find(turned.curves, others, &Curve::keys);
    if (curve == turned.curves.end())
      curve = turned.curves.insert(turned.curves.end(), blank(turned, std::move(others)));
    const auto x =
        static_cast<std::size_t>(std::ranges::find(turned.steps, point.keys[along]) - turned.steps.begin());
    curve->mean[x] = point.mean[at];
    curve->error[x] = point.error[at];
    curve->diverged += point.diverged;
    for (std::size_t b = 0; b < family.block_count; ++b) {
      curve->blocks[b * turned.steps.size() + x] = point.blocks[b * family.steps.size() + at];
      curve->weights[b] = std::max(curve->weights[b], point.weights[b]);
    }
  }
  std::erase_if(turned.curves, [&](const Curve& curve) {
    const bool few = std::ranges::count_if(curve.mean, [](double y) { return std::isfinite(y); }) < 2;
    if (few)
      turned.skipped.push_back(
          fmt::format("{}: fewer than two values of {}", curve.label.empty() ? "all" : curve.label, key));
    return few;
  });
  if (turned.curves.empty())
    throw InputError(fmt::format("'{}' has numbers at fewer than two values of {}: {}", family.observable,
                                 key, fmt::join(turned.skipped, "; ")));
  return turned;
}

}  // namespace soret::analysis
