#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "soret/ensemble/two_layer.hpp"

namespace soret::bench {

/// Network-steps per second of the two-layer drivers on all threads, next to the measured FMA peak and to a
/// plain loop with the same flags, each verified first against tests/oracles/. Throws RunError if a number is
/// wrong.
nlohmann::json two_layer();

/// The same for the CUDA driver, next to the device's FP32 peak; {"device": null} where there is none.
nlohmann::json two_layer_cuda();

/// Throws RunError unless train(trajectory, steps) agrees with the double-precision oracle after a few steps.
void verify(const two_layer::Problem& problem,
            const std::function<two_layer::Parameters(std::uint32_t, long)>& train, const char* what);

}  // namespace soret::bench
