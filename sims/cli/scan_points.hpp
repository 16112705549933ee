#pragma once

#include <string>
#include <vector>

#include "soret/store/result_file.hpp"

namespace soret::cli {

/// The scan points of a result file, as its config would spell them.
struct ScanPoints {
  std::vector<std::string> dimensions;           ///< of the scan: one per axis, or "point" when zipped
  std::vector<std::string> axes;                 ///< names
  std::vector<std::vector<std::string>> values;  ///< [point][axis]
  std::vector<bool> finished;                    ///< [point]

  std::string label(std::size_t point) const;  ///< "learning_rate = 0.1, batch_size = 2"
};

/// Throws InputError, calling the file by `name`, if it is not the result of a run.
ScanPoints scan_points(const store::Dataset& file, const std::string& name);

/// Number i of a variable as text, shortest spelling.
std::string element_text(const store::Variable& variable, std::size_t i);

}  // namespace soret::cli
