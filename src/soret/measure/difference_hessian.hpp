#pragma once

#include <span>
#include <vector>

#include "soret/measure/curvature.hpp"
#include "soret/measure/sharpness.hpp"

namespace soret::measure {

/// The gradient at x, from central differences of values with steps of 2^-17 (|x_i| + 1).
void difference_gradient(const Differentiable& f, const std::vector<double>& x, std::span<double> gradient);

/// The Hessian of any function of few arguments at x, formed from second differences of its values,
/// 2 n^2 + 1 of them, with steps of 2^-13 (|x_i| + 1): errors of about 1e-8 |f| and 1e-8 times the fourth
/// derivatives. Throws ConfigError where a value is not finite.
SymmetricOperator difference_hessian(const Differentiable& f, const std::vector<double>& x);

}  // namespace soret::measure
