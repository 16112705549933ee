#include "soret/ensemble/panel_product.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

/// Small integers in floats: every product and sum is exact, so the tiles must equal plain loops.
namespace soret::panel {
namespace {

/// A different small integer for every call.
class Integers {
 public:
  float operator()() {
    state_ = state_ * 1664525U + 1013904223U;
    return static_cast<float>(static_cast<int>(state_ >> 28) - 8);
  }

 private:
  std::uint32_t state_ = 1;
};

/// rows x columns floats with a stride, padding included, as vectors of lanes.
struct Panel {
  Panel(int rows, int vecs, int row_stride, Integers& next) : width(vecs), stride(row_stride) {
    data.resize(static_cast<std::size_t>(rows) * stride);
    for (Lanes& x : data) {
      for (int l = 0; l < kLanes; ++l) x[l] = next();
    }
  }
  float at(int row, int column) const {
    return data[static_cast<std::size_t>(row) * stride + column / kLanes][column % kLanes];
  }
  /// Columns that belong to the panel: what lies beyond must stay as it was.
  int columns() const { return width * kLanes; }

  std::vector<Lanes> data;
  int width, stride;
};

std::vector<float> matrix(int rows, int stride, Integers& next) {
  std::vector<float> x(static_cast<std::size_t>(rows) * stride);
  for (float& value : x) value = next();
  return x;
}

class PanelProduct : public ::testing::TestWithParam<int> {};

TEST_P(PanelProduct, MultipliesLikePlainLoops) {
  const int vecs = GetParam();
  Integers next;
  for (const int rows : {8, 16, 24}) {
    for (const int inner : {0, 1, 2, 7, 33}) {
      const int x_stride = inner + 3;
      const std::vector<float> x = matrix(rows, x_stride, next);
      const Panel b(std::max(inner, 1), vecs, vecs + 1, next);
      Panel c(rows, vecs, vecs + 2, next);
      const Panel before = c;
      multiply(rows, inner, vecs, StridedRows{x.data(), x_stride}, b.data.data(), b.stride, c.data.data(),
               c.stride);
      for (int r = 0; r < rows; ++r) {
        for (int j = 0; j < c.stride * kLanes; ++j) {
          float expected = j < c.columns() ? 0 : before.at(r, j);
          for (int m = 0; m < inner && j < c.columns(); ++m) expected += x[r * x_stride + m] * b.at(m, j);
          ASSERT_EQ(c.at(r, j), expected) << rows << "x" << inner << " row " << r << " column " << j;
        }
      }
    }
  }
}

TEST_P(PanelProduct, SubtractsOuterProductsLikePlainLoops) {
  const int vecs = GetParam();
  Integers next;
  for (const int width : {1, 3, 4, 7, 8, 9, 17}) {
    for (const int terms : {0, 1, 5, 16, 64, 131}) {
      const int x_stride = width + 1;
      const std::vector<float> x = matrix(std::max(terms, 1), x_stride, next);
      const Panel a(std::max(terms, 1), vecs, vecs + 1, next);
      Panel w(width, vecs, vecs + 2, next);
      const Panel before = w;
      subtract_outer(width, terms, vecs, StridedRows{x.data(), x_stride}, a.data.data(), a.stride,
                     w.data.data(), w.stride);
      for (int m = 0; m < width; ++m) {
        for (int j = 0; j < w.stride * kLanes; ++j) {
          float expected = before.at(m, j);
          for (int s = 0; s < terms && j < w.columns(); ++s) expected -= x[s * x_stride + m] * a.at(s, j);
          ASSERT_EQ(w.at(m, j), expected) << width << "x" << terms << " row " << m << " column " << j;
        }
      }
    }
  }
}

TEST_P(PanelProduct, TakesRowsFromAnywhere) {
  const int vecs = GetParam();
  constexpr int kRows = 72;
  constexpr int kInner = 21;
  Integers next;
  const std::vector<float> x = matrix(kRows, kInner, next);
  std::vector<float> scattered(x.size() + 5);  // last row first, off any alignment
  std::vector<const float*> row(kRows);
  for (int r = 0; r < kRows; ++r) {
    float* const to = scattered.data() + 5 + static_cast<std::ptrdiff_t>(kRows - 1 - r) * kInner;
    std::copy_n(x.data() + static_cast<std::ptrdiff_t>(r) * kInner, kInner, to);
    row[r] = to;
  }
  const Panel b(kInner, vecs, vecs, next);
  Panel together(kRows, vecs, vecs, next);
  Panel apart = together;
  multiply(kRows, kInner, vecs, StridedRows{x.data(), kInner}, b.data.data(), vecs, together.data.data(),
           vecs);
  multiply(kRows, kInner, vecs, ScatteredRows{row.data()}, b.data.data(), vecs, apart.data.data(), vecs);
  Panel from_together = b;
  Panel from_apart = b;
  subtract_outer(kInner, kRows, vecs, StridedRows{x.data(), kInner}, together.data.data(), vecs,
                 from_together.data.data(), vecs);
  subtract_outer(kInner, kRows, vecs, ScatteredRows{row.data()}, apart.data.data(), vecs,
                 from_apart.data.data(), vecs);
  for (int j = 0; j < together.columns(); ++j) {
    for (int r = 0; r < kRows; ++r) ASSERT_EQ(apart.at(r, j), together.at(r, j));
    for (int m = 0; m < kInner; ++m) ASSERT_EQ(from_apart.at(m, j), from_together.at(m, j));
  }
}

TEST_P(PanelProduct, SubtractsCombinationsLikePlainLoops) {
  const int vecs = GetParam();
  Integers next;
  for (const int terms : {0, 1, 2, 15}) {
    const std::vector<float> coefficient = matrix(std::max(terms, 1), 1, next);
    const Panel a(std::max(terms, 1), vecs, vecs + 1, next);
    Panel p(1, vecs, vecs + 1, next);
    const Panel before = p;
    subtract_combination(terms, vecs, coefficient.data(), a.data.data(), a.stride, p.data.data());
    for (int j = 0; j < p.stride * kLanes; ++j) {
      float expected = before.at(0, j);
      for (int s = 0; s < terms && j < p.columns(); ++s) expected -= coefficient[s] * a.at(s, j);
      ASSERT_EQ(p.at(0, j), expected) << terms << " column " << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Widths, PanelProduct, ::testing::Range(1, 21));

}  // namespace
}  // namespace soret::panel
