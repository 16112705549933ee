#pragma once

#include <cstdint>
#include <vector>

#include "sims/ensemble_data.hpp"
#include "soret/ensemble/two_layer.hpp"
#include "soret/scan/config.hpp"

/// The keys of `simulation = two_layer` and what they mean.
namespace soret::sims {

/// The option table; the one place where keys, defaults and ranges stand.
std::vector<Option> two_layer_options();
std::vector<Observable> two_layer_observables();

/// One scan point's settings, typed.
struct TwoLayerOptions {
  two_layer::Problem problem;  ///< without its sample sets
  DataChoice data;
};

/// Throws ConfigError where keys contradict each other (softmax with one output, ...).
TwoLayerOptions two_layer_point(const Settings& settings);

/// What the whole scan shares.
struct TwoLayerRecord {
  std::vector<std::int64_t> steps;  ///< ascending, from 0 to sgd.steps
  std::vector<two_layer::Observable> observables;
  std::uint32_t trajectories = 0;
};
TwoLayerRecord two_layer_record(const Settings& common);

}  // namespace soret::sims
