#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "soret/base/host_device.hpp"

/// Sixteen floats that go through one formula together. The width is fixed, whatever the machine's vectors:
/// an AVX-512 machine uses one register, an AVX2 machine two, and both give the same bits.
namespace soret {

inline constexpr int kLanes = 16;

using Lanes = float __attribute__((vector_size(64)));
using LanesU32 = std::uint32_t __attribute__((vector_size(64)));
using LanesI32 = std::int32_t __attribute__((vector_size(64)));
/// Unaligned and aliasing view of sixteen floats in memory.
using LanesUnaligned = float __attribute__((vector_size(64), aligned(4), may_alias));
using LanesU32Unaligned = std::uint32_t __attribute__((vector_size(64), aligned(4), may_alias));

#if defined(__AVX2__) && !defined(__AVX512F__)
namespace detail {
/// The halves of 64 bytes, for the instructions that take 32.
template <class Half, class Whole>
SORET_HD Half low_of(Whole whole) {
  const auto x = reinterpret_cast<LanesU32>(whole);
  return reinterpret_cast<Half>(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7));
}
template <class Half, class Whole>
SORET_HD Half high_of(Whole whole) {
  const auto x = reinterpret_cast<LanesU32>(whole);
  return reinterpret_cast<Half>(__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
}
template <class Whole, class Half>
SORET_HD Whole join(Half low, Half high) {
  using Words = std::uint32_t __attribute__((vector_size(32)));
  return reinterpret_cast<Whole>(__builtin_shufflevector(reinterpret_cast<Words>(low),
                                                         reinterpret_cast<Words>(high), 0, 1, 2, 3, 4, 5, 6,
                                                         7, 8, 9, 10, 11, 12, 13, 14, 15));
}
}  // namespace detail
#endif

SORET_HD Lanes broadcast(float x) {
  return x - Lanes{};
}
SORET_HD LanesU32 broadcast(std::uint32_t x) {
  return x - LanesU32{};
}

SORET_HD Lanes load(const float* p) {
  return *reinterpret_cast<const LanesUnaligned*>(p);
}
SORET_HD LanesU32 load(const std::uint32_t* p) {
  return *reinterpret_cast<const LanesU32Unaligned*>(p);
}
SORET_HD void store(float* p, Lanes x) {
  *reinterpret_cast<LanesUnaligned*>(p) = x;
}
SORET_HD void store(std::uint32_t* p, LanesU32 x) {
  *reinterpret_cast<LanesU32Unaligned*>(p) = x;
}

/// x + y*z with one rounding, on every lane.
SORET_HD Lanes fma(Lanes x, Lanes y, Lanes z) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(x), reinterpret_cast<__m512>(y), reinterpret_cast<__m512>(z)));
#elif defined(__AVX2__) && defined(__FMA__)
  using detail::high_of, detail::low_of;
  return detail::join<Lanes>(_mm256_fmadd_ps(low_of<__m256>(x), low_of<__m256>(y), low_of<__m256>(z)),
                             _mm256_fmadd_ps(high_of<__m256>(x), high_of<__m256>(y), high_of<__m256>(z)));
#else
  Lanes r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_fmaf(x[i], y[i], z[i]);
  return r;
#endif
}
/// z - x*y with one rounding.
SORET_HD Lanes fnma(Lanes x, Lanes y, Lanes z) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_fnmadd_ps(reinterpret_cast<__m512>(x), reinterpret_cast<__m512>(y),
                                                  reinterpret_cast<__m512>(z)));
#else
  return fma(-x, y, z);
#endif
}
SORET_HD Lanes fma(Lanes x, float y, Lanes z) {
  return fma(x, broadcast(y), z);
}
SORET_HD Lanes fma(float x, Lanes y, Lanes z) {
  return fma(broadcast(x), y, z);
}

SORET_HD Lanes sqrt(Lanes x) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_maskz_sqrt_ps(0xFFFF, reinterpret_cast<__m512>(x)));
#elif defined(__AVX2__)
  return detail::join<Lanes>(_mm256_sqrt_ps(detail::low_of<__m256>(x)),
                             _mm256_sqrt_ps(detail::high_of<__m256>(x)));
#else
  Lanes r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_sqrtf(x[i]);
  return r;
#endif
}

/// mask is -1 (take a) or 0 (take b) on every lane, as comparisons of Lanes give it.
SORET_HD Lanes select(LanesI32 mask, Lanes a, Lanes b) {
  return mask ? a : b;
}

SORET_HD Lanes to_float(LanesI32 x) {
  return __builtin_convertvector(x, Lanes);
}
SORET_HD Lanes to_float(LanesU32 x) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_maskz_cvtepu32_ps(0xFFFF, reinterpret_cast<__m512i>(x)));
#else
  // Both halves of the word are exact, and their sum rounds once.
  return fma(to_float(reinterpret_cast<LanesI32>(x >> 16)), 65536.0F,
             to_float(reinterpret_cast<LanesI32>(x & 0xffffU)));
#endif
}
/// The nearest integer, ties to even; -2^31 where there is none.
SORET_HD LanesI32 to_nearest(Lanes x) {
#if defined(__AVX512F__)
  return reinterpret_cast<LanesI32>(_mm512_maskz_cvtps_epi32(0xFFFF, reinterpret_cast<__m512>(x)));
#elif defined(__AVX2__)
  return detail::join<LanesI32>(_mm256_cvtps_epi32(detail::low_of<__m256>(x)),
                                _mm256_cvtps_epi32(detail::high_of<__m256>(x)));
#else
  LanesI32 r;
  for (int i = 0; i < kLanes; ++i) {
    const float y = __builtin_rintf(x[i]);
    r[i] = y >= -0x1p31F && y < 0x1p31F ? static_cast<std::int32_t>(y) : INT32_MIN;
  }
  return r;
#endif
}
/// |x| as an unsigned number: that of -2^31 is 2^31.
SORET_HD LanesU32 magnitude(LanesU32 x) {
#if defined(__AVX512F__)
  return reinterpret_cast<LanesU32>(_mm512_maskz_abs_epi32(0xFFFF, reinterpret_cast<__m512i>(x)));
#else
  const LanesI32 sign = reinterpret_cast<LanesI32>(x) >> 31;
  return (x ^ reinterpret_cast<LanesU32>(sign)) - reinterpret_cast<LanesU32>(sign);
#endif
}
SORET_HD LanesU32 bits(Lanes x) {
  return reinterpret_cast<LanesU32>(x);
}
SORET_HD Lanes from_bits(LanesU32 x) {
  return reinterpret_cast<Lanes>(x);
}
SORET_HD LanesI32 as_signed(LanesU32 x) {
  return reinterpret_cast<LanesI32>(x);
}
SORET_HD LanesU32 as_unsigned(LanesI32 x) {
  return reinterpret_cast<LanesU32>(x);
}

/// Sum of the lanes, always as the same binary tree.
SORET_HD float sum(Lanes x) {
  Lanes y = x + __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  y += __builtin_shufflevector(y, y, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  y += __builtin_shufflevector(y, y, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  return y[0] + y[1];
}

/// Interleaves row r with row r + 8, for all r < 8: an index (row, lane) of eight bits turns by one place.
inline void interleave(const Lanes (&from)[kLanes], Lanes (&to)[kLanes]) {
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) {
    const Lanes a = from[r];
    const Lanes b = from[r + 8];
    to[2 * r] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    to[2 * r + 1] =
        __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}

/// columns[c][r] = rows[r * stride + c] for a 16 x 16 tile: four turns by one place exchange row and lane.
inline void transpose(const float* rows, std::ptrdiff_t stride, Lanes (&columns)[kLanes]) {
  Lanes a[kLanes];
  Lanes b[kLanes];
#pragma GCC unroll 16
  for (int r = 0; r < kLanes; ++r) a[r] = load(rows + r * stride);
  interleave(a, b);
  interleave(b, a);
  interleave(a, b);
  interleave(b, columns);
}

}  // namespace soret
