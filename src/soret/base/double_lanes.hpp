#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "soret/base/host_device.hpp"
#include "soret/base/lanes.hpp"

/// Eight doubles that go through one formula together, as lanes.hpp has sixteen floats. The width is fixed,
/// whatever the machine's vectors, and every machine gives the same bits.
namespace soret {

inline constexpr int kDoubleLanes = 8;

using DoubleLanes = double __attribute__((vector_size(64)));
using LanesU64 = std::uint64_t __attribute__((vector_size(64)));
using LanesI64 = std::int64_t __attribute__((vector_size(64)));
/// Unaligned and aliasing views of eight numbers in memory.
using DoubleLanesUnaligned = double __attribute__((vector_size(64), aligned(8), may_alias));
using LanesU64Unaligned = std::uint64_t __attribute__((vector_size(64), aligned(8), may_alias));

SORET_HD DoubleLanes broadcast(double x) {
  return x - DoubleLanes{};
}
SORET_HD LanesU64 broadcast(std::uint64_t x) {
  return x - LanesU64{};
}

SORET_HD DoubleLanes load(const double* p) {
  return *reinterpret_cast<const DoubleLanesUnaligned*>(p);
}
SORET_HD LanesU64 load(const std::uint64_t* p) {
  return *reinterpret_cast<const LanesU64Unaligned*>(p);
}
SORET_HD void store(double* p, DoubleLanes x) {
  *reinterpret_cast<DoubleLanesUnaligned*>(p) = x;
}
SORET_HD void store(std::uint64_t* p, LanesU64 x) {
  *reinterpret_cast<LanesU64Unaligned*>(p) = x;
}

/// x * y + z with one rounding, on every lane.
SORET_HD DoubleLanes fma(DoubleLanes x, DoubleLanes y, DoubleLanes z) {
#if defined(__AVX512F__)
  return reinterpret_cast<DoubleLanes>(_mm512_fmadd_pd(
      reinterpret_cast<__m512d>(x), reinterpret_cast<__m512d>(y), reinterpret_cast<__m512d>(z)));
#elif defined(__AVX2__) && defined(__FMA__)
  using detail::high_of, detail::low_of;
  return detail::join<DoubleLanes>(
      _mm256_fmadd_pd(low_of<__m256d>(x), low_of<__m256d>(y), low_of<__m256d>(z)),
      _mm256_fmadd_pd(high_of<__m256d>(x), high_of<__m256d>(y), high_of<__m256d>(z)));
#else
  DoubleLanes r;
  for (int i = 0; i < kDoubleLanes; ++i) r[i] = __builtin_fma(x[i], y[i], z[i]);
  return r;
#endif
}

SORET_HD DoubleLanes sqrt(DoubleLanes x) {
#if defined(__AVX512F__)
  return reinterpret_cast<DoubleLanes>(_mm512_maskz_sqrt_pd(0xFF, reinterpret_cast<__m512d>(x)));
#elif defined(__AVX2__)
  return detail::join<DoubleLanes>(_mm256_sqrt_pd(detail::low_of<__m256d>(x)),
                                   _mm256_sqrt_pd(detail::high_of<__m256d>(x)));
#else
  DoubleLanes r;
  for (int i = 0; i < kDoubleLanes; ++i) r[i] = __builtin_sqrt(x[i]);
  return r;
#endif
}

/// The nearest integer, ties to even; x itself where |x| >= 2^52.
SORET_HD DoubleLanes nearest(DoubleLanes x) {
#if defined(__AVX512F__)
  return reinterpret_cast<DoubleLanes>(_mm512_maskz_roundscale_pd(
      0xFF, reinterpret_cast<__m512d>(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__AVX2__)
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return detail::join<DoubleLanes>(_mm256_round_pd(detail::low_of<__m256d>(x), kNearest),
                                   _mm256_round_pd(detail::high_of<__m256d>(x), kNearest));
#else
  DoubleLanes r;
  for (int i = 0; i < kDoubleLanes; ++i) r[i] = __builtin_rint(x[i]);
  return r;
#endif
}

/// mask is -1 (take a) or 0 (take b) on every lane, as comparisons of DoubleLanes give it.
SORET_HD DoubleLanes select(LanesI64 mask, DoubleLanes a, DoubleLanes b) {
  return mask ? a : b;
}

/// |x| < 2^51.
SORET_HD DoubleLanes to_double(LanesI64 x) {
#if defined(__AVX512DQ__)
  return __builtin_convertvector(x, DoubleLanes);
#else
  // In the low bits of 1.5 * 2^52, which then goes away: an addition of integers and a subtraction.
  constexpr double kMagic = 0x1.8p52;
  const LanesI64 shifted = x + __builtin_bit_cast(std::int64_t, kMagic);
  return reinterpret_cast<DoubleLanes>(shifted) - kMagic;
#endif
}
SORET_HD LanesU64 bits(DoubleLanes x) {
  return reinterpret_cast<LanesU64>(x);
}
SORET_HD DoubleLanes from_bits(LanesU64 x) {
  return reinterpret_cast<DoubleLanes>(x);
}
SORET_HD LanesI64 as_signed(LanesU64 x) {
  return reinterpret_cast<LanesI64>(x);
}
SORET_HD LanesU64 as_unsigned(LanesI64 x) {
  return reinterpret_cast<LanesU64>(x);
}

/// Lanes 0 to 7 and 8 to 15 of sixteen floats or words, widened.
SORET_HD DoubleLanes low_half(Lanes x) {
  return __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7), DoubleLanes);
}
SORET_HD DoubleLanes high_half(Lanes x) {
  return __builtin_convertvector(__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15), DoubleLanes);
}
SORET_HD LanesU64 low_half(LanesU32 x) {
  return __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7), LanesU64);
}
SORET_HD LanesU64 high_half(LanesU32 x) {
  return __builtin_convertvector(__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15), LanesU64);
}

/// True if any lane of a comparison's mask is set.
SORET_HD bool any(LanesI64 mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi64_mask(reinterpret_cast<__m512i>(mask), reinterpret_cast<__m512i>(mask)) != 0;
#else
  std::int64_t all = 0;
  for (int i = 0; i < kDoubleLanes; ++i) all |= mask[i];
  return all != 0;
#endif
}

/// Sum of the lanes, always as the same binary tree.
SORET_HD double sum(DoubleLanes x) {
  const DoubleLanes y = x + __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
  const DoubleLanes z = y + __builtin_shufflevector(y, y, 2, 3, 0, 1, 6, 7, 4, 5);
  return z[0] + z[1];
}

}  // namespace soret
