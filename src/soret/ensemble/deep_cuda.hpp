#pragma once

#include <span>
#include <vector>

#include "soret/ensemble/deep.hpp"

/// The CUDA driver of fully connected networks: a thread block trains one network whose weights stay in
/// shared memory for a whole launch, where they fit, and in the second-level cache otherwise (deep_team.hpp).
/// Observables are evaluated on the host, by all of its threads. Convolutional networks run on the CPU only.
namespace soret::deep {

/// Runs requests[i] on problems[i]; the numbers are those of run_cpu() up to rounding, whatever else is run
/// along. Throws RunError without a device, for a convolutional problem or when a CUDA call fails, Stopped
/// when a request's `stop` turns true: within about a second.
std::vector<Records> run_cuda(std::span<const Problem> problems, std::span<const Request> requests);

/// Parameters of one trajectory after `steps` steps (for tests), as train_cpu() gives them.
std::vector<float> train_cuda(const Problem& problem, std::uint32_t trajectory, std::int64_t steps);

}  // namespace soret::deep
