#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// `simulation = landscape`: loss and accuracy along lines and planes in parameter space, between and around
/// networks that `simulation = train` left (seed 003 §3.2).
const Simulation& landscape_simulation();

}  // namespace soret::sims
