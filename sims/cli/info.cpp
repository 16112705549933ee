#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "sims/cli/scan_points.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using nlohmann::json;

constexpr Usage kUsage{
    .synopsis = "soret info FILE.h5 [options]",
    .about =
        "Shows what is in a result file: its scan points, how complete it is, its variables and where it\n"
        "comes from.",
    .examples =
        "  soret info results/quickstart.h5\n"
        "  soret info results/quickstart.h5 --config > again.cfg   # runs to the same file",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1};

std::string attribute_text(const store::Attribute& attribute) {
  return std::visit([](const auto& value) { return fmt::format("{}", value); }, attribute);
}

/// An attribute as text; empty where the object has none of this name.
std::string text_of(const store::Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "" : attribute_text(found->second);
}

bool is_coordinate(const store::Variable& variable) {
  return variable.dimensions == std::vector<std::string>{variable.name};
}

/// <observable>_stderr and <observable>_block, which need no line of their own.
bool is_companion(const store::Dataset& file, const store::Variable& variable) {
  for (const std::string_view suffix : {"_stderr", "_block"})
    if (variable.name.ends_with(suffix) &&
        file.find(variable.name.substr(0, variable.name.size() - suffix.size())))
      return true;
  return false;
}

std::size_t length(const store::Variable& variable) {
  return std::visit([](const auto& data) { return data.size(); }, variable.data);
}

/// "1 2 3", or "0 100 200 ... 20000".
std::string values_text(const store::Variable& variable) {
  constexpr std::size_t kShown = 12;
  const std::size_t n = length(variable);
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < n; ++i) {
    if (n <= kShown || i < 3 || i + 1 == n)
      shown.push_back(element_text(variable, i));
    else if (i == 3)
      shown.emplace_back("...");
  }
  return fmt::format("{}", fmt::join(shown, " "));
}

/// The number of diverged trajectories of each scan point, [point].
std::vector<std::int64_t> diverged_counts(const store::Dataset& file) {
  return file.at("diverged").integers();
}

void print_points(const store::Dataset& file, const std::string& name) {
  const ScanPoints points = scan_points(file, name);
  const auto finished = static_cast<std::size_t>(std::ranges::count(points.finished, true));
  const std::size_t all = points.finished.size();
  if (finished == all)
    fmt::print("{} scan point{}, all finished\n", all, all == 1 ? "" : "s");
  else
    fmt::print("{} of {} scan points finished\n", finished, all);

  const auto diverged = diverged_counts(file);
  if (std::ranges::count(diverged, 0) == static_cast<std::ptrdiff_t>(all)) return;
  fmt::print("\ndiverged trajectories (left out of all means):\n");
  for (std::size_t point = 0; point < all; ++point)
    if (diverged[point] > 0) fmt::print("  {:>6} at {}\n", diverged[point], points.label(point));
}

/// What stands beside a variable, and what it is about.
std::string remarks(const store::Dataset& file, const store::Variable& variable) {
  std::string text;
  if (file.find(variable.name + "_stderr")) text += ", with its standard error";
  if (file.find(variable.name + "_block")) text += " and block means";
  if (const auto what = text_of(variable.attributes, "predicts"); !what.empty())
    text += fmt::format("; predicts {}", what);
  if (const auto what = text_of(variable.attributes, "chi_square_of"); !what.empty())
    text += fmt::format("; chi-square of {}", what);
  return text;
}

void print_contents(const store::Dataset& file) {
  fmt::print("\ndimensions:\n");
  for (const auto& dimension : file.dimensions) {
    const auto* coordinate = file.find(dimension.name);
    fmt::print("  {:<20}{:>8}  {}\n", dimension.name, dimension.size,
               coordinate ? values_text(*coordinate) : "");
  }
  fmt::print("\nvariables:\n");
  for (const auto& variable : file.variables) {
    if (is_coordinate(variable) || is_companion(file, variable)) continue;
    const auto unit = text_of(variable.attributes, "units");
    const auto reference = text_of(variable.attributes, "reference");
    fmt::print("  {} ({}){}{}\n", variable.name, fmt::join(variable.dimensions, ", "),
               unit.empty() || unit == "1" ? "" : fmt::format(" in {}", unit), remarks(file, variable));
    fmt::print("      {}{}\n", text_of(variable.attributes, "long_name"),
               reference.empty() ? "" : fmt::format(" ({})", reference));
  }
  fmt::print("\nattributes:\n");
  for (const auto& [name, value] : file.attributes)
    if (name != "config") fmt::print("  {:<15} {}\n", name, attribute_text(value));
  fmt::print("  {:<15} soret info FILE.h5 --config shows it\n", "config");
}

json attributes_json(const store::Attributes& attributes) {
  json all = json::object();
  for (const auto& [name, value] : attributes)
    std::visit([&all, &key = name](const auto& plain) { all[key] = plain; }, value);
  return all;
}

/// A number where the text is one.
json value_json(const std::string& text) {
  if (const auto integer = parse_integer(text)) return *integer;
  if (const auto real = parse_real(text)) return *real;
  return text;
}

json file_json(const store::Dataset& file, const std::string& name) {
  json report{{"file", name}, {"attributes", attributes_json(file.attributes)}};
  for (const auto& dimension : file.dimensions) report["dimensions"][dimension.name] = dimension.size;
  for (const auto& variable : file.variables) {
    json one = attributes_json(variable.attributes);
    one["dimensions"] = variable.dimensions;
    if (is_coordinate(variable))
      std::visit([&one](const auto& data) { one["values"] = data; }, variable.data);
    report["variables"][variable.name] = std::move(one);
  }
  if (file.find("finished")) {
    const ScanPoints points = scan_points(file, name);
    const auto diverged = diverged_counts(file);
    report["finished_points"] = std::ranges::count(points.finished, true);
    report["points"] = json::array();
    for (std::size_t point = 0; point < points.finished.size(); ++point) {
      json one{{"finished", static_cast<bool>(points.finished[point])}, {"diverged", diverged[point]}};
      for (std::size_t axis = 0; axis < points.axes.size(); ++axis)
        one["settings"][points.axes[axis]] = value_json(points.values[point][axis]);
      report["points"].push_back(std::move(one));
    }
  }
  return report;
}

}  // namespace

void info(const Words& words) {
  po::options_description options;
  options.add_options()                                                            //
      ("config", po::bool_switch(), "print the resolved config and nothing else")  //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;

  const std::string& name = arguments->words[0];
  const store::Dataset file = store::read(name);
  if (arguments->flag("config")) {
    const auto config = text_of(file.attributes, "config");
    if (config.empty()) throw InputError(fmt::format("{}: holds no config", name));
    fmt::print("{}", config);
  } else if (arguments->flag("json")) {
    print_json(file_json(file, name));
  } else {
    fmt::print("{}: {}\n", name, text_of(file.attributes, "simulation"));
    if (file.find("finished")) print_points(file, name);
    print_contents(file);
  }
}

}  // namespace soret::cli
