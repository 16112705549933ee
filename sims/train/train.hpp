#pragma once

#include "sims/simulation.hpp"

namespace soret::sims {

/// Training of one network per trajectory, with what can be measured on the way (seeds 000, 001 and 003).
const Simulation& train_simulation();

}  // namespace soret::sims
