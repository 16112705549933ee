#pragma once

#include <cstdint>

#include "soret/base/math.hpp"

/// Random bits to random numbers. Each takes 32-bit words and uses correctly rounded operations only, so the
/// same words give the same numbers to the last bit on every backend. F is float or Lanes, U its word.
namespace soret {

/// Uniform on (0, 1]: word * 2^-32 + 2^-33, rounded once. (cuRAND's curand_uniform is the same map.)
template <class F, class U>
SORET_HD F uniform(U word) {
  return fma(to_float(word), constant<F>(0x1p-32F), constant<F>(0x1p-33F));
}

/// +1 or -1, by the top bit of the word.
template <class F, class U>
SORET_HD F rademacher(U word) {
  return from_bits((word & 0x80000000U) ^ bits(constant<F>(1.0F)));
}

/// Two independent standard normals from two words by Box and Muller, within 4 units in the last place of the
/// exact map. The radius is that of uniform(first): at most 6.764, and 0 (both numbers vanish) for one word
/// in 2^25. The angle is all 32 bits of the second word, to 2^-28 of a turn.
template <class F, class U>
SORET_HD void normal_pair(U first, U second, F& a, F& b) {
  const F radius = sqrt(-2.0F * log(uniform<F>(first)));
  // The angle is (q + t) quarter turns: q = the top two bits, t in [-1/2, 1/2) = the other thirty.
  const F t = to_float(as_signed(second << 2)) * 0x1p-32F;
  const F z = t * t;
  F s = fma(z, constant<F>(-0.00460217707F), constant<F>(0.0796802267F));
  s = fma(z, s, constant<F>(-0.64596349F));
  s = fma(z, s, constant<F>(1.57079637F));
  F c = fma(z, constant<F>(-0.0204083528F), constant<F>(0.25359863F));
  c = fma(z, c, constant<F>(-1.23369706F));
  c = fma(z, c, constant<F>(1.0F));
  s = s * t;
  // cos and sin of q quarter turns more: swap for odd q, then set the signs.
  const auto odd = (second & 0x40000000U) != 0U;
  const F cosine = select(odd, s, c);
  const F sine = select(odd, c, s);
  const auto cosine_sign = (second + 0x40000000U) & 0x80000000U;
  const auto sine_sign = second & 0x80000000U;
  a = radius * from_bits(bits(cosine) ^ cosine_sign);
  b = radius * from_bits(bits(sine) ^ sine_sign);
}

}  // namespace soret
