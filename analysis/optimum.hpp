#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/curves.hpp"
#include "analysis/power_law.hpp"

/// The value of a scanned key at which an observable is best (seed 003 Figs. 10-11: the batch size of the
/// highest test accuracy), and the power law of that value in the other keys.
namespace soret::analysis {

struct OptimumOptions {
  bool lowest = false;  ///< the best is the lowest
  /// The window of the parabola holds what lies within this share of the smaller of the two falls from the
  /// best point to the ends of the curve. Our choice.
  double share = 0.5;
  std::map<std::string, double> reference{};  ///< by key; default the (lower) median of the key's values
  std::size_t resamples = 400;                ///< bootstrap
  std::uint64_t seed = 1;                     ///< of the bootstrap
};

/// What the scan says about where the best value lies.
enum class OptimumKind {
  value,         ///< inside of the scan, with a 95% interval inside of it
  lower_bound,   ///< at `low` or beyond: the upper end of the scan is not excluded
  upper_bound,   ///< at `high` or below: the lower end of the scan is not excluded
  undetermined,  ///< neither end is excluded
};
std::string_view name(OptimumKind kind);

/// An estimate with its bootstrap error.
struct Spreading {
  double value = 0;
  double standard_error = 0;
  double low = 0, high = 0;  ///< central 95%
};

/// The best value of the key on one curve.
struct Optimum {
  std::string label{};
  std::vector<double> keys{};  ///< [other key]
  OptimumKind kind = OptimumKind::value;
  /// Where the fit is best; NaN unless a value. The standard error is value times that of the logarithm. Ends
  /// of the interval that the scan does not give are NaN.
  Spreading place{};
  double best = 0;           ///< the observable there, from the fit; the best measured one for a bound
  double measured_best = 0;  ///< the value of the key with the best measured mean
  double window_begin = 0, window_end = 0;
  std::size_t points = 0;   ///< in the window
  double reduced_chi2 = 0;  ///< of the parabola; NaN without degrees of freedom or where there is none
  std::array<double, 3> parabola{};  ///< y = c0 + c1 u + c2 u^2 with u = ln(x / measured_best)
  /// The critical batch size there, where it was asked for and the optimum is a value.
  std::optional<Spreading> critical{};
};

struct OptimumFit {
  std::string over;                      ///< the key
  std::vector<Optimum> optima;           ///< [curve]
  std::optional<PowerLaw> law;           ///< of the optima that are values; `notes` says why it is absent
  std::optional<PowerLaw> critical_law;  ///< of the critical batch size at them
  std::vector<std::string> notes;
  OptimumOptions options;
};

/// tr Sigma and ||gradient||^2 over the same key as the observable: their ratio is the critical batch size
/// (McCandlish et al. 2018, Eq. 2.9).
struct GradientNoise {
  Curves trace, square;
};

/// `curves` come from over_key(). A weighted least-squares parabola in the logarithm of the key goes through
/// the points around the best measured one, as far as they lie within `share` of the smaller of the falls to
/// either end of the curve, at least four of them; its vertex, inside of that window, is the optimum. Errors
/// repeat all of this, the choice of the window too, on resamples of the blocks of trajectories, which are
/// drawn together at all scan points.
///
/// A best measured point at the end of its curve has no vertex: the resample stands for "there or beyond". If
/// that is so for the data, or for more than 2.5% of the resamples, the optimum is reported as a bound and
/// takes no part in the power law; the notes say whether the law agrees with it.
///
/// The critical batch size is the ratio of the ensemble's means, between scan points by a straight line in
/// the logarithms, at the optimum (of every resample at its own).
///
/// Throws ConfigError for a bad option or values of the key that are not positive; InputError if a curve has
/// fewer than four points, or if errors or blocks are missing.
OptimumFit fit_optimum(const Curves& curves, const OptimumOptions& options = {},
                       const std::optional<GradientNoise>& noise = std::nullopt);

/// The report of one family as JSON; numbers that do not exist are null.
nlohmann::json optimum_json(const Curves& curves, const OptimumFit& fit);

}  // namespace soret::analysis
