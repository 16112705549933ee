#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

/// A figure: parts beside and below one another, each of which writes gnuplot commands for its own panels.
namespace soret::analysis {

/// Where a part stands in the figure, in inches.
struct Canvas {
  double width, height;  ///< of the whole figure
  double left, top;      ///< upper left corner of the part, from that of the figure
  std::string data;      ///< names of the part's data blocks begin with it: "$p0"

  /// gnuplot's screen coordinates of a place in the part.
  double x(double from_left) const { return (left + from_left) / width; }
  double y(double from_top) const { return 1 - (top + from_top) / height; }
};

struct Part {
  double width, height;  ///< inches
  /// Appends its data blocks, which stand before all panels, and its panels.
  std::function<void(const Canvas& canvas, std::string& data, std::string& panels)> write;
};

/// The gnuplot script of a figure; its terminal writes to standard output. `extension` is ".png", ".svg" or
/// ".pdf". Throws ConfigError for another one and for no parts.
std::string figure_script(std::span<const Part> parts, const std::string& extension);

/// Throws ConfigError unless the extension is one that figure_script() takes.
void check_figure_format(const std::string& extension);

/// Draws a figure into a file, replaced as a whole; its extension says in which format. Throws as
/// figure_script(), and RunError if gnuplot is missing or fails or the file cannot be written.
void draw(std::span<const Part> parts, const std::filesystem::path& output);

}  // namespace soret::analysis
