#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "soret/base/double_math.hpp"
#include "soret/base/host_device.hpp"
#include "soret/langevin/basins.hpp"
#include "soret/langevin/box.hpp"
#include "soret/langevin/langevin.hpp"

/// What is added up over the walkers of a group, on every backend in the same order: the walkers of a chunk
/// in eight lanes of eight, the lanes as a tree, and chunk after chunk.
namespace soret::langevin {

/// The rows of lanes in a chunk.
inline constexpr int kTallyRows = 8;
static_assert(kChunk == 8 * kTallyRows);

/// Which sums are kept of every look at the walkers and which counts of every record.
struct TallyShape {
  int dimension = 1;
  bool means = false;
  bool products = false;  ///< with `means`
  bool lagged = false;
  bool loss = false;
  bool escapes = false;
  Histogram histogram;  ///< bins and bins_2d are 0 where nothing is counted
  int basins = 0;       ///< 0: not counted

  /// Sums of a look. The first four are
  enum Slot {
    witness,   ///< 0 if every coordinate is finite, else NaN
    lag,       ///< w_0 now times w_0 at the first look, both minus the centre
    losses,    ///< l(w)
    survival,  ///< substeps survived, min(escape time, now)
    scalars,   ///< how many these are
  };
  /// and then, for each coordinate k, w_k and its products with w_0, ..., w_k, minus the centre.
  SORET_HD int row(int k) const { return scalars + (products ? k + k * (k + 1) / 2 : k); }
  SORET_HD int slots() const { return row(means ? dimension : 0); }
  /// The sums come in parts that may be computed apart: the scalars, and the row of each coordinate.
  SORET_HD int parts() const { return means ? 1 + dimension : 1; }

  /// Counts of a record: density, density_2d, occupancy, escaped; whole numbers of walkers.
  SORET_HD int density_2d() const { return static_cast<int>(histogram.bins); }
  SORET_HD int occupancy() const {
    return density_2d() + static_cast<int>(histogram.bins_2d * histogram.bins_2d);
  }
  SORET_HD int escaped() const { return occupancy() + basins; }
  SORET_HD int cells() const { return escaped() + (escapes ? 1 : 0); }
};

/// The walkers of a chunk at one look.
struct ChunkView {
  const double* w;  ///< coordinate k of walker i: w[k * stride + i]
  std::ptrdiff_t stride;
  int count;                 ///< walkers; places from here to kChunk hold anything
  const double* centre;      ///< [dimension], or null for 0
  const double* first;       ///< [kChunk], w_0 at the first look, if `lagged`
  const double* escaped_at;  ///< [kChunk], if `escapes`
  double now;                ///< in substeps since step 0
  bool last;                 ///< look of its record
};

template <class V>
V lanes_at(const double* p);
template <>
SORET_HD double lanes_at<double>(const double* p) {
  return *p;
}
#if !defined(__CUDACC__)
template <>
SORET_HD DoubleLanes lanes_at<DoubleLanes>(const double* p) {
  return load(p);
}
SORET_HD LanesI64 lanes_below(int first, int count, DoubleLanes) {
  constexpr LanesI64 kOrder = {0, 1, 2, 3, 4, 5, 6, 7};
  return first + kOrder < count;
}
#endif
SORET_HD bool lanes_below(int first, int count, double) {
  return first < count;
}

/// Calls put(slot, x) for every sum of a part, x being the sum over the rows of one lane (V = double) or of
/// all eight (V = DoubleLanes, lane 0).
template <class V, class L, class Put>
SORET_HD void tally_sums(const TallyShape& shape, const L& landscape, const ChunkView& c, int part, int lane,
                         Put&& put) {
  constexpr int kMost = L::kDimension > 0 ? L::kDimension : kMaxDimension;
  const V zero = constant_of<V>(0.0);
  const auto at = [&](const double* data, int row) { return lanes_at<V>(data + row * 8 + lane); };
  const auto walker = [&](int row, V x) {
    return select(lanes_below(row * 8 + lane, c.count, V{}), x, zero);
  };
  const auto centred = [&](int k, int row) {
    return walker(row, at(c.w + k * c.stride, row) - (c.centre == nullptr ? 0.0 : c.centre[k]));
  };
  const auto over_rows = [&](auto term) {
    V total = term(0);
    for (int row = 1; row < kTallyRows; ++row) total += term(row);
    return total;
  };

  if (part > 0) {
    const int k = part - 1;
    V x[kTallyRows];
    SORET_UNROLL
    for (int row = 0; row < kTallyRows; ++row) x[row] = centred(k, row);
    put(shape.row(k), over_rows([&](int row) { return x[row]; }));
    if (!shape.products) return;
    for (int j = 0; j <= k; ++j)
      put(shape.row(k) + 1 + j, over_rows([&](int row) { return x[row] * centred(j, row); }));
    return;
  }
  put(TallyShape::witness, over_rows([&](int row) {
        V sum = zero;
        for (int k = 0; k < shape.dimension; ++k) sum += 0.0 * centred(k, row);
        return sum;
      }));
  if (shape.lagged)
    put(TallyShape::lag, over_rows([&](int row) {
          return walker(row, at(c.first, row) - (c.centre == nullptr ? 0.0 : c.centre[0])) * centred(0, row);
        }));
  if (shape.loss)
    put(TallyShape::losses, over_rows([&](int row) {
          V w[kMost];
          for (int k = 0; k < shape.dimension; ++k) w[k] = at(c.w + k * c.stride, row);
          return walker(row, landscape.value(w));
        }));
  if (shape.escapes && c.last)
    put(TallyShape::survival, over_rows([&](int row) {
          // A walker that escaped during the burn-in has a negative or zero time: it escaped at once.
          const V now = constant_of<V>(c.now);
          V t = at(c.escaped_at, row);
          t = select(t > zero, t, zero);
          return walker(row, select(t < now, t, now));
        }));
}

/// Calls add(cell) for what one walker of the chunk counts in.
template <class Add>
SORET_HD void tally_counts(const TallyShape& shape, const BasinMap& basins, const ChunkView& c, int walker,
                           Add&& add) {
  const Histogram& h = shape.histogram;
  const double x = c.w[walker];
  const double y = shape.dimension > 1 ? c.w[c.stride + walker] : 0.0;
  const auto place = [&](int k, double at, std::size_t bins) {
    return (at - h.box.low[k]) / (h.box.high[k] - h.box.low[k]) * static_cast<double>(bins);
  };
  if (h.bins > 0) {
    const double a = place(0, x, h.bins);
    if (a >= 0 && a < static_cast<double>(h.bins)) add(static_cast<int>(a));
  }
  if (h.bins_2d > 0) {
    const double a = place(0, x, h.bins_2d);
    const double b = place(1, y, h.bins_2d);
    const auto bins = static_cast<double>(h.bins_2d);
    if (a >= 0 && a < bins && b >= 0 && b < bins)
      add(shape.density_2d() + static_cast<int>(a) * static_cast<int>(h.bins_2d) + static_cast<int>(b));
  }
  if (shape.basins > 0) add(shape.occupancy() + basins.of(x, y));
  if (shape.escapes && c.last && c.escaped_at[walker] <= c.now) add(shape.escaped());
}

}  // namespace soret::langevin
