#pragma once

#include <cstddef>

/// Loops over units whose turns do not depend on each other, which the compiler cannot see.
namespace soret::network {

/// out[i] = f(i), or out[i] += f(i) if `add`, for i < size. f does not read out.
template <class T, class F>
void put(std::size_t size, T* out, bool add, F f) {
  if (add) {
#pragma GCC ivdep
    for (std::size_t i = 0; i < size; ++i) out[i] = out[i] + f(i);
  } else {
#pragma GCC ivdep
    for (std::size_t i = 0; i < size; ++i) out[i] = f(i);
  }
}

}  // namespace soret::network
