#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "soret/scan/table_notes.hpp"
#include "soret/store/result_file.hpp"

/// The numbers of a table: means over trajectories with intervals, beside published values.
namespace soret::analysis {

enum class IntervalKind {
  t95,        ///< mean +- t s, 95% of Student's t with n - 1 degrees of freedom, s the standard error
  stderr_,    ///< mean +- s
  bootstrap,  ///< central 95% of bootstrap means over blocks of trajectories
};
inline constexpr std::string_view kIntervals[] = {"t95", "stderr", "bootstrap"};

struct TableRequest {
  std::vector<std::string>
      observables;                   ///< or derived quantities; empty: what the config says, else the first
  std::optional<std::int64_t> step;  ///< a record; none: the last
  std::map<std::string, std::string>
      chosen;  ///< one value of a scan axis, of the label or of a further dimension
  IntervalKind interval = IntervalKind::t95;
  std::optional<TableScale> scale;           ///< none: what the config says
  Annotations annotations;                   ///< "table.labels" and others, in place of what the config says
  std::uint64_t seed = 1, resamples = 2000;  ///< of the bootstrap
};

/// One number of the table, in the units that it shows.
struct TableNumber {
  /// "label" = "GN", "learning_rate" = "0.1", "observable" = "test_accuracy": all that tells it from others.
  std::vector<std::pair<std::string, std::string>> place;
  double value = 0;           ///< NaN where no trajectory survived
  double standard_error = 0;  ///< NaN with fewer than two
  double low = 0, high = 0;   ///< NaN where there is no interval
  std::size_t trajectories = 0, diverged = 0;
  bool finished = true;
  std::optional<Reference> reference;
  /// (value - reference) / sqrt(s^2 + r^2), r the published error taken as a standard error, or 0. NaN
  /// without.
  double deviation = 0;
};

struct Table {
  std::vector<TableNumber> numbers;  ///< in the order of files, points, further dimensions, observables
  std::vector<std::string> axes;     ///< names in `place` that take several values here, in order
  std::set<std::string> settings;    ///< names in `place` that are scan axes
  IntervalKind interval = IntervalKind::t95;
  bool in_percent = false;           ///< some of the numbers
  std::vector<std::string> sources;  ///< of the references, each once
  std::vector<std::string> steps;    ///< "step 300", "epoch 30": the records that are shown
  std::vector<std::string> notes;    ///< what is left out, and why

  std::string source() const;  ///< "seed 000 Table 1; seed 000 Table 10"
};

struct NamedDataset {
  std::string name;
  store::Dataset data;
};

/// Throws InputError for a quantity that a file does not hold, ConfigError for a step that was not recorded,
/// choices that do not exist, labels and references that are not as many as the points, a scale that no
/// observable has, and the bootstrap of what is derived.
Table make_table(std::span<const NamedDataset> files, const TableRequest& request);

/// t of the central 95% for n samples: 12.706 for n = 2.
double student_t95(std::size_t n);

// ---- How it looks ----

enum class TableFormat { text, csv, latex, markdown };
inline constexpr std::string_view kTableFormats[] = {"text", "csv", "latex", "markdown"};

struct TableLayout {
  std::vector<std::string> rows, columns;  ///< axes; both empty: a row per point, a column per observable
  std::optional<int> decimals;             ///< none: two digits of the interval
};

/// The table with a caption, or, as CSV, tidy: a line per number, whatever the layout. Throws ConfigError for
/// an unknown axis, and if several numbers fall into one cell.
std::string table_text(const Table& table, TableFormat format, const TableLayout& layout);

}  // namespace soret::analysis
