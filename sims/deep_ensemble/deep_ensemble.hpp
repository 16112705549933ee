#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// `simulation = deep_ensemble`: ensembles of deep fully connected or convolutional networks trained by SGD
/// (seed 002 Fig. 2, middle and bottom).
const Simulation& deep_ensemble_simulation();

}  // namespace soret::sims
