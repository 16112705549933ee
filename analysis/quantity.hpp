#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/scan_axes.hpp"
#include "soret/base/text.hpp"
#include "soret/store/result_file.hpp"

/// A quantity of a result file, recorded or derived, with the laws that predict it.
namespace soret::analysis {

/// A coordinate of a figure.
struct FigureAxis {
  std::string name;                       ///< of the dimension, or the formula
  std::string unit = "1";                 ///< "1" for a pure number
  std::string long_name{};                ///< empty for a formula
  std::vector<double> values{};           ///< of a dimension
  std::vector<std::string> categories{};  ///< of an axis of words; else empty
};

/// Whether a dimension counts steps: "step", or that of another schedule, "curvature_step".
bool is_step(std::string_view dimension);
/// What a figure calls its steps: the long name of their dimension if that is one word ("epoch"), else
/// "step".
std::string step_word(std::string_view long_name);

/// A dimension beyond the scan's.
struct Dimension {
  FigureAxis axis;
  std::size_t size = 0;
  std::vector<std::size_t> places{};  ///< that are shown

  const std::string& name() const { return axis.name; }
  bool is_text() const { return !axis.categories.empty(); }
  bool free() const { return places.size() > 1; }
  std::string text(std::size_t place) const {
    return is_text() ? axis.categories[place] : shortest(axis.values[place]);
  }
  /// Counts things: 0, 1, 2, ... or 1, 2, 3, ...
  bool is_index() const;
};

/// The dimensions of a variable beyond those of the scan.
std::vector<std::string> further_dimensions(const store::Dataset& file, const store::Variable& variable);
Dimension dimension_of(const store::Dataset& file, const std::string& name);

/// A variable that predicts a quantity, as an array over some of the quantity's dimensions and over laws.
struct Prediction {
  const std::vector<double>* values;
  std::vector<std::size_t> extents;
  std::vector<std::optional<std::size_t>> dimension;  ///< the quantity's, for each of its own; none: the laws
  std::vector<std::string> laws;                      ///< names
  std::string law_dimension;                          ///< empty where there is a single law

  double at(std::size_t point, std::span<const std::size_t> index, std::size_t law) const;
};

/// The variables that predict a quantity: those with the attribute `predicts`, or, in files of versions that
/// did not write it, those called NAME_prediction or NAME_predicted.
std::vector<std::string> predictions_of(const store::Dataset& file, const std::string& quantity);

/// A quantity and which of its numbers are wanted. The file must outlive it.
class Quantity {
 public:
  /// `steps`: the records that are wanted, all if empty. `chosen`: one value of scan axes or further
  /// dimensions. Throws InputError for a quantity that the file does not hold or that has no usable scan
  /// point; ConfigError, listing what is allowed, for a step that is not recorded and choices that do not
  /// exist.
  Quantity(const store::Dataset& file, const std::string& name, std::span<const std::int64_t> steps,
           const std::map<std::string, std::string>& chosen);

  const store::Dataset& file() const { return file_; }
  const store::Variable& variable() const { return variable_; }
  const std::string& name() const { return variable_.name; }

  std::vector<ScanAxis> axes;
  std::vector<Dimension> dimensions;  ///< beyond the scan's
  std::vector<std::size_t> points;    ///< scan points that are wanted and have numbers
  std::vector<std::size_t> lost;      ///< those that are wanted and have none
  std::vector<Prediction> predictions;
  std::vector<std::string> notes;  ///< what is left out, and why

  std::optional<ScanAxis> label;  ///< names of the points
  /// By name or config key, the label too; nullptr if there is none.
  const ScanAxis* axis_named(const std::string& name) const;
  /// The numeric axis with the most values; the later one of equals. nullptr if none varies.
  const ScanAxis* longest_axis() const;
  /// The one that counts steps; nullptr without.
  Dimension* step();

  double value(std::size_t point, std::span<const std::size_t> index) const;
  /// Standard error; NaN where the file has none.
  double error(std::size_t point, std::span<const std::size_t> index) const;
  /// (n - 3) / (n - 1) for an error from n samples: trajectories of an observable, blocks of what is derived.
  /// NaN up to n = 3.
  double error_scale(std::size_t point) const;

 private:
  bool has_survivors(std::size_t point) const;
  void choose_points(const std::map<std::string, std::string>& chosen);
  void choose_places(const std::map<std::string, std::string>& chosen);
  void choose_steps(std::span<const std::int64_t> steps);
  bool is_chosen(std::size_t point, const std::map<std::string, std::string>& chosen) const;
  std::string point_text(std::size_t point) const;
  std::size_t cell(std::size_t point, std::span<const std::size_t> index) const;

  const store::Dataset& file_;
  const store::Variable& variable_;
  const std::vector<double>& values_;
  const std::vector<double>* errors_ = nullptr;
};

/// The variable that states a quantity's chi-square, over the same laws; nullptr without.
const store::Variable* chi_square_of(const store::Dataset& file, const std::string& quantity);

bool has_scan_dimensions(const store::Dataset& file, const store::Variable& variable);

}  // namespace soret::analysis
