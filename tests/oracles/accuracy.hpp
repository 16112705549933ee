#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "soret/base/lanes.hpp"

/// How far floats are from exact values.
namespace soret::oracle {

/// |got - exact| in units of the last place of a float near `exact` (that of the smallest normal number
/// below it).
inline double ulps(float got, double exact) {
  const double magnitude = std::max(std::abs(exact), static_cast<double>(std::numeric_limits<float>::min()));
  return std::abs(static_cast<double>(got) - exact) / std::exp2(std::ilogb(magnitude) - 23);
}

/// Largest value that is not NaN; a NaN is infinitely large.
inline double worst(double so_far, double next) {
  return next <= so_far ? so_far : std::isnan(next) ? std::numeric_limits<double>::infinity() : next;
}

inline bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

}  // namespace soret::oracle
