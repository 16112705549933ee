#pragma once

#include <vector>

#include "sims/random_walk/options.hpp"
#include "soret/walk/random_walk.hpp"

namespace soret::sims {

/// The density of a walk in two dimensions as the Fokker-Planck equation has it, the mean over each bin and
/// over the steps that the histogram of a record gathers: [step][position][position_2]. NaN on a line, for
/// kicks without variance, and for a start at a point, which the solver cannot hold.
std::vector<double> plane_density(const walk::Problem& problem, const RandomWalkRecord& record);

}  // namespace soret::sims
