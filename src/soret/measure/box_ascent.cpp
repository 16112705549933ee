#include "soret/measure/box_ascent.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "soret/measure/limited_memory.hpp"

namespace soret::measure {
namespace {

using Vector = Eigen::VectorXd;

constexpr double kPromised = 1e-4;  // part of the rise that the gradient promises which is asked for (Armijo)
constexpr int kMostTrials = 20;     // per line search; beyond them a rise is below rounding

Vector project(const Vector& u) {
  return u.cwiseMax(-1).cwiseMin(1);
}

double largest(const Vector& v) {
  return v.lpNorm<Eigen::Infinity>();
}

Vector project_onto_ball(const Vector& u) {
  const double norm = u.norm();
  return norm > 1 ? Vector(u / norm) : u;
}

double length(const Vector& v) {
  return v.norm();
}

/// A point with its value and gradient.
struct State {
  Vector u, gradient;
  double value = 0;
};

State look(const ValueAndGradient& f, Vector u) {
  State state{std::move(u), {}, 0};
  state.gradient.resize(state.u.size());
  state.value = f(state.u, state.gradient);
  return state;
}

bool rises(const State& from, const State& to) {
  return to.value >= from.value + kPromised * from.gradient.dot(to.u - from.u);
}

/// Along the segment from a state to a point of the box: the point itself, or nearer ones by interpolating a
/// parabola until f rises enough. The same state if none does.
State line_search(const ValueAndGradient& f, const State& from, const Vector& target) {
  const Vector direction = target - from.u;
  const double slope = from.gradient.dot(direction);
  double part = 1;
  for (int trial = 0; trial < kMostTrials && slope > 0; ++trial) {
    State next = look(f, project(from.u + part * direction));
    if (rises(from, next)) return next;
    const double short_of = slope * part - (next.value - from.value);  // > 0
    part *= std::clamp(slope * part / (2 * short_of), 0.1, 0.5);
  }
  return from;
}

/// In a region that `onto` projects onto, with `size` to measure vectors by.
template <class Onto, class Size>
void spectral_ascent(const ValueAndGradient& f, Vector u, const AscentLimits& limits, const Onto& onto,
                     const Size& size) {
  constexpr double kLongest = 1e8;  // in units of the region and the gradient's size
  State at = look(f, std::move(u));
  double scale = size(at.gradient);
  double step = 2 / scale;
  for (int iteration = 0; iteration < limits.most_iterations; ++iteration) {
    if (scale == 0 || size(onto(at.u + at.gradient / scale) - at.u) <= limits.tolerance) return;
    step = std::min(step, kLongest / size(at.gradient));
    State next = look(f, onto(at.u + step * at.gradient));
    for (int trial = 1; !rises(at, next); ++trial) {
      if (trial == kMostTrials) return;
      step /= 4;
      next = look(f, onto(at.u + step * at.gradient));
    }
    const Vector move = next.u - at.u;
    const double bend = move.dot(next.gradient - at.gradient);
    step = bend < 0 ? move.squaredNorm() / -bend : 4 * step;
    scale = std::max(scale, size(next.gradient));
    at = std::move(next);
  }
}

}  // namespace

double projected_residual(const Vector& u, const Vector& gradient, double scale) {
  return scale == 0 ? 0 : largest(project(u + gradient / scale) - u);
}

double ball_residual(const Vector& u, const Vector& gradient, double scale) {
  return scale == 0 ? 0 : length(project_onto_ball(u + gradient / scale) - u);
}

void ascend_by_projected_gradient(const ValueAndGradient& f, Vector u, const AscentLimits& limits) {
  spectral_ascent(f, std::move(u), limits, project, largest);
}

void ascend_in_ball(const ValueAndGradient& f, Vector u, const AscentLimits& limits) {
  spectral_ascent(f, std::move(u), limits, project_onto_ball, length);
}

void ascend_by_lbfgsb(const ValueAndGradient& f, Vector u, const AscentLimits& limits) {
  State at = look(f, std::move(u));
  double scale = largest(at.gradient);
  LimitedMemory model(scale / 2);
  for (int iteration = 0; iteration < limits.most_iterations; ++iteration) {
    if (projected_residual(at.u, at.gradient, scale) <= limits.tolerance) return;
    const Vector g = -at.gradient;
    State next = line_search(f, at, subspace_minimum(model, at.u, g, cauchy_point(model, at.u, g)));
    if (next.u == at.u) {
      if (model.w().rows() == 0) return;  // nor along the gradient itself
      model.forget(largest(g) / 2);
      continue;
    }
    model.learn(next.u - at.u, at.gradient - next.gradient);
    scale = std::max(scale, largest(next.gradient));
    at = std::move(next);
  }
}

}  // namespace soret::measure
