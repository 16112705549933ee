#include "soret/measure/box_ascent.hpp"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr double kPromised = 1e-4;  // part of the rise that the gradient promises which is asked for (Armijo)
constexpr int kMostTrials = 20;     // per line search; beyond them a rise is below rounding

Vector project(const Vector& u) {
  return u.cwiseMax(-1).cwiseMin(1);
}

double largest(const Vector& v) {
  return v.lpNorm<Eigen::Infinity>();
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

/// Of F = -f: B = theta - W M W^T with W = (Y, theta S), Eqs. 3.2 to 3.4 of Byrd et al.
class LimitedMemory {
 public:
  explicit LimitedMemory(double theta) : theta_(theta), w_(0, 0) {}

  double theta() const { return theta_; }
  const Matrix& w() const { return w_; }
  const Matrix& m() const { return m_; }

  /// y is the change of F's gradient over the step s.
  void learn(const Vector& s, const Vector& y) {
    constexpr std::size_t kPairs = 10;
    const double bend = s.dot(y);
    if (bend <= std::numeric_limits<double>::epsilon() * y.squaredNorm()) {
      forget(theta_ / 16);
      return;
    }
    if (pairs_.size() == kPairs) pairs_.erase(pairs_.begin());
    pairs_.emplace_back(s, y);
    theta_ = y.squaredNorm() / bend;
    update();
  }

  void forget(double theta) {
    pairs_.clear();
    theta_ = theta;
    update();
  }

 private:
  void update() {
    const auto k = static_cast<Eigen::Index>(pairs_.size());
    const Eigen::Index n = k == 0 ? 0 : pairs_.front().first.size();
    w_.resize(n, 2 * k);
    Matrix inverse = Matrix::Zero(2 * k, 2 * k);
    for (Eigen::Index i = 0; i < k; ++i) {
      const auto& [s, y] = pairs_[static_cast<std::size_t>(i)];
      w_.col(i) = y;
      w_.col(k + i) = theta_ * s;
      inverse(i, i) = -s.dot(y);
      for (Eigen::Index j = 0; j < k; ++j) {
        const auto& [other_s, other_y] = pairs_[static_cast<std::size_t>(j)];
        inverse(k + i, k + j) = theta_ * s.dot(other_s);
        if (i > j) inverse(k + i, j) = inverse(j, k + i) = s.dot(other_y);
      }
    }
    m_ = k == 0 ? inverse : Matrix(inverse.partialPivLu().inverse());
  }

  double theta_;
  std::vector<std::pair<Vector, Vector>> pairs_;  // (s, y), oldest first
  Matrix w_, m_;
};

struct Cauchy {
  Vector point;
  Vector c;  // W^T (point - u)
};

/// The first minimum of the model along the projected steepest descent of F, whose gradient is g. Algorithm
/// CP.
Cauchy cauchy_point(const LimitedMemory& model, const Vector& u, const Vector& g) {
  const double theta = model.theta();
  const Matrix& w = model.w();
  const Matrix& m = model.m();
  Vector d = -g;
  std::vector<std::pair<double, Eigen::Index>> bounds;  // when each variable meets its own
  for (Eigen::Index i = 0; i < u.size(); ++i) {
    if (g[i] == 0) continue;
    const double when = (u[i] - (g[i] < 0 ? 1 : -1)) / g[i];
    if (when > 0)
      bounds.emplace_back(when, i);
    else
      d[i] = 0;
  }
  std::sort(bounds.begin(), bounds.end());
  Cauchy cauchy{u, Vector::Zero(w.cols())};
  Vector p = w.rows() == 0 ? Vector() : Vector(w.transpose() * d);
  double slope = -d.squaredNorm();
  double bend = theta * d.squaredNorm() - p.dot(m * p);
  const double least_bend = std::numeric_limits<double>::epsilon() * bend;
  double ahead = bend > 0 ? -slope / bend : 0;
  double time = 0;
  for (const auto& [when, b] : bounds) {
    const double interval = when - time;
    if (ahead < interval) break;
    cauchy.point[b] = d[b] > 0 ? 1 : -1;
    const double z = cauchy.point[b] - u[b];
    cauchy.c += interval * p;
    slope += interval * bend + g[b] * g[b] + theta * g[b] * z;
    bend -= theta * g[b] * g[b];
    if (w.rows() > 0) {
      const Vector row = w.row(b).transpose();
      const Vector m_row = m * row;
      slope -= g[b] * m_row.dot(cauchy.c);
      bend -= 2 * g[b] * m_row.dot(p) + g[b] * g[b] * m_row.dot(row);
      p += g[b] * row;
    }
    d[b] = 0;
    bend = std::max(bend, least_bend);
    ahead = std::max(0.0, -slope / bend);
    time = when;
  }
  if (d.isZero(0)) return cauchy;
  cauchy.c += ahead * p;
  for (Eigen::Index i = 0; i < u.size(); ++i)
    if (d[i] != 0) cauchy.point[i] = std::clamp(u[i] + (time + ahead) * d[i], -1.0, 1.0);
  return cauchy;
}

/// The model's minimum over the variables that are not at a bound of the Cauchy point, projected onto the
/// box; if that does not lead down, cut at the first bound instead. The direct primal method, Eqs. 5.4
/// to 5.11.
Vector subspace_minimum(const LimitedMemory& model, const Vector& u, const Vector& g, const Cauchy& cauchy) {
  const Matrix& w = model.w();
  const double theta = model.theta();
  if (w.rows() == 0) return cauchy.point;  // the model's minimum already
  std::vector<Eigen::Index> free;
  for (Eigen::Index i = 0; i < u.size(); ++i)
    if (std::abs(cauchy.point[i]) < 1) free.push_back(i);
  if (free.empty()) return cauchy.point;
  const Vector r = (g + theta * (cauchy.point - u) - w * (model.m() * cauchy.c))(free);
  const Matrix rows = w(free, Eigen::all);
  const Matrix n = Matrix::Identity(w.cols(), w.cols()) - model.m() * (rows.transpose() * rows) / theta;
  const Vector v = n.partialPivLu().solve(model.m() * (rows.transpose() * r));
  const Vector step = -r / theta - rows * v / (theta * theta);
  Vector target = cauchy.point;
  target(free) += step;
  target = project(target);
  if (target.allFinite() && g.dot(target - u) < 0) return target;
  double part = 1;
  for (std::size_t k = 0; k < free.size(); ++k) {
    const double s = step[static_cast<Eigen::Index>(k)];
    if (s != 0) part = std::min(part, ((s > 0 ? 1 : -1) - cauchy.point[free[k]]) / s);
  }
  target = cauchy.point;
  if (step.allFinite()) target(free) += part * step;
  return target;
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

}  // namespace

double projected_residual(const Vector& u, const Vector& gradient, double scale) {
  return scale == 0 ? 0 : largest(project(u + gradient / scale) - u);
}

void ascend_by_projected_gradient(const ValueAndGradient& f, Vector u, const AscentLimits& limits) {
  constexpr double kLongest = 1e8;  // in units of the box and the gradient's largest entry
  State at = look(f, std::move(u));
  double scale = largest(at.gradient);
  double step = 2 / scale;
  for (int iteration = 0; iteration < limits.most_iterations; ++iteration) {
    if (projected_residual(at.u, at.gradient, scale) <= limits.tolerance) return;
    step = std::min(step, kLongest / largest(at.gradient));
    State next = look(f, project(at.u + step * at.gradient));
    for (int trial = 1; !rises(at, next); ++trial) {
      if (trial == kMostTrials) return;
      step /= 4;
      next = look(f, project(at.u + step * at.gradient));
    }
    const Vector move = next.u - at.u;
    const double bend = move.dot(next.gradient - at.gradient);
    step = bend < 0 ? move.squaredNorm() / -bend : 4 * step;
    scale = std::max(scale, largest(next.gradient));
    at = std::move(next);
  }
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
