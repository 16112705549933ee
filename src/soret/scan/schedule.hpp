#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soret/scan/experiment.hpp"
#include "soret/scan/statistics.hpp"

namespace soret {

/// Blocks [first, last) of one point that are still to be run.
struct BlockRange {
  std::size_t point = 0;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

/// Cuts the work into units of whole blocks: as many as still fill the experiment's preferred group well, and
/// no fewer than threads; the dearest points come first. The units decide how long a run takes and how much a
/// kill can cost, never what comes out.
std::vector<WorkUnit> schedule(std::span<const BlockRange> ranges, const Blocks& blocks,
                               const Experiment& experiment, int threads);

}  // namespace soret
