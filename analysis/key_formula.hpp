#pragma once

#include <string>
#include <vector>

#include "analysis/scan_axes.hpp"
#include "soret/store/result_file.hpp"

namespace soret::analysis {

/// A formula of what is known about each scan point, such as training_samples/batch_size.
struct KeyFormula {
  std::string text;                ///< as given
  std::vector<double> values;      ///< [point]
  std::vector<std::string> names;  ///< that it uses, in the order of their first use
};

/// Evaluates a formula of scan axes (batch_size or sgd.batch_size), numbers of the config that do not vary
/// (data.training_samples, or training_samples where no other section has one), and quantities that are one
/// number per scan point (temperature). Throws ConfigError for an unknown name (names the nearest and all
/// axes and quantities), an ambiguous one, a text axis, and what muParser does not take.
KeyFormula key_formula(const store::Dataset& file, const std::vector<ScanAxis>& axes,
                       const std::string& text);

}  // namespace soret::analysis
