#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "soret/langevin/langevin.hpp"

namespace soret::bench {

/// Walker-steps per second of the Langevin driver on all threads, per scheme and landscape, next to a plain
/// double loop and to the rate at which normals alone are drawn; each verified first, walker by walker,
/// against tests/oracles/. Throws RunError if a number is wrong.
nlohmann::json langevin();

/// The same for the CUDA driver, next to what the instructions of a step allow, and what histograms cost;
/// {"device": null} where there is none.
nlohmann::json langevin_cuda();

struct LangevinCase {
  std::string name;
  langevin::Problem problem;
  std::int64_t steps;  ///< for the CPU: a few tenths of a second
};
std::vector<LangevinCase> langevin_cases();

/// Throws RunError unless walk(problem, group, steps), coordinate 0 of each of the group's walkers, agrees
/// with the double-precision oracle on a small group.
using CoordinateOfWalkers =
    std::function<std::vector<double>(const langevin::Problem&, std::uint32_t group, std::int64_t steps)>;
void verify(langevin::Problem problem, const CoordinateOfWalkers& walk, const std::string& what);

}  // namespace soret::bench
