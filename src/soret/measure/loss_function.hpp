#pragma once

#include "soret/measure/loss_at.hpp"
#include "soret/measure/sharpness.hpp"

namespace soret::measure {

/// A network's mean loss as a function of its n parameters, for sharpness() and what else is asked of any
/// function. It is computed in T and summed over samples in double; the parameters of `loss` are not used.
/// It keeps its memory between calls and refers to what `loss` refers to. For one thread at a time, which it
/// multiplies itself. Throws ConfigError as require_complete().
template <class T>
Differentiable loss_function(const LossAt<T>& loss);

}  // namespace soret::measure
