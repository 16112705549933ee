#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// `simulation = sharpness`: the (C_eps, A)-sharpness of seed 003, Definition 2, and other measures of
/// flatness, of formulas and of trained networks.
const Simulation& sharpness_simulation();

}  // namespace soret::sims
