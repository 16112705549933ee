#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "analysis/comparison_figure.hpp"
#include "soret/base/error.hpp"

namespace soret::analysis {
namespace {

constexpr double kRightLabels = 0.8;  // inches for the axis at the right
/// Numbers at the left that span this factor or more within a panel are shown on a logarithmic axis. Our
/// choice.
constexpr double kLogSpan = 20;
/// Left and right: two of style()'s colours; quantities differ by these dashes, solid first.
constexpr std::array<std::string_view, 2> kColours = {"#0072B2", "#D55E00"};
constexpr std::array<std::string_view, 4> kDashes = {"solid", "(8,4)", "(2,3)", "(8,3,2,3)"};

std::string words(const std::string& name) {
  std::string text = name;
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

/// "loss" of train_loss and test_loss; the names one after the other where they end in different words.
std::string shared_name(std::span<const Comparison> comparisons) {
  const auto last_word = [](const std::string& name) { return name.substr(name.rfind('_') + 1); };
  std::string shared = last_word(comparisons[0].quantity);
  if (std::ranges::all_of(comparisons, [&](const Comparison& c) { return last_word(c.quantity) == shared; }))
    return shared;
  std::vector<std::string> names;
  for (const auto& c : comparisons) names.push_back(words(c.quantity));
  return fmt::format("{}", fmt::join(names, ", "));
}

struct Curve {
  std::size_t side, place;  ///< left 0, right 1; of the side's quantities
  std::string name;
  MeasuredSeries series;

  /// Of place i; 0 where there is none.
  double error(std::size_t i) const { return series.error[i] > 0 ? series.error[i] : 0; }
  bool has_errors() const {
    return std::ranges::any_of(series.error, [](double error) { return error > 0; });
  }
};

struct TwinPanel {
  Label label;
  std::vector<Curve> curves;
  std::vector<Mark> marks;
};

class TwinFigure {
 public:
  TwinFigure(std::span<const Comparison> left, std::span<const Comparison> right, const LogScales& scales)
      : x_(left[0].x.name),
        x_label_(x_axis_label(left[0])),
        names_{shared_name(left), shared_name(right)},
        log_x_(is_log_x(left[0], scales)),
        log_(scales.y) {
    const std::array sides = {left, right};
    for (std::size_t side = 0; side < sides.size(); ++side)
      for (std::size_t place = 0; place < sides[side].size(); ++place) {
        const Comparison& one = sides[side][place];
        if (one.kind != ComparisonKind::lines || one.x.name != x_)
          throw ConfigError(fmt::format(
              "--right: '{}' cannot share its panels: it is not drawn as lines over {}", one.quantity, x_));
        if (scales.x) is_log_x(one, scales);               // throws for numbers that have no logarithm
        if (side == 0 && scales.y) is_log_y(one, scales);  // likewise
        for (const auto& panel : one.panels) take(panel, one.quantity, side, place);
      }
    for (const auto& panel : panels_)
      title_lines_ = std::max(title_lines_, panel.label.empty() ? std::size_t{0} : lines(title(panel)));
    entries_ = std::max(left.size(), right.size());
  }

  PanelGrid grid() const {
    return {panels_.size(), kLeft + kPanelWidth + kRightLabels + 0.1, top() + kPanelHeight + kBottom};
  }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    const PanelGrid places = grid();
    for (std::size_t p = 0; p < panels_.size(); ++p)
      write_panel(canvas, places.left(p) + kLeft, places.top(p) + top(), p, data, script);
  }

 private:
  void take(const ComparisonPanel& panel, const std::string& quantity, std::size_t side, std::size_t place) {
    for (const auto& series : panel.series) {
      Label label = panel.label;
      label.insert(label.end(), series.label.begin(), series.label.end());
      auto found = std::ranges::find(panels_, label, &TwinPanel::label);
      if (found == panels_.end()) found = panels_.insert(panels_.end(), {label, {}, panel.marks});
      found->curves.push_back({side, place, words(quantity), series});
      for (const double x : series.x)
        if (!log_x_ || x > 0) x_range_.include(x);
    }
  }

  static std::string title(const TwinPanel& panel) { return panel_title({panel.label, {}}); }
  static std::size_t lines(const std::string& text) {
    std::size_t n = 1;
    for (auto at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at + 1)) ++n;
    return n;
  }
  double legend() const { return kLegendPitch * static_cast<double>(entries_) + 0.06; }
  double top() const { return kTop + kTitleLine * static_cast<double>(title_lines_) + legend(); }

  static Range range(const TwinPanel& panel, std::size_t side, bool positive) {
    Range all;
    for (const auto& curve : panel.curves)
      if (curve.side == side)
        for (std::size_t i = 0; i < curve.series.mean.size(); ++i)
          for (const double value : {curve.series.mean[i], curve.series.mean[i] - curve.error(i),
                                     curve.series.mean[i] + curve.error(i)})
            if (!positive || value > 0) all.include(value);
    return all;
  }
  bool logarithmic(const TwinPanel& panel) const {
    const Range all = range(panel, 0, false);
    return log_.value_or(all.low > 0 && all.high >= kLogSpan * all.low);
  }

  void write_panel(const Canvas& canvas, double left, double panel_top, std::size_t number, std::string& data,
                   std::string& script) const {
    const TwinPanel& panel = panels_[number];
    auto out = std::back_inserter(script);
    std::vector<std::string> plots;
    std::vector<std::string> arrows;
    const bool log_left = logarithmic(panel);
    for (std::size_t c = 0; c < panel.curves.size(); ++c) {
      const Curve& curve = panel.curves[c];
      const std::string id = fmt::format("{}n{}c{}", canvas.data, number, c);
      data += fmt::format("{} << END\n", id);
      for (std::size_t i = 0; i < curve.series.x.size(); ++i) {
        const double y = curve.series.mean[i];
        const double error = curve.error(i);
        const double low = log_left && curve.side == 0 && !(y > error) ? 1e-6 * y : y - error;
        data += std::isfinite(y)
                    ? fmt::format("{:.9g} {:.9g} {:.9g} {:.9g}\n", curve.series.x[i], y, low, y + error)
                    : fmt::format("{:.9g} NaN NaN NaN\n", curve.series.x[i]);
      }
      data += "END\n";
      plots.push_back(
          fmt::format("{} using 1:2 axes x1y{} with lines linecolor rgb \"{}\" dashtype {} "
                      "linewidth 1.6 title \"{}\"",
                      id, curve.side + 1, kColours[curve.side],
                      kDashes[std::min(curve.place, kDashes.size() - 1)], plain(curve.name)));
      if (curve.has_errors())
        plots.push_back(
            fmt::format("{} using 1:3:(0):($4-$3) axes x1y{} with vectors nohead linecolor rgb \"{}\" "
                        "linewidth 1 notitle",
                        id, curve.side + 1, kColours[curve.side]));
    }
    script += panel_place(canvas, left, panel_top, kPanelWidth, kPanelHeight);
    script += axis_commands("x", x_range_.padded(log_x_), log_x_);
    script += axis_commands("y", range(panel, 0, log_left).padded(log_left), log_left);
    script += axis_commands("y2", range(panel, 1, false).padded(), false);
    script += title_commands(canvas, left, panel_top - legend(), panel.label.empty() ? "" : title(panel));
    fmt::format_to(out, "set xlabel \"{}\"\nunset ylabel\n", x_label_);
    write_axis_label(canvas, 2, left - 0.68, panel_top, 0, script);
    write_axis_label(canvas, 3, left + kPanelWidth + kRightLabels - 0.08, panel_top, 1, script);
    int tag = 10;
    for (const Mark& mark : panel.marks) {
      if (mark.x < x_range_.low || mark.x > x_range_.high) continue;
      fmt::format_to(
          out,
          "set arrow {} from first {:.9g},graph 0 to first {:.9g},graph 1 nohead back linecolor rgb "
          "\"#999999\" linewidth 0.8 dashtype (3,3)\n",
          tag, mark.x, mark.x);
      arrows.push_back(fmt::format("unset arrow {}\n", tag++));
    }
    fmt::format_to(out,
                   "set key on at screen {:.6g},{:.6g} left top Left reverse samplen 2.4 maxrows {} font "
                   "\",{:.3g}\"\nplot {}\n",
                   canvas.x(left), canvas.y(panel_top - legend()), entries_, kFontSize,
                   fmt::join(plots, ", \\\n  "));
    fmt::format_to(out, "{}unset label 1\nunset label 2\nunset label 3\nunset y2tics\nset key off\n",
                   fmt::join(arrows, ""));
  }

  void write_axis_label(const Canvas& canvas, int tag, double x, double panel_top, std::size_t side,
                        std::string& script) const {
    fmt::format_to(std::back_inserter(script),
                   "set label {} \"{}\" at screen {:.6g},{:.6g} center rotate by 90 textcolor rgb \"{}\"\n",
                   tag, plain(names_[side]), canvas.x(x), canvas.y(panel_top + kPanelHeight / 2),
                   kColours[side]);
  }

  std::string x_, x_label_;
  std::array<std::string, 2> names_;
  bool log_x_;
  std::optional<bool> log_;  ///< of the left axis; none: by the span of its numbers
  std::vector<TwinPanel> panels_;
  Range x_range_;
  std::size_t title_lines_ = 0, entries_ = 1;
};

}  // namespace

Part twin_part(std::span<const Comparison> left, std::span<const Comparison> right, const LogScales& scales) {
  const TwinFigure figure(left, right, scales);
  return {figure.grid().width(), figure.grid().height(),
          [figure](const Canvas& canvas, std::string& data, std::string& script) {
            figure.write(canvas, data, script);
          }};
}

}  // namespace soret::analysis
