#pragma once

#include <span>
#include <vector>

#include "soret/measure/curvature.hpp"
#include "soret/measure/sharpness.hpp"
#include "soret/network/network.hpp"

/// Perturbations in units of a network's filters (Li et al. 2018; Kwon et al. 2021), which do not change when
/// a ReLU network's layers are rescaled as in layer_rescaling.hpp.
namespace soret::measure {

/// s[parameter]: the norm of the filter that the parameter belongs to. A filter is what leads to one unit or
/// channel, a row of a weight [out][...]; a bias, scale or shift is a filter of its own.
template <class T>
std::vector<double> filter_scale(const network::Network<T>& network, std::span<const double> parameters);

/// g(u) = f(x + s u) of every parameter, whose measures at u = 0 are those of f in units of s.
Differentiable scaled(Differentiable f, std::vector<double> x, std::vector<double> scale);

/// S A S with S = diag(scale): the Hessian of that function.
SymmetricOperator scaled(SymmetricOperator a, std::vector<double> scale);

}  // namespace soret::measure
