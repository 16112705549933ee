#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "analysis/comparison_figure.hpp"
#include "soret/base/error.hpp"

namespace soret::analysis {
namespace {

// Inches.
constexpr double kSurfaceWidth = 4.2, kSurfaceHeight = 3.3;
/// Numbers that span this factor or more are shown on a logarithmic axis. Our choice.
constexpr double kLogSpan = 20;

class SurfaceFigure {
 public:
  SurfaceFigure(Comparison comparison, const LogScales& scales) : comparison_(std::move(comparison)) {
    for (const auto& panel : comparison_.panels)
      for (const double value : panel.series[0].mean) values_.include(value);
    log_ = scales.y.value_or(values_.low > 0 && values_.high >= kLogSpan * values_.low);
    if (log_ && !(values_.low > 0))
      throw ConfigError(
          fmt::format("--log y: '{}' is {} at its least; a logarithmic axis takes numbers above 0",
                      comparison_.quantity, values_.low));
  }

  PanelGrid grid() const {
    return {comparison_.panels.size(), kSurfaceWidth, kTop + 2 * kTitleLine + kSurfaceHeight};
  }

  void write(const Canvas& canvas, std::string& data, std::string& script) const {
    const PanelGrid places = grid();
    auto out = std::back_inserter(script);
    for (std::size_t p = 0; p < comparison_.panels.size(); ++p) {
      const auto& panel = comparison_.panels[p];
      const std::string id = fmt::format("{}n{}", canvas.data, p);
      data += grid_block(id + "m", comparison_, panel.series[0].mean);
      const double left = places.left(p);
      const double bottom = places.top(p) + places.cell_height;
      fmt::format_to(
          out,
          "unset lmargin\nunset rmargin\nunset tmargin\nunset bmargin\nset origin {:.6g},{:.6g}\nset "
          "size {:.6g},{:.6g}\n",
          canvas.x(left), canvas.y(bottom), places.cell_width / canvas.width,
          places.cell_height / canvas.height);
      std::string title = panel_title(panel);
      std::string words = comparison_.quantity;
      std::replace(words.begin(), words.end(), '_', ' ');
      fmt::format_to(
          out,
          "set key off\nset title \"{}{}{}\"\nset xrange [{:.9g}:{:.9g}]\nset yrange "
          "[{:.9g}:{:.9g}]\nunset logscale\nset xtics auto offset 0,-0.3\nset ytics auto offset "
          "0.4,-0.2\nset format z \"{}\"\nset zrange [{:.9g}:{:.9g}]\nset cbrange "
          "[{:.9g}:{:.9g}]\n{}set xlabel \"{}\" offset 0,-0.5\nset ylabel \"{}\" offset 0.8,-0.4\n",
          title, title.empty() ? "" : "\\n", plain(words), comparison_.x.values.front(),
          comparison_.x.values.back(), comparison_.y.values.front(), comparison_.y.values.back(), "%g",
          values_.low, top(), values_.low, top(), log_ ? "set logscale zcb\n" : "",
          symbol(comparison_.x.name), symbol(comparison_.y.name));
      fmt::format_to(
          out,
          "set palette defined (0 \"#440154\", 0.25 \"#3b528b\", 0.5 \"#21918c\", 0.75 "
          "\"#5ec962\", 1 \"#fde725\")\nunset colorbox\nset ticslevel 0.05\nset view 58,32,1.1\nset "
          "pm3d depthorder border linecolor rgb \"#40404040\" linewidth 0.3\nset border 31 "
          "linewidth 0.6\nsplot {0}m using 1:2:3 with pm3d notitle\nunset logscale\nset border 31 linewidth "
          "0.8\nset xtics norotate offset 0,0\nset ytics norotate offset 0,0\nunset xlabel\nunset "
          "ylabel\nset "
          "origin 0,0\nset size 1,1\n",
          id);
    }
  }

 private:
  double top() const { return values_.high > values_.low ? values_.high : values_.low + 1; }

  Comparison comparison_;
  Range values_;
  bool log_ = false;
};

}  // namespace

Part surface_part(const Comparison& comparison, const LogScales& scales) {
  if (comparison.kind != ComparisonKind::map)
    throw ConfigError(
        fmt::format("--surface: '{}' is drawn over {} alone; a surface lies over two axes (--x, --y)",
                    comparison.quantity, comparison.x.name));
  const SurfaceFigure figure(comparison, scales);
  return {figure.grid().width(), figure.grid().height(),
          [figure](const Canvas& canvas, std::string& data, std::string& script) {
            figure.write(canvas, data, script);
          }};
}

}  // namespace soret::analysis
