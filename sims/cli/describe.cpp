#include <fmt/core.h>

#include <cmath>

#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "sims/simulation.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::cli {
namespace {

constexpr Usage kListUsage{.synopsis = "soret list [--json]",
                           .about = "Lists the simulations, one line each.",
                           .examples = "  soret list"};

constexpr Usage kDescribeUsage{
    .synopsis = "soret describe SIMULATION [--json]",
    .about =
        "Shows every config key of a simulation with its default, what it takes and what it means, every\n"
        "observable that it can record, and what its files hold beside: predictions, fits, chi-squares.",
    .examples = "  soret describe two_layer\n  soret describe two_layer --json | jq .options[].key",
    .word = "SIMULATION",
    .fewest = 1,
    .most = 1};

constexpr std::size_t kLineWidth = 100;

/// Prints the text broken into lines, each indented.
void print_wrapped(std::string_view text, std::size_t indent) {
  std::string line;
  for (const auto& word : split_words(text, " ")) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > kLineWidth) {
      fmt::print("{:{}}{}\n", "", indent, line);
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  if (!line.empty()) fmt::print("{:{}}{}\n", "", indent, line);
}

const char* type_name(OptionType type) {
  switch (type) {
    case OptionType::integer:
      return "integer";
    case OptionType::real:
      return "real";
    case OptionType::flag:
      return "flag";
    case OptionType::text:
      return "text";
    case OptionType::list:
      return "list";
  }
  return "";
}

std::vector<Option> all_options(const sims::Simulation& simulation) {
  std::vector<Option> options = simulation.options;
  options.insert(options.end(), shared_options().begin(), shared_options().end());
  return options;
}

/// The keys as they would stand in a config, each with what it takes and what it means.
void print_options(const sims::Simulation& simulation) {
  std::string section;
  for (const auto& option : all_options(simulation)) {
    const auto dot = option.key.find('.');
    if (option.key.substr(0, dot) != section) {
      section = option.key.substr(0, dot);
      fmt::print("\n[{}]\n", section);
    }
    fmt::print("  {} = {}\n", option.key.substr(dot + 1), option.default_value);
    print_wrapped(
        fmt::format("{}{}{}", allowed_values(option),
                    option.unit == "1" ? "" : fmt::format(", in {}", option.unit),
                    option.scannable && option.type != OptionType::list ? "; may be a scan axis" : ""),
        6);
    print_wrapped(option.help, 6);
  }
}

void print_quantity(const Observable& what, std::string_view remark) {
  std::string dimensions;
  for (const auto& dimension : what.dimensions) dimensions += fmt::format(", per {}", dimension);
  if (what.recorded_over.empty()) dimensions += ", once, at the end";
  if (!what.recorded_over.empty() && what.recorded_over != "step")
    dimensions += fmt::format(", over {}", what.recorded_over);
  fmt::print("  {}{}{}{}\n", what.name, what.unit == "1" ? "" : fmt::format(", in {}", what.unit), dimensions,
             remark);
  print_wrapped(what.long_name + (what.reference.empty() ? "" : fmt::format(" ({})", what.reference)), 6);
}

void print_observables(const sims::Simulation& simulation) {
  fmt::print("\nobservables (record.observables):\n");
  for (const auto& observable : simulation.observables) print_quantity(observable, "");
  if (simulation.derived.empty()) return;
  fmt::print("\nderived from them, where the file has what it takes:\n");
  for (const auto& derived : simulation.derived) {
    std::string remark = derived.over_steps ? ", per step" : "";
    if (!derived.predicts.empty()) remark += fmt::format("; predicts {}", derived.predicts);
    if (!derived.chi_square_of.empty()) remark += fmt::format("; chi-square of {}", derived.chi_square_of);
    print_quantity(derived.what, remark);
  }
}

nlohmann::json quantity_json(const Observable& what) {
  return {{"name", what.name},
          {"unit", what.unit},
          {"long_name", what.long_name},
          {"reference", what.reference},
          {"dimensions", what.dimensions}};
}

nlohmann::json number_or_null(double x) {
  return std::isfinite(x) ? nlohmann::json(x) : nlohmann::json();
}

nlohmann::json description(const sims::Simulation& simulation) {
  nlohmann::json options = nlohmann::json::array();
  for (const auto& option : all_options(simulation))
    options.push_back({{"key", option.key},
                       {"type", type_name(option.type)},
                       {"default", option.default_value},
                       {"unit", option.unit},
                       {"min", number_or_null(option.min)},
                       {"min_excluded", option.min_excluded},
                       {"max", number_or_null(option.max)},
                       {"choices", option.choices},
                       {"scannable", option.scannable && option.type != OptionType::list},
                       {"help", option.help}});
  nlohmann::json observables = nlohmann::json::array();
  for (const auto& observable : simulation.observables) {
    observables.push_back(quantity_json(observable));
    observables.back()["recorded_over"] = observable.recorded_over;
  }
  nlohmann::json all_derived = nlohmann::json::array();
  for (const auto& derived : simulation.derived) {
    auto one = quantity_json(derived.what);
    one["over_steps"] = derived.over_steps;
    if (!derived.predicts.empty()) one["predicts"] = derived.predicts;
    if (!derived.chi_square_of.empty()) one["chi_square_of"] = derived.chi_square_of;
    all_derived.push_back(std::move(one));
  }
  return {{"simulation", simulation.name},
          {"summary", simulation.summary},
          {"options", options},
          {"observables", observables},
          {"derived", all_derived}};
}

}  // namespace

void list(const Words& words) {
  po::options_description options;
  options.add_options()("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kListUsage, options, words);
  if (!arguments) return;

  nlohmann::json all = nlohmann::json::array();
  for (const auto& simulation : sims::simulations()) {
    if (arguments->flag("json"))
      all.push_back({{"name", simulation.name}, {"summary", simulation.summary}});
    else
      fmt::print("{:<12} {}\n", simulation.name, simulation.summary);
  }
  if (arguments->flag("json")) print_json(nlohmann::json{{"simulations", all}});
}

void describe(const Words& words) {
  po::options_description options;
  options.add_options()("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kDescribeUsage, options, words);
  if (!arguments) return;

  const std::string& name = arguments->words[0];
  const auto* simulation = sims::find_simulation(name);
  if (!simulation)
    throw ConfigError(fmt::format("unknown simulation '{}'{}\nsoret list shows the simulations", name,
                                  did_you_mean(name, sims::simulation_names())));
  if (arguments->flag("json")) {
    print_json(description(*simulation));
    return;
  }
  fmt::print("{}: {}\n", simulation->name, simulation->summary);
  print_options(*simulation);
  print_observables(*simulation);
}

}  // namespace soret::cli
