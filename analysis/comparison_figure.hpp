#pragma once

#include <optional>
#include <string>

#include "analysis/comparison.hpp"
#include "analysis/figure.hpp"
#include "analysis/figure_style.hpp"

/// Comparisons drawn: measured numbers with error bars, laws as lines, residuals in standard errors below.
namespace soret::analysis {

/// Which axes are logarithmic; by default those whose numbers are positive and span much.
struct LogScales {
  std::optional<bool> x{}, y{};
};

/// A part of a figure. Throws ConfigError if a logarithmic axis is asked for and there are negative numbers
/// (zeros are left out), or if it is of words or of a map.
Part comparison_part(const Comparison& comparison, const LogScales& scales);

/// Maps drawn as surfaces above their plane. Throws ConfigError for comparisons that are no maps.
Part surface_part(const Comparison& comparison, const LogScales& scales);

/// Quantities along one axis, `left` with the axis at the left and `right` with the one at the right of the
/// same panels: a colour for each side, a dash for each quantity. Panels are those of all settings. Throws
/// ConfigError for what is not drawn as lines, and as comparison_part() for the left axis.
Part twin_part(std::span<const Comparison> left, std::span<const Comparison> right, const LogScales& scales);

// ---- What the kinds of comparisons share ----

/// Whether the y axis of a figure of lines is logarithmic: as asked for, else by the span of its numbers.
std::string x_axis_label(const Comparison& comparison);
bool is_log_x(const Comparison& comparison, const LogScales& scales);
bool is_log_y(const Comparison& comparison, const LogScales& scales);

/// The values of a map as a block of gnuplot's: x, y, value, a blank line after each row.
std::string grid_block(const std::string& id, const Comparison& comparison, std::span<const double> values);

Part line_part(const Comparison& comparison, const LogScales& scales);
Part bar_part(const Comparison& comparison, const LogScales& scales);
Part map_part(const Comparison& comparison);

/// Panels of one size in rows of up to three.
struct PanelGrid {
  std::size_t count;
  double cell_width, cell_height;

  std::size_t columns() const { return count == 4 ? 2 : std::min<std::size_t>(count, 3); }
  double left(std::size_t panel) const { return static_cast<double>(panel % columns()) * cell_width; }
  std::size_t rows_of(std::size_t panels) const { return (panels + columns() - 1) / columns(); }
  double top(std::size_t panel) const { return static_cast<double>(rows_of(panel + 1) - 1) * cell_height; }
  double width() const { return static_cast<double>(columns()) * cell_width; }
  double height() const { return static_cast<double>(rows_of(count)) * cell_height; }
};

/// "χ²/dof = 0.97"; empty if there is none.
std::string chi_square_text(double chi_square);

/// "fokker_planck, χ²/dof = 0.97".
std::string law_title(const std::string& name, double chi_square);

/// The mean chi-square of a law over all series of a panel; NaN if none has it.
double panel_chi_square(const ComparisonPanel& panel, const std::string& law);

/// Names of all laws of a panel, in the order of their first appearance.
std::vector<std::string> law_names(const ComparisonPanel& panel);

/// The law of the smallest chi-square; the first one if none has any; empty without laws.
std::string best_law(const ComparisonPanel& panel);

/// Title of a panel, broken into lines that fit along it.
std::string panel_title(const ComparisonPanel& panel);

}  // namespace soret::analysis
