#include "soret/measure/limited_memory.hpp"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

}  // namespace

void LimitedMemory::learn(const Vector& s, const Vector& y) {
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

void LimitedMemory::forget(double theta) {
  pairs_.clear();
  theta_ = theta;
  update();
}

void LimitedMemory::update() {
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
  target = target.cwiseMax(-1).cwiseMin(1);
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

}  // namespace soret::measure
