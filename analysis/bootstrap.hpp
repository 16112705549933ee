#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/curves.hpp"

/// Bootstrap over blocks of trajectories. All scan points of a run use the same random streams, so a block is
/// drawn at all of them together: the correlation between the curves stays in the resampled family.
namespace soret::analysis {

/// How often each block is drawn, [block], in resample number `index`; a function of (seed, index) alone.
/// Draws one block fewer than there are, which makes the bootstrap variance of a mean unbiased (Rao & Wu,
/// J. Am. Stat. Assoc. 83, 231 (1988)).
std::vector<int> draw_blocks(std::size_t block_count, std::uint64_t seed, std::uint64_t index);

/// The curve's mean over the drawn blocks, [step], each weighted by its surviving trajectories; nullopt if
/// none of the drawn blocks has any.
std::optional<std::vector<double>> resampled_mean(const Curve& curve, std::span<const int> draws);

/// The standard deviation and the central 95% of bootstrap estimates.
struct Spread {
  double standard_error = 0;
  double low = 0, high = 0;
};

/// Percentile interval (2.5% to 97.5%, linear between order statistics). NaN for fewer than two estimates.
Spread spread_of(std::vector<double> estimates);

}  // namespace soret::analysis
