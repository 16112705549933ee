#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "analysis/comparison_figure.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

// Inches.
constexpr double kMainHeight = 2.0, kResidualGap = 0.08, kResidualHeight = 0.75;
/// Legends of more entries stand beside the panel instead of above it.
constexpr std::size_t kMostAbove = 5;
/// Residuals within this many standard errors lie in the grey band.
constexpr double kBand = 3;
/// Laws may take so many times the room of the measured numbers, at either side.
constexpr double kMostRoom = 100;
/// Numbers that span this factor or more are shown on a logarithmic axis. Our choice.
constexpr double kLogSpan = 20;

bool residuals_exist(const ComparisonPanel& panel) {
  for (const auto& series : panel.series)
    for (const auto& law : series.laws)
      for (std::size_t i = 0; i < series.x.size(); ++i)
        if (series.error[i] > 0 && std::isfinite(series.mean[i]) && std::isfinite(law.value[i])) return true;
  return false;
}

/// All numbers of an axis: places, or measured numbers (without their laws').
template <class Visit>
void for_each_number(const Comparison& comparison, bool x, const Visit& visit) {
  for (const auto& panel : comparison.panels)
    for (const auto& series : panel.series)
      for (std::size_t i = 0; i < series.x.size(); ++i)
        if (std::isfinite(series.mean[i])) visit(x ? series.x[i] : series.mean[i], series.x[i]);
}

/// Whether the axis is logarithmic: as asked for, else by the span of its numbers.
bool log_axis(const Comparison& comparison, bool x, std::optional<bool> asked, bool may_choose) {
  if (asked) {
    if (*asked)
      for_each_number(comparison, x, [&](double value, double place) {
        if (value < 0)
          throw ConfigError(
              fmt::format("--log {}: '{}' is {} at {} = {}; a logarithmic axis takes numbers above 0",
                          x ? "x" : "y", x ? comparison.x.name : comparison.quantity, shortest(value),
                          comparison.x.name, shortest(place)));
      });
    return *asked;
  }
  if (!may_choose) return false;
  Range range;
  for_each_number(comparison, x, [&](double value, double) { range.include(value); });
  return range.low > 0 && range.high >= kLogSpan * range.low;
}

/// Records at t = 1, 2, 4, ... want a logarithmic axis.
bool logarithmic_steps(const Comparison& comparison) {
  const auto& t = comparison.x.values;
  return is_step(comparison.x.name) && t.size() >= 6 && t[t.size() - 1] - t[t.size() - 2] > 5 * (t[2] - t[1]);
}

class LineFigure {
 public:
  LineFigure(Comparison comparison, const LogScales& scales)
      : comparison_(std::move(comparison)),
        log_x_(is_log_x(comparison_, scales)),
        log_y_(is_log_y(comparison_, scales)) {
    std::size_t entries = 0;
    for (const auto& panel : comparison_.panels) {
      residuals_ = residuals_ || residuals_exist(panel);
      entries = std::max(entries, legend_entries(panel));
      title_lines_ = std::max(title_lines_, lines(panel_title(panel)));
      for (const auto& entry : legend_texts(panel))
        legend_characters_ = std::max(legend_characters_, shown_length(entry));
    }
    beside_ = entries > kMostAbove;
    above_ = beside_ ? 0 : entries;
  }

  PanelGrid grid() const {
    const double legend =
        beside_ ? kLegendGap + kLegendSample + 0.9 * kCharacter * static_cast<double>(legend_characters_) : 0;
    return {comparison_.panels.size(), kLeft + kPanelWidth + legend + kRightMargin, top() + body() + kBottom};
  }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    const PanelGrid places = grid();
    for (std::size_t p = 0; p < comparison_.panels.size(); ++p)
      write_panel(canvas, places.left(p) + kLeft, places.top(p), p, data, script);
  }

 private:
  /// A law of a series, or the one of an earlier series that says the same.
  struct DrawnLaw {
    std::size_t series, law, style;
    std::string name;
  };

  double top() const {
    return kTop + kTitleLine * static_cast<double>(title_lines_) +
           kLegendPitch * static_cast<double>(above_) + 0.06;
  }
  double body() const { return kMainHeight + (residuals_ ? kResidualGap + kResidualHeight : 0); }

  static std::size_t lines(const std::string& title) {
    if (title.empty()) return 0;
    std::size_t n = 1;
    for (auto at = title.find("\\n"); at != std::string::npos; at = title.find("\\n", at + 1)) ++n;
    return n;
  }

  static bool several(const ComparisonPanel& panel) { return panel.series.size() > 1; }

  std::vector<std::string> legend_texts(const ComparisonPanel& panel) const {
    std::vector<std::string> texts;
    for (const auto& series : panel.series) texts.push_back(series_title(panel, series));
    for (const auto& name : law_names(panel))
      texts.push_back(several(panel) ? shared_law_title(panel, name)
                                     : law_title(name, panel_chi_square(panel, name)));
    return texts;
  }
  std::size_t legend_entries(const ComparisonPanel& panel) const {
    const auto laws = law_names(panel).size();
    return laws == 0 && !several(panel) && panel.series[0].label.empty() ? 0 : panel.series.size() + laws;
  }
  static std::string series_title(const ComparisonPanel& panel, const MeasuredSeries& series) {
    if (!several(panel))
      return series.label.empty() ? "measured" : fmt::format("measured, {}", typeset(series.label));
    return typeset(series.label);
  }

  /// Of several series only the residuals of one law are shown.
  static std::string shared_law_title(const ComparisonPanel& panel, const std::string& name) {
    const auto title = law_title(name, panel_chi_square(panel, name));
    const bool of_residuals =
        name == best_law(panel) && law_names(panel).size() > 1 && residuals_exist(panel);
    return of_residuals ? title + "; residuals below" : title;
  }

  static bool same(const MeasuredSeries& a, const Law& x, const MeasuredSeries& b, const Law& y) {
    if (x.name != y.name || a.x != b.x) return false;
    for (std::size_t i = 0; i < x.value.size(); ++i)
      if (std::abs(x.value[i] - y.value[i]) > 1e-9 * std::abs(x.value[i])) return false;
    return true;
  }

  /// Laws of several series that coincide are drawn once.
  static std::vector<DrawnLaw> drawn_laws(const ComparisonPanel& panel) {
    const auto names = law_names(panel);
    std::vector<DrawnLaw> drawn;
    for (std::size_t s = 0; s < panel.series.size(); ++s)
      for (std::size_t l = 0; l < panel.series[s].laws.size(); ++l) {
        const auto& law = panel.series[s].laws[l];
        if (std::any_of(drawn.begin(), drawn.end(), [&](const DrawnLaw& earlier) {
              return same(panel.series[earlier.series], panel.series[earlier.series].laws[earlier.law],
                          panel.series[s], law);
            }))
          continue;
        const auto style =
            static_cast<std::size_t>(std::find(names.begin(), names.end(), law.name) - names.begin());
        drawn.push_back({s, l, style, law.name});
      }
    return drawn;
  }

  bool shown(double x, double y) const {
    return std::isfinite(x) && std::isfinite(y) && (!log_x_ || x > 0) && (!log_y_ || y > 0);
  }

  /// <id>s<series>: x, mean, mean - error, mean + error. <id>s<series>l<law>: x, law, (measured - law) /
  /// error.
  void write_data(const ComparisonPanel& panel, const std::string& id, std::string& data) const {
    auto out = std::back_inserter(data);
    for (std::size_t s = 0; s < panel.series.size(); ++s) {
      const auto& series = panel.series[s];
      fmt::format_to(out, "{}s{} << END\n", id, s);
      for (std::size_t i = 0; i < series.x.size(); ++i) {
        const double mean = series.mean[i];
        if (!shown(series.x[i], mean)) continue;
        const double error = std::isfinite(series.error[i]) ? series.error[i] : 0;
        // A bar that reaches to 0 leaves a logarithmic panel at its lower edge.
        const double low = log_y_ && !(mean > error) ? 1e-6 * mean : mean - error;
        fmt::format_to(out, "{:.9g} {:.9g} {:.9g} {:.9g}\n", series.x[i], mean, low, mean + error);
      }
      fmt::format_to(out, "END\n");
      for (std::size_t l = 0; l < series.laws.size(); ++l) {
        fmt::format_to(out, "{}s{}l{} << END\n", id, s, l);
        for (std::size_t i = 0; i < series.x.size(); ++i) {
          const double law = series.laws[l].value[i];
          if (!shown(series.x[i], law)) continue;
          const double z = (series.mean[i] - law) / series.error[i];
          fmt::format_to(out, "{:.9g} {:.9g} {}\n", series.x[i], law,
                         series.error[i] > 0 && std::isfinite(z) ? fmt::format("{:.6g}", z) : "NaN");
        }
        fmt::format_to(out, "END\n");
      }
    }
  }

  Range x_range(const ComparisonPanel& panel) const {
    Range range;
    for (const auto& series : panel.series)
      for (std::size_t i = 0; i < series.x.size(); ++i)
        if (shown(series.x[i], series.mean[i])) range.include(series.x[i]);
    return range.padded(log_x_);
  }

  /// Measured numbers with their errors; laws far beyond them leave the panel.
  Range y_range(const ComparisonPanel& panel) const {
    Range measured, laws;
    for (const auto& series : panel.series) {
      for (std::size_t i = 0; i < series.x.size(); ++i) {
        if (!shown(series.x[i], series.mean[i])) continue;
        const double error = std::isfinite(series.error[i]) ? series.error[i] : 0;
        measured.include(series.mean[i]);
        if (!log_y_ || series.mean[i] > error) measured.include(series.mean[i] - error);
        measured.include(series.mean[i] + error);
      }
      for (const auto& law : series.laws)
        for (std::size_t i = 0; i < series.x.size(); ++i)
          if (shown(series.x[i], law.value[i])) laws.include(law.value[i]);
    }
    if (laws.low <= laws.high) {
      const double span = measured.high - measured.low;
      const double factor = log_y_ ? std::max(measured.high / measured.low, kMostRoom) : 0;
      const double floor = log_y_ ? measured.low / factor : measured.low - kMostRoom * span;
      const double ceiling = log_y_ ? measured.high * factor : measured.high + kMostRoom * span;
      const bool flat = !(span > 0);
      measured.include(flat ? laws.low : std::max(laws.low, floor));
      measured.include(flat ? laws.high : std::min(laws.high, ceiling));
    }
    return measured.padded(log_y_);
  }

  void write_panel(const Canvas& canvas, double left, double cell_top, std::size_t number, std::string& data,
                   std::string& script) const {
    const auto& panel = comparison_.panels[number];
    const std::string id = fmt::format("{}n{}", canvas.data, number);
    write_data(panel, id, data);
    const double panel_top = cell_top + top();
    auto out = std::back_inserter(script);
    script += panel_place(canvas, left, panel_top, kPanelWidth, kMainHeight);
    const Range x = x_range(panel), y = y_range(panel);
    script += axis_commands("x", x, log_x_, residuals_);
    script += axis_commands("y", y, log_y_);
    const double legend = beside_ ? 0 : kLegendPitch * static_cast<double>(legend_entries(panel));
    script += title_commands(canvas, left, panel_top - legend, panel_title(panel));
    script += y_label_commands(
        canvas, left, panel_top + kMainHeight / 2,
        with_power(quantity_label(comparison_.quantity, comparison_.long_name, comparison_.unit), y, log_y_));
    fmt::format_to(out, "set xlabel \"{}\"\n",
                   residuals_ ? "" : with_power(x_axis_label(comparison_), x, log_x_));
    write_key(canvas, left, panel_top, panel, script);
    write_plot(panel, id, script);
    fmt::format_to(out, "unset label 1\nunset label 2\nset key off\n");
    if (residuals_) write_residuals(canvas, left, panel_top + kMainHeight + kResidualGap, panel, id, script);
  }

  void write_key(const Canvas& canvas, double left, double panel_top, const ComparisonPanel& panel,
                 std::string& script) const {
    const auto entries = legend_entries(panel);
    auto out = std::back_inserter(script);
    if (entries == 0) {
      fmt::format_to(out, "set key off\n");
      return;
    }
    const double x = beside_ ? left + kPanelWidth + kLegendGap : left;
    const double y = beside_ ? panel_top : panel_top - 0.06 - kLegendPitch * static_cast<double>(entries);
    const double scale = beside_ ? std::min(1.0, body() / (static_cast<double>(entries) * kLegendLine)) : 1.0;
    fmt::format_to(out,
                   "set key on at screen {:.6g},{:.6g} left top Left reverse samplen 2.4 maxcols 1 font "
                   "\",{:.3g}\"\n",
                   canvas.x(x), canvas.y(y), kFontSize * scale);
  }

  void write_plot(const ComparisonPanel& panel, const std::string& id, std::string& script) const {
    const auto names = law_names(panel);
    std::vector<std::string> plots;
    // Laws of one series differ in colour and dash, those of several in dash: the colour is the series'.
    for (const auto& [s, l, look, name] : drawn_laws(panel)) {
      const Style law = style(look);
      const auto colour = several(panel) ? style(s).colour : law.colour;
      const auto title = several(panel)
                             ? "notitle"
                             : fmt::format("title \"{}\"", law_title(name, panel_chi_square(panel, name)));
      plots.push_back(
          fmt::format("{}s{}l{} using 1:2 with lines linecolor rgb \"{}\" dashtype {} linewidth 1.6 {}", id,
                      s, l, colour, law.dash, title));
    }
    std::vector<std::string> measured, on_top;
    for (std::size_t s = 0; s < panel.series.size(); ++s) {
      const auto& series = panel.series[s];
      const Style look = style(s);
      const bool alone = !several(panel);
      const auto colour = alone ? std::string_view("#000000") : look.colour;
      const int symbol_type = alone ? 7 : look.symbol;
      measured.push_back(
          fmt::format("{}s{} using 1:3:(0):($4-$3) with vectors nohead linecolor rgb \"{}\" linewidth 1 "
                      "dashtype solid notitle",
                      id, s, colour));
      const auto points = fmt::format(
          "{}s{} using 1:2 with {} linecolor rgb \"{}\" linewidth 0.8 dashtype solid pointtype {} pointsize "
          "{}",
          id, s, joined(series), colour, symbol_type, point_size(series));
      measured.push_back(fmt::format("{} title \"{}\"", points, series_title(panel, series)));
      if (!series.laws.empty()) on_top.push_back(points + " notitle");
    }
    // Before the laws for the legend's sake, and after them to lie on top.
    // Before the laws for the legend's sake, and after them to lie on top.
    plots.insert(plots.begin(), measured.begin(), measured.end());
    plots.insert(plots.end(), on_top.begin(), on_top.end());
    plots.insert(plots.end(), on_top.begin(), on_top.end());
    if (several(panel))
      for (std::size_t l = 0; l < names.size(); ++l)
        plots.push_back(fmt::format(
            "keyentry with lines linecolor rgb \"#000000\" dashtype {} linewidth 1.6 title \"{}\"",
            style(l).dash, shared_law_title(panel, names[l])));
    fmt::format_to(std::back_inserter(script), "plot {}\n", fmt::join(plots, ", \\\n  "));
  }

  /// Without a law the eye needs a line, with a symbol here and there.
  static std::string joined(const MeasuredSeries& series) {
    if (!series.laws.empty()) return "points";
    return fmt::format("linespoints pointinterval {}", std::max<std::size_t>(1, series.x.size() / 25));
  }

  static double point_size(const MeasuredSeries& series) {
    if (series.x.size() > 100) return 0.3;
    return series.x.size() > 40 ? 0.42 : 0.55;
  }

  // ---- Residuals ----

  void write_residuals(const Canvas& canvas, double left, double residual_top, const ComparisonPanel& panel,
                       const std::string& id, std::string& script) const {
    auto out = std::back_inserter(script);
    script += panel_place(canvas, left, residual_top, kPanelWidth, kResidualHeight);
    const Range x = x_range(panel);
    script += axis_commands("x", x, log_x_);
    // Linear within a few standard errors, logarithmic beyond: asinh shows 1 and 1000 at once.
    double most = kBand + 1;
    const auto best = best_law(panel);
    for (const auto& series : panel.series)
      for (const auto& law : series.laws)
        if (!several(panel) || law.name == best)
          for (std::size_t i = 0; i < series.x.size(); ++i)
            if (series.error[i] > 0 && std::isfinite(law.value[i]) && std::isfinite(series.mean[i]))
              most = std::max(most, std::abs(series.mean[i] - law.value[i]) / series.error[i]);
    const auto scaled = [](double z) { return std::asinh(z / kBand); };
    fmt::format_to(out, "unset logscale y\nset yrange [{:.6g}:{:.6g}]\nset ytics ({})\nset xlabel \"{}\"\n",
                   -1.08 * scaled(most), 1.08 * scaled(most), residual_ticks(most),
                   with_power(x_axis_label(comparison_), x, log_x_));
    script += y_label_commands(canvas, left, residual_top + kResidualHeight / 2, "residual / \u03c3");
    fmt::format_to(
        out,
        "set object 1 rectangle from graph 0, first {0:.6g} to graph 1, first {1:.6g} behind fillstyle solid "
        "noborder fillcolor rgb \"#e6e6e6\"\n",
        -scaled(kBand), scaled(kBand));
    std::vector<std::string> plots{"0 with lines linecolor rgb \"#888888\" linewidth 0.8 notitle"};
    const auto names = law_names(panel);
    for (std::size_t s = 0; s < panel.series.size(); ++s)
      for (std::size_t l = panel.series[s].laws.size(); l-- > 0;) {  // the first law on top
        const auto& law = panel.series[s].laws[l];
        if (several(panel) && law.name != best) continue;
        const auto look = style(
            several(panel)
                ? s
                : static_cast<std::size_t>(std::find(names.begin(), names.end(), law.name) - names.begin()));
        plots.push_back(
            fmt::format("{}s{}l{} using 1:(asinh($3/{})) with points linecolor rgb \"{}\" pointtype {} "
                        "pointsize {} notitle",
                        id, s, l, kBand, look.colour, look.symbol, point_size(panel.series[s])));
      }
    fmt::format_to(out, "plot {}\nunset object 1\nunset label 2\n", fmt::join(plots, ", \\\n  "));
  }

  static std::string residual_ticks(double most) {
    std::vector<double> marks{1e4};
    if (most < 1e5) marks = {100};
    if (most < 300) marks = {10, 100};
    if (most < 100) marks = {10};
    if (most < 20) marks = {3};
    std::vector<std::string> ticks{"\"0\" 0"};
    for (const double mark : marks) {
      ticks.push_back(fmt::format("\"{:.0f}\" {:.6g}", mark, std::asinh(mark / kBand)));
      ticks.push_back(fmt::format("\"\u2212{:.0f}\" {:.6g}", mark, -std::asinh(mark / kBand)));
    }
    return fmt::format("{}", fmt::join(ticks, ", "));
  }

  Comparison comparison_;
  bool log_x_, log_y_;
  bool residuals_ = false, beside_ = false;
  std::size_t title_lines_ = 0, legend_characters_ = 0, above_ = 0;
};

}  // namespace

std::string x_axis_label(const Comparison& comparison) {
  const FigureAxis& x = comparison.x;
  if (is_step(x.name)) return step_word(x.long_name) + " {/:Italic t}";
  if (x.values.empty()) return symbol(x.name) + (x.unit == "1" ? "" : " (" + plain(x.unit) + ")");
  return quantity_label(x.name, x.long_name, x.unit);
}

bool is_log_x(const Comparison& comparison, const LogScales& scales) {
  return log_axis(comparison, true, scales.x, comparison.x.values.empty()) ||
         (!scales.x && logarithmic_steps(comparison));
}

bool is_log_y(const Comparison& comparison, const LogScales& scales) {
  return log_axis(comparison, false, scales.y, comparison.x.values.empty());
}

Part line_part(const Comparison& comparison, const LogScales& scales) {
  const LineFigure figure(comparison, scales);
  return {figure.grid().width(), figure.grid().height(),
          [figure](const Canvas& canvas, std::string& data, std::string& script) {
            figure.write(canvas, data, script);
          }};
}

}  // namespace soret::analysis
