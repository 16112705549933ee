#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "soret/langevin/observe.hpp"

/// The CUDA driver: every walker is a thread with its coordinates in registers (in thread-local memory where
/// the dimension is known at run time only) and draws its own normals. What is recorded is added up on the
/// device, chunk by chunk in the order of the CPU, so that a group's numbers do not depend on what else runs;
/// histograms are counted in shared memory.
namespace soret::langevin {

/// observe_group() of every group of every request, [request][group]; the plan's `basins` is ignored. Groups
/// of all problems with the same kind of landscape, noise and scheme run in one grid. The numbers are those
/// of the CPU, to the last bit where landscape and noise are computed from sums, products and the functions
/// of double_math.hpp.
///
/// Throws ConfigError for what the device cannot run, RunError without a device or when a CUDA call fails,
/// Stopped when `stop` turns true: within about a second, because the device works in launches of a fraction
/// of one.
std::vector<std::vector<std::vector<double>>> observe_cuda(const Plan& plan,
                                                           std::span<const Request> requests,
                                                           const std::atomic<bool>* stop = nullptr);

/// Where the walkers of a group are after `steps` SGD steps (for tests).
Walked walk_cuda(const Problem& problem, std::uint32_t group, std::int64_t steps);

}  // namespace soret::langevin
