#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "soret/ensemble/deep.hpp"

namespace soret::bench {

/// Network-steps per second of the deep ensembles on all threads, next to the measured FMA peak, to what the
/// caches give to the same traffic and to a plain loop with the same flags, each verified first against
/// tests/oracles/. Throws RunError if a number is wrong.
nlohmann::json deep_ensemble();

/// The same for the CUDA driver, next to the device's FP32 peak; {"device": null} where there is none.
nlohmann::json deep_ensemble_cuda();

/// Throws RunError unless train(trajectory, steps) agrees with the double-precision oracle after a few steps.
void verify(const deep::Problem& problem, const std::function<std::vector<float>(std::uint32_t, long)>& train,
            const char* what);

/// Of all threads together: run(trajectory, steps) for every trajectory, timed once.
double network_steps_per_second(int threads, int trajectories_per_thread, long steps,
                                const std::function<void(std::uint32_t, long)>& run);

/// Floating-point operations of a step of a fully connected network: 2 per weight and sample for each of
/// forward, backward (not into the inputs) and update, all units counted as on.
double flops_per_step(const deep::Problem& problem);

}  // namespace soret::bench
