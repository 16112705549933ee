#pragma once

#include <vector>

#include "analysis/curves.hpp"
#include "analysis/figure.hpp"
#include "analysis/optimum.hpp"

/// Optima drawn, in the manner of seed 003 Figs. 10 and 11.
namespace soret::analysis {

/// The curves over the key with the fitted parabolas and their vertices; then, for each other key, the
/// optimum against it with its power law on logarithmic axes, bounds as arrows, and, where it was measured,
/// the critical batch size with its own.
std::vector<Part> optimum_parts(const Curves& curves, const OptimumFit& fit);

}  // namespace soret::analysis
