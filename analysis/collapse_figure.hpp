#pragma once

#include <optional>
#include <string>

#include "analysis/collapse.hpp"
#include "analysis/curves.hpp"
#include "analysis/figure.hpp"

/// Curves over the step and over rescaled time, in the manner of seed 002 Fig. 2.
namespace soret::analysis {

/// What a row shows: the curves against raw steps, against time rescaled by stated exponents (eta, or 1/|B|
/// where the learning rate does not vary) and against time rescaled by the best exponents; or one of them.
enum class Panels { all, step, rescaled };

/// One observable of one group. Without a collapse only raw steps can be shown.
struct FigureRow {
  Curves curves;
  std::optional<CollapseResult> collapse{};
  std::string label{};  ///< says which file or group, where there are several
};

/// A row of panels. Every curve has a band of one standard error. Rescaled panels end where the shortest
/// rescaled curve does. Throws ConfigError for Panels::rescaled without a collapse.
Part collapse_part(const FigureRow& row, Panels panels);

}  // namespace soret::analysis
