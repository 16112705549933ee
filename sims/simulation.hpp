#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soret/scan/config.hpp"
#include "soret/scan/experiment.hpp"
#include "soret/scan/option.hpp"

/// A simulation as `soret run` and `soret describe` see it: its keys, its observables and how it is prepared.
/// Adding one is a folder here and a line in registry.cpp.
namespace soret::sims {

struct Backend {
  enum class Kind { automatic, cpu, cuda };
  Kind kind = Kind::automatic;  ///< automatic: CUDA where there is a device
  int threads = 1;
};

struct Simulation {
  std::string name;     ///< as in `simulation = two_layer`
  std::string summary;  ///< one line
  std::vector<Option> options;
  std::vector<Observable> observables;   ///< all that record.observables may name
  std::vector<DerivedQuantity> derived;  ///< all that its files may hold beside the recorded observables
  /// Checks what no single key can tell (throws ConfigError), loads data (throws InputError) and makes all
  /// scan points ready to run.
  std::unique_ptr<Experiment> (*prepare)(const ScanPlan& plan, const Backend& backend);
};

/// All simulations, in the order in which `soret list` shows them.
std::span<const Simulation> simulations();

/// nullptr for an unknown name.
const Simulation* find_simulation(std::string_view name);

std::vector<std::string> simulation_names();

}  // namespace soret::sims
