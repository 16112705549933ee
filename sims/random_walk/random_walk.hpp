#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// `simulation = random_walk`: inhomogeneous random walks against the Fokker-Planck equation and against the
/// flux as seed 002 (section 3) prints it.
const Simulation& random_walk_simulation();

}  // namespace soret::sims
