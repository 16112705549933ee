#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/collapse.hpp"
#include "analysis/comparison.hpp"
#include "analysis/curves.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;

/// Two dimensions that count things, such as row and column.
bool is_matrix(const Dataset& file, const std::string& name) {
  int counting = 0;
  for (const auto& dimension : further_dimensions(file, file.at(name))) {
    const Dimension d = dimension_of(file, dimension);
    counting += d.size > 1 && d.is_index() ? 1 : 0;
  }
  return counting == 2;
}

nlohmann::json label_json(const Label& label) {
  nlohmann::json settings = nlohmann::json::object();
  for (const auto& [name, value] : label) {
    if (const auto number = parse_real(value))
      settings[name] = *number;
    else
      settings[name] = value;
  }
  return settings;
}

}  // namespace

std::string label_text(const Label& label) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : label) parts.push_back(fmt::format("{} = {}", name, value));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<std::string> first_quantities(const Dataset& file) {
  const auto predicted = [&](std::vector<std::string> names) {
    std::erase_if(names, [&](const std::string& name) { return predictions_of(file, name).empty(); });
    for (std::size_t i = 1; i < names.size();)
      if (is_matrix(file, names[i]))
        names.erase(names.begin() + static_cast<std::ptrdiff_t>(i));
      else
        ++i;
    return names;
  };
  auto first = predicted(observables(file));
  if (first.empty()) first = predicted(derived_quantities(file));
  if (first.empty()) first = curve_observables(file);
  if (first.empty()) first = observables(file);
  return first;
}

std::vector<std::pair<std::string, std::string>> companions(const Dataset& file) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& variable : file.variables) {
    const std::string beside = text_attribute(variable, "drawn_beside", "");
    if (!beside.empty() && !variable.name.ends_with("_block") && !variable.name.ends_with("_stderr") &&
        file.find(beside))
      pairs.emplace_back(beside, variable.name);
  }
  return pairs;
}

bool overlayable(const Comparison& a, const Comparison& b) {
  return a.kind == b.kind && a.kind != ComparisonKind::map && a.quantity == b.quantity && a.unit == b.unit &&
         a.x.name == b.x.name && a.x.categories == b.x.categories;
}

Comparison overlay(std::span<const Comparison> comparisons, std::span<const std::string> names) {
  Comparison all = comparisons[0];
  all.panels.clear();
  all.notes.clear();
  for (std::size_t f = 0; f < comparisons.size(); ++f) {
    for (const auto& note : comparisons[f].notes) all.notes.push_back(fmt::format("{}: {}", names[f], note));
    for (ComparisonPanel panel : comparisons[f].panels) {
      for (auto& series : panel.series) series.label.emplace(series.label.begin(), "file", names[f]);
      const auto same = std::ranges::find(all.panels, panel.label, &ComparisonPanel::label);
      if (same == all.panels.end())
        all.panels.push_back(std::move(panel));
      else
        same->series.insert(same->series.end(), panel.series.begin(), panel.series.end());
    }
  }
  return all;
}

nlohmann::json comparison_json(const Comparison& comparison) {
  nlohmann::json report{{"quantity", comparison.quantity}, {"over", comparison.x.name}};
  if (comparison.kind == ComparisonKind::map) report["and_over"] = comparison.y.name;
  report["panels"] = nlohmann::json::array();
  for (const auto& panel : comparison.panels) {
    nlohmann::json one{{"settings", label_json(panel.label)}, {"series", nlohmann::json::array()}};
    for (const auto& series : panel.series) {
      nlohmann::json laws = nlohmann::json::object();
      for (const auto& law : series.laws) {
        laws[law.name] = {{"chi_square_per_degree", finite_json(law.chi_square)}};
        if (law.degrees > 0) laws[law.name]["degrees"] = law.degrees;
      }
      one["series"].push_back(
          {{"settings", label_json(series.label)}, {"places", series.mean.size()}, {"laws", laws}});
    }
    report["panels"].push_back(std::move(one));
  }
  report["notes"] = comparison.notes;
  return report;
}

}  // namespace soret::analysis
