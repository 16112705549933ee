#pragma once

#include <cstdint>
#include <type_traits>

#include "soret/walk/field.hpp"
#include "soret/walk/random_walk.hpp"

namespace soret {

/// |x| as a signed number, as lanes.hpp has it.
SORET_HD std::uint32_t magnitude(std::uint32_t x) {
  return static_cast<std::int32_t>(x) < 0 ? 0U - x : x;
}
/// |x| < 2^31, ties to even.
SORET_HD std::int32_t to_nearest(float x) {
#if defined(__CUDA_ARCH__)
  return __float2int_rn(x);
#else
  return static_cast<std::int32_t>(__builtin_rintf(x));
#endif
}

}  // namespace soret

/// One step of a binary walk between walls in fixed point, host and device: a place is a 32-bit number u, q =
/// lower + unit u, and the length of a step is computed in single precision and rounded to whole units.
///   ring     2^32 units are the domain: turns take care of themselves
///   mirrors  2^31 units are the domain: |u| is the mirror image at either wall, because u and -u are also
///            2^32 apart
/// The lengths are off by a relative 2e-7 and half a unit, the places exact after that. U is std::uint32_t or
/// LanesU32.
namespace soret::walk {

/// A sine of a whole number of periods in 2^32 units has its phase in integers, and no reduction to do.
struct WholePeriods {
  std::uint32_t periods;  ///< 0: the sine is none of these
  std::uint32_t offset;   ///< phase of u = 0, less a quarter turn, in 2^-32 turns
  float coefficients[5];  ///< of odd powers; of the strength, in units

  /// level + strength sin(...)
  template <class U>
  SORET_HD auto operator()(U u, float level) const {
    // sin(2 pi (t + 1/4)) = -sin(2 pi (|t| - 1/4)) for |t| <= 1/2.
    const U t = u * periods + offset;
    const auto x = to_float(as_signed(magnitude(t) - 0x40000000U)) * 0x1p-30F;
    using F = std::remove_cvref_t<decltype(x)>;
    const F z = x * x;
    F p = fma(z, constant<F>(coefficients[4]), constant<F>(coefficients[3]));
    p = fma(z, p, constant<F>(coefficients[2]));
    p = fma(z, p, constant<F>(coefficients[1]));
    p = fma(z, p, constant<F>(coefficients[0]));
    return fma(x, p, constant<F>(level));
  }
};

struct FixedPoint {
  double lower, unit;
  Field field;        ///< of q; level and strength are those of eta g / unit
  WholePeriods wave;  ///< of a sine of whole periods
  int stretch;        ///< steps that stay within half a turn of a ring
};

/// Throws ConfigError where a problem has no walk in fixed point.
FixedPoint fixed_point(const Problem& problem);

/// The length of the step from u, in units.
template <FieldKind K, bool WHOLE, class U>
SORET_HD auto fixed_point_length(const FixedPoint& s, U u) {
  if constexpr (WHOLE) {
    return s.wave(u, static_cast<float>(s.field.level));
  } else {
    using F = std::remove_cvref_t<decltype(to_float(u))>;
    return profile<K>(s.field, fma(to_float(u), constant<F>(static_cast<float>(s.unit)),
                                   constant<F>(static_cast<float>(s.lower))));
  }
}

/// Where the step leads; the top bit of `sign` is that of gamma.
template <FieldKind K, Boundary B, bool WHOLE, class U>
SORET_HD U fixed_point_step(const FixedPoint& s, U u, U sign) {
  const U next =
      u - as_unsigned(to_nearest(from_bits(bits(fixed_point_length<K, WHOLE>(s, u)) ^ (sign & 0x80000000U))));
  if constexpr (B == Boundary::reflecting) {
    return magnitude(next);
  } else {
    return next;
  }
}

}  // namespace soret::walk
