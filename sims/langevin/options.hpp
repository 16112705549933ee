#pragma once

#include <cstdint>
#include <vector>

#include "soret/langevin/observe.hpp"
#include "soret/scan/config.hpp"

/// The keys of `simulation = langevin` and what they mean.
namespace soret::sims {

/// The option table; the one place where keys, defaults and ranges stand.
std::vector<Option> langevin_options();
std::vector<soret::Observable> langevin_observables();

/// One scan point's settings, typed.
struct LangevinPoint {
  langevin::Problem problem;
  langevin::Box box;                        ///< that is recorded, as far as this point tells
  std::vector<langevin::Minimum> minima{};  ///< in that box; one or two dimensions
};

/// Throws ConfigError where keys contradict each other, or do not describe a landscape or a covariance.
/// `box`, if it is not null, is the box of all points together.
LangevinPoint langevin_point(const Settings& settings, const langevin::Box* box = nullptr);

/// Throws ConfigError if a formula, a spectrum or a matrix is given that no scan point reads.
void check_langevin(const ScanPlan& plan);

/// What the whole scan shares.
struct LangevinRecord {
  langevin::Plan plan;
  std::uint32_t groups = 0;
};
LangevinRecord langevin_record(const Settings& common);

}  // namespace soret::sims
