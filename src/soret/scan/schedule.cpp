#include "soret/scan/schedule.hpp"

#include <algorithm>

namespace soret {
namespace {

/// A group counts as well filled from here on.
constexpr double kGoodFill = 0.9;

/// The first block of unit i when a range is cut into n units.
std::uint32_t cut(const BlockRange& range, std::uint32_t n, std::uint32_t i) {
  return range.first + static_cast<std::uint32_t>(std::uint64_t{i} * (range.last - range.first) / n);
}

/// Into how many units a range is cut for groups of `group` trajectories: as many as fill their groups well,
/// or the number that fills them best.
std::uint32_t units_of(const BlockRange& range, const Blocks& blocks, std::uint32_t group) {
  const std::uint32_t trajectories = blocks.first(range.last) - blocks.first(range.first);
  std::uint32_t best = 1;
  double best_fill = 0;
  for (std::uint32_t n = 1; n <= range.last - range.first; ++n) {
    std::uint64_t groups = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t count = blocks.first(cut(range, n, i + 1)) - blocks.first(cut(range, n, i));
      groups += (count + group - 1) / group;
    }
    const double fill = trajectories / (static_cast<double>(groups) * group);
    if (fill > best_fill || fill >= kGoodFill) {
      best = n;
      best_fill = fill;
    }
  }
  return best;
}

}  // namespace

std::vector<WorkUnit> schedule(std::span<const BlockRange> ranges, const Blocks& blocks,
                               const Experiment& experiment, int threads) {
  std::vector<BlockRange> ordered(ranges.begin(), ranges.end());
  std::ranges::stable_sort(ordered, std::ranges::greater(),
                           [&](const BlockRange& range) { return experiment.cost(range.point); });
  std::uint64_t total = 0;
  for (const BlockRange& range : ordered) total += range.last - range.first;

  std::vector<WorkUnit> units;
  for (const BlockRange& range : ordered) {
    const std::uint32_t count = range.last - range.first;
    const std::uint32_t group = std::max(1u, experiment.preferred_group(range.point));
    // This range's share of one unit for every thread, rounded up.
    const auto least = (count * static_cast<std::uint64_t>(threads) + total - 1) / total;
    const auto n =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(least, units_of(range, blocks, group), count));
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t first = blocks.first(cut(range, n, i));
      units.push_back({range.point, first, blocks.first(cut(range, n, i + 1)) - first});
    }
  }
  return units;
}

}  // namespace soret
