#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/curves.hpp"
#include "analysis/quality.hpp"
#include "soret/store/result_file.hpp"

/// Data collapse: the exponents a_k in t' = t prod_k (key_k / reference_k)^a_k that bring the curves of a
/// scan onto one another (seed 002, Sec. 5 and Eq. 28: learning_rate 2, batch_size -1).
namespace soret::analysis {

struct CollapseOptions {
  std::map<std::string, double> fixed{};      ///< exponents that are given, by key; all others are fitted
  std::map<std::string, double> reference{};  ///< by key; default the (lower) median of the key's values
  std::optional<Window> window{};  ///< of t'; default from 0 to where the shortest rescaled curve ends
  std::size_t resamples = 400;     ///< bootstrap
  std::uint64_t seed = 1;          ///< of the bootstrap
  std::size_t rungs = 5;           ///< of the ladder: windows that end at 1/2, 1/4, ... of the window's end
  double exponent_min = -4, exponent_max = 4;  ///< range of the search
  std::size_t min_points = 3;  ///< exponents that leave any curve fewer compared points are not considered
  double min_share = 0.5;      ///< nor those for which less than this share of points can be compared
};

struct Exponent {
  std::string key;
  double reference = 1;
  bool fitted = true;  ///< false: given
  bool bound = false;  ///< the optimum lies at the edge of the overlap or of the search: no estimate
  double value = 0;
  double standard_error = 0;  ///< bootstrap; 0 if given, NaN if a bound
  double low = 0, high = 0;   ///< central 95% of the bootstrap; NaN if a bound
};

/// The exponents and the quality of the collapse in one window of t'.
struct WindowFit {
  Window window;
  double noise_time = 0;            ///< eta^2 t / |B| at the window's end; NaN where eta or |B| is unknown
  std::vector<Exponent> exponents;  ///< [key]
  Quality quality;
  bool collapses = false;            ///< within errors, or to 3% of the range; never at a bound
  std::vector<std::string> notes{};  ///< what to keep in mind about this fit
};

/// A rescaling with stated exponents, seen in the window of the fit.
struct Hypothesis {
  std::string name;               ///< "raw", "eta", "eta^2/|B|"; over the batch size "1/eta", "1/(eta N)"
  std::vector<double> exponents;  ///< [key]
  Quality quality;
};

/// How the title of a collapse's file begins.
inline constexpr const char* kCollapseTitle = "Collapse of ";

struct CollapseResult {
  std::vector<std::string> keys;
  WindowFit best;
  std::vector<Hypothesis> hypotheses;
  /// Over the batch size: the quality with 1/g for |B|', g = eta (N/|B| - 1) the noise scale (seed 003 Eq.
  /// 24), in units that make it |B| for |B| << N at the reference; in the window of the fit.
  std::optional<Quality> noise_scale{};
  std::vector<WindowFit> ladder;             ///< from the longest window to the shortest
  std::vector<std::vector<double>> samples;  ///< [resample][key], the bootstrap of `best`
  CollapseOptions options;
};

/// Finds the exponents that minimise the Houdayer-Hartmann quality S in a window of t': a grid over the range
/// of the search, then Nelder-Mead from its best local minima. Errors and intervals are a bootstrap over
/// blocks of trajectories, drawn together at all scan points; the result does not depend on the number of
/// threads. Scan points share their random streams, so the absolute level of S is not calibrated (S < 1 is
/// usual): only its minimum is used.
///
/// The default window is the whole range that all rescaled curves cover at the fitted exponents; it is found
/// by iteration and then held fixed. Exponents for which the curves hardly overlap are not considered.
///
/// Curves that over_key() has turned are rescaled along that key: key' = key prod (other / reference)^a.
///
/// Throws ConfigError for an option that names no key of the scan or is out of range; InputError if there are
/// fewer than two curves or blocks, if errors are missing, if a key's values are not positive, if keys vary
/// together so that their exponents cannot be told apart, or if no exponents make the curves overlap.
CollapseResult collapse(const Curves& curves, const CollapseOptions& options = {});

/// [curve], the records that can be compared: those with a mean and an error. A record without any error (an
/// observable that is exact at t = 0, say) gets a hundredth of its curve's median error, far more precise
/// than the rest yet harmless to the conditioning of a fit. Throws InputError for a curve without errors.
std::vector<Series> curve_series(const Curves& curves);

/// Polynomials of the master curve are in t', or, over a key, in the logarithm of the rescaled key. Throws
/// InputError for a key that is not positive.
Abscissa abscissa_of(const Curves& curves);

/// [curve], the factor from t to t' at the given exponents.
std::vector<double> time_scales(const Curves& curves, const CollapseResult& result,
                                std::span<const double> exponents);

/// The number, or null if it is not finite.
nlohmann::json finite_json(double value);

/// {key: {exponent, standard_error, interval_95, reference, fitted, bound}}
nlohmann::json exponents_json(const std::vector<Exponent>& exponents);

/// The report of one family as JSON; numbers that do not exist are null.
nlohmann::json collapse_json(const Curves& curves, const CollapseResult& result);

/// Raw, stated and best rescaled curves, their master curves on a grid with errors, and all residuals.
/// families[i] belongs to results[i]; all must be of one observable.
store::Dataset collapse_dataset(std::span<const Curves> families, std::span<const CollapseResult> results);

/// "a:b", either end may be empty. Throws ConfigError.
Window parse_window(std::string_view text);

/// "key=number,key=number,..."; a value `auto` (or the whole text "auto") leaves the key out. Throws
/// ConfigError that calls the option by `option`.
std::map<std::string, double> parse_assignments(std::string_view text, std::string_view option);

}  // namespace soret::analysis
