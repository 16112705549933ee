#include "analysis/collapse_figure.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>
#include <vector>

#include "analysis/figure_style.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/replace_file.hpp"

namespace soret::analysis {
namespace {

/// One panel: what it says and how it scales time.
struct Panel {
  std::string title;
  std::string x_label;
  std::vector<double> scales;  ///< [curve]
};

/// What the curves run over.
std::string abscissa(const Curves& curves) {
  return curves.over.empty() ? "{/:Italic t}" : symbol(curves.over);
}

std::string rescaled_label(const FigureRow& row, std::span<const double> exponents, bool fitted) {
  const CollapseResult& result = *row.collapse;
  std::string label = abscissa(row.curves);
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
  const std::string& name = row.curves.step_name;
  if (!row.curves.over.empty())
    return {"raw " + abscissa(row.curves), abscissa(row.curves),
            std::vector<double>(row.curves.curves.size(), 1.0)};
  return {fmt::format("raw {}s", name), name + " {/:Italic t}",
          std::vector<double>(row.curves.curves.size(), 1.0)};
}

Panel best_panel(const FigureRow& row) {
  std::vector<double> exponents;
  for (const auto& exponent : row.collapse->best.exponents) exponents.push_back(exponent.value);
  return {fitted_title(row.collapse->best), rescaled_label(row, exponents, true),
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
               rescaled_label(row, hypothesis.exponents, false),
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
int title_lines(const std::vector<Panel>& panels) {
  int most = 1;
  for (const auto& panel : panels) {
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

/// Means with their errors, and some air.
Range value_range(const Curves& curves) {
  Range range;
  for (const auto& curve : curves.curves)
    for (std::size_t t = 0; t < curve.mean.size(); ++t) {
      const double error = std::isfinite(curve.error[t]) ? curve.error[t] : 0;
      range.include(curve.mean[t] - error);
      range.include(curve.mean[t] + error);
    }
  return range.padded();
}

/// From where the panel's time begins to where its shortest curve ends; over a key, all of it.
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
    const bool first = !std::isfinite(range.high);
    range.high = curves.over.empty() || first ? std::min(range.high, last) : std::max(range.high, last);
  }
  if (!(range.high > range.low)) range.high = range.low + 1;
  return range;
}

std::string legend_entry(const Curves& curves, const Curve& curve) {
  std::vector<std::string> values;
  for (std::size_t k = 0; k < curves.keys.size(); ++k)
    values.push_back(fmt::format("{} = {}", symbol(curves.keys[k]), shortest(curve.keys[k])));
  return fmt::format("{}", fmt::join(values, ", "));
}

double legend_width(const Curves& curves) {
  std::size_t characters = 0;
  for (const auto& curve : curves.curves)
    characters = std::max(characters, shown_length(legend_entry(curves, curve)));
  if (characters == 0) return kRightMargin;
  return kLegendGap + kLegendSample + kCharacter * static_cast<double>(characters) + kRightMargin;
}

/// Share of the usual line distance and letter size at which the legend fits beside its panel.
double legend_scale(const Curves& curves) {
  const double lines = static_cast<double>(curves.curves.size());
  return std::min(1.0, (kPanelHeight + kBottom / 2) / (lines * kLegendLine));
}

/// Data blocks <name>c<curve>: step, mean, mean - error, mean + error.
void write_data(std::string& script, const Curves& curves, const std::string& name) {
  auto out = std::back_inserter(script);
  for (std::size_t c = 0; c < curves.curves.size(); ++c) {
    const Curve& curve = curves.curves[c];
    fmt::format_to(out, "{}c{} << END\n", name, c);
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

void write_panel(std::string& script, const FigureRow& row, const Panel& panel, const std::string& name,
                 bool with_legend) {
  const Curves& curves = row.curves;
  const bool log_axis = logarithmic(curves.steps);
  const Range time = time_range(curves, panel, log_axis);
  auto out = std::back_inserter(script);
  fmt::format_to(out, "set title \"{}\"\nset xlabel \"{}\"\n", panel.title, panel.x_label);
  out = fmt::format_to(out, "{}", axis_commands("x", time, log_axis));
  fmt::format_to(out, "set key {}\n", with_legend ? "on" : "off");

  std::vector<std::string> bands, lines;
  for (std::size_t c = 0; c < curves.curves.size(); ++c) {
    const Style look = style(c);
    const auto data = fmt::format("{}c{}", name, c);
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

}  // namespace

Part collapse_part(const FigureRow& row, Panels wanted) {
  auto panels = panels_of(row, wanted);
  if (!row.label.empty()) panels[0].title = fmt::format("{}: {}", plain(row.label), panels[0].title);
  const double top = kTop + kTitleLine * title_lines(panels);
  const double width =
      kLeft + static_cast<double>(panels.size()) * (kPanelWidth + kGap) - kGap + legend_width(row.curves);
  // The row is copied: it need not outlive the part.
  const auto write = [row, panels, top](const Canvas& canvas, std::string& data, std::string& script) {
    write_data(data, row.curves, canvas.data);
    const Range values = value_range(row.curves);
    auto out = std::back_inserter(script);
    for (std::size_t p = 0; p < panels.size(); ++p) {
      const double left = kLeft + static_cast<double>(p) * (kPanelWidth + kGap);
      script += panel_place(canvas, left, top, kPanelWidth, kPanelHeight);
      script += axis_commands("y", values, false, p > 0);
      if (p == 0)
        script += y_label_commands(
            canvas, left, top + kPanelHeight / 2,
            with_power(quantity_label(row.curves.observable, row.curves.long_name, row.curves.unit), values,
                       false));
      const bool last = p + 1 == panels.size();
      if (last)
        fmt::format_to(
            out, "set key at screen {:.6g},{:.6g} left top Left reverse samplen 2.4 font \",{:.3g}\"\n",
            canvas.x(left + kPanelWidth + kLegendGap), canvas.y(top), kFontSize * legend_scale(row.curves));
      write_panel(script, row, panels[p], canvas.data, last && !row.curves.keys.empty());
      script += "unset label 2\n";
    }
  };
  return {width, top + kPanelHeight + kBottom, write};
}

}  // namespace soret::analysis
