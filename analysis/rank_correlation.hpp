#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/bootstrap.hpp"
#include "analysis/scan_axes.hpp"
#include "soret/store/result_file.hpp"

/// How quantities go together over the points of a scan, by ranks.
namespace soret::analysis {

/// Spearman's rho: the correlation of the ranks, ties at their mean rank. NaN for fewer than two values and
/// where all of x or of y are equal.
double spearman(std::span<const double> x, std::span<const double> y);

/// Kendall's tau-b: pairs in the same order less pairs in opposite order, over the root of the product of the
/// numbers of pairs that are not tied in x and in y. NaN as spearman().
double kendall(std::span<const double> x, std::span<const double> y);

/// The mean of Kendall's tau over the groups of two or more points that differ in one setting alone: x and y
/// then do not go together merely because both follow another setting (the granulated coefficient of Jiang et
/// al., arXiv:1912.02178, Eq. 4). slices[point] names the group. NaN where no group has a tau.
double kendall_within(std::span<const double> x, std::span<const double> y,
                      std::span<const std::size_t> slices);

struct CorrelationRequest {
  std::vector<std::string> quantities;  ///< observables, or formulas of what is known per scan point
  std::optional<std::int64_t> step{};   ///< record; default each observable's last one
  std::size_t resamples = 1000;         ///< of each bootstrap
  std::uint64_t seed = 1;               ///< of both
};

/// One quantity at the scan points where all are known.
struct CorrelatedQuantity {
  std::string name, unit = "1", long_name;
  std::vector<double> mean;   ///< [point]
  std::vector<double> error;  ///< [point], standard errors; zeros for a formula
};

struct Coefficient {
  double value = 0;
  Spread over_trajectories;  ///< the same scan run again with other random numbers
  Spread over_points;        ///< other scan points like these, one fewer drawn from these with replacement
};

struct PairCorrelation {
  std::size_t a = 0, b = 0;  ///< of RankCorrelations::quantities
  Coefficient spearman, kendall;
  std::vector<double> kendall_within;  ///< [axis], kendall_within() along it
};

struct RankCorrelations {
  std::vector<CorrelatedQuantity> quantities;
  std::vector<std::string> axes;              ///< of the scan, numeric ones that vary
  std::vector<std::vector<double>> settings;  ///< [axis][point]
  std::vector<PairCorrelation> pairs;         ///< every two, in order
  std::vector<std::string> notes;             ///< points that are left out, and why
};

/// Rank correlations of every two quantities over the scan points at which all have numbers. A resample draws
/// the same trajectories (blocks) at every point. Throws InputError as extract_curves(), for fewer than three
/// common points and for a file without blocks; ConfigError for fewer than two quantities, one that stands
/// twice, a formula that key_formula() does not take, and a step that was not recorded.
RankCorrelations rank_correlations(const store::Dataset& file, const CorrelationRequest& request);

nlohmann::json correlations_json(const RankCorrelations& all);

}  // namespace soret::analysis
