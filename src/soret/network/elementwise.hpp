#pragma once

#include "soret/network/parallel.hpp"

/// Loops over units whose turns do not depend on each other, which the compiler cannot see.
namespace soret::network {

/// out[i] = f(i), or out[i] += f(i) if `add`, for i < size. f does not read out.
template <class T, class F>
void put(std::size_t size, T* out, bool add, F f) {
  each_run(size, 1, [=](std::size_t first, std::size_t last) {
    if (add) {
#pragma GCC ivdep
      for (std::size_t i = first; i < last; ++i) out[i] = out[i] + f(i);
    } else {
#pragma GCC ivdep
      for (std::size_t i = first; i < last; ++i) out[i] = f(i);
    }
  });
}

/// Sum of f(i), i < size, as sixteen interleaved sums: a single one would wait for every addition. What f
/// writes, it does not read for other i.
template <class F>
double interleaved_sum(std::size_t size, F f) {
  constexpr std::size_t kSums = 16;
  double sums[kSums] = {};
  std::size_t i = 0;
  for (; i + kSums <= size; i += kSums) {
#pragma GCC ivdep
    for (std::size_t k = 0; k < kSums; ++k) sums[k] += f(i + k);
  }
  double sum = 0;
  for (const double s : sums) sum += s;
  for (; i < size; ++i) sum += f(i);
  return sum;
}

/// Sum of x[i]^2, in double.
template <class T>
double sum_of_squares(std::size_t size, const T* x) {
  return interleaved_sum(
      size, [x](std::size_t i) { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
}

}  // namespace soret::network
