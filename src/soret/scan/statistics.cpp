#include "soret/scan/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace soret {

Blocks::Blocks(std::uint32_t trajectories, std::uint32_t wanted)
    : trajectories_(trajectories), count_(std::max(1u, std::min(wanted, trajectories))) {}

BlockSummary summarize(const UnitResult& unit, std::uint32_t unit_count, std::uint32_t first,
                       std::uint32_t count, std::span<const std::int64_t> step_of_cell) {
  const std::size_t cells = step_of_cell.size();
  const auto row = [&](std::size_t cell) { return unit.values.data() + cell * unit_count + first; };

  std::vector<std::int64_t> diverged_at(unit.diverged_at.begin() + first,
                                        unit.diverged_at.begin() + first + count);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const double* x = row(cell);
    for (std::uint32_t t = 0; t < count; ++t) {
      std::int64_t& at = diverged_at[t];
      if (!std::isfinite(x[t]) && (at < 0 || step_of_cell[cell] < at)) at = step_of_cell[cell];
    }
  }

  BlockSummary block;
  std::vector<std::uint32_t> survivors;
  for (std::uint32_t t = 0; t < count; ++t) {
    if (diverged_at[t] < 0)
      survivors.push_back(t);
    else
      block.diverged_at.push_back(diverged_at[t]);
  }
  block.survivors = static_cast<std::int64_t>(survivors.size());
  if (survivors.empty()) return block;

  block.mean.resize(cells);
  block.m2.resize(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    const double* x = row(cell);
    double sum = 0;
    for (const std::uint32_t t : survivors) sum += x[t];
    const double mean = sum / static_cast<double>(survivors.size());
    double m2 = 0;
    for (const std::uint32_t t : survivors) m2 += (x[t] - mean) * (x[t] - mean);
    block.mean[cell] = mean;
    block.m2[cell] = m2;
  }
  return block;
}

EnsembleStatistics combine(std::span<const BlockSummary> blocks, std::size_t cells) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> mean(cells, 0.0);
  std::vector<double> m2(cells, 0.0);
  double n = 0;
  for (const BlockSummary& block : blocks) {
    if (block.survivors == 0) continue;
    // Chan, Golub & LeVeque, Am. Stat. 37 (1983) 242, Eq. 2.1: two samples from their means and m2.
    const auto n_block = static_cast<double>(block.survivors);
    const double n_both = n + n_block;
    for (std::size_t cell = 0; cell < cells; ++cell) {
      const double delta = block.mean[cell] - mean[cell];
      mean[cell] += delta * (n_block / n_both);
      m2[cell] += block.m2[cell] + delta * delta * (n * n_block / n_both);
    }
    n = n_both;
  }
  if (n == 0) return {std::vector<double>(cells, nan), std::vector<double>(cells, nan)};
  for (double& x : m2) x = n > 1 ? std::sqrt(x / (n - 1) / n) : nan;
  return {std::move(mean), std::move(m2)};
}

}  // namespace soret
