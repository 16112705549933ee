#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "analysis/curves.hpp"
#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "sims/cli/scan_points.hpp"
#include "soret/base/error.hpp"
#include "soret/store/replace_file.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

constexpr Usage kUsage{
    .synopsis = "soret export FILE.h5 --csv DIR [--blocks] [--json]",
    .about =
        "Writes one tidy CSV table per quantity, DIR/NAME.csv: a column per scan axis and further "
        "dimension,\n"
        "then mean and stderr of an observable over the ensemble, or value (and stderr, where it has one) "
        "of\n"
        "what is derived: predictions, fits, chi-squares. Unfinished scan points are left out.",
    .examples = "  soret export results/quickstart.h5 --csv results/quickstart",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1};

/// Axis words may hold quotes; everything else is plain.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of("\",\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// A table in the making: a row per element of some variables that share their dimensions.
class Table {
 public:
  /// `first`: the variable whose dimensions (scan dimensions, then further ones) the rows run over.
  Table(const store::Dataset& file, const ScanPoints& points, const store::Variable& first)
      : points_(points) {
    for (const auto& axis : points.axes) header_ += csv_cell(axis) + ",";
    for (std::size_t d = points.dimensions.size(); d < first.dimensions.size(); ++d) {
      header_ += csv_cell(first.dimensions[d]) + ",";
      further_.push_back(&file.at(first.dimensions[d]));
      extents_.push_back(file.size(first.dimensions[d]));
      rows_per_point_ *= extents_.back();
    }
  }

  /// One column per variable. A variable without the trailing dimensions repeats along them.
  std::string text(std::span<const std::pair<std::string, const store::Variable*>> columns) const {
    fmt::memory_buffer out;
    out.append(header_);
    for (std::size_t c = 0; c < columns.size(); ++c)
      fmt::format_to(std::back_inserter(out), "{}{}", columns[c].first, c + 1 < columns.size() ? "," : "\n");
    for (std::size_t point = 0; point < points_.finished.size(); ++point) {
      if (!points_.finished[point]) continue;
      std::string prefix;
      for (const auto& value : points_.values[point]) prefix += csv_cell(value) + ",";
      for (std::size_t row = 0; row < rows_per_point_; ++row) {
        out.append(prefix);
        append_coordinates(out, row);
        for (std::size_t c = 0; c < columns.size(); ++c)
          fmt::format_to(std::back_inserter(out), "{}{}",
                         element_text(*columns[c].second, point * rows_per_point_ + row),
                         c + 1 < columns.size() ? "," : "\n");
      }
    }
    return fmt::to_string(out);
  }

 private:
  void append_coordinates(fmt::memory_buffer& out, std::size_t row) const {
    std::size_t below = rows_per_point_;
    for (std::size_t d = 0; d < further_.size(); ++d) {
      below /= extents_[d];
      fmt::format_to(std::back_inserter(out), "{},", element_text(*further_[d], row / below % extents_[d]));
    }
  }

  const ScanPoints& points_;
  std::string header_;
  std::vector<const store::Variable*> further_;  ///< coordinates of the dimensions beyond the scan's
  std::vector<std::size_t> extents_;
  std::size_t rows_per_point_ = 1;
};

using Columns = std::vector<std::pair<std::string, const store::Variable*>>;

/// DIR/NAME.csv, with its columns' variables. The last ones share all their dimensions.
struct Export {
  std::string name;
  Columns columns;
};

std::vector<Export> exports(const store::Dataset& file, bool blocks) {
  std::vector<Export> all;
  const auto with_error = [&](const std::string& name, const char* column) {
    Columns columns{{column, &file.at(name)}};
    if (const auto* error = file.find(name + "_stderr")) columns.emplace_back("stderr", error);
    return columns;
  };
  for (const auto& observable : analysis::observables(file)) {
    all.push_back({observable, with_error(observable, "mean")});
    if (blocks) all.push_back({observable + "_block", {{"mean", &file.at(observable + "_block")}}});
  }
  for (const auto& derived : analysis::derived_quantities(file))
    all.push_back({derived, with_error(derived, "value")});
  return all;
}

}  // namespace

void export_csv(const Words& words) {
  po::options_description options;
  options.add_options()                                                                        //
      ("csv", po::value<std::string>()->value_name("DIR"), "folder; made if it is not there")  //
      ("blocks", po::bool_switch(),
       "also DIR/OBSERVABLE_block.csv, the means of the blocks of trajectories")  //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (!arguments->has("csv")) usage_error(kUsage, "--csv DIR is missing");

  const store::Dataset file = store::read(arguments->words[0]);
  const ScanPoints points = scan_points(file, arguments->words[0]);
  const std::filesystem::path folder = arguments->get("csv");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw RunError(fmt::format("{}: cannot make the folder: {}", folder.string(), error.message()));

  std::vector<std::string> written;
  for (const auto& [name, columns] : exports(file, arguments->flag("blocks"))) {
    const auto path = folder / (name + ".csv");
    const std::string text = Table(file, points, *columns.front().second).text(columns);
    store::replace_file(path, std::as_bytes(std::span(text)));
    written.push_back(path.string());
  }
  if (arguments->flag("json"))
    print_json({{"file", arguments->words[0]}, {"tables", written}});
  else
    for (const auto& path : written) fmt::print("{}\n", path);
  if (const auto unfinished = std::ranges::count(points.finished, false); unfinished > 0)
    fmt::print(stderr, "{} unfinished scan points are left out\n", unfinished);
}

}  // namespace soret::cli
