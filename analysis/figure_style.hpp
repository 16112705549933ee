#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "analysis/comparison.hpp"
#include "analysis/figure.hpp"

/// How all figures look: sizes, palette, text and axes.
namespace soret::analysis {

// Inches.
inline constexpr double kPanelWidth = 2.7, kPanelHeight = 2.3;
inline constexpr double kLeft = 0.84, kGap = 0.3, kRightMargin = 0.15, kTop = 0.2, kTitleLine = 0.16,
                        kBottom = 0.5;
inline constexpr double kLegendGap = 0.1, kLegendSample = 0.45, kCharacter = 0.075, kLegendLine = 0.165;
/// From one entry of a legend at full size to the next.
inline constexpr double kLegendPitch = 0.148;
inline constexpr double kFontSize = 9;  // points

/// How a curve looks: Okabe and Ito's palette; dashes and symbols have another period than the colours, so
/// that neither colour blindness nor a grey print hides which is which.
struct Style {
  std::string_view colour, dash;
  int symbol;
};
Style style(std::size_t curve);

/// Text as gnuplot's enhanced mode shows it unchanged.
std::string plain(std::string_view text);

/// A key, or a formula of keys, as a reader writes it: by symbols where the seeds have them.
std::string symbol(const std::string& key);

/// With a minus sign rather than a hyphen.
std::string typeset(const std::string& number);
/// "η = 0.05, field = bump".
std::string typeset(const Label& label);

/// Breaks a long text into two lines at a blank, so that it fits along a panel.
std::string two_lines(const std::string& text, std::size_t width);

/// The long name up to its explanation ("activation rate: mean over ..."), with the unit; the name itself
/// where the long name is a sentence.
std::string quantity_label(const std::string& name, const std::string& long_name, const std::string& unit);

/// Characters that a reader sees.
std::size_t shown_length(std::string_view text);

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();

  void include(double value);
  /// With some air at both ends; on a logarithmic scale as a factor.
  Range padded(bool log_axis = false) const;
};

/// A round distance between ticks, about five of them.
double tick_distance(const Range& range);

/// The power of ten that the ticks of a linear axis leave to its label: 0 where plain numbers do.
int common_power(const Range& range);

/// The label with " (10^{-7})" where the axis has a common power.
std::string with_power(const std::string& label, const Range& range, bool log_axis);

/// The commands for range, scale and ticks of an axis, "x", "y", "y2" or "cb"; `blank`: ticks without
/// numbers.
std::string axis_commands(std::string_view axis, const Range& range, bool log_axis, bool blank = false);

/// A label along the y axis, at the same distance from the axis whatever its ticks. `left` and `middle` are
/// inches from the part's upper left corner, of the axis and of its centre.
std::string y_label_commands(const Canvas& canvas, double left, double middle, const std::string& text);

/// A title centred over a panel, its lowest line just above `bottom`. (gnuplot's own would lie on the
/// legend.)
std::string title_commands(const Canvas& canvas, double left, double bottom, const std::string& title);

/// The margins of a panel, given in inches from the part's upper left corner.
std::string panel_place(const Canvas& canvas, double left, double top, double width, double height);

}  // namespace soret::analysis
