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

  /// x, y, value; a blank line after each row.
  template <class Value>
  void write_grid(const std::string& id, const Value& value, std::string& data) const {
    auto out = std::back_inserter(data);
    fmt::format_to(out, "{} << END\n", id);
    std::size_t i = 0;
    for (const double y : comparison_.y.values) {
      for (const double x : comparison_.x.values) {
        const double z = value(i++);
        fmt::format_to(out, "{:.9g} {:.9g} {}\n", x, y, std::isfinite(z) ? fmt::format("{:.9g}", z) : "NaN");
      }
      fmt::format_to(out, "\n");
    }
    fmt::format_to(out, "END\n");
  }

  void write_panel(const Canvas& canvas, double left, double row_top, std::size_t number, std::string& data,
                   std::string& script) const {
    const auto& panel = comparison_.panels[number];
    const auto& series = panel.series[0];
    const auto best = best_law(panel);
    const Law* law = law_named(series, best);
    const std::string id = fmt::format("{}n{}", canvas.data, number);
    write_grid(
        id + "m", [&](std::size_t i) { return series.mean[i]; }, data);
    const bool contours = law && smooth();
    if (law) {
      write_grid(
          id + "l", [&](std::size_t i) { return law->value[i]; }, data);
      write_grid(
          id + "z",
          [&](std::size_t i) {
            return series.error[i] > 0 ? (series.mean[i] - law->value[i]) / series.error[i]
                                       : std::numeric_limits<double>::quiet_NaN();
          },
          data);
    }
    if (contours) write_contours(id, *law, data);

    const auto title = panel_title(panel);
    Range colours;
    for (const double value : series.mean) colours.include(value);
    frame(canvas, left, row_top, script);
    auto out = std::back_inserter(script);
    fmt::format_to(out,
                   "set title \"{}{}{}\" offset 0,-0.6\nset palette defined (0 \"#440154\", 0.25 "
                   "\"#3b528b\", 0.5 \"#21918c\", 0.75 "
                   "\"#5ec962\", 1 \"#fde725\")\nset cbrange [{:.9g}:{:.9g}]\n",
                   title, title.empty() ? "" : "\\n",
                   plain(quantity_text()) + (contours ? fmt::format("; lines: {}", plain(best)) : ""),
                   colours.low, colours.high > colours.low ? colours.high : colours.low + 1);
    fmt::format_to(
        out, "plot {}m using 1:2:3 with image notitle{}\n", id,
        contours
            ? fmt::format(", {}c using 1:2 with lines linecolor rgb \"#ffffff\" linewidth 0.8 notitle", id)
            : "");
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
    return smooth() ? quantity_label(axis.name, axis.long_name, axis.unit) : symbol(axis.name);
  }

  void frame(const Canvas& canvas, double left, double row_top, std::string& script) const {
    const auto along = [](const std::vector<double>& values) {
      const double half = values.size() > 1 ? 0.5 * (values[1] - values[0]) : 0.5;
      return Range{values.front() - half, values.back() + half};
    };
    script += panel_place(canvas, left, row_top + top(), kMapSize, kMapSize);
    script += axis_commands('x', along(comparison_.x.values), false);
    script += axis_commands('y', along(comparison_.y.values), false);
    fmt::format_to(std::back_inserter(script),
                   "set key off\nset format cb \"%g\"\nset xlabel \"{}\"\nset ylabel \"{}\"\nset colorbox "
                   "user origin screen "
                   "{:.6g},{:.6g} size "
                   "screen {:.6g},{:.6g}\n",
                   axis_label(comparison_.x), axis_label(comparison_.y), canvas.x(left + kMapSize + 0.1),
                   canvas.y(row_top + top() + kMapSize), 0.12 / canvas.width, kMapSize / canvas.height);
  }

  static void write_contours(const std::string& id, const Law& law, std::string& data) {
    Range range;
    for (const double value : law.value) range.include(value);
    std::vector<std::string> levels;
    for (const double share : kContours) levels.push_back(fmt::format("{:.9g}", share * range.high));
    fmt::format_to(
        std::back_inserter(data),
        "set contour base\nunset surface\nset cntrparam levels discrete {}\nset table {}c\nsplot {}l using "
        "1:2:3\nunset table\nunset contour\nset surface\n",
        fmt::join(levels, ","), id, id);
  }

  Comparison comparison_;
  bool residuals_ = false;
};

}  // namespace

Part map_part(const Comparison& comparison) {
  const MapFigure figure(comparison);
  return {figure.width(), figure.height(),
          [figure](const Canvas& canvas, std::string& data, std::string& script) {
            figure.write(canvas, data, script);
          }};
}

}  // namespace soret::analysis
