#pragma once

#include <vector>

#include "soret/scan/experiment.hpp"

namespace soret::sims {

/// Everything that a file of `simulation = langevin` may hold beside the recorded observables.
const std::vector<DerivedQuantity>& langevin_derived();

}  // namespace soret::sims
