#include "soret/network/gemm.hpp"

#include <Eigen/Core>

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

}  // namespace

template <class T>
void multiply(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, const T* b, T* c,
              bool add) {
  const Eigen::Map<const Matrix<T>> left(a, transpose_a ? k : m, transpose_a ? m : k);
  const Eigen::Map<const Matrix<T>> right(b, transpose_b ? n : k, transpose_b ? k : n);
  Eigen::Map<Matrix<T>> product(c, m, n);
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

template void multiply<double>(bool, bool, int, int, int, const double*, const double*, double*, bool);

#if defined(SORET_HAVE_ONEDNN)
template <>
void multiply<float>(bool transpose_a, bool transpose_b, int m, int n, int k, const float* a, const float* b,
                     float* c, bool add) {
  const dnnl_status_t status =
      dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0F, a, transpose_a ? m : k, b,
                 transpose_b ? k : n, add ? 1.0F : 0.0F, c, n);
  if (status != dnnl_success) throw RunError("oneDNN: dnnl_sgemm failed");
}
#else
template void multiply<float>(bool, bool, int, int, int, const float*, const float*, float*, bool);
#endif

}  // namespace soret::network
