#pragma once

#include <nlohmann/json.hpp>
#include <span>

/// The timings of `soret bench`. Each verifies its numbers against an independent computation first and
/// throws RunError if they differ; speed is reported with the achieved fraction of the machine's peak.
namespace soret::bench {

struct Bench {
  const char* name;
  const char* summary;
  nlohmann::json (*run)();  ///< an object of results
};

/// All benches, in the order in which they run.
std::span<const Bench> benches();

}  // namespace soret::bench
