#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "soret/walk/random_walk.hpp"

namespace soret::bench {

/// Walker-steps per second of random walks on all threads, next to a plain double loop and to the measured
/// FMA peak, and what histogramming costs; each case verified first, walker by walker, against
/// tests/oracles/. Throws RunError if a number is wrong.
nlohmann::json random_walk();

/// The same on the GPU, next to its measured rate of double-precision instructions.
nlohmann::json random_walk_cuda();

/// Walkers' positions as walk::positions_cpu() and positions_cuda() give them.
using WalkPositions = std::vector<std::vector<double>>(const walk::Problem&, std::uint32_t first_walker,
                                                       int walkers, std::int64_t steps);
/// Holds 131 walkers of a driver against the plain loop of tests/oracles/ for 201 steps; throws RunError.
void verify_walk(const walk::Problem& problem, WalkPositions* positions, const std::string& what);

}  // namespace soret::bench
