#include "analysis/correlation_figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "analysis/figure_style.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

constexpr std::size_t kMostQuantities = 10;
constexpr double kCell = 1.75;  // inches, with its gap
constexpr double kPanel = 1.4;
constexpr double kBelow = 0.5, kTitle = 0.3;

/// The distinct values of an axis, ascending, and which one every point has.
struct Levels {
  std::vector<double> values;
  std::vector<std::size_t> of;  ///< [point]
};

Levels levels_of(const std::vector<double>& settings) {
  Levels levels{settings, {}};
  std::ranges::sort(levels.values);
  levels.values.erase(std::ranges::unique(levels.values).begin(), levels.values.end());
  for (const double x : settings)
    levels.of.push_back(
        static_cast<std::size_t>(std::ranges::lower_bound(levels.values, x) - levels.values.begin()));
  return levels;
}

/// What a quantity is called along its axis.
std::string name_of(const CorrelatedQuantity& q) {
  return q.name == q.long_name ? symbol(q.name)
                               : symbol(q.name) + (q.unit == "1" ? "" : " (" + plain(q.unit) + ")");
}

struct Axis {
  Range range;
  bool log = false;
};

/// Logarithmic where the numbers are positive and span more than a factor of five.
Axis axis_of(const CorrelatedQuantity& q) {
  constexpr double kWide = 5;
  Axis axis;
  const auto [low, high] = std::ranges::minmax(q.mean);
  axis.log = low > 0 && high > kWide * low;
  for (std::size_t i = 0; i < q.mean.size(); ++i) {
    const double error = std::isfinite(q.error[i]) ? q.error[i] : 0;
    axis.range.include(q.mean[i]);
    axis.range.include(q.mean[i] + error);
    if (!axis.log || q.mean[i] > error) axis.range.include(q.mean[i] - error);
  }
  if (axis.range.low == axis.range.high) axis.range = {axis.range.low - 1, axis.range.high + 1};
  axis.range = axis.range.padded(axis.log);
  return axis;
}

class CorrelationFigure {
 public:
  explicit CorrelationFigure(const RankCorrelations& all) : all_(all) {
    if (all.quantities.size() > kMostQuantities)
      throw ConfigError(fmt::format("a figure of {} quantities would have {} panels; choose {} at most",
                                    all.quantities.size(), all.pairs.size(), kMostQuantities));
    for (std::size_t a = 0; a < std::min<std::size_t>(all.settings.size(), 2); ++a)
      levels_.push_back(levels_of(all.settings[a]));
    for (const auto& q : all.quantities) axes_.push_back(axis_of(q));
  }

  double width() const { return kLeft + kCell * side() + kRightMargin; }
  double height() const { return kTitle + kCell * side() + kBelow; }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    write_data(canvas, data);
    for (const auto& pair : all_.pairs) write_panel(canvas, pair, script);
    write_legend(canvas, script);
  }

 private:
  double side() const { return static_cast<double>(all_.quantities.size() - 1); }
  std::size_t level(std::size_t axis, std::size_t point) const {
    return axis < levels_.size() ? levels_[axis].of[point] : 0;
  }

  /// <id>s<colour>_<symbol>: mean and error of all quantities, a line per point.
  using Group = std::pair<std::size_t, std::size_t>;
  std::map<Group, std::vector<std::size_t>> groups() const {
    std::map<Group, std::vector<std::size_t>> all;
    for (std::size_t i = 0; i < all_.quantities[0].mean.size(); ++i)
      all[{level(0, i), level(1, i)}].push_back(i);
    return all;
  }
  void write_data(const Canvas& canvas, std::string& data) const {
    auto out = std::back_inserter(data);
    for (const auto& [group, points] : groups()) {
      fmt::format_to(out, "{}s{}_{} << END\n", canvas.data, group.first, group.second);
      for (const std::size_t i : points) {
        for (const auto& q : all_.quantities)
          fmt::format_to(out, "{:.9g} {:.9g} ", q.mean[i], std::isfinite(q.error[i]) ? q.error[i] : 0.0);
        data += '\n';
      }
      data += "END\n";
    }
  }

  static std::string coefficient_text(const Coefficient& c) {
    const Spread& spread = std::isfinite(c.over_trajectories.low) ? c.over_trajectories : c.over_points;
    if (!std::isfinite(c.value)) return "\u03c1 undefined";
    return fmt::format("\u03c1 = {} [{}, {}]", typeset(fmt::format("{:.2f}", c.value)),
                       typeset(fmt::format("{:.2f}", spread.low)),
                       typeset(fmt::format("{:.2f}", spread.high)));
  }

  void write_panel(const Canvas& canvas, const PairCorrelation& pair, std::string& script) const {
    const auto& x = all_.quantities[pair.a];
    const auto& y = all_.quantities[pair.b];
    const double left = kLeft + kCell * static_cast<double>(pair.a);
    const double top = kTitle + kCell * static_cast<double>(pair.b - 1);
    const bool lowest = pair.b + 1 == all_.quantities.size();
    const bool leftmost = pair.a == 0;
    script += panel_place(canvas, left, top, kPanel, kPanel);
    script += axis_commands("x", axes_[pair.a].range, axes_[pair.a].log, !lowest);
    script += axis_commands("y", axes_[pair.b].range, axes_[pair.b].log, !leftmost);
    auto out = std::back_inserter(script);
    if (lowest) script += "set xtics rotate by -40\n";
    fmt::format_to(out, "set xlabel \"{}\"\n",
                   lowest ? with_power(name_of(x), axes_[pair.a].range, axes_[pair.a].log) : "");
    if (leftmost)
      script += y_label_commands(canvas, left, top + kPanel / 2,
                                 with_power(name_of(y), axes_[pair.b].range, axes_[pair.b].log));
    fmt::format_to(out, "set label 1 \"{}\" at screen {:.6g},{:.6g} center font \",8\"\nset key off\nplot ",
                   coefficient_text(pair.spearman), canvas.x(left + kPanel / 2), canvas.y(top - 0.1));
    bool first = true;
    for (const auto& [group, points] : groups()) {
      fmt::format_to(out, "{}{}s{}_{} using {}:{}:{}:{} with xyerrorbars lc rgb \"{}\" lw 0.8 pt {} ps 0.7",
                     first ? "" : ", ", canvas.data, group.first, group.second, 2 * pair.a + 1,
                     2 * pair.b + 1, 2 * pair.a + 2, 2 * pair.b + 2, style(group.first).colour,
                     style(group.second).symbol);
      first = false;
    }
    script += "\nunset label 1\nunset label 2\nset xtics norotate\n";
  }

  /// In the empty upper right corner.
  void write_legend(const Canvas& canvas, std::string& script) const {
    if (levels_.empty()) return;
    const double left = all_.quantities.size() > 2 ? kLeft + kCell * 1.2 : kLeft + kPanel;
    script += panel_place(canvas, kLeft, kTitle, kPanel, kPanel);
    auto out = std::back_inserter(script);
    fmt::format_to(
        out,
        "unset border\nunset xtics\nunset ytics\nset xlabel \"\"\nset key at screen {:.6g},{:.6g} left "
        "top Left reverse samplen 1 maxrows {}\nset xrange [0:1]\nset yrange [0:1]\nunset logscale\nplot ",
        canvas.x(left), canvas.y(kTitle), std::max<std::size_t>(levels_[0].values.size(), 8));
    bool first = true;
    for (std::size_t a = 0; a < levels_.size(); ++a)
      for (std::size_t k = 0; k < levels_[a].values.size(); ++k) {
        fmt::format_to(out, "{}NaN with points lc rgb \"{}\" pt {} ps 0.9 title \"{} = {}\"",
                       first ? "" : ", ", a == 0 ? style(k).colour : "#666666",
                       a == 0 ? style(0).symbol : style(k).symbol, symbol(all_.axes[a]),
                       shortest(levels_[a].values[k]));
        first = false;
      }
    script += "\nset border linewidth 0.8\nset key off\n";
  }

  RankCorrelations all_;
  std::vector<Levels> levels_;
  std::vector<Axis> axes_;
};

}  // namespace

Part correlation_part(const RankCorrelations& all) {
  const CorrelationFigure figure(all);
  return {figure.width(), figure.height(),
          [figure](const Canvas& canvas, std::string& data, std::string& panels) {
            figure.write(canvas, data, panels);
          }};
}

}  // namespace soret::analysis
