#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// `simulation = two_layer`: ensembles of two-layer networks trained by SGD (seed 002, Fig. 2 top and Figs.
/// 3-14).
const Simulation& two_layer_simulation();

}  // namespace soret::sims
