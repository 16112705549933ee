#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "soret/base/lanes.hpp"

/// The two matrix products of the blocked driver, for panels of a few rows: the matrices are too small for a
/// general GEMM to repay its packing, and the wide one (weights) already lies in the order it is read.
///
/// A tile of ROWS x VECS accumulators stays in registers. One pass over the inner index loads ROWS + VECS
/// values for ROWS * VECS fused multiply-adds of 16 lanes: with 4 x 7 (28 of 32 registers) 11 loads feed 28
/// FMAs, so that the two FMA pipes and not the two load pipes are the bound even when the weights come from
/// the second-level cache.
namespace soret::panel {

/// Widest tile, in vectors, and its rows.
inline constexpr int kMaxVecs = 3;
inline constexpr int kTileRows = 8;
/// The combination keeps one row of accumulators and reads its terms once.
inline constexpr int kMaxCombinationVecs = 8;
/// Panels have a multiple of this many rows; the rest is zeros.
inline constexpr int kRowMultiple = kTileRows;

/// The rows of a matrix x of one block.
struct StridedRows {
  const float* x;
  int stride;
  const float* operator()(int r) const { return x + static_cast<std::ptrdiff_t>(r) * stride; }
};

/// Rows anywhere, as the samples of a batch lie in their set.
struct ScatteredRows {
  const float* const* x;
  const float* operator()(int r) const { return x[r]; }
};

namespace detail {

/// c[r][j] = sum_m x[r][m] b[m][j] for the tile whose first row is r0.
template <int ROWS, int VECS, class Rows>
void multiply_tile(int inner, Rows x, int r0, const Lanes* b, int b_stride, Lanes* c, int c_stride) {
  const float* row[ROWS];
  for (int r = 0; r < ROWS; ++r) row[r] = x(r0 + r);
  Lanes acc[ROWS][VECS] = {};
  for (int m = 0; m < inner; ++m) {
    Lanes bm[VECS];
#pragma GCC unroll 8
    for (int j = 0; j < VECS; ++j) bm[j] = b[static_cast<std::ptrdiff_t>(m) * b_stride + j];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const Lanes xr = broadcast(row[r][m]);
#pragma GCC unroll 8
      for (int j = 0; j < VECS; ++j) acc[r][j] = fma(xr, bm[j], acc[r][j]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < VECS; ++j) c[static_cast<std::ptrdiff_t>(r) * c_stride + j] = acc[r][j];
  }
}

/// w[m][j] -= sum_s x[s][m] a[s][j] over terms s in [first, last), for one tile of ROWS values of m from m0
/// on. Of w, its first row is that of m0.
template <int ROWS, int VECS, class Rows>
void subtract_outer_tile(int first, int last, Rows x, int m0, const Lanes* a, int a_stride, Lanes* w,
                         int w_stride) {
  Lanes acc[ROWS][VECS];
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < VECS; ++j) acc[r][j] = w[static_cast<std::ptrdiff_t>(r) * w_stride + j];
  }
  for (int s = first; s < last; ++s) {
    const float* const xs = x(s) + m0;
    Lanes as[VECS];
#pragma GCC unroll 8
    for (int j = 0; j < VECS; ++j) as[j] = a[static_cast<std::ptrdiff_t>(s) * a_stride + j];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const Lanes xr = broadcast(xs[r]);
#pragma GCC unroll 8
      for (int j = 0; j < VECS; ++j) acc[r][j] = fnma(xr, as[j], acc[r][j]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < VECS; ++j) w[static_cast<std::ptrdiff_t>(r) * w_stride + j] = acc[r][j];
  }
}

/// Calls f.template operator()<VECS>(first) over column tiles of near-equal width, at most MAX vectors, that
/// cover `vecs`.
template <int MAX, class F>
void for_column_tiles(int vecs, F&& f) {
  const int tiles = (vecs + MAX - 1) / MAX;
  for (int t = 0; t < tiles; ++t) {
    const int first = vecs * t / tiles;
    const int width = vecs * (t + 1) / tiles - first;
    [&]<int... W>(std::integer_sequence<int, W...>) {
      ((width == W + 1 ? f.template operator()<W + 1>(first) : void()), ...);
    }
    (std::make_integer_sequence<int, MAX>{});
  }
}

}  // namespace detail

/// c (rows x vecs) = x (rows x inner) b (inner x vecs); rows a multiple of kRowMultiple; vecs counts vectors
/// of 16.
template <class Rows>
void multiply(int rows, int inner, int vecs, Rows x, const Lanes* b, int b_stride, Lanes* c, int c_stride) {
  detail::for_column_tiles<kMaxVecs>(vecs, [&]<int VECS>(int first) {
    for (int r = 0; r < rows; r += kTileRows)
      detail::multiply_tile<kTileRows, VECS>(inner, x, r, b + first, b_stride,
                                             c + static_cast<std::ptrdiff_t>(r) * c_stride + first, c_stride);
  });
}

/// w (width x vecs) -= transpose(x) (width x terms) a (terms x vecs). The terms go in runs whose lines and
/// pages of x the first-level caches hold: a tile takes 32 bytes of each row.
template <class Rows>
void subtract_outer(int width, int terms, int vecs, Rows x, const Lanes* a, int a_stride, Lanes* w,
                    int w_stride) {
  constexpr int kRun = 64;
  detail::for_column_tiles<kMaxVecs>(vecs, [&]<int VECS>(int first) {
    const auto row = [&](int m) { return w + static_cast<std::ptrdiff_t>(m) * w_stride + first; };
    for (int s = 0; s < terms; s += kRun) {
      const int end = std::min(s + kRun, terms);
      int m = 0;
      for (; m + kTileRows <= width; m += kTileRows)
        detail::subtract_outer_tile<kTileRows, VECS>(s, end, x, m, a + first, a_stride, row(m), w_stride);
      for (; m < width; ++m)
        detail::subtract_outer_tile<1, VECS>(s, end, x, m, a + first, a_stride, row(m), w_stride);
    }
  });
}

/// p (vecs) -= sum_s coefficient[s] a[s].
inline void subtract_combination(int terms, int vecs, const float* coefficient, const Lanes* a, int a_stride,
                                 Lanes* p) {
  detail::for_column_tiles<kMaxCombinationVecs>(vecs, [&]<int VECS>(int first) {
    Lanes acc[VECS];
#pragma GCC unroll 8
    for (int j = 0; j < VECS; ++j) acc[j] = p[first + j];
    for (int s = 0; s < terms; ++s) {
      const Lanes c = broadcast(coefficient[s]);
#pragma GCC unroll 8
      for (int j = 0; j < VECS; ++j)
        acc[j] = fnma(c, a[static_cast<std::ptrdiff_t>(s) * a_stride + first + j], acc[j]);
    }
#pragma GCC unroll 8
    for (int j = 0; j < VECS; ++j) p[first + j] = acc[j];
  });
}

}  // namespace soret::panel
