#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "analysis/comparison_figure.hpp"

namespace soret::analysis {
namespace {

// Inches.
constexpr double kMapSize = 2.3, kColourBar = 0.75;
/// Contours of a law, as shares of its largest value. Our choice.
constexpr double kContours[] = {0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8};
/// Residuals beyond so many standard errors have the last colour.
constexpr double kMostResidual = 5;
/// Numbers of a scan that span this factor or more have logarithmic colours. Our choice.
constexpr double kLogSpan = 20;
constexpr int kOwnContours = 9;  // between the least and the largest number. Our choice

const Law* law_named(const MeasuredSeries& series, const std::string& name) {
  for (const auto& law : series.laws)
    if (law.name == name) return &law;
  return nullptr;
}

class MapFigure {
 public:
  explicit MapFigure(const Comparison& comparison) : comparison_(comparison) {
    for (const auto& panel : comparison.panels) residuals_ = residuals_ || !panel.series[0].laws.empty();
  }

  /// The map and its residuals side by side.
  PanelGrid grid() const {
    const double pair = residuals_ ? 2 : 1;
    return {comparison_.panels.size(), pair * (kLeft + kMapSize + kColourBar), top() + kMapSize + kBottom};
  }
  std::size_t columns() const { return residuals_ ? 1 : grid().columns(); }
  double width() const { return static_cast<double>(columns()) * grid().cell_width; }
  double height() const {
    return static_cast<double>((comparison_.panels.size() + columns() - 1) / columns()) * grid().cell_height;
  }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    for (std::size_t p = 0; p < comparison_.panels.size(); ++p) {
      const double left = static_cast<double>(p % columns()) * grid().cell_width + kLeft;
      const double row_top = static_cast<double>(p / columns()) * grid().cell_height;
      write_panel(canvas, left, row_top, p, data, script);
    }
    script += "unset colorbox\n";
  }

 private:
  static double top() { return kTop + 2 * kTitleLine; }

  /// Counting dimensions (row, column) have no contours.
  bool smooth() const {
    const auto counts = [](const std::vector<double>& values) {
      return values.size() > 1 && values[1] - values[0] == 1;
    };
    return !counts(comparison_.x.values) || !counts(comparison_.y.values);
  }

  /// Maps of a scan have contours of their own: levels between least and largest number.
  std::vector<double> levels(const Range& values) const {
    std::vector<double> all;
    for (int k = 1; k <= kOwnContours; ++k) {
      const double part = static_cast<double>(k) / (kOwnContours + 1);
      all.push_back(logarithmic(values) ? values.low * std::pow(values.high / values.low, part)
                                        : values.low + (values.high - values.low) * part);
    }
    return all;
  }
  bool logarithmic(const Range& values) const {
    return comparison_.over_scan && values.low > 0 && values.high >= kLogSpan * values.low;
  }

  void write_panel(const Canvas& canvas, double left, double row_top, std::size_t number, std::string& data,
                   std::string& script) const {
    const auto& panel = comparison_.panels[number];
    const auto& series = panel.series[0];
    const auto best = best_law(panel);
    const Law* law = law_named(series, best);
    const std::string id = fmt::format("{}n{}", canvas.data, number);
    data += grid_block(id + "m", comparison_, series.mean);
    Range colours;
    for (const double value : series.mean) colours.include(value);
    const bool contours = law && smooth();
    const bool own_contours = comparison_.over_scan && colours.high > colours.low;
    if (law) {
      data += grid_block(id + "l", comparison_, law->value);
      std::vector<double> residual;
      for (std::size_t i = 0; i < series.mean.size(); ++i)
        residual.push_back(series.error[i] > 0 ? (series.mean[i] - law->value[i]) / series.error[i]
                                               : std::numeric_limits<double>::quiet_NaN());
      data += grid_block(id + "z", comparison_, residual);
    }
    if (contours) write_contours(id, "l", law_levels(*law), data);
    if (own_contours) write_contours(id, "m", levels(colours), data);
    if (!evenly_spaced()) write_boxes(id, series, data);
    write_marks(id, panel, data);

    const auto title = panel_title(panel);
    frame(canvas, left, row_top, script);
    auto out = std::back_inserter(script);
    fmt::format_to(out,
                   "set title \"{}{}{}\" offset 0,-0.6\nset palette defined (0 \"#440154\", 0.25 "
                   "\"#3b528b\", 0.5 \"#21918c\", 0.75 "
                   "\"#5ec962\", 1 \"#fde725\")\nset cbrange [{:.9g}:{:.9g}]\n",
                   title, title.empty() ? "" : "\\n",
                   plain(quantity_text()) + (contours ? fmt::format("; lines: {}", plain(best)) : ""),
                   colours.low, colours.high > colours.low ? colours.high : colours.low + 1);
    if (logarithmic(colours)) script += axis_commands("cb", colours, true);
    if (!panel.marks.empty()) script += "set style textbox opaque margins 0.6,0.4 noborder\n";
    fmt::format_to(
        out, "plot {}{} notitle{}{}\nunset logscale cb\nset cbtics autofreq\n", id,
        evenly_spaced() ? "m using 1:2:3 with image"
                        : "b using 1:2:3:4:5:6:7 with boxxyerror fillcolor palette fillstyle solid noborder",
        contours || own_contours
            ? fmt::format(", {}c using 1:2 with lines linecolor rgb \"#ffffff\" linewidth {} notitle", id,
                          contours ? 0.8 : 0.5)
            : "",
        panel.marks.empty()
            ? ""
            : fmt::format(", {0}k using 1:2 with points pointtype 7 pointsize 0.7 linecolor rgb \"#ffffff\" "
                          "notitle, {0}k using 1:2 with points pointtype 7 pointsize 0.45 linecolor rgb "
                          "\"#000000\" notitle, {0}k using 1:2:3 with labels boxed offset 0.6,0.8 left "
                          "notitle",
                          id));
    if (!law) return;
    frame(canvas, left + kLeft + kMapSize + kColourBar, row_top, script);
    const auto chi = chi_square_text(law->chi_square);
    fmt::format_to(out,
                   "set title \"residual of {} / \u03c3{}\" offset 0,-0.6\nset palette defined (-1 "
                   "\"#0072B2\", 0 \"#ffffff\", 1 "
                   "\"#D55E00\")\nset cbrange [{}:{}]\nplot {}z using 1:2:3 with image notitle\n",
                   plain(best), chi.empty() ? "" : "\\n" + chi, -kMostResidual, kMostResidual, id);
  }

  std::string quantity_text() const {
    std::string words = comparison_.quantity;
    std::replace(words.begin(), words.end(), '_', ' ');
    return comparison_.unit == "1" ? words : fmt::format("{} ({})", words, comparison_.unit);
  }

  std::string axis_label(const FigureAxis& axis) const {
    return smooth() && !comparison_.over_scan ? quantity_label(axis.name, axis.long_name, axis.unit)
                                              : symbol(axis.name);
  }

  void frame(const Canvas& canvas, double left, double row_top, std::string& script) const {
    const auto along = [](const std::vector<double>& values) {
      return Range{edge(values, 0), edge(values, values.size())};
    };
    script += panel_place(canvas, left, row_top + top(), kMapSize, kMapSize);
    script += axis_commands("x", along(comparison_.x.values), false);
    script += axis_commands("y", along(comparison_.y.values), false);
    fmt::format_to(std::back_inserter(script),
                   "set key off\nset format cb \"%g\"\nset xlabel \"{}\"\nset ylabel \"{}\"\nset colorbox "
                   "user origin screen "
                   "{:.6g},{:.6g} size "
                   "screen {:.6g},{:.6g}\n",
                   axis_label(comparison_.x), axis_label(comparison_.y), canvas.x(left + kMapSize + 0.1),
                   canvas.y(row_top + top() + kMapSize), 0.12 / canvas.width, kMapSize / canvas.height);
  }

  static std::vector<double> law_levels(const Law& law) {
    Range range;
    for (const double value : law.value) range.include(value);
    std::vector<double> levels;
    for (const double share : kContours) levels.push_back(share * range.high);
    return levels;
  }

  /// Of the block `id` + `of`, as the block `id` + "c".
  static void write_contours(const std::string& id, const char* of, const std::vector<double>& levels,
                             std::string& data) {
    std::vector<std::string> numbers;
    for (const double level : levels) numbers.push_back(fmt::format("{:.9g}", level));
    fmt::format_to(
        std::back_inserter(data),
        "set contour base\nunset surface\nset cntrparam levels discrete {}\nset table {}c\nsplot {}{} using "
        "1:2:3\nunset table\nunset contour\nset surface\n",
        fmt::join(numbers, ","), id, id, of);
  }

  void write_marks(const std::string& id, const ComparisonPanel& panel, std::string& data) const {
    if (panel.marks.empty()) return;
    auto out = std::back_inserter(data);
    fmt::format_to(out, "{}k << END\n", id);
    for (const Mark& mark : panel.marks)
      fmt::format_to(out, "{:.9g} {:.9g} \"{}\"\n", mark.x, mark.y, plain(mark.name));
    fmt::format_to(out, "END\n");
  }

  /// The lower edge of cell k, halfway to its neighbour; k = size: the upper edge of the last.
  static double edge(const std::vector<double>& values, std::size_t k) {
    const std::size_t n = values.size();
    if (n == 1) return values[0] + (k == 0 ? -0.5 : 0.5);
    if (k == 0) return values[0] - 0.5 * (values[1] - values[0]);
    if (k == n) return values[n - 1] + 0.5 * (values[n - 1] - values[n - 2]);
    return 0.5 * (values[k - 1] + values[k]);
  }

  /// Cells as boxes, for axes that are not evenly spaced.
  void write_boxes(const std::string& id, const MeasuredSeries& series, std::string& data) const {
    const auto& xs = comparison_.x.values;
    const auto& ys = comparison_.y.values;
    auto out = std::back_inserter(data);
    fmt::format_to(out, "{}b << END\n", id);
    for (std::size_t y = 0; y < ys.size(); ++y)
      for (std::size_t x = 0; x < xs.size(); ++x)
        if (const double z = series.mean[y * xs.size() + x]; std::isfinite(z))
          fmt::format_to(out, "{:.9g} {:.9g} {:.9g} {:.9g} {:.9g} {:.9g} {:.9g}\n", xs[x], ys[y], edge(xs, x),
                         edge(xs, x + 1), edge(ys, y), edge(ys, y + 1), z);
    fmt::format_to(out, "END\n");
  }

  bool evenly_spaced() const {
    return evenly_spaced(comparison_.x.values) && evenly_spaced(comparison_.y.values);
  }
  static bool evenly_spaced(const std::vector<double>& values) {
    constexpr double kRounding = 1e-6;
    const double distance = (values.back() - values.front()) / static_cast<double>(values.size() - 1);
    for (std::size_t k = 1; k < values.size(); ++k)
      if (std::abs(values[k] - values[k - 1] - distance) > kRounding * distance) return false;
    return true;
  }

  Comparison comparison_;
  bool residuals_ = false;
};

}  // namespace

std::string grid_block(const std::string& id, const Comparison& comparison, std::span<const double> values) {
  std::string block = fmt::format("{} << END\n", id);
  auto out = std::back_inserter(block);
  std::size_t i = 0;
  for (const double y : comparison.y.values) {
    for (const double x : comparison.x.values) {
      const double z = values[i++];
      fmt::format_to(out, "{:.9g} {:.9g} {}\n", x, y, std::isfinite(z) ? fmt::format("{:.9g}", z) : "NaN");
    }
    fmt::format_to(out, "\n");
  }
  fmt::format_to(out, "END\n");
  return block;
}

Part map_part(const Comparison& comparison) {
  const MapFigure figure(comparison);
  return {figure.width(), figure.height(),
          [figure](const Canvas& canvas, std::string& data, std::string& script) {
            figure.write(canvas, data, script);
          }};
}

}  // namespace soret::analysis
