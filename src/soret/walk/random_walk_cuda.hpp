#pragma once

#include <span>
#include <vector>

#include "soret/walk/random_walk.hpp"

/// The CUDA driver: one thread per walker (random_walk_body.hpp), walkers of all problems of one kind in one
/// grid. Formulas are compiled for the device when they are run (soret/base/formula_cuda.hpp).
namespace soret::walk {

/// Runs requests[i] on problems[i]; the numbers are those of run_cpu() up to the order of floating-point
/// sums, whatever else is run along, and those of formulas up to the rounding of functions. Throws RunError
/// without a device or when a CUDA call fails, Stopped when a request's `stop` turns true: within about a
/// second.
std::vector<Records> run_cuda(std::span<const Problem> problems, std::span<const Request> requests);

/// As positions_cpu() gives them, bit by bit for built-in fields but neuron; for tests.
std::vector<std::vector<double>> positions_cuda(const Problem& problem, std::uint32_t first_walker,
                                                int walkers, std::int64_t steps);

}  // namespace soret::walk
