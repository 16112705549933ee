#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// Network-steps per second of the two-layer drivers on all threads, next to the measured FMA peak and to a
/// plain loop with the same flags, each verified first against tests/oracles/. Throws RunError if a number is
/// wrong.
nlohmann::json two_layer();

}  // namespace soret::bench
