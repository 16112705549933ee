#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// Walker-steps per second of the Langevin driver on all threads, per scheme and landscape, next to a plain
/// double loop and to the rate at which normals alone are drawn; each verified first, walker by walker,
/// against tests/oracles/. Throws RunError if a number is wrong.
nlohmann::json langevin();

}  // namespace soret::bench
