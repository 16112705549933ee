#pragma once

#include <cstdint>
#include <vector>

#include "sims/ensemble_data.hpp"
#include "soret/ensemble/deep.hpp"
#include "soret/scan/config.hpp"
#include "soret/scan/experiment.hpp"

/// The keys of `simulation = deep_ensemble` and what they mean.
namespace soret::sims {

/// The option table; the one place where keys, defaults and ranges stand.
std::vector<Option> deep_ensemble_options();
std::vector<Observable> deep_ensemble_observables();
/// Everything that a file may hold beside them.
const std::vector<DerivedQuantity>& deep_ensemble_derived();

/// One scan point's settings, typed.
struct DeepEnsembleOptions {
  deep::Problem problem;  ///< without its sample sets; its input is a vector
  DataChoice data;
};

/// Throws ConfigError where keys contradict each other (softmax with one output, ...).
DeepEnsembleOptions deep_ensemble_point(const Settings& settings);

/// What the whole scan shares.
struct DeepEnsembleRecord {
  std::vector<std::int64_t> steps;  ///< ascending, from 0 to sgd.steps; or epochs
  bool counts_epochs = false;
  std::vector<deep::Observable> observables;
  std::uint32_t trajectories = 0;
  int layers = 0;
};
DeepEnsembleRecord deep_ensemble_record(const Settings& common);

}  // namespace soret::sims
