#pragma once

#include <cstdint>

#include "soret/base/host_device.hpp"
#include "soret/base/math.hpp"
#if !defined(__CUDACC__)
#include "soret/base/double_lanes.hpp"
#endif

/// Elementary functions in double precision, written once from correctly rounded operations for one number or
/// for eight at once, as math.hpp has them in single precision. Every backend that keeps IEEE arithmetic
/// gives the same bits; the accuracy of each is tested. F is double or DoubleLanes; the functions that say so
/// take float and Lanes as well, to single precision.
namespace soret {

#if !defined(__CUDA_ARCH__)
SORET_HD std::uint64_t bits(double x) {
  return __builtin_bit_cast(std::uint64_t, x);
}
SORET_HD double from_bits(std::uint64_t x) {
  return __builtin_bit_cast(double, x);
}
SORET_HD double fma(double x, double y, double z) {
  return __builtin_fma(x, y, z);
}
SORET_HD double sqrt(double x) {
  return __builtin_sqrt(x);
}
SORET_HD double nearest(double x) {
  return __builtin_rint(x);
}
#else
__device__ __forceinline__ std::uint64_t bits(double x) {
  return static_cast<std::uint64_t>(__double_as_longlong(x));
}
__device__ __forceinline__ double from_bits(std::uint64_t x) {
  return __longlong_as_double(static_cast<long long>(x));
}
__device__ __forceinline__ double fma(double x, double y, double z) {
  return __fma_rn(x, y, z);
}
__device__ __forceinline__ double sqrt(double x) {
  return __dsqrt_rn(x);
}
__device__ __forceinline__ double nearest(double x) {
  return ::rint(x);
}
#endif
SORET_HD double select(bool mask, double a, double b) {
  return mask ? a : b;
}
SORET_HD double to_double(std::int64_t x) {
  return static_cast<double>(x);
}
SORET_HD std::int64_t as_signed(std::uint64_t x) {
  return static_cast<std::int64_t>(x);
}
SORET_HD std::uint64_t as_unsigned(std::int64_t x) {
  return static_cast<std::uint64_t>(x);
}

/// constant_of<F>(x): x on every lane; also in single precision.
template <class F>
SORET_HD F constant_of(double x) {
  if constexpr (kSingle<F>) {
    return constant<F>(static_cast<float>(x));
  } else {
    return x - F{};
  }
}

/// Also in single precision.
template <class F>
SORET_HD F absolute(F x) {
  if constexpr (kSingle<F>) {
    return from_bits(bits(x) & 0x7fffffffU);
  } else {
    return from_bits(bits(x) & std::uint64_t{0x7fffffffffffffff});
  }
}
/// |x| with the sign of y.
template <class F>
SORET_HD F with_sign(F x, F y) {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  return from_bits((bits(x) & ~kSign) | (bits(y) & kSign));
}

namespace detail {

/// sin(pi r) for |r| <= 1/2; the polynomial is within 2e-19 of it, relatively. Even and odd powers of r^2
/// apart: walks wait for it.
template <class F>
SORET_HD F sin_half_turns(F r) {
  const F z = r * r;
  const F z2 = z * z;
  F even =
      fma(z2, constant_of<F>(0x1p-17 * 0.10089695501646812), constant_of<F>(0x1p-13 * 3.8199280942271643));
  F odd = fma(z2, constant_of<F>(0x1p-15 * -0.7177337921413454), constant_of<F>(0x1p-11 * -15.0946416761179));
  even = fma(z2, even, constant_of<F>(0x1p-9 * 42.058693925428685));
  odd = fma(z2, odd, constant_of<F>(0x1p-7 * -76.70585975282492));
  even = fma(z2, even, constant_of<F>(0x1p-5 * 81.60524927607362));
  odd = fma(z2, odd, constant_of<F>(0x1p-3 * -41.341702240399755));
  even = fma(z2, even, constant_of<F>(0x1p-1 * 6.283185307179586));
  return r * fma(z, odd, even);
}

/// The same in single precision.
template <class F>
SORET_HD F sin_half_turns_single(F r) {
  const F t = constant_of<F>(0.5) * r;
  const F z = t * t;
  constexpr double c[5] = {kSineOfTurns[0], kSineOfTurns[1], kSineOfTurns[2], kSineOfTurns[3],
                           kSineOfTurns[4]};
  F p = constant_of<F>(c[4]);
  SORET_UNROLL
  for (int i = 3; i >= 0; --i) p = fma(z, p, constant_of<F>(c[i]));
  return t * p;
}

}  // namespace detail

/// sin(pi x); error below 3 units in the last place for |x| < 2^50. The reduction is exact. Also in single
/// precision, for |x| < 2^21.
template <class F>
SORET_HD F sin_pi(F x) {
  // Adding it rounds to an integer in the low bits.
  const F magic = constant_of<F>(kSingle<F> ? 0x1.8p23 : 0x1.8p52);
  const F shifted = x + magic;
  const F r = x - (shifted - magic);
  if constexpr (kSingle<F>) {
    return from_bits(bits(detail::sin_half_turns_single(r)) ^ (bits(shifted) << 31));
  } else {
    return from_bits(bits(detail::sin_half_turns(r)) ^ (bits(shifted) << 63));
  }
}

/// sin(2 pi x), x in turns; error below 3 units in the last place for |x| < 2^49.
template <class F>
SORET_HD F sin_turns(F x) {
  return sin_pi(x + x);
}

/// cos(2 pi x), x in turns; absolute error below 4e-16 for |x| < 2^50.
template <class F>
SORET_HD F cos_turns(F x) {
  return detail::sin_half_turns(0.5 - 2.0 * absolute(x - nearest(x)));
}

namespace detail {

template <class F>
SORET_HD F double_exponential(F x) {
  const F limit = constant_of<F>(708.0);
  x = select(x > limit, limit, x);
  x = select(x < -limit, -limit, x);
  const F magic = constant_of<F>(0x1.8p52);  // adding it rounds to an integer in the low bits
  const F shifted = fma(x, constant_of<F>(1.4426950408889634), magic);
  const F n = shifted - magic;
  // ln 2 in two parts, the first with 32 bits: n times it is exact. |r| <= 0.3466.
  F r = fma(n, constant_of<F>(-6.93147180369123816490e-01), x);
  r = fma(n, constant_of<F>(-1.90821492927058770002e-10), r);
  // Taylor to r^13: the rest is below 5e-18.
  F p = fma(r, constant_of<F>(1.0 / 6227020800), constant_of<F>(1.0 / 479001600));
  p = fma(r, p, constant_of<F>(1.0 / 39916800));
  p = fma(r, p, constant_of<F>(1.0 / 3628800));
  p = fma(r, p, constant_of<F>(1.0 / 362880));
  p = fma(r, p, constant_of<F>(1.0 / 40320));
  p = fma(r, p, constant_of<F>(1.0 / 5040));
  p = fma(r, p, constant_of<F>(1.0 / 720));
  p = fma(r, p, constant_of<F>(1.0 / 120));
  p = fma(r, p, constant_of<F>(1.0 / 24));
  p = fma(r, p, constant_of<F>(1.0 / 6));
  p = fma(r, p, constant_of<F>(0.5));
  p = fma(r * r, p, r) + 1.0;
  const auto scale = (bits(shifted) << 52) + (std::uint64_t{1023} << 52);  // 2^n
  return p * from_bits(scale);
}

template <class F>
SORET_HD F double_logarithm(F x) {
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const auto i = bits(x);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  const auto e = as_signed(i - kSqrtHalf) >> 52;
  const F f = from_bits(i - (as_unsigned(e) << 52)) - 1.0;
  // log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)), s = f / (2 + f); R as in FreeBSD's msun, within 2^-58.
  const F s = f / (2.0 + f);
  const F z = s * s;
  F p = fma(z, constant_of<F>(1.479819860511658591e-01), constant_of<F>(1.531383769920937332e-01));
  p = fma(z, p, constant_of<F>(1.818357216161805012e-01));
  p = fma(z, p, constant_of<F>(2.222219843214978396e-01));
  p = fma(z, p, constant_of<F>(2.857142874366239149e-01));
  p = fma(z, p, constant_of<F>(3.999999999940941908e-01));
  p = fma(z, p, constant_of<F>(6.666666666666735130e-01));
  const F half = 0.5 * f * f;
  const F n = to_double(e);
  const F tail = fma(n, constant_of<F>(1.90821492927058770002e-10), s * fma(z, p, half));
  return fma(n, constant_of<F>(6.93147180369123816490e-01), f - (half - tail));
}

}  // namespace detail

/// e^x; relative error below 2 units in the last place, saturating at |x| = 708; NaN stays NaN. Also in
/// single precision, saturating at 87.
template <class F>
SORET_HD F exponential(F x) {
  if constexpr (kSingle<F>) {
    return exp(x);
  } else {
    return detail::double_exponential(x);
  }
}

/// Natural logarithm of a positive normal number; error below 2 units in the last place. Also in single
/// precision.
template <class F>
SORET_HD F logarithm(F x) {
  if constexpr (kSingle<F>) {
    return log(x);
  } else {
    return detail::double_logarithm(x);
  }
}

}  // namespace soret
