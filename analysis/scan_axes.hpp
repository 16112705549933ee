#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "soret/store/result_file.hpp"

/// The scan points of a result file and the axes that set them apart.
namespace soret::analysis {

/// A coordinate of the scan.
struct ScanAxis {
  std::string name;  ///< "learning_rate"
  std::string key;   ///< "sgd.learning_rate"; empty where the file does not say
  std::string unit;
  std::vector<double> values;      ///< [point]; empty for a text axis
  std::vector<std::string> texts;  ///< [point]; empty for a numeric axis

  bool is_text() const { return !texts.empty(); }
  std::string text(std::size_t point) const;  ///< "0.05"
  std::string at(std::size_t point) const;    ///< "learning_rate = 0.05"
  /// Whether the axis has more than one value among these points.
  bool varies(std::span<const std::size_t> points) const;
};

/// The axes over the given scan dimensions, in their order. In a zipped scan every axis lies over the one
/// dimension `point`, marked by the config key that it stands for; otherwise each axis is a dimension.
std::vector<ScanAxis> scan_axes(const store::Dataset& file, std::span<const std::string> dimensions);

/// The names that the config gives to the points of a zipped scan, an axis `label` of words; nullopt without.
/// It is no setting, so scan_axes() leaves it out.
std::optional<ScanAxis> label_axis(const store::Dataset& file);

/// Number of scan points over these dimensions.
std::size_t point_count(const store::Dataset& file, std::span<const std::string> dimensions);

/// The variable's attribute, or `otherwise` where it is absent, empty or no text.
std::string text_attribute(const store::Variable& variable, const std::string& name,
                           const std::string& otherwise);

/// The variable's numbers, integers too. Throws InputError for text.
std::vector<double> as_reals(const store::Variable& variable);

}  // namespace soret::analysis
