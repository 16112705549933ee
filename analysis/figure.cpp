#include "analysis/figure.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>
#include <vector>

#include "analysis/gnuplot.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/replace_file.hpp"

namespace soret::analysis {
namespace {

// Inches.
constexpr double kPanelWidth = 2.7, kPanelHeight = 2.3;
constexpr double kLeft = 0.78, kGap = 0.3, kRightMargin = 0.15, kTop = 0.2, kTitleLine = 0.16, kBottom = 0.5;
constexpr double kLegendGap = 0.1, kLegendSample = 0.45, kCharacter = 0.075, kLegendLine = 0.165;
constexpr double kPixelsPerInch = 220;
constexpr double kFontSize = 9;  // points

/// How a curve looks. M. Okabe and K. Ito, "Color universal design" (2008), without yellow, which is too
/// light for a line on white; dashes and symbols have another period than the colours.
struct Style {
  std::string_view colour, dash;
  int symbol;
};

Style style(std::size_t curve) {
  static constexpr std::array<std::string_view, 7> kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                               "#E69F00", "#56B4E9", "#000000"};
  static constexpr std::array<std::string_view, 5> kDashes = {"solid", "(14,5)", "(4,4)", "(14,4,3,4)",
                                                              "(14,4,3,4,3,4)"};
  static constexpr std::array<int, 6> kSymbols = {7, 5, 9, 13, 6, 4};
  return {kColours[curve % kColours.size()], kDashes[curve % kDashes.size()],
          kSymbols[curve % kSymbols.size()]};
}

/// Text as gnuplot's enhanced mode shows it unchanged.
std::string plain(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("_^{}@&~\\").find(c) != std::string_view::npos) escaped += "\\\\";
    if (c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

/// A key as a reader writes it: by its symbol where seed 002 has one.
std::string symbol(const std::string& key) {
  if (key == "learning_rate") return "\u03b7";
  if (key == "batch_size") return "|B|";
  std::string words = key;
  std::replace(words.begin(), words.end(), '_', ' ');
  return plain(words);
}

/// With a minus sign rather than a hyphen.
std::string typeset(const std::string& number) {
  return number.starts_with('-') ? "\u2212" + number.substr(1) : number;
}

/// One panel: what it says and how it scales time.
struct Panel {
  std::string title;
  std::string x_label;
  std::vector<double> scales;  ///< [curve]
};

std::string rescaled_label(const CollapseResult& result, std::span<const double> exponents, bool fitted) {
  std::string label = "{/:Italic t}";
  for (std::size_t k = 0; k < exponents.size(); ++k) {
    if (exponents[k] == 0) continue;
    label += fmt::format(" ({}/{})", symbol(result.keys[k]), shortest(result.best.exponents[k].reference));
    const auto power = fitted ? fmt::format("{:.2f}", exponents[k]) : shortest(exponents[k]);
    if (exponents[k] != 1 || fitted) label += fmt::format("^{{{}}}", typeset(power));
  }
  return label;
}

/// "2.03 [1.97, 2.09]", with as many digits as the interval calls for.
std::string interval(const Exponent& exponent) {
  const double width = exponent.high - exponent.low;
  const int digits = width > 0 ? std::clamp(-static_cast<int>(std::floor(std::log10(width))), 2, 3) : 2;
  const auto text = [&](double value) { return typeset(fmt::format("{:.{}f}", value, digits)); };
  return fmt::format("{} [{}, {}]", text(exponent.value), text(exponent.low), text(exponent.high));
}

std::string fitted_title(const WindowFit& fit) {
  std::vector<std::string> parts;
  for (const auto& exponent : fit.exponents) {
    std::string value = interval(exponent);
    if (!exponent.fitted) value = typeset(shortest(exponent.value)) + " (given)";
    if (exponent.bound) value = typeset(fmt::format("{:.2f}", exponent.value)) + " (a bound)";
    parts.push_back(fmt::format("{}: {}", symbol(exponent.key), value));
  }
  return fmt::format("{} exponent{}, 95% interval{}\\n{}", fit.collapses ? "fitted" : "best",
                     parts.size() > 1 ? "s" : "", fit.collapses ? "" : "; no collapse",
                     fmt::join(parts, "\\n"));
}

Panel raw_panel(const FigureRow& row) {
  return {"raw steps", "step {/:Italic t}", std::vector<double>(row.curves.curves.size(), 1.0)};
}

Panel best_panel(const FigureRow& row) {
  std::vector<double> exponents;
  for (const auto& exponent : row.collapse->best.exponents) exponents.push_back(exponent.value);
  return {fitted_title(row.collapse->best), rescaled_label(*row.collapse, exponents, true),
          time_scales(row.curves, *row.collapse, exponents)};
}

/// The first stated rescaling beyond raw: "eta" where the learning rate varies.
std::optional<Panel> stated_panel(const FigureRow& row) {
  if (row.collapse->hypotheses.size() < 2) return std::nullopt;
  const auto& hypothesis = row.collapse->hypotheses[1];
  std::vector<std::string> factors;
  for (std::size_t k = 0; k < hypothesis.exponents.size(); ++k)
    if (hypothesis.exponents[k] != 0)
      factors.push_back(
          fmt::format("{}: {}", symbol(row.collapse->keys[k]), typeset(shortest(hypothesis.exponents[k]))));
  return Panel{fmt::format("given exponent{}\\n{}", factors.size() > 1 ? "s" : "", fmt::join(factors, ", ")),
               rescaled_label(*row.collapse, hypothesis.exponents, false),
               time_scales(row.curves, *row.collapse, hypothesis.exponents)};
}

std::vector<Panel> panels_of(const FigureRow& row, Panels wanted) {
  if (wanted == Panels::rescaled) {
    if (!row.collapse)
      throw ConfigError(
          fmt::format("'{}' has a single curve: there is nothing to rescale; plot it against step",
                      row.curves.observable));
    return {best_panel(row)};
  }
  std::vector<Panel> panels{raw_panel(row)};
  if (wanted == Panels::step || !row.collapse) return panels;
  if (auto stated = stated_panel(row)) panels.push_back(std::move(*stated));
  panels.push_back(best_panel(row));
  return panels;
}

/// Of the tallest title.
int title_lines(const std::vector<std::vector<Panel>>& rows) {
  int most = 1;
  for (const auto& row : rows)
    for (const auto& panel : row) {
      int lines = 1;
      for (auto at = panel.title.find("\\n"); at != std::string::npos; at = panel.title.find("\\n", at + 1))
        ++lines;
      most = std::max(most, lines);
    }
  return most;
}

/// Records at t = 1, 2, 4, ... want a logarithmic axis.
bool logarithmic(const std::vector<double>& steps) {
  if (steps.size() < 6) return false;
  const std::size_t n = steps.size();
  return steps[n - 1] - steps[n - 2] > 5 * (steps[2] - steps[1]);
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// Means with their errors, and some air.
Range value_range(const Curves& curves) {
  Range range;
  for (const auto& curve : curves.curves)
    for (std::size_t t = 0; t < curve.mean.size(); ++t) {
      const double error = std::isfinite(curve.error[t]) ? curve.error[t] : 0;
      range.include(curve.mean[t] - error);
      range.include(curve.mean[t] + error);
    }
  const double air =
      range.high > range.low ? 0.06 * (range.high - range.low) : std::abs(range.high) * 0.1 + 1e-12;
  return {range.low - air, range.high + air};
}

/// From where the panel's time begins to where its shortest curve ends.
Range time_range(const Curves& curves, const Panel& panel, bool log_axis) {
  Range range{log_axis ? std::numeric_limits<double>::infinity() : 0,
              std::numeric_limits<double>::infinity()};
  for (std::size_t c = 0; c < curves.curves.size(); ++c) {
    double last = 0;
    for (std::size_t t = 0; t < curves.steps.size(); ++t) {
      if (!std::isfinite(curves.curves[c].mean[t])) continue;
      last = curves.steps[t] * panel.scales[c];
      if (log_axis && last > 0) range.low = std::min(range.low, last);
    }
    range.high = std::min(range.high, last);
  }
  if (!(range.high > range.low)) range.high = range.low + 1;
  return range;
}

/// A round distance between ticks, about five of them.
double tick_distance(const Range& range) {
  const double rough = (range.high - range.low) / 4;
  const double decade = std::pow(10, std::floor(std::log10(rough)));
  for (const double digit : {1.0, 2.0, 2.5, 5.0})
    if (digit * decade >= rough) return digit * decade;
  return 10 * decade;
}

/// Breaks a long label into two lines at a blank, so that it fits along a panel.
std::string two_lines(std::string text, std::size_t width) {
  if (text.size() <= width) return plain(text);
  const auto blank = text.rfind(' ', std::max(width, text.size() / 2));
  return blank == std::string::npos ? plain(text)
                                    : plain(text.substr(0, blank)) + "\\n" + plain(text.substr(blank + 1));
}

/// The long name up to its explanation ("activation rate: mean over ..."), with the unit.
std::string y_label(const Curves& curves) {
  constexpr std::size_t kFits = 34;
  const auto name = curves.long_name.substr(0, curves.long_name.find(": "));
  return two_lines(curves.unit == "1" ? name : fmt::format("{} ({})", name, curves.unit), kFits);
}

std::string legend_entry(const Curves& curves, const Curve& curve) {
  std::vector<std::string> values;
  for (std::size_t k = 0; k < curves.keys.size(); ++k)
    values.push_back(fmt::format("{} = {}", symbol(curves.keys[k]), shortest(curve.keys[k])));
  return fmt::format("{}", fmt::join(values, ", "));
}

double legend_width(std::span<const FigureRow> rows) {
  std::size_t characters = 0;
  for (const auto& row : rows)
    for (const auto& curve : row.curves.curves)
      characters = std::max(characters, legend_entry(row.curves, curve).size());
  if (characters == 0) return kRightMargin;
  return kLegendGap + kLegendSample + kCharacter * static_cast<double>(characters) + kRightMargin;
}

/// Share of the usual line distance and letter size at which the legend fits beside its panel.
double legend_scale(const Curves& curves) {
  const double lines = static_cast<double>(curves.curves.size());
  return std::min(1.0, (kPanelHeight + kBottom / 2) / (lines * kLegendLine));
}

/// gnuplot data blocks $r<row>c<curve>: step, mean, mean - error, mean + error.
void write_data(std::string& script, const Curves& curves, std::size_t row) {
  auto out = std::back_inserter(script);
  for (std::size_t c = 0; c < curves.curves.size(); ++c) {
    const Curve& curve = curves.curves[c];
    fmt::format_to(out, "$r{}c{} << END\n", row, c);
    for (std::size_t t = 0; t < curves.steps.size(); ++t) {
      if (!std::isfinite(curve.mean[t])) continue;
      const double error = std::isfinite(curve.error[t]) ? curve.error[t] : 0;
      fmt::format_to(out, "{} {:.9g} {:.9g} {:.9g}\n", curves.steps[t], curve.mean[t], curve.mean[t] - error,
                     curve.mean[t] + error);
    }
    fmt::format_to(out, "END\n");
  }
}

/// About eight symbols on the visible part of a curve.
std::size_t symbol_interval(const std::vector<double>& steps, double scale, const Range& range) {
  const auto visible = std::count_if(steps.begin(), steps.end(), [&](double step) {
    return step * scale >= range.low && step * scale <= range.high;
  });
  return std::max<std::size_t>(1, static_cast<std::size_t>(visible) / 8);
}

void write_panel(std::string& script, const FigureRow& row, const Panel& panel, std::size_t row_number,
                 bool with_legend) {
  const Curves& curves = row.curves;
  const bool log_axis = logarithmic(curves.steps);
  const Range time = time_range(curves, panel, log_axis);
  auto out = std::back_inserter(script);
  fmt::format_to(out, "set title \"{}\"\nset xlabel \"{}\"\n", panel.title, panel.x_label);
  fmt::format_to(out, "set xrange [{:.9g}:{:.9g}]\n", time.low, time.high);
  if (log_axis)
    fmt::format_to(out, "set logscale x 10\nset format x \"10^{{%T}}\"\nset xtics autofreq\n");
  else
    fmt::format_to(out, "unset logscale x\nset format x \"%g\"\nset xtics {:.9g}\n", tick_distance(time));
  fmt::format_to(out, "set key {}\n", with_legend ? "on" : "off");

  std::vector<std::string> bands, lines;
  for (std::size_t c = 0; c < curves.curves.size(); ++c) {
    const Style look = style(c);
    const auto data = fmt::format("$r{}c{}", row_number, c);
    const auto x = fmt::format("($1*{:.17g})", panel.scales[c]);
    bands.push_back(
        fmt::format("{} using {}:3:4 with filledcurves fillcolor rgb \"{}\" fillstyle transparent solid "
                    "0.22 noborder notitle",
                    data, x, look.colour));
    lines.push_back(fmt::format(
        "{} using {}:2 with linespoints linecolor rgb \"{}\" dashtype {} linewidth 1.6 "
        "pointtype {} pointsize 0.75 pointinterval {} title \"{}\"",
        data, x, look.colour, look.dash, look.symbol, symbol_interval(curves.steps, panel.scales[c], time),
        legend_entry(curves, curves.curves[c])));
  }
  fmt::format_to(out, "plot {}, \\\n  {}\n", fmt::join(bands, ", \\\n  "), fmt::join(lines, ", \\\n  "));
}

std::string terminal(const std::string& extension, double width, double height) {
  if (extension == ".png") {
    const double scale = kPixelsPerInch / 96;  // pngcairo takes a point for 1/72 of 96 pixels
    return fmt::format(
        "set terminal pngcairo enhanced font \"Sans,{}\" fontscale {:.4g} linewidth {:.4g} pointscale "
        "{:.4g} size {:.0f},{:.0f}\n",
        kFontSize, scale, scale, scale, width * kPixelsPerInch, height * kPixelsPerInch);
  }
  if (extension == ".pdf")
    return fmt::format(
        "set terminal pdfcairo enhanced font \"Sans,{}\" linewidth 1 pointscale 0.5 size {:.4g}in,{:.4g}in\n",
        kFontSize, width, height);
  if (extension == ".svg")
    return fmt::format(
        "set terminal svg enhanced font \"sans-serif,{}\" background \"white\" size {:.0f},{:.0f}\n",
        kFontSize, width * 72, height * 72);
  throw ConfigError(fmt::format("a figure cannot be written as '{}'; use .png, .svg or .pdf", extension));
}

}  // namespace

std::string figure_script(std::span<const FigureRow> rows, Panels wanted, const std::string& extension) {
  if (rows.empty()) throw ConfigError("a figure needs at least one observable");
  std::vector<std::vector<Panel>> panels;
  std::size_t columns = 0;
  for (const auto& row : rows) {
    panels.push_back(panels_of(row, wanted));
    columns = std::max(columns, panels.back().size());
  }
  const double top_margin = kTop + kTitleLine * title_lines(panels);
  const double legend = legend_width(rows);
  const double width = kLeft + static_cast<double>(columns) * (kPanelWidth + kGap) - kGap + legend;
  const double row_height = top_margin + kPanelHeight + kBottom;
  const double height = static_cast<double>(rows.size()) * row_height;

  std::string script = terminal(extension, width, height);
  auto out = std::back_inserter(script);
  fmt::format_to(
      out,
      "set encoding utf8\nset border linewidth 0.8\nset tics out nomirror scale 0.6\nset style fill "
      "transparent solid 0.22 noborder\n");
  for (std::size_t r = 0; r < rows.size(); ++r) write_data(script, rows[r].curves, r);
  fmt::format_to(out, "set multiplot\n");
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double top = 1 - (static_cast<double>(r) * row_height + top_margin) / height;
    const double bottom = top - kPanelHeight / height;
    const Range values = value_range(rows[r].curves);
    fmt::format_to(out,
                   "set tmargin at screen {:.6g}\nset bmargin at screen {:.6g}\nset yrange [{:.9g}:{:.9g}]\n",
                   top, bottom, values.low, values.high);
    fmt::format_to(out, "set ytics {:.9g}\n", tick_distance(values));
    for (std::size_t p = 0; p < panels[r].size(); ++p) {
      const double left = (kLeft + static_cast<double>(p) * (kPanelWidth + kGap)) / width;
      const double right = left + kPanelWidth / width;
      fmt::format_to(out, "set lmargin at screen {:.6g}\nset rmargin at screen {:.6g}\n", left, right);
      if (p == 0)
        fmt::format_to(out, "set ylabel \"{}\"\nset format y \"%g\"\n", y_label(rows[r].curves));
      else
        fmt::format_to(out, "unset ylabel\nset format y \"\"\n");
      const bool last = p + 1 == panels[r].size();
      if (last)
        fmt::format_to(out,
                       "set key at screen {:.6g},{:.6g} left top Left reverse samplen 2.4 font \",{:.3g}\"\n",
                       right + kLegendGap / width, top, kFontSize * legend_scale(rows[r].curves));
      if (p == 0 && !rows[r].label.empty())
        panels[r][p].title = fmt::format("{}: {}", plain(rows[r].label), panels[r][p].title);
      write_panel(script, rows[r], panels[r][p], r, last && !rows[r].curves.keys.empty());
    }
  }
  fmt::format_to(out, "unset multiplot\n");
  return script;
}

void draw(std::span<const FigureRow> rows, Panels panels, const std::filesystem::path& output) {
  const auto script = figure_script(rows, panels, output.extension().string());
  store::replace_file(output, run_gnuplot(script));
}

}  // namespace soret::analysis
