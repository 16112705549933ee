#pragma once

#include <span>
#include <vector>

#include "soret/ensemble/two_layer.hpp"

/// The CUDA driver: every network is trained by a team of threads (two_layer_team.hpp) that keeps its weights
/// in registers, or in memory where they do not fit. Networks of all problems of the same sizes run in one
/// grid.
namespace soret::two_layer {

/// Runs requests[i] on problems[i]; the numbers are those of run_cpu() up to rounding, whatever else is run
/// along. Throws RunError without a device or when a CUDA call fails, Stopped when a request's `stop` turns
/// true: within about a second, because the device works in launches of a fraction of one.
std::vector<Records> run_cuda(std::span<const Problem> problems, std::span<const Request> requests);

/// Parameters of one trajectory after `steps` steps (for tests), as train_cpu() gives them.
Parameters train_cuda(const Problem& problem, std::uint32_t trajectory, std::int64_t steps);

}  // namespace soret::two_layer
