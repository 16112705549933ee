#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/collapse.hpp"
#include "analysis/curves.hpp"
#include "analysis/power_law.hpp"

/// The initial rate of change of an observable at every scan point, and the power law of that rate in the
/// scanned keys (seed 002 Eqs. 27-28 predict learning_rate 2, batch_size -1 for a flux-driven rate).
namespace soret::analysis {

struct RateOptions {
  std::optional<Window> window{};  ///< of steps, the same for all curves; default see fit_rates
  /// Of the default window: the share of the smallest significant excursion by which every curve has moved at
  /// its window's end. Our choice.
  double change = 0.3;
  std::map<std::string, double> reference{};  ///< by key; default the (lower) median of the key's values
  std::size_t resamples = 400;                ///< bootstrap
  std::uint64_t seed = 1;                     ///< of the bootstrap
};

/// The slope of one curve at the start of its window.
struct Rate {
  std::string label;
  std::vector<double> keys;  ///< [key]
  Window window;             ///< of steps
  std::size_t records = 0;   ///< in the window
  double value = 0;          ///< per step
  double standard_error = 0;
  double low = 0, high = 0;  ///< central 95% of the bootstrap
  bool significant = false;  ///< the interval excludes zero
};

struct RateFit {
  std::vector<Rate> rates;      ///< [curve]
  std::optional<PowerLaw> law;  ///< absent where it cannot be fitted; `notes` says why
  std::vector<std::string> notes;
  RateOptions options;
};

/// A weighted least-squares parabola over the window gives the slope at the window's start; the quadratic
/// term takes up the curvature that would bias a straight line. By default each curve's window runs from its
/// first record to where it has moved by the same amount, `change` times the smallest significant excursion
/// in the family: curves that differ by a rescaling of time are then cut at the same place of the master
/// curve, what bias is left is a common factor, and the exponents have none. Errors come from the bootstrap
/// over blocks of trajectories (records of one trajectory are correlated), drawn together at all scan points.
///
/// The power law is a weighted fit of log |rate|. Rates whose 95% interval holds zero are reported but take
/// no part; if the others differ in sign there is no power law.
///
/// Throws ConfigError for a bad option; InputError if errors or blocks are missing or a window holds fewer
/// than four records.
RateFit fit_rates(const Curves& curves, const RateOptions& options = {});

/// The report of one family as JSON; numbers that do not exist are null.
nlohmann::json fit_json(const Curves& curves, const RateFit& fit);

}  // namespace soret::analysis
