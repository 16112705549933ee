#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/quantity.hpp"
#include "soret/store/result_file.hpp"

/// A quantity of a result file beside what its laws predict, ready to be drawn: which numbers stand in which
/// panel, along which axis, and how far each law is off.
namespace soret::analysis {

/// "learning_rate" = "0.05", "field" = "bump"; one entry per setting that tells this from its neighbours.
using Label = std::vector<std::pair<std::string, std::string>>;

/// "learning_rate = 0.05, field = bump".
std::string label_text(const Label& label);

/// What a law says along a series.
struct Law {
  std::string name;           ///< "fokker_planck"
  std::vector<double> value;  ///< [place]; NaN where the law says nothing
  /// Mean of ((measured - law) / standard error)^2, 1 where the law holds: as the file states it, or over all
  /// places with an error, scaled by (n - 3) / (n - 1) because the errors come from n samples. NaN if
  /// neither.
  double chi_square = std::numeric_limits<double>::quiet_NaN();
  std::size_t degrees = 0;  ///< places that the mean is over; 0 if the file states it
};

/// Numbers along the axis of a figure.
struct MeasuredSeries {
  Label label;
  std::vector<double> x;      ///< [place], ascending; the index of the category for words
  std::vector<double> mean;   ///< [place], or [y][x] for a map
  std::vector<double> error;  ///< the same; NaN where there is none
  std::vector<Law> laws;
};

/// A named place on the axis, or in the plane, of a panel.
struct Mark {
  std::string name;
  double x = 0, y = 0;
};

struct ComparisonPanel {
  Label label;
  std::vector<MeasuredSeries> series;
  std::vector<Mark> marks{};
};

enum class ComparisonKind { lines, bars, map };

struct Comparison {
  ComparisonKind kind = ComparisonKind::lines;
  std::string quantity, unit, long_name, reference;
  FigureAxis x;
  FigureAxis y;            ///< of a map
  bool over_scan = false;  ///< a map over two scan axes, rather than dimensions of the quantity
  std::vector<ComparisonPanel> panels;
  std::vector<std::string> notes;  ///< what is left out, and why
};

struct ComparisonRequest {
  std::string quantity;
  /// A dimension, an axis, a key_formula(), or a quantity over the same steps alone; empty: default_x().
  std::string x;
  std::string y{};                            ///< a second scan axis: the two make a map
  std::vector<std::int64_t> steps;            ///< records to show; empty: the last
  std::map<std::string, std::string> chosen;  ///< one value of a scan axis or further dimension
};

/// What a file should show first: observables that laws predict; else derived quantities that laws predict;
/// else all observables over the step, or all that there are. Matrices only if they come first.
std::vector<std::string> first_quantities(const store::Dataset& file);

/// Pairs (train_loss, train_accuracy) that a file says share their panels, on an axis at either side: the
/// second one has the attribute `drawn_beside`.
std::vector<std::pair<std::string, std::string>> companions(const store::Dataset& file);

/// What a quantity is drawn over if nobody says: the first of the scan axes that the file names
/// (`drawn_over`); else its further dimension; else the step if its laws, or the
/// absence of any other axis, ask for it; else the numeric scan axis with the most values, else an axis of
/// words. Throws InputError as compare() for an unknown quantity.
std::string default_x(const store::Dataset& file, const std::string& quantity);

/// Numbers for a figure: a panel per scan point if `x` is a dimension of the quantity, else per combination
/// of axes of words; other axes are series. Two further numeric dimensions make a map. Long dimensions that
/// are neither are an error, short ones are series.
///
/// Throws InputError for a quantity that the file does not hold or that has no usable scan point;
/// ConfigError, listing what is allowed, for an unknown x, a step that is not recorded, and choices that do
/// not exist.
Comparison compare(const store::Dataset& file, const ComparisonRequest& request);

/// Several files in one: panels of one label are drawn over one another, each series labelled by its file.
/// The comparisons must be of one kind, quantity and axis: see overlayable().
Comparison overlay(std::span<const Comparison> comparisons, std::span<const std::string> names);
bool overlayable(const Comparison& a, const Comparison& b);

/// {quantity, x, panels: [{settings, series: [{settings, places, laws: {name: {chi_square, degrees}}}]}]}
nlohmann::json comparison_json(const Comparison& comparison);

}  // namespace soret::analysis
