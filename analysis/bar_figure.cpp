#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "analysis/comparison_figure.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

constexpr double kBarPanelHeight = 1.9;  // inches
constexpr double kGroup = 0.8;           ///< share of a category's width that its bars take
constexpr std::string_view kMeasuredColour = "#999999";
constexpr std::string_view kSolid = "solid 0.85";
constexpr std::array<std::string_view, 4> kPatterns = {"pattern 4", "pattern 1", "pattern 2", "pattern 5"};

/// The bars of a category, side by side: each series, followed by its laws.
struct Bar {
  std::string title;
  std::string colour;
  std::string_view fill;  ///< gnuplot's style
  std::vector<double> height, error;
};

std::vector<Bar> bars_of(const ComparisonPanel& panel) {
  std::vector<Bar> bars;
  const bool alone = panel.series.size() == 1;
  const auto names = law_names(panel);
  for (std::size_t s = 0; s < panel.series.size(); ++s) {
    const auto& series = panel.series[s];
    std::string title = typeset(series.label);
    if (alone) title = title.empty() ? "measured" : "measured, " + title;
    bars.push_back(
        {title, std::string(alone ? kMeasuredColour : style(s).colour), kSolid, series.mean, series.error});
    for (const auto& law : series.laws) {
      const auto number =
          static_cast<std::size_t>(std::find(names.begin(), names.end(), law.name) - names.begin());
      bars.push_back({alone ? law_title(law.name, law.chi_square)
                            : fmt::format("{}: {}", title, law_title(law.name, law.chi_square)),
                      std::string(style(alone ? number : s).colour),
                      alone ? kSolid : kPatterns[number % kPatterns.size()],
                      law.value,
                      {}});
    }
  }
  return bars;
}

class BarFigure {
 public:
  BarFigure(const Comparison& comparison, const LogScales& scales)
      : comparison_(comparison), log_y_(scales.y.value_or(false)) {
    for (const auto& panel : comparison.panels) {
      bars_.push_back(bars_of(panel));
      most_entries_ = std::max(most_entries_, legend_entries(bars_.back()));
      if (log_y_)
        for (const auto& series : panel.series)
          for (std::size_t i = 0; i < series.mean.size(); ++i)
            if (series.mean[i] < 0)
              throw ConfigError(
                  fmt::format("--log y: '{}' is {} at {} = {}; a logarithmic axis takes numbers above 0",
                              comparison.quantity, shortest(series.mean[i]), comparison.x.name,
                              comparison.x.categories[i]));
    }
  }

  PanelGrid grid() const {
    return {comparison_.panels.size(), kLeft + kPanelWidth + kRightMargin, top() + kBarPanelHeight + kBottom};
  }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    for (std::size_t p = 0; p < comparison_.panels.size(); ++p) write_panel(canvas, p, data, script);
  }

 private:
  /// A single kind of bars is named by the axis.
  static std::size_t legend_entries(const std::vector<Bar>& bars) {
    return bars.size() == 1 ? 0 : bars.size();
  }
  double top() const { return kTop + kTitleLine + kLegendPitch * static_cast<double>(most_entries_) + 0.06; }

  Range y_range(const std::vector<Bar>& bars) const {
    Range range;
    for (const auto& bar : bars)
      for (std::size_t i = 0; i < bar.height.size(); ++i) {
        if (log_y_ && !(bar.height[i] > 0)) continue;
        const double error = bar.error.empty() || !std::isfinite(bar.error[i]) ? 0 : bar.error[i];
        range.include(bar.height[i] + error);
        if (!log_y_ || bar.height[i] > error) range.include(bar.height[i] - error);
      }
    if (log_y_) return {range.low / 2, range.high * 1.2};
    range.include(0);
    if (range.low == 0 && range.high == 0) return {0, 1};
    Range padded = range.padded();
    if (range.low == 0) padded.low = 0;
    if (range.high == 0) padded.high = 0;
    return padded;
  }

  void write_bar(double place, const Bar& bar, std::size_t i, std::string& data) const {
    const double height = bar.height[i];
    const double error = bar.error.empty() || !std::isfinite(bar.error[i]) ? 0 : bar.error[i];
    const double low = log_y_ && !(height > error) ? 1e-6 * height : height - error;
    fmt::format_to(std::back_inserter(data), "{:.6g} {:.9g} {:.9g} {:.9g}\n", place, height, low,
                   height + error);
  }

  /// <id>b<bar>: place, height, height - error, height + error.
  void write_panel(const Canvas& canvas, std::size_t p, std::string& data, std::string& script) const {
    const auto& bars = bars_[p];
    const PanelGrid places = grid();
    const std::string id = fmt::format("{}n{}", canvas.data, p);
    const double width = kGroup / static_cast<double>(bars.size());
    auto out = std::back_inserter(data);
    for (std::size_t b = 0; b < bars.size(); ++b) {
      fmt::format_to(out, "{}b{} << END\n", id, b);
      for (std::size_t i = 0; i < bars[b].height.size(); ++i)
        if (std::isfinite(bars[b].height[i]))
          write_bar(static_cast<double>(i) + (static_cast<double>(b) + 0.5) * width - kGroup / 2, bars[b], i,
                    data);
      fmt::format_to(out, "END\n");
    }

    const double left = places.left(p) + kLeft;
    const double panel_top = places.top(p) + top();
    auto to = std::back_inserter(script);
    script += panel_place(canvas, left, panel_top, kPanelWidth, kBarPanelHeight);
    const Range y = y_range(bars);
    script += axis_commands("y", y, log_y_);
    std::vector<std::string> ticks;
    for (std::size_t i = 0; i < comparison_.x.categories.size(); ++i)
      ticks.push_back(fmt::format("\"{}\" {}", plain(comparison_.x.categories[i]), i));
    fmt::format_to(to,
                   "set title\nunset logscale x\nset xrange [-0.6:{}]\nset xtics ({})\nset xlabel \"{}\"\n",
                   static_cast<double>(comparison_.x.categories.size()) - 0.4, fmt::join(ticks, ", "),
                   symbol(comparison_.x.name));
    script += y_label_commands(
        canvas, left, panel_top + kBarPanelHeight / 2,
        with_power(quantity_label(comparison_.quantity, comparison_.long_name, comparison_.unit), y, log_y_));
    fmt::format_to(to, "set boxwidth {:.6g} absolute\n", 0.92 * width);
    script +=
        title_commands(canvas, left, panel_top - kLegendPitch * static_cast<double>(legend_entries(bars)),
                       panel_title(comparison_.panels[p]));
    fmt::format_to(
        to, "set key {} at screen {:.6g},{:.6g} left top Left reverse samplen 1.6 maxcols 1 font \",{}\"\n",
        legend_entries(bars) > 0 ? "on" : "off", canvas.x(left),
        canvas.y(panel_top - 0.06 - kLegendPitch * static_cast<double>(legend_entries(bars))), kFontSize);
    std::vector<std::string> plots;
    for (std::size_t b = 0; b < bars.size(); ++b) {
      plots.push_back(
          fmt::format("{}b{} using 1:2 with boxes fillstyle {} border lc rgb \"#000000\" linecolor rgb "
                      "\"{}\" title \"{}\"",
                      id, b, bars[b].fill, bars[b].colour, bars[b].title));
      if (!bars[b].error.empty())
        plots.push_back(
            fmt::format("{}b{} using 1:3:(0):($4-$3) with vectors heads size screen 0.004,90 linecolor rgb "
                        "\"#000000\" linewidth "
                        "1.4 notitle",
                        id, b));
    }
    fmt::format_to(to, "plot {}\nunset label 1\nunset label 2\nset key off\n", fmt::join(plots, ", \\\n  "));
  }

  Comparison comparison_;
  bool log_y_;
  std::vector<std::vector<Bar>> bars_;  ///< [panel]
  std::size_t most_entries_ = 0;
};

}  // namespace

Part bar_part(const Comparison& comparison, const LogScales& scales) {
  const BarFigure figure(comparison, scales);
  return {figure.grid().width(), figure.grid().height(),
          [figure](const Canvas& canvas, std::string& data, std::string& script) {
            figure.write(canvas, data, script);
          }};
}

}  // namespace soret::analysis
