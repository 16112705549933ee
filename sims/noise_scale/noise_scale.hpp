#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// `simulation = noise_scale`: the noise of mini-batch gradients at fixed parameters against its predicted
/// covariance, noise scale and Gaussianity (seed 003 §5).
const Simulation& noise_scale_simulation();

}  // namespace soret::sims
