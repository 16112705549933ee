#pragma once

#include <cstdint>
#include <vector>

#include "soret/scan/config.hpp"
#include "soret/walk/random_walk.hpp"

/// The keys of `simulation = random_walk` and what they mean.
namespace soret::sims {

std::vector<Option> random_walk_options();
std::vector<Observable> random_walk_observables();

/// One scan point's walk, checked; throws ConfigError where keys contradict each other or the walk cannot be
/// run.
walk::Problem random_walk_point(const Settings& settings);

/// What the whole scan shares.
struct RandomWalkRecord {
  std::vector<std::int64_t> steps;  ///< ascending, from 0 to walk.steps
  std::int64_t sample_every = 0;
  int bins = 0;
  std::vector<walk::Observable> observables;
  std::uint32_t groups = 0;
  int walkers = 0;  ///< per group
};
RandomWalkRecord random_walk_record(const Settings& common);

}  // namespace soret::sims
