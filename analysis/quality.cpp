#include "analysis/quality.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace soret::analysis {
namespace {

/// A weighted least-squares polynomial, evaluated where the offsets of its points are measured from. With the
/// moments M_mn = sum w d^(m+n) and T_m = sum w y d^m, its value there is (M^-1 T)_0 and the variance of that
/// (M^-1)_00. For a line these are the K sums of Houdayer & Hartmann.
class LocalPolynomial {
 public:
  void add(double offset, double value, double variance) {
    double power = 1 / variance;
    for (std::size_t m = 0; m < kTerms; ++m, power *= offset) {
      moments_[m] += power;
      targets_[m] += power * value;
    }
    for (std::size_t m = kTerms; m < moments_.size(); ++m, power *= offset) moments_[m] += power;
  }

  struct Value {
    double value, variance;
  };

  /// The polynomial of degree `terms` - 1; at least `terms` different offsets must have been added.
  Value at_zero(std::size_t terms) const {
    switch (terms) {
      case 2:
        return solve<2>();
      case 3:
        return solve<3>();
      default:
        return solve<kTerms>();
    }
  }

 private:
  static constexpr std::size_t kTerms = 4;

  /// M = L D L^T without scaling: its rounding does not depend on the unit of the offsets. With f = L^-1 e_0
  /// and g = L^-1 T, the value is f.D^-1 g and the variance f.D^-1 f.
  template <std::size_t terms>
  Value solve() const {
    double l[terms][terms], f[terms], g[terms], pivots[terms], inverse[terms];
    Value result{0, 0};
#pragma GCC unroll 4
    for (std::size_t i = 0; i < terms; ++i) {
      double pivot = moments_[2 * i];
      f[i] = i == 0 ? 1 : 0;
      g[i] = targets_[i];
#pragma GCC unroll 4
      for (std::size_t j = 0; j < i; ++j) {
        double sum = moments_[i + j];  // l_ij d_j
#pragma GCC unroll 4
        for (std::size_t k = 0; k < j; ++k) sum -= l[i][k] * l[j][k] * pivots[k];
        l[i][j] = sum * inverse[j];
        pivot -= sum * l[i][j];
        f[i] -= l[i][j] * f[j];
        g[i] -= l[i][j] * g[j];
      }
      pivots[i] = pivot;
      inverse[i] = 1 / pivot;
      result.value += f[i] * g[i] * inverse[i];
      result.variance += f[i] * f[i] * inverse[i];
    }
    return result;
  }

  std::array<double, 2 * kTerms - 1> moments_{};
  std::array<double, kTerms> targets_{};
};

/// Adds the points of `series` around `time` to the polynomial, at most `wanted`, and returns how many; none
/// if the series does not enclose `time`. `left` is a hint: no enclosing point before it is looked for, and
/// it moves up to the left neighbour.
std::size_t add_neighbours(LocalPolynomial& polynomial, const Series& series, double scale, double time,
                           std::size_t wanted, Abscissa abscissa, std::size_t& left) {
  const std::size_t n = series.time.size();
  if (n < 2 || time < series.time.front() * scale || time > series.time.back() * scale) return 0;
  while (left + 2 < n && series.time[left + 1] * scale <= time) ++left;
  const std::size_t count = std::min(wanted, n);
  const std::size_t before = (count - 2) / 2;
  const std::size_t first = std::min(left > before ? left - before : 0, n - count);
  for (std::size_t i = first; i < first + count; ++i) {
    const double there = series.time[i] * scale;
    polynomial.add(abscissa == Abscissa::linear ? there - time : std::log(there / time), series.value[i],
                   series.variance[i]);
  }
  return count;
}

}  // namespace

std::optional<Estimate> master_curve(std::span<const Series> series, std::span<const double> scales,
                                     double time, std::size_t without, int degree, Abscissa abscissa) {
  LocalPolynomial polynomial;
  std::size_t terms = 0;
  for (std::size_t k = 0; k < series.size(); ++k) {
    if (k == without) continue;
    // One record early, in case the division rounds up.
    const auto& times = series[k].time;
    const auto after = std::upper_bound(times.begin(), times.end(), time / scales[k]) - times.begin();
    auto left = static_cast<std::size_t>(std::max<std::ptrdiff_t>(after - 2, 0));
    terms = std::max(terms, add_neighbours(polynomial, series[k], scales[k], time,
                                           static_cast<std::size_t>(degree) + 1, abscissa, left));
  }
  if (terms == 0) return std::nullopt;
  const auto [value, variance] = polynomial.at_zero(terms);
  return Estimate{value, std::sqrt(variance)};
}

Quality houdayer_hartmann(std::span<const Series> series, std::span<const double> scales, Window window,
                          int degree, Abscissa abscissa) {
  Quality quality;
  double chi2 = 0, squares = 0;
  double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
  quality.fewest = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> left(series.size());
  const auto wanted = static_cast<std::size_t>(degree) + 1;

  for (std::size_t i = 0; i < series.size(); ++i) {
    std::fill(left.begin(), left.end(), 0);
    std::size_t compared = 0;
    for (std::size_t j = 0; j < series[i].time.size(); ++j) {
      const double time = series[i].time[j] * scales[i];
      if (time <= 0 || time < window.begin || time > window.end) continue;
      ++quality.in_window;
      LocalPolynomial polynomial;
      std::size_t terms = 0;
      for (std::size_t k = 0; k < series.size(); ++k)
        if (k != i)
          terms = std::max(terms,
                           add_neighbours(polynomial, series[k], scales[k], time, wanted, abscissa, left[k]));
      if (terms == 0) continue;
      ++compared;
      const double value = series[i].value[j];
      const auto master = polynomial.at_zero(terms);
      const double difference = value - master.value;
      chi2 += difference * difference / (series[i].variance[j] + master.variance);
      squares += difference * difference;
      lowest = std::min(lowest, value);
      highest = std::max(highest, value);
    }
    quality.compared += compared;
    quality.fewest = std::min(quality.fewest, compared);
  }
  const auto n = static_cast<double>(quality.compared);
  quality.reduced_chi2 = chi2 / n;
  quality.distance = std::sqrt(squares / n);
  quality.range = quality.compared > 0 ? highest - lowest : std::numeric_limits<double>::quiet_NaN();
  return quality;
}

}  // namespace soret::analysis
