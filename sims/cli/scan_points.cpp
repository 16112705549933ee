#include "sims/cli/scan_points.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::cli {

std::string element_text(const store::Variable& variable, std::size_t i) {
  if (const auto* reals = std::get_if<std::vector<double>>(&variable.data)) return shortest((*reals)[i]);
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&variable.data))
    return std::to_string((*integers)[i]);
  return variable.texts()[i];
}

std::string ScanPoints::label(std::size_t point) const {
  std::string text;
  for (std::size_t axis = 0; axis < axes.size(); ++axis)
    text += fmt::format("{}{} = {}", axis == 0 ? "" : ", ", axes[axis], values[point][axis]);
  return text.empty() ? "the only point" : text;
}

ScanPoints scan_points(const store::Dataset& file, const std::string& name) {
  const auto* finished = file.find("finished");
  if (!finished)
    throw InputError(fmt::format("{}: not the result of `soret run`: it has no variable 'finished'", name));
  ScanPoints points{.dimensions = finished->dimensions, .axes = {}, .values = {}, .finished = {}};
  std::vector<const store::Variable*> axes;  // the run marks them with the config key
  for (const auto& variable : file.variables) {
    if (!variable.attributes.contains("key")) continue;
    axes.push_back(&variable);
    points.axes.push_back(variable.name);
  }

  for (std::size_t point = 0; point < finished->integers().size(); ++point) {
    points.finished.push_back(finished->integers()[point] != 0);
    std::vector<std::string> values(axes.size());
    std::size_t rest = point;
    for (auto dimension = points.dimensions.rbegin(); dimension != points.dimensions.rend(); ++dimension) {
      const std::size_t extent = file.size(*dimension);
      for (std::size_t axis = 0; axis < axes.size(); ++axis)
        if (axes[axis]->dimensions.at(0) == *dimension)
          values[axis] = element_text(*axes[axis], rest % extent);
      rest /= extent;
    }
    points.values.push_back(std::move(values));
  }
  return points;
}

}  // namespace soret::cli
