#pragma once

#include <vector>

#include "soret/scan/experiment.hpp"

namespace soret::sims {

/// Everything that a file of `simulation = noise_scale` may hold beside the recorded observables.
const std::vector<DerivedQuantity>& noise_scale_derived();

}  // namespace soret::sims
