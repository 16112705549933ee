#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sims/simulation.hpp"
#include "sims/train/run.hpp"
#include "soret/store/checkpoint.hpp"

/// Runs of `simulation = train` for the tests of what is done with their checkpoints.
namespace soret::sims {

inline ScanPlan plan_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const OptionTable table = [](std::string_view name) -> std::optional<std::vector<Option>> {
    const auto* simulation = find_simulation(name);
    return simulation ? std::optional(simulation->options) : std::nullopt;
  };
  return parse_config(text, "test.cfg", {.overrides = overrides}, table, simulation_names());
}

/// Trains the first point of a config and leaves its checkpoint in a file, in place of what was there.
inline TrainProblem train_to(const std::filesystem::path& file, const std::string& text,
                             std::vector<std::string> overrides = {}) {
  overrides.emplace_back("checkpoint.keep=final");
  const ScanPlan plan = plan_of("simulation = train\n" + text, overrides);
  const TrainRecord record = train_record(plan.common());
  TrainProblem problem = TrainProblems()(plan.at(0), record);
  store::remove_checkpoint(file);
  const std::atomic<bool> never = false;
  run_training(problem, record, 0, {file, [](const std::string&) {}}, never, [](double) {});
  return problem;
}

}  // namespace soret::sims
