#pragma once

#include <cstdint>

#include "soret/base/double_math.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"
#include "soret/walk/random_walk.hpp"

/// Where walkers start, host and device. Coordinate i of walker w is made from block i of the stream (seed,
/// walk_start, w).
namespace soret::walk {

struct StartLaw {
  Start start;
  double lower, width;      ///< of the domain
  double position, spread;  ///< the point, or mean and standard deviation of the gaussian
  StationaryTable stationary;
};

/// The place below which a share u of a stationary density is, 0 <= u <= 1.
SORET_HD double stationary_place(const StationaryTable& table, double u) {
  int k = 0;  // the last node but one with cumulative <= u
  for (int width = table.cells; width > 1;) {
    const int half = width / 2;
    if (table.cumulative[k + half] <= u) {
      k += half;
      width -= half;
    } else {
      width = half;
    }
  }
  // Within a cell the density is linear: r0 t + (r1 - r0) t^2 / 2 = u - cumulative.
  const double r0 = table.density[k];
  const double slope = table.density[k + 1] - r0;
  const double rest = u > table.cumulative[k] ? u - table.cumulative[k] : 0;
  const double square = r0 * r0 + 2 * slope * rest;
  const double t = 2 * rest / (r0 + sqrt(square > 0 ? square : 0.0));
  return table.lower + table.cell * (k + (t < 1 ? t : 1.0));
}

SORET_HD double start_place(const StartLaw& law, const Stream& stream, int axis) {
  if (law.start == Start::point) return law.position;
  const auto b = stream.block(static_cast<std::uint64_t>(axis));
  if (law.start == Start::gaussian) {
    float first = 0;
    float second = 0;
    normal_pair(b.x, b.y, first, second);
    return law.position + law.spread * static_cast<double>(first);
  }
  const double u = (static_cast<double>((std::uint64_t{b.x} << 20) | (b.y >> 12)) + 0.5) * 0x1p-52;
  return law.start == Start::uniform ? law.lower + law.width * u : stationary_place(law.stationary, u);
}

}  // namespace soret::walk
