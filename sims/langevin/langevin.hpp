#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// `simulation = langevin`: SGD with Gaussian gradient noise, and its stochastic differential equation, on
/// named landscapes (seed 003, section 5).
const Simulation& langevin_simulation();

}  // namespace soret::sims
