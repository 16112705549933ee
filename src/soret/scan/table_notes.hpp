#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soret/scan/option.hpp"

/// The section [table] of a config: what `soret table` and `soret plot` call the scan points, and what others
/// have published for them. It travels in the result file but is no part of the run: no setting, no axis, and
/// free to change when the run is done.
namespace soret {

/// "table.labels" -> "SB LB GN", of the keys that are set.
using Annotations = std::map<std::string, std::string, std::less<>>;

/// A published number, in the units that the table shows.
struct Reference {
  double value = 0;
  std::optional<double> error;  ///< what stands behind +-
  std::string text;             ///< as published: "92.33 ± 0.10"
};

enum class TableScale {
  value,     ///< as recorded
  percent,   ///< classification errors, test_error and others, as 100 x
  accuracy,  ///< these as 100 (1 - x)
};
inline constexpr std::string_view kTableScales[] = {"value", "percent", "accuracy"};

struct TableNotes {
  std::vector<std::string> labels;                     ///< [point]; empty: none
  std::vector<std::optional<Reference>> references{};  ///< [point] of the first observable; empty: none
  std::string source{};                                ///< where these stand
  std::vector<std::string> observables{};              ///< to show
  TableScale scale = TableScale::value;
};

/// The keys of the section.
const std::vector<Option>& table_options();
bool is_annotation(std::string_view key);

/// What stands in the section [table] of a resolved config.
Annotations annotations_of(const std::string& config);
/// Without that section: what the numbers of a run depend on.
std::string without_annotations(const std::string& config);

/// Throws ConfigError, naming both counts, unless there are as many labels and references as scan points, and
/// for labels where no zipped scan has one dimension of points to put them on; ConfigError, too, for a
/// reference that is no number.
TableNotes table_notes(const Annotations& annotations, std::size_t points, bool zip);

}  // namespace soret
