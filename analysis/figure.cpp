#include "analysis/figure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "analysis/figure_style.hpp"
#include "analysis/gnuplot.hpp"
#include "soret/base/error.hpp"
#include "soret/store/replace_file.hpp"

namespace soret::analysis {
namespace {

constexpr double kPixelsPerInch = 220;
constexpr double kPageWidth = 11.3;  // inches; a row of three panels. Our choice

std::string terminal(const std::string& extension, double width, double height) {
  check_figure_format(extension);
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
  return fmt::format(
      "set terminal svg enhanced font \"sans-serif,{}\" background \"white\" size {:.0f},{:.0f}\n", kFontSize,
      width * 72, height * 72);
}

}  // namespace

void check_figure_format(const std::string& extension) {
  if (extension != ".png" && extension != ".pdf" && extension != ".svg")
    throw ConfigError(fmt::format("a figure cannot be written as '{}'; use .png, .svg or .pdf", extension));
}

std::string figure_script(std::span<const Part> parts, const std::string& extension) {
  if (parts.empty()) throw ConfigError("a figure needs at least one quantity");
  // Beside one another as far as the page goes, then below.
  std::vector<std::pair<double, double>> corners;
  double width = 0, left = 0, top = 0, row_height = 0;
  for (const auto& part : parts) {
    if (left > 0 && left + part.width > kPageWidth) {
      top += row_height;
      left = row_height = 0;
    }
    corners.emplace_back(left, top);
    left += part.width;
    width = std::max(width, left);
    row_height = std::max(row_height, part.height);
  }
  const double height = top + row_height;
  std::string data, panels;
  for (std::size_t p = 0; p < parts.size(); ++p)
    parts[p].write({width, height, corners[p].first, corners[p].second, fmt::format("$p{}", p)}, data,
                   panels);
  return fmt::format(
      "{}set encoding utf8\nset border linewidth 0.8\nset tics out nomirror scale 0.6\n{}set "
      "multiplot\n{}unset "
      "multiplot\n",
      terminal(extension, width, height), data, panels);
}

void draw(std::span<const Part> parts, const std::filesystem::path& output) {
  const auto script = figure_script(parts, output.extension().string());
  store::replace_file(output, run_gnuplot(script));
}

}  // namespace soret::analysis
