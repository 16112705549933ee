#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

/// How well rescaled curves fall onto each other: the quality of J. Houdayer and A. K. Hartmann,
/// Phys. Rev. B 70, 014418 (2004), appendix, with one change. Where they lay a straight line through the
/// neighbours, a cubic through two neighbours on each side is used: a curve that is recorded 16 times more
/// coarsely than another (learning rates 4 times apart at exponent 2) would otherwise pull the exponent by
/// the sagitta of its chords, several standard errors in a well-sampled ensemble. Degree 1 is theirs.
namespace soret::analysis {

/// One curve: ascending times, values, and the squared standard errors of the values.
struct Series {
  std::vector<double> time;
  std::vector<double> value;
  std::vector<double> variance;  ///< > 0
};

/// A range of rescaled time t', in steps at the reference values; both ends included.
struct Window {
  double begin = 0;
  double end = std::numeric_limits<double>::infinity();
};

/// A value with its standard error.
struct Estimate {
  double value = 0;
  double error = 0;
};

inline constexpr int kMasterDegree = 3;

/// What the polynomials of the master curve are in: t', or ln t' for series whose times, all positive, lie as
/// far apart as powers do.
enum class Abscissa { linear, logarithmic };

/// The master curve at rescaled time t': the weighted least-squares polynomial through the degree + 1 points
/// of each series that lie around t' (half of them on each side where the series goes that far), leaving out
/// series number `without` (pass series.size() for none) and series that do not enclose t'. Times of series i
/// are multiplied by scales[i]. nullopt where no series encloses t'. 1 <= degree <= 3.
std::optional<Estimate> master_curve(std::span<const Series> series, std::span<const double> scales,
                                     double time, std::size_t without, int degree = kMasterDegree,
                                     Abscissa abscissa = Abscissa::linear);

struct Quality {
  double reduced_chi2 = 0;    ///< S, mean of (y - Y)^2 / (dy^2 + dY^2); NaN if nothing is compared
  double distance = 0;        ///< root mean square of y - Y
  double range = 0;           ///< largest minus smallest y of those compared
  std::size_t compared = 0;   ///< points with a master curve beneath them
  std::size_t in_window = 0;  ///< points with window.begin <= t' <= window.end, t' > 0
  std::size_t fewest = 0;     ///< compared points of the curve that has the fewest

  /// The RMS distance as a percentage of the range; NaN if nothing is compared.
  double spread_percent() const { return range == 0 ? 0 : 100 * distance / range; }
};

/// Compares every point in the window with the master curve of the *other* series. Points at t' = 0, which no
/// exponent can move, are not compared but do carry the master curve. S is about 1 for a perfect collapse of
/// curves with independent errors, and less for curves that share their random streams.
Quality houdayer_hartmann(std::span<const Series> series, std::span<const double> scales, Window window,
                          int degree = kMasterDegree, Abscissa abscissa = Abscissa::linear);

}  // namespace soret::analysis
