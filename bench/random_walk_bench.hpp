#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// Walker-steps per second of random walks on all threads, next to a plain double loop and to the measured
/// FMA peak, and what histogramming costs; each case verified first, walker by walker, against
/// tests/oracles/. Throws RunError if a number is wrong.
nlohmann::json random_walk();

}  // namespace soret::bench
