#pragma once

#include <cmath>
#include <cstdint>

#include "soret/base/host_device.hpp"
#if !defined(__CUDACC__)
#include "soret/base/lanes.hpp"
#endif

/// Elementary functions written once from correctly rounded operations (+, -, *, fma, sqrt, bit moves), for
/// one float or for sixteen at once. Every backend that keeps IEEE arithmetic gives the same bits; the
/// accuracy of each against the exact value is tested. F is float or Lanes.
namespace soret {

#if !defined(__CUDA_ARCH__)
inline std::uint32_t bits(float x) {
  return __builtin_bit_cast(std::uint32_t, x);
}
inline float from_bits(std::uint32_t x) {
  return __builtin_bit_cast(float, x);
}
SORET_HD float fma(float x, float y, float z) {
  return __builtin_fmaf(x, y, z);
}
SORET_HD float sqrt(float x) {
  return __builtin_sqrtf(x);
}
#else
__device__ __forceinline__ std::uint32_t bits(float x) {
  return __float_as_uint(x);
}
__device__ __forceinline__ float from_bits(std::uint32_t x) {
  return __uint_as_float(x);
}
__device__ __forceinline__ float fma(float x, float y, float z) {
  return __fmaf_rn(x, y, z);
}
__device__ __forceinline__ float sqrt(float x) {
  return __fsqrt_rn(x);
}
#endif
SORET_HD float select(bool mask, float a, float b) {
  return mask ? a : b;
}
SORET_HD float to_float(std::int32_t x) {
  return static_cast<float>(x);
}
SORET_HD float to_float(std::uint32_t x) {
  return static_cast<float>(x);
}
SORET_HD std::int32_t as_signed(std::uint32_t x) {
  return static_cast<std::int32_t>(x);
}
SORET_HD std::uint32_t as_unsigned(std::int32_t x) {
  return static_cast<std::uint32_t>(x);
}

/// constant<F>(x): x on every lane.
template <class F>
SORET_HD F constant(float x) {
  return x - F{};
}

template <class F>
SORET_HD F negate(F x) {
  return constant<F>(0.0F) - x;
}

/// True for the types of single precision.
template <class F>
inline constexpr bool kSingle = false;
template <>
inline constexpr bool kSingle<float> = true;
#if !defined(__CUDACC__)
template <>
inline constexpr bool kSingle<Lanes> = true;
#endif

/// a if a > b, else b; a NaN in `a` gives b, a NaN in `b` gives NaN.
template <class F>
SORET_HD F maximum(F a, F b) {
  return select(a > b, a, b);
}

/// sin(2 pi r) / r for |r| <= 1/4, as a polynomial in r^2 that is within 6e-9 of it, relatively.
inline constexpr double kSineOfTurns[5] = {6.28318527379, -41.3416774784, 81.6022312425, -76.5749921776,
                                           39.7109181108};

/// Natural logarithm of a positive normal number; relative error below 2 units in the last place.
template <class F>
SORET_HD F log(F x) {
  const auto i = bits(x);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  const auto e = as_signed(i - 0x3f3504f3U) >> 23;
  const F f = from_bits(i - (as_unsigned(e) << 23)) - 1.0F;
  F p = fma(f, constant<F>(7.0376836292e-2F), constant<F>(-1.1514610310e-1F));
  p = fma(f, p, constant<F>(1.1676998740e-1F));
  p = fma(f, p, constant<F>(-1.2420140846e-1F));
  p = fma(f, p, constant<F>(1.4249322787e-1F));
  p = fma(f, p, constant<F>(-1.6668057665e-1F));
  p = fma(f, p, constant<F>(2.0000714765e-1F));
  p = fma(f, p, constant<F>(-2.4999993993e-1F));
  p = fma(f, p, constant<F>(3.3333331174e-1F));
  const F f2 = f * f;
  const F tail = fma(f2 * f, p, -0.5F * f2);
  const F n = to_float(e);
  // ln 2 in two parts: n * 0.693359375 is exact.
  return fma(n, constant<F>(0.693359375F), f + fma(n, constant<F>(-2.12194440e-4F), tail));
}

/// e^x; relative error below 2 units in the last place, saturating at |x| = 87; NaN stays NaN.
template <class F>
SORET_HD F exp(F x) {
  const F hi = constant<F>(87.0F);
  x = select(x > hi, hi, x);
  x = select(x < -hi, -hi, x);
  const F magic = constant<F>(12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const F shifted = fma(x, constant<F>(1.44269504F), magic);
  const F n = shifted - magic;
  F r = fma(n, constant<F>(-0.693359375F), x);
  r = fma(n, constant<F>(2.12194440e-4F), r);
  F p = fma(r, constant<F>(1.9875691500e-4F), constant<F>(1.3981999507e-3F));
  p = fma(r, p, constant<F>(8.3334519073e-3F));
  p = fma(r, p, constant<F>(4.1665795894e-2F));
  p = fma(r, p, constant<F>(1.6666665459e-1F));
  p = fma(r, p, constant<F>(5.0000001201e-1F));
  p = fma(r * r, p, r + 1.0F);
  const auto scale = (bits(shifted) << 23) + 0x3f800000U;  // 2^n
  return p * from_bits(scale);
}

/// 1 / (1 + e^-x); relative error below 4 units in the last place.
template <class F>
SORET_HD F sigmoid(F x) {
  return 1.0F / (1.0F + exp(negate(x)));
}

/// Relative error below 4 units in the last place.
template <class F>
SORET_HD F tanh(F x) {
  const F z = x * x;
  F p = fma(z, constant<F>(-5.70498872745e-3F), constant<F>(2.06390887954e-2F));
  p = fma(z, p, constant<F>(-5.37397155531e-2F));
  p = fma(z, p, constant<F>(1.33314422036e-1F));
  p = fma(z, p, constant<F>(-3.33332819422e-1F));
  const F small = fma(z * x, p, x);
  const F large = 1.0F - 2.0F / (1.0F + exp(x + x));
  return select(z < constant<F>(0.390625F), small, large);  // |x| < 0.625
}

/// Standard normal density.
template <class F>
SORET_HD F normal_density(F x) {
  return 0.398942280F * exp(-0.5F * x * x);
}

/// Standard normal distribution function; absolute error below 2.5e-7 (a Chebyshev fit of erfc, whose
/// relative error is 1.2e-7, and its roundings). The relative error of the left tail grows as x^2: 1e-5 at x
/// = -9.
template <class F>
SORET_HD F normal_cdf(F x) {
  const F zero = constant<F>(0.0F);
  const F z = select(x < zero, negate(x), x) * 0.707106781F;
  const F t = 1.0F / fma(z, constant<F>(0.5F), constant<F>(1.0F));
  F p = fma(t, constant<F>(0.17087277F), constant<F>(-0.82215223F));
  p = fma(t, p, constant<F>(1.48851587F));
  p = fma(t, p, constant<F>(-1.13520398F));
  p = fma(t, p, constant<F>(0.27886807F));
  p = fma(t, p, constant<F>(-0.18628806F));
  p = fma(t, p, constant<F>(0.09678418F));
  p = fma(t, p, constant<F>(0.37409196F));
  p = fma(t, p, constant<F>(1.00002368F));
  p = fma(t, p, constant<F>(-1.26551223F));
  const F half_erfc = 0.5F * t * exp(p - z * z);
  return select(x < zero, half_erfc, 1.0F - half_erfc);
}

}  // namespace soret
