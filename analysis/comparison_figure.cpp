#include "analysis/comparison_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"

namespace soret::analysis {

Part comparison_part(const Comparison& comparison, const LogScales& scales) {
  if (scales.x.value_or(false) && comparison.kind != ComparisonKind::lines)
    throw ConfigError(fmt::format("--log x: the axis '{}' has no logarithm", comparison.x.name));
  switch (comparison.kind) {
    case ComparisonKind::lines:
      return line_part(comparison, scales);
    case ComparisonKind::bars:
      return bar_part(comparison, scales);
    case ComparisonKind::map:
      break;
  }
  if (scales.y.value_or(false))
    throw ConfigError(
        fmt::format("--log y: '{}' is drawn as a map, whose colours are linear", comparison.quantity));
  return map_part(comparison);
}

std::string chi_square_text(double chi_square) {
  if (!std::isfinite(chi_square)) return {};
  std::string number;
  if (chi_square < 10)
    number = fmt::format("{:.2f}", chi_square);
  else if (chi_square < 1e5)
    number = fmt::format("{:.0f}", chi_square);
  else {
    const int power = static_cast<int>(std::floor(std::log10(chi_square)));
    number = fmt::format("{:.1f}\u00b710^{{{}}}", chi_square / std::pow(10, power), power);
  }
  return fmt::format("\u03c7\u00b2/dof = {}", number);
}

std::string law_title(const std::string& name, double chi_square) {
  const auto chi = chi_square_text(chi_square);
  return chi.empty() ? plain(name) : fmt::format("{}, {}", plain(name), chi);
}

double panel_chi_square(const ComparisonPanel& panel, const std::string& law) {
  double sum = 0, weight = 0;
  for (const auto& series : panel.series)
    for (const auto& one : series.laws) {
      if (one.name != law || !std::isfinite(one.chi_square)) continue;
      const double w = one.degrees > 0 ? static_cast<double>(one.degrees) : 1;
      sum += w * one.chi_square;
      weight += w;
    }
  return weight > 0 ? sum / weight : std::numeric_limits<double>::quiet_NaN();
}

std::vector<std::string> law_names(const ComparisonPanel& panel) {
  std::vector<std::string> names;
  for (const auto& series : panel.series)
    for (const auto& law : series.laws)
      if (std::find(names.begin(), names.end(), law.name) == names.end()) names.push_back(law.name);
  return names;
}

std::string best_law(const ComparisonPanel& panel) {
  std::string best;
  double least = std::numeric_limits<double>::infinity();
  for (const auto& name : law_names(panel)) {
    const double chi_square = panel_chi_square(panel, name);
    if (!best.empty() && !(chi_square < least)) continue;
    best = name;
    if (std::isfinite(chi_square)) least = chi_square;
  }
  return best;
}

std::string panel_title(const ComparisonPanel& panel) {
  constexpr std::size_t kFits = 42;
  std::string title, line;
  for (const auto& entry : panel.label) {
    const auto part = typeset(Label{entry});
    if (!line.empty() && shown_length(line) + shown_length(part) + 2 > kFits) {
      title += line + ",\\n";
      line.clear();
    }
    line += (line.empty() ? "" : ", ") + part;
  }
  return title + line;
}

}  // namespace soret::analysis
