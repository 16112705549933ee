#include "soret/network/gemm.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <bit>
#include <type_traits>

#include "soret/network/parallel.hpp"

#if defined(SORET_HAVE_ONEDNN)
#include <oneapi/dnnl/dnnl.h>

#include "soret/base/error.hpp"
#endif

namespace soret::network {
namespace {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class A, class B, class C>
void accumulate(const A& a, const B& b, C& c, bool add) {
  if (add) {
    c.noalias() += a * b;
  } else {
    c.noalias() = a * b;
  }
}

/// c = op(a) op(b) or its sum with c, where rows of a, b and c begin lda, ldb and ldc apart.
template <class T>
void multiply_part(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, int lda, const T* b,
                   int ldb, T* c, int ldc, bool add) {
#if defined(SORET_HAVE_ONEDNN)
  if constexpr (std::is_same_v<T, float>) {
    const OneThread one;
    const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0F,
                                            a, lda, b, ldb, add ? 1.0F : 0.0F, c, ldc);
    if (status != dnnl_success) throw RunError("oneDNN: dnnl_sgemm failed");
    return;
  }
#endif
  using Stride = Eigen::OuterStride<>;
  const Eigen::Map<const Matrix<T>, 0, Stride> left(a, transpose_a ? k : m, transpose_a ? m : k, Stride(lda));
  const Eigen::Map<const Matrix<T>, 0, Stride> right(b, transpose_b ? n : k, transpose_b ? k : n,
                                                     Stride(ldb));
  Eigen::Map<Matrix<T>, 0, Stride> product(c, m, n, Stride(ldc));
  if (transpose_a && transpose_b) {
    accumulate(left.transpose(), right.transpose(), product, add);
  } else if (transpose_a) {
    accumulate(left.transpose(), right, product, add);
  } else if (transpose_b) {
    accumulate(left, right.transpose(), product, add);
  } else {
    accumulate(left, right, product, add);
  }
}

/// How many parts a product is made of: its size alone decides. Every part packs one whole factor for itself,
/// so they are few.
int parts_of(double multiplications, int most) {
  constexpr double kTwo = 4e6;
  constexpr double kEach = 1e7;  // of more than two
  constexpr unsigned kMost = 16;
  if (multiplications < kTwo) return 1;
  const auto parts = std::bit_floor(static_cast<unsigned>(std::min(multiplications / kEach, 1e3)));
  return std::min(static_cast<int>(std::clamp(parts, 2U, kMost)), most);
}

}  // namespace

// The parts are whole rows or columns of c, so that no sum is split. Of the two factors each packs the
// smaller one whole.
template <class T>
void multiply(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, const T* b, T* c,
              bool add) {
  constexpr int kRows = 8;  // lengths that leave no edge in the kernels of a part
  constexpr int kColumns = 48;
  const int lda = transpose_a ? m : k;
  const int ldb = transpose_b ? k : n;
  const double work = static_cast<double>(m) * n * k;
  const bool columns = n >= m;
  const int units = columns ? (n + kColumns - 1) / kColumns : (m + kRows - 1) / kRows;
  const int parts = parts_of(work, units);
  each_task(parts, work, [&](int part) {
    const auto edge = [&](int which) {
      const auto unit = static_cast<int>(first_of(which, parts, static_cast<std::size_t>(units)));
      return columns ? std::min(n, unit * kColumns) : std::min(m, unit * kRows);
    };
    const int first = edge(part);
    const int count = edge(part + 1) - first;
    if (columns) {
      multiply_part(transpose_a, transpose_b, m, count, k, a, lda,
                    b + static_cast<std::ptrdiff_t>(first) * (transpose_b ? ldb : 1), ldb, c + first, n, add);
    } else {
      multiply_part(transpose_a, transpose_b, count, n, k,
                    a + static_cast<std::ptrdiff_t>(first) * (transpose_a ? 1 : lda), lda, b, ldb,
                    c + static_cast<std::ptrdiff_t>(first) * n, n, add);
    }
  });
}

template void multiply<double>(bool, bool, int, int, int, const double*, const double*, double*, bool);
template void multiply<float>(bool, bool, int, int, int, const float*, const float*, float*, bool);

}  // namespace soret::network
