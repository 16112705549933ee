#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// The networks of the optimal-batch-size scans (seed 003 Figs. 10-11): steps per second at several batch
/// sizes on all threads next to the measured FMA peak, and the evaluation of their observables. Verified
/// first against tests/oracles/. Throws RunError if a number is wrong.
nlohmann::json optimal_batch();

}  // namespace soret::bench
