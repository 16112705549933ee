#pragma once

#include "analysis/figure.hpp"
#include "analysis/rank_correlation.hpp"

namespace soret::analysis {

/// Every quantity over every other one, a point per scan point with its errors, under Spearman's rho and its
/// interval over trajectories (over points where there is none). Colours tell the scan's first axis, symbols
/// the second. Throws ConfigError for more than ten quantities.
Part correlation_part(const RankCorrelations& all);

}  // namespace soret::analysis
