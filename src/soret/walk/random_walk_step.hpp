#pragma once

#include "soret/base/double_math.hpp"

/// One step of an inhomogeneous random walk and its walls, host and device. F is double or DoubleLanes.
namespace soret::walk {

/// line: none. reflecting: mirrors. periodic: a ring. absorbing: a walker that reaches a wall stays there.
enum class Boundary { line, reflecting, periodic, absorbing };

/// The displacement of q <- q - eta gamma g(q) (seed 002 Eqs. 4 and 8), to be subtracted.
template <class F>
SORET_HD F displacement(F gamma, double eta, F g) {
  return gamma * (eta * g);
}

/// The mirror image of a place at most one domain width outside [lower, upper].
template <class F>
SORET_HD F reflect_once(F q, double lower, double upper) {
  const F below = select(q < lower, 2 * lower - q, q);
  return select(below > upper, 2 * upper - below, below);
}

/// Mirrors as often as it takes.
template <class F>
SORET_HD F reflect(F q, double lower, double upper) {
  const double width = upper - lower;
  const F folded = absolute(fma(nearest((q - lower) / (2 * width)), constant_of<F>(-2 * width), q - lower));
  const F inside = lower + select(folded > width, constant_of<F>(width), folded);
  return select((q < lower) | (q > upper), inside, q);
}

/// The place on the ring [lower, upper) of a q at most one domain width outside.
template <class F>
SORET_HD F wrap_once(F q, double lower, double upper) {
  const double width = upper - lower;
  const auto is_below = q < lower;
  const auto is_above = q >= upper;  // both of q itself: the walk waits for them
  const F above = select(is_below, q + width, q);
  return select(is_above, above - width, above);
}

/// The same from anywhere.
template <class F>
SORET_HD F wrap(F q, double lower, double upper) {
  const double width = upper - lower;
  const F turned = fma(nearest((q - lower) / width - 0.5), constant_of<F>(-width), q);
  return select((q < lower) | (q >= upper), wrap_once(turned, lower, upper), q);
}

}  // namespace soret::walk
