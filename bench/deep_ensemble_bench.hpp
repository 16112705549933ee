#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// Network-steps per second of the deep ensembles on all threads, next to the measured FMA peak, to the
/// traffic with the second-level cache and to a plain loop with the same flags, each verified first against
/// tests/oracles/. Throws RunError if a number is wrong.
nlohmann::json deep_ensemble();

}  // namespace soret::bench
