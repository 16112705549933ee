#include "soret/measure/sharpness.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>

#include "soret/measure/box_ascent.hpp"
#include "soret/random/fill.hpp"
#include "soret/random/stream.hpp"

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr std::size_t kMostVertexColumns = 20;
/// Of the box; the cube root of epsilon balances what rounding and the third derivative do to a difference.
constexpr double kDifferenceStep = 0x1p-17;

template <class Kind>
Kind parse(std::string_view name, const std::vector<std::string>& names, std::string_view what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw ConfigError(fmt::format("unknown {} \"{}\"; allowed: {}", what, name, fmt::join(names, ", ")));
  return static_cast<Kind>(std::distance(names.begin(), found));
}

bool is_identity(const Matrix& a) {
  return a.cols() == 0;
}

std::span<double> entries(Vector& v) {
  return {v.data(), static_cast<std::size_t>(v.size())};
}

/// The least-squares solution A^+ x. R and Q^T x are those of the rows so far, put above the next rows: the
/// QR decomposition of (A x) keeps both together.
Vector least_squares(const Matrix& a, const Vector& x) {
  const Eigen::Index n = a.rows();
  const Eigen::Index p = a.cols();
  const Eigen::Index most_rows = std::max<Eigen::Index>(512, p);
  Matrix triangle = Matrix::Zero(p + 1, p + 1);
  for (Eigen::Index first = 0; first < n; first += most_rows) {
    const Eigen::Index count = std::min(most_rows, n - first);
    Matrix stack(p + 1 + count, p + 1);
    stack.topRows(p + 1) = triangle;
    stack.bottomLeftCorner(count, p) = a.middleRows(first, count);
    stack.col(p).tail(count) = x.segment(first, count);
    const Eigen::HouseholderQR<Matrix> qr(stack);
    triangle = qr.matrixQR().topRows(p + 1).triangularView<Eigen::Upper>();
  }
  Eigen::ColPivHouseholderQR<Matrix> qr(triangle.topLeftCorner(p, p));
  qr.setThreshold(static_cast<double>(n) * std::numeric_limits<double>::epsilon());
  if (qr.rank() < p)
    throw ConfigError(
        fmt::format("the matrix A of the sharpness has rank {} only, of {} columns", qr.rank(), p));
  return qr.solve(triangle.col(p).head(p));
}

/// f on the box, in its own units: u in [-1, 1]^p stands for x + A (half-widths * u). Keeps count and the
/// best.
class Box {
 public:
  Box(const Differentiable& f, std::span<const double> x, const Matrix& a, const SharpnessOptions& options)
      : f_(f),
        a_(a),
        x_(Eigen::Map<const Vector>(x.data(), static_cast<Eigen::Index>(x.size()))),
        half_(box_half_widths(x, a, options.epsilon)),
        best_(Vector::Zero(half_.size())),
        best_gradient_(half_.size()),
        slope_(x_.size()) {}

  Eigen::Index size() const { return half_.size(); }
  std::int64_t evaluations() const { return evaluations_; }
  std::int64_t gradients() const { return gradients_; }
  double best_value() const { return best_value_; }
  Vector best() const { return half_.cwiseProduct(best_); }

  double value(const Vector& u) {
    const double found = checked_value(u);
    keep(u, found);
    return found;
  }

  /// The value, and the gradient with respect to u.
  double value_and_gradient(const Vector& u, Vector& gradient) {
    ++gradients_;
    double found = 0;
    if (f_.gradient) {
      place(u);
      ++evaluations_;
      found = f_.gradient(entries(at_), entries(slope_));
      check(found, "f", u);
      if (is_identity(a_))
        gradient = slope_;
      else
        gradient.noalias() = a_.transpose() * slope_;
      gradient.array() *= half_.array();
    } else {
      found = checked_value(u);
      differences(u, gradient);
    }
    check(gradient.allFinite() ? 0 : std::nan(""), "the gradient of f", u);
    largest_ = std::max(largest_, gradient.lpNorm<Eigen::Infinity>());
    if (keep(u, found)) best_gradient_ = gradient;
    return found;
  }

  bool converged(double tolerance) const {
    return projected_residual(best_, best_gradient_, largest_) <= tolerance;
  }

 private:
  void place(const Vector& u) {
    if (is_identity(a_))
      at_ = x_ + half_.cwiseProduct(u);
    else
      at_.noalias() = x_ + a_ * half_.cwiseProduct(u);
  }

  double checked_value(const Vector& u) {
    place(u);
    ++evaluations_;
    const double found = f_.value(entries(at_));
    check(found, "f", u);
    return found;
  }

  void check(double found, std::string_view what, const Vector& u) const {
    if (std::isfinite(found)) return;
    constexpr Eigen::Index kShown = 4;
    const Vector y = half_.cwiseProduct(u).head(std::min(u.size(), kShown));
    throw ConfigError(
        fmt::format("{} is {} in the box of the sharpness, at y = ({}{}); a smaller epsilon makes it "
                    "smaller",
                    what, found, fmt::join(y, ", "), u.size() > kShown ? ", ..." : ""));
  }

  /// Central, and one-sided at a face of the box, which is not left.
  void differences(const Vector& u, Vector& gradient) {
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

  bool keep(const Vector& u, double found) {
    if (found <= best_value_) return false;
    best_value_ = found;
    best_ = u;
    return true;
  }

  const Differentiable& f_;
  const Matrix& a_;
  Vector x_, half_;
  Vector best_, best_gradient_;
  Vector at_, slope_;
  double best_value_ = -std::numeric_limits<double>::infinity();
  double largest_ = 0;  // entry of a gradient
  std::int64_t evaluations_ = 0, gradients_ = 0;
};

/// Uniform in the box.
Vector random_point(Eigen::Index size, std::uint64_t seed, int start) {
  std::vector<float> draws(static_cast<std::size_t>(size));
  fill_uniform({seed, Purpose::sharpness_start, static_cast<std::uint32_t>(start)}, 0, draws);
  return 2 * Eigen::Map<const Eigen::VectorXf>(draws.data(), size).cast<double>().array() - 1;
}

void visit_vertices(Box& box) {
  const Eigen::Index p = box.size();
  Vector u(p);
  for (std::uint32_t vertex = 0; vertex < 1U << p; ++vertex) {
    for (Eigen::Index i = 0; i < p; ++i) u[i] = (vertex >> i & 1U) != 0 ? 1 : -1;
    box.value(u);
  }
}

}  // namespace

const std::vector<std::string>& columns_names() {
  static const std::vector<std::string> names = {"identity", "gaussian", "uniform", "orthonormal"};
  return names;
}

Columns parse_columns(std::string_view name) {
  return parse<Columns>(name, columns_names(), "kind of matrix A");
}

const std::vector<std::string>& maximiser_names() {
  static const std::vector<std::string> names = {"lbfgsb", "projected_gradient", "vertices"};
  return names;
}

Maximiser parse_maximiser(std::string_view name) {
  return parse<Maximiser>(name, maximiser_names(), "maximiser");
}

Matrix random_columns(Columns kind, std::size_t n, std::size_t p, std::uint64_t seed) {
  const auto rows = static_cast<Eigen::Index>(n);
  const auto count = static_cast<Eigen::Index>(p);
  if (kind == Columns::identity) return {rows, 0};
  if (p < 1 || p > n)
    throw ConfigError(
        fmt::format("A of the sharpness has {} columns; allowed: 1 to {}, the function's arguments", p, n));
  Matrix a(rows, count);
  std::vector<float> draws(n);
  for (Eigen::Index j = 0; j < count; ++j) {
    const Stream stream{seed, Purpose::sharpness_matrix, static_cast<std::uint32_t>(j)};
    const Eigen::Map<const Eigen::VectorXf> column(draws.data(), rows);
    if (kind == Columns::uniform) {
      fill_uniform(stream, 0, draws);
      a.col(j) = 2 * column.cast<double>().array() - 1;
    } else {
      fill_normal(stream, 0, draws);
      a.col(j) = column.cast<double>();
    }
  }
  if (kind == Columns::orthonormal)
    a = Eigen::HouseholderQR<Matrix>(a).householderQ() * Matrix::Identity(rows, count);
  return a;
}

Vector box_half_widths(std::span<const double> x, const Matrix& a, double epsilon) {
  if (!(epsilon > 0) || !std::isfinite(epsilon))
    throw ConfigError(fmt::format("epsilon of the sharpness is {}; allowed: above 0, finite", epsilon));
  const auto n = static_cast<Eigen::Index>(x.size());
  const Eigen::Map<const Vector> point(x.data(), n);
  if (is_identity(a)) return epsilon * (point.cwiseAbs().array() + 1);
  if (a.rows() != n || a.cols() > n) {
    throw ConfigError(
        fmt::format("A of the sharpness has {} rows and {} columns; allowed: {} rows, the function's "
                    "arguments, and no more columns",
                    a.rows(), a.cols(), n));
  }
  return epsilon * (least_squares(a, point).cwiseAbs().array() + 1);
}

SharpnessOptions keskar(double epsilon) {
  return {.epsilon = epsilon, .most_iterations = 10};
}

Sharpness sharpness(const Differentiable& f, std::span<const double> x, const Matrix& a,
                    const SharpnessOptions& options) {
  if (x.size() != f.size || f.size == 0)
    throw ConfigError(fmt::format("a point of {} numbers for a function of {}", x.size(), f.size));
  if (options.starts < 1 || options.most_iterations < 1) {
    throw ConfigError(fmt::format("{} starts of {} iterations each; allowed: at least 1", options.starts,
                                  options.most_iterations));
  }
  Box box(f, x, a, options);
  const bool exact = options.maximiser == Maximiser::vertices;
  if (exact && static_cast<std::size_t>(box.size()) > kMostVertexColumns) {
    throw ConfigError(fmt::format("a box of {} dimensions has too many vertices; allowed: up to {}",
                                  box.size(), kMostVertexColumns));
  }
  Sharpness result;
  result.maximiser = options.maximiser;
  const Vector centre = Vector::Zero(box.size());
  Vector gradient(box.size());
  result.value = exact ? box.value(centre) : box.value_and_gradient(centre, gradient);
  if (1 + result.value == 0)
    throw ConfigError("f(x) is -1, where the sharpness (Definition 2) divides by 1 + f(x) = 0");
  if (exact) visit_vertices(box);
  const ValueAndGradient ascended = [&](const Vector& u, Vector& slope) {
    return box.value_and_gradient(u, slope);
  };
  const AscentLimits limits{options.most_iterations, options.tolerance};
  for (int start = 0; !exact && start < options.starts; ++start) {
    const Vector u = random_point(box.size(), options.seed, start);
    if (options.maximiser == Maximiser::lbfgsb)
      ascend_by_lbfgsb(ascended, u, limits);
    else
      ascend_by_projected_gradient(ascended, u, limits);
  }
  result.maximum = box.best_value();
  result.phi = 100 * (result.maximum - result.value) / (1 + result.value);
  const Vector best = box.best();
  result.best.assign(best.begin(), best.end());
  result.evaluations = box.evaluations();
  result.gradients = box.gradients();
  result.converged = exact || box.converged(options.tolerance);
  return result;
}

}  // namespace soret::measure
