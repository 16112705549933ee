#pragma once

#include "soret/measure/curvature.hpp"
#include "soret/measure/sharpness.hpp"

namespace soret::measure {

/// E f(x + sigma z) - f(x) with z ~ N(0, I): the expected sharpness of PAC-Bayes bounds (Neyshabur et al.
/// 2017, section 2.4), for a quadratic sigma^2 tr H / 2. The mean of `draws` independent z, draw k the stream
/// (seed, perturbation, k), with its standard error. Throws ConfigError unless sigma > 0 and draws >= 1, and
/// where f is not finite.
TraceEstimate expected_sharpness(const Differentiable& f, std::span<const double> x, double sigma, int draws,
                                 std::uint64_t seed);

}  // namespace soret::measure
