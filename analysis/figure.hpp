#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "analysis/collapse.hpp"
#include "analysis/curves.hpp"

/// Figures of result files, drawn by gnuplot in the manner of seed 002 Fig. 2.
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

/// The gnuplot script of a figure; its terminal writes to standard output. Every curve has a band of one
/// standard error; curves differ in colour (Okabe & Ito's palette), dash and symbol, so that neither colour
/// blindness nor a grey print hides which is which. Rescaled panels end where the shortest rescaled curve
/// does. `extension` is ".png", ".svg" or ".pdf". Throws ConfigError for another one, for no rows, and for
/// Panels::rescaled on a row without a collapse.
std::string figure_script(std::span<const FigureRow> rows, Panels panels, const std::string& extension);

/// Draws a figure into a file, replaced as a whole; its extension says in which format. Throws as
/// figure_script(), and RunError if gnuplot is missing or fails or the file cannot be written.
void draw(std::span<const FigureRow> rows, Panels panels, const std::filesystem::path& output);

}  // namespace soret::analysis
