#pragma once

/// Dense matrix products for the layers, row-major.
namespace soret::network {

/// c = op(a) op(b), or c += op(a) op(b) if `add`; op(a) is m x k, op(b) is k x n, and op transposes where
/// asked.
template <class T>
void multiply(bool transpose_a, bool transpose_b, int m, int n, int k, const T* a, const T* b, T* c,
              bool add);

}  // namespace soret::network
