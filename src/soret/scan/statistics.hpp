#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "soret/scan/experiment.hpp"

/// Ensemble statistics in a fixed order: within a block in the order of trajectories, then over blocks in
/// their order. How trajectories were grouped into units never shows in the bits.
namespace soret {

/// The trajectories of one point in blocks of nearly equal size; block k holds [first(k), first(k + 1)).
/// Depends on the config alone.
class Blocks {
 public:
  /// At most `wanted` blocks, none empty.
  Blocks(std::uint32_t trajectories, std::uint32_t wanted);

  std::uint32_t trajectories() const { return trajectories_; }
  std::uint32_t count() const { return count_; }
  std::uint32_t first(std::uint32_t block) const {
    return static_cast<std::uint32_t>(std::uint64_t{block} * trajectories_ / count_);
  }
  /// The block that holds a trajectory.
  std::uint32_t of(std::uint32_t trajectory) const {
    return static_cast<std::uint32_t>(((std::uint64_t{trajectory} + 1) * count_ - 1) / trajectories_);
  }

 private:
  std::uint32_t trajectories_;
  std::uint32_t count_;
};

/// What is kept of the trajectories of one block.
struct BlockSummary {
  std::int64_t survivors = 0;             ///< trajectories that stayed finite
  std::vector<std::int64_t> diverged_at;  ///< first recorded step out of range, of each of the others
  std::vector<double> mean;               ///< [cell], over the survivors; empty without any
  std::vector<double> m2;                 ///< [cell], sum of squared deviations from the mean
};

/// Summarises trajectories [first, first + count) of a unit that holds `unit_count`; both count from the
/// unit's own first one. `step_of_cell` gives the recorded step of every cell of all observables. A
/// trajectory with a value that is not finite counts as diverged at that step, even if the experiment did not
/// say so: no NaN is ever averaged in.
BlockSummary summarize(const UnitResult& unit, std::uint32_t unit_count, std::uint32_t first,
                       std::uint32_t count, std::span<const std::int64_t> step_of_cell);

struct EnsembleStatistics {
  std::vector<double> mean;   ///< [cell]; NaN without survivors
  std::vector<double> error;  ///< [cell], standard error of the mean; NaN with fewer than two survivors
};

/// Mean and standard error over the surviving trajectories of all blocks.
EnsembleStatistics combine(std::span<const BlockSummary> blocks, std::size_t cells);

}  // namespace soret
