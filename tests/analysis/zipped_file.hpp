#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "analysis/table.hpp"

/// Result files in memory of zipped scans, whose trajectories are written down one by one.
namespace soret::analysis::synthetic {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// What every trajectory of a point ended with; NaN: it diverged.
using Ends = std::vector<std::vector<double>>;

/// A zipped scan of learning rates whose test_error at step 30 is `ends`, a block per trajectory, and at step
/// 0 is 0.9 for all. `kinds` is a second axis.
inline NamedDataset zipped(const Ends& ends, const std::string& table,
                           const std::vector<std::string>& labels = {}, std::vector<std::string> kinds = {}) {
  const std::size_t points = ends.size();
  const std::size_t n = ends[0].size();
  std::vector<double> mean, error, block, rate;
  std::vector<std::int64_t> survivors, diverged;
  for (std::size_t p = 0; p < points; ++p) {
    double sum = 0, squares = 0, alive = 0;
    for (const double x : ends[p]) {
      survivors.push_back(std::isfinite(x) ? 1 : 0);
      block.insert(block.end(), {std::isfinite(x) ? 0.9 : kNaN, x});
      if (!std::isfinite(x)) continue;
      sum += x;
      ++alive;
    }
    for (const double x : ends[p])
      if (std::isfinite(x)) squares += (x - sum / alive) * (x - sum / alive);
    diverged.push_back(static_cast<std::int64_t>(n) - static_cast<std::int64_t>(alive));
    mean.insert(mean.end(), {alive > 0 ? 0.9 : kNaN, alive > 0 ? sum / alive : kNaN});
    error.insert(error.end(),
                 {alive > 1 ? 0 : kNaN, alive > 1 ? std::sqrt(squares / (alive - 1) / alive) : kNaN});
    rate.push_back(0.1 * static_cast<double>(p + 1));
  }
  if (kinds.empty()) kinds.assign(points, "mlp");
  const auto about = [](const char* name, const char* key = "") {
    store::Attributes all{{"units", "1"}, {"long_name", name}};
    if (*key != '\0') all["key"] = key;
    return all;
  };
  store::Dataset file;
  file.attributes = {{"config", "simulation = train\n[sgd]\nlearning_rate = 0.1\n\n[table]\n" + table}};
  file.dimensions = {{"point", points}, {"block", n}, {"step", 2}};
  file.variables = {
      {"kind", {"point"}, kinds, about("kind", "network.kind")},
      {"learning_rate", {"point"}, rate, about("rate", "sgd.learning_rate")},
      {"step", {"step"}, std::vector<std::int64_t>{0, 30}, about("epoch")},
      {"test_error", {"point", "step"}, mean, about("test error")},
      {"test_error_stderr", {"point", "step"}, error, about("its error")},
      {"test_error_block", {"point", "block", "step"}, block, about("blocks")},
      {"block_trajectories", {"point", "block"}, survivors, about("n")},
      {"diverged", {"point"}, diverged, about("diverged")},
      {"finished", {"point"}, std::vector<std::int64_t>(points, 1), about("finished")},
  };
  if (!labels.empty()) file.variables.push_back({"label", {"point"}, labels, about("name", "table.labels")});
  return {"file", std::move(file)};
}

}  // namespace soret::analysis::synthetic
