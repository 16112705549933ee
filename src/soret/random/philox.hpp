#pragma once

#include <cstdint>

#include "soret/base/host_device.hpp"
#if !defined(__CUDACC__)
#include "soret/base/lanes.hpp"
#endif

/// Philox4x32-10 (Salmon et al., SC'11): four 32-bit words as a function of a 128-bit counter and a 64-bit
/// key. On the CPU one block comes from Random123, on CUDA from cuRAND, and sixteen blocks at once from the
/// code below; all three are the same function, which the tests check bit by bit.
#if defined(__CUDACC__)
#if !defined(QUALIFIERS)
#define QUALIFIERS static inline __host__ __device__
#endif
#include <curand_philox4x32_x.h>
#else
#include <Random123/philox.h>
#endif

namespace soret {

struct PhiloxKey {
  std::uint32_t lo = 0;
  std::uint32_t hi = 0;
};

/// U is std::uint32_t or LanesU32.
template <class U>
struct PhiloxBlock {
  U x, y, z, w;
};

SORET_HD PhiloxBlock<std::uint32_t> philox(PhiloxBlock<std::uint32_t> counter, PhiloxKey key) {
#if defined(__CUDACC__)
  const uint4 r = curand_Philox4x32_10(make_uint4(counter.x, counter.y, counter.z, counter.w),
                                       make_uint2(key.lo, key.hi));
  return {r.x, r.y, r.z, r.w};
#else
  const r123::Philox4x32::ctr_type c{{counter.x, counter.y, counter.z, counter.w}};
  const r123::Philox4x32::key_type k{{key.lo, key.hi}};
  const auto r = r123::Philox4x32{}(c, k);
  return {r[0], r[1], r[2], r[3]};
#endif
}

#if !defined(__CUDACC__)
namespace detail {

inline constexpr std::uint32_t kPhiloxM0 = 0xD2511F53U;
inline constexpr std::uint32_t kPhiloxM1 = 0xCD9E8D57U;
inline constexpr std::uint32_t kPhiloxW0 = 0x9E3779B9U;
inline constexpr std::uint32_t kPhiloxW1 = 0xBB67AE85U;

/// 32 x 32 -> 64 bit products of every lane by a constant.
SORET_HD void multiply_hi_lo(LanesU32 a, std::uint32_t m, LanesU32& hi, LanesU32& lo) {
#if defined(__AVX512F__)
  // The zero-masking forms with a full mask are the plain instructions; GCC 12 warns about its own plain
  // ones.
  constexpr __mmask8 kAll = 0xFF;
  const __m512i va = reinterpret_cast<__m512i>(a);
  const __m512i vm = _mm512_set1_epi32(static_cast<int>(m));
  const __m512i even = _mm512_maskz_mul_epu32(kAll, va, vm);
  const __m512i odd = _mm512_maskz_mul_epu32(kAll, _mm512_maskz_srli_epi64(kAll, va, 32), vm);
  hi = reinterpret_cast<LanesU32>(_mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB));
  lo = reinterpret_cast<LanesU32>(_mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA));
#elif defined(__AVX2__)
  const __m256i vm = _mm256_set1_epi32(static_cast<int>(m));
  const auto products = [&](__m256i half, __m256i& upper, __m256i& lower) {
    const __m256i even = _mm256_mul_epu32(half, vm);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(half, 32), vm);
    upper = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    lower = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  };
  __m256i upper[2];
  __m256i lower[2];
  products(low_of<__m256i>(a), upper[0], lower[0]);
  products(high_of<__m256i>(a), upper[1], lower[1]);
  hi = join<LanesU32>(upper[0], upper[1]);
  lo = join<LanesU32>(lower[0], lower[1]);
#else
  for (int i = 0; i < kLanes; ++i) {
    const std::uint64_t p = static_cast<std::uint64_t>(a[i]) * m;
    hi[i] = static_cast<std::uint32_t>(p >> 32);
    lo[i] = static_cast<std::uint32_t>(p);
  }
#endif
}

SORET_HD void philox_round(PhiloxBlock<LanesU32>& c, std::uint32_t k0, std::uint32_t k1) {
  LanesU32 hi0, lo0, hi1, lo1;
  multiply_hi_lo(c.x, kPhiloxM0, hi0, lo0);
  multiply_hi_lo(c.z, kPhiloxM1, hi1, lo1);
  c = {hi1 ^ c.y ^ k0, lo1, hi0 ^ c.w ^ k1, lo0};
}

}  // namespace detail

/// Sixteen blocks at once.
SORET_HD PhiloxBlock<LanesU32> philox(PhiloxBlock<LanesU32> counter, PhiloxKey key) {
#pragma GCC unroll 10
  for (std::uint32_t round = 0; round < 10; ++round) {
    detail::philox_round(counter, key.lo + round * detail::kPhiloxW0, key.hi + round * detail::kPhiloxW1);
  }
  return counter;
}

/// Two times sixteen blocks: a round waits for the one before, so two chains side by side take little longer
/// than one.
SORET_HD void philox(PhiloxBlock<LanesU32>& a, PhiloxBlock<LanesU32>& b, PhiloxKey key) {
#pragma GCC unroll 10
  for (std::uint32_t round = 0; round < 10; ++round) {
    detail::philox_round(a, key.lo + round * detail::kPhiloxW0, key.hi + round * detail::kPhiloxW1);
    detail::philox_round(b, key.lo + round * detail::kPhiloxW0, key.hi + round * detail::kPhiloxW1);
  }
}

#endif

}  // namespace soret
