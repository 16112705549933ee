#include "analysis/scan_axes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;
using store::Variable;

constexpr const char* kLabel = "label";

/// Spreads a coordinate over all scan points: the dimension has `extent` places, each held for `stride`
/// points.
ScanAxis scan_axis(const Variable& variable, std::size_t points, std::size_t extent, std::size_t stride) {
  ScanAxis axis{
      variable.name, text_attribute(variable, "key", ""), text_attribute(variable, "units", "1"), {}, {}};
  const auto spread = [&](const auto& coordinate, auto& over_points) {
    for (std::size_t p = 0; p < points; ++p) over_points.push_back(coordinate.at(p / stride % extent));
  };
  if (std::holds_alternative<std::vector<std::string>>(variable.data))
    spread(variable.texts(), axis.texts);
  else
    spread(as_reals(variable), axis.values);
  return axis;
}

}  // namespace

std::string ScanAxis::text(std::size_t point) const {
  return is_text() ? texts[point] : shortest(values[point]);
}

std::string ScanAxis::at(std::size_t point) const {
  return fmt::format("{} = {}", name, text(point));
}

bool ScanAxis::varies(std::span<const std::size_t> points) const {
  return std::any_of(points.begin(), points.end(), [&](std::size_t p) {
    return is_text() ? texts[p] != texts[points.front()] : values[p] != values[points.front()];
  });
}

std::size_t point_count(const Dataset& file, std::span<const std::string> dimensions) {
  std::size_t points = 1;
  for (const auto& dimension : dimensions) points *= file.size(dimension);
  return points;
}

std::vector<ScanAxis> scan_axes(const Dataset& file, std::span<const std::string> dimensions) {
  const std::size_t points = point_count(file, dimensions);
  std::vector<ScanAxis> axes;
  std::size_t stride = points;
  for (const auto& dimension : dimensions) {
    const std::size_t extent = file.size(dimension);
    stride /= extent;
    if (dimension != "point") {
      axes.push_back(scan_axis(file.at(dimension), points, extent, stride));
      continue;
    }
    for (const auto& variable : file.variables)
      if (variable.dimensions == std::vector<std::string>{"point"} && variable.attributes.contains("key") &&
          variable.name != kLabel)
        axes.push_back(scan_axis(variable, points, extent, stride));
  }
  return axes;
}

std::optional<ScanAxis> label_axis(const Dataset& file) {
  const auto* labels = file.find(kLabel);
  if (!labels || labels->dimensions != std::vector<std::string>{"point"}) return std::nullopt;
  return scan_axis(*labels, labels->texts().size(), labels->texts().size(), 1);
}

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

}  // namespace soret::analysis
