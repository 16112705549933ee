#pragma once

#include <string_view>
#include <vector>

#include "sims/random_walk/options.hpp"
#include "soret/scan/experiment.hpp"
#include "soret/walk/random_walk.hpp"

/// What is computed from a finished point of `simulation = random_walk`: what the three conventions predict
/// (theory/walk_conventions.hpp), how well each agrees, and estimates that are ratios or fits of the recorded
/// means. Errors are delete-one jackknife errors over the blocks of groups.
namespace soret::sims {

/// Every derived quantity that a file may hold.
std::vector<DerivedQuantity> random_walk_all_derived();
/// Those that a record allows, in order.
std::vector<DerivedQuantity> random_walk_derived(const RandomWalkRecord& record, int dimensions);

/// Their numbers for one point, one after the other.
std::vector<double> random_walk_derive(const walk::Problem& problem, const RandomWalkRecord& record,
                                       const PointEnsemble& ensemble);

/// The dimension "convention".
Coordinate convention_coordinate();

}  // namespace soret::sims
