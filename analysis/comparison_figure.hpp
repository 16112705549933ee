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

// ---- What the kinds of comparisons share ----

Part line_part(const Comparison& comparison, const LogScales& scales);
Part bar_part(const Comparison& comparison, const LogScales& scales);
Part map_part(const Comparison& comparison);

/// Panels of one size in rows of up to three.
struct PanelGrid {
  std::size_t count;
  double cell_width, cell_height;

  std::size_t columns() const { return count == 4 ? 2 : std::min<std::size_t>(count, 3); }
  double left(std::size_t panel) const { return static_cast<double>(panel % columns()) * cell_width; }
  double top(std::size_t panel) const { return static_cast<double>(panel / columns()) * cell_height; }
  double width() const { return static_cast<double>(columns()) * cell_width; }
  double height() const { return static_cast<double>((count + columns() - 1) / columns()) * cell_height; }
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
