#include "soret/network/gemm.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/network/derivatives.hpp"

namespace soret::network {
namespace {

// Against the plain sum, for both types and all transpositions: one number, edges of everything, and products
// of several parts, of columns and of rows.
template <class T>
void expect_product(bool transpose_a, bool transpose_b, int m, int n, int k, bool add) {
  const auto as_t = [](const std::vector<double>& x) { return std::vector<T>(x.begin(), x.end()); };
  const auto a = as_t(testing::normals(static_cast<std::size_t>(m) * k, 1));
  const auto b = as_t(testing::normals(static_cast<std::size_t>(k) * n, 2));
  const auto before = as_t(testing::normals(static_cast<std::size_t>(m) * n, 3));
  auto c = before;
  multiply(transpose_a, transpose_b, m, n, k, a.data(), b.data(), c.data(), add);
  double worst = 0;
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      const std::size_t at = static_cast<std::size_t>(i) * n + j;
      double sum = add ? static_cast<double>(before[at]) : 0;
      for (int l = 0; l < k; ++l) {
        sum +=
            static_cast<double>(
                a[transpose_a ? static_cast<std::size_t>(l) * m + i : static_cast<std::size_t>(i) * k + l]) *
            static_cast<double>(
                b[transpose_b ? static_cast<std::size_t>(j) * k + l : static_cast<std::size_t>(l) * n + j]);
      }
      worst = std::max(worst, std::abs(static_cast<double>(c[at]) - sum));
    }
  }
  // k roundings of partial sums of normals, which stay below 10 sqrt(k).
  EXPECT_LT(worst, std::numeric_limits<T>::epsilon() * 10 * std::sqrt(k) * std::sqrt(k))
      << m << " x " << n << " x " << k << (transpose_a ? ", a transposed" : "")
      << (transpose_b ? ", b transposed" : "");
}

TEST(Multiply, IsTheSumOfItsProducts) {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      for (const bool add : {false, true}) {
        for (const auto& [m, n, k] : {std::tuple(1, 1, 1), std::tuple(3, 50, 7), std::tuple(61, 5, 1)}) {
          expect_product<float>(transpose_a, transpose_b, m, n, k, add);
          expect_product<double>(transpose_a, transpose_b, m, n, k, add);
        }
      }
      for (const auto& [m, n] : {std::pair(101, 517), std::pair(517, 101)}) {
        expect_product<float>(transpose_a, transpose_b, m, n, 779, true);
        expect_product<double>(transpose_a, transpose_b, m, n, 779, false);
      }
    }
  }
}

}  // namespace
}  // namespace soret::network
