#include "soret/measure/search_region.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace soret::measure {
namespace {

using Vector = Eigen::VectorXd;

/// Of the region; the cube root of epsilon balances what rounding and the third derivative do to a
/// difference.
constexpr double kDifferenceStep = 0x1p-17;

std::span<double> entries(Vector& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}

}  // namespace

SearchRegion::SearchRegion(const Differentiable& f, std::span<const double> x, const Directions& a,
                           Vector widths, std::string what)
    : f_(f),
      a_(a),
      what_(std::move(what)),
      x_(Eigen::Map<const Vector>(x.data(), static_cast<Eigen::Index>(x.size()))),
      widths_(std::move(widths)),
      best_(Vector::Zero(widths_.size())),
      best_gradient_(widths_.size()),
      slope_(x_.size()) {}

double SearchRegion::value(const Vector& u) {
  const double found = checked_value(u);
  keep(u, found);
  return found;
}

double SearchRegion::value_and_gradient(const Vector& u, Vector& gradient) {
  ++gradients_;
  double found = 0;
  if (f_.gradient) {
    a_.place(x_, widths_.cwiseProduct(u), at_);
    ++evaluations_;
    found = f_.gradient(entries(at_), entries(slope_));
    check(found, "f", u);
    a_.project(slope_, gradient);
    gradient.array() *= widths_.array();
  } else {
    found = checked_value(u);
    differences(u, gradient);
  }
  check(gradient.allFinite() ? 0 : std::nan(""), "the gradient of f", u);
  largest_entry_ = std::max(largest_entry_, gradient.lpNorm<Eigen::Infinity>());
  largest_norm_ = std::max(largest_norm_, gradient.norm());
  if (keep(u, found)) best_gradient_ = gradient;
  return found;
}

double SearchRegion::checked_value(const Vector& u) {
  a_.place(x_, widths_.cwiseProduct(u), at_);
  ++evaluations_;
  const double found = f_.value(entries(at_));
  check(found, "f", u);
  return found;
}

void SearchRegion::check(double found, const char* name, const Vector& u) const {
  if (std::isfinite(found)) return;
  constexpr Eigen::Index kShown = 4;
  const Vector y = widths_.cwiseProduct(u).head(std::min(u.size(), kShown));
  throw NotFiniteInRegion(
      fmt::format("{} is {} in {}, at y = ({}{}); a smaller epsilon or radius makes it smaller", name, found,
                  what_, fmt::join(y, ", "), u.size() > kShown ? ", ..." : ""));
}

/// Central, and one-sided at a face of [-1, 1]^p, which is not left.
void SearchRegion::differences(const Vector& u, Vector& gradient) {
  gradient.resize(u.size());
  Vector v = u;
  for (Eigen::Index i = 0; i < v.size(); ++i) {
    const double above = std::min(1.0, u[i] + kDifferenceStep);
    const double below = std::max(-1.0, u[i] - kDifferenceStep);
    v[i] = above;
    const double rise = checked_value(v);
    v[i] = below;
    gradient[i] = (rise - checked_value(v)) / (above - below);
    v[i] = u[i];
  }
}

bool SearchRegion::keep(const Vector& u, double found) {
  if (found <= best_value_) return false;
  best_value_ = found;
  best_ = u;
  return true;
}

}  // namespace soret::measure
