#include "soret/measure/sharpness.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "soret/measure/box_ascent.hpp"
#include "soret/measure/search_region.hpp"
#include "soret/random/fill.hpp"
#include "soret/random/stream.hpp"

namespace soret::measure {
namespace {

using Vector = Eigen::VectorXd;

/// Uniform in the box.
Vector random_point(Eigen::Index size, std::uint64_t seed, int start) {
  std::vector<float> draws(static_cast<std::size_t>(size));
  fill_uniform({seed, Purpose::sharpness_start, static_cast<std::uint32_t>(start)}, 0, draws);
  return 2 * Eigen::Map<const Eigen::VectorXf>(draws.data(), size).cast<double>().array() - 1;
}

void visit_vertices(SearchRegion& box) {
  const Eigen::Index p = box.size();
  Vector u(p);
  for (std::uint32_t vertex = 0; vertex < 1U << p; ++vertex) {
    for (Eigen::Index i = 0; i < p; ++i) u[i] = (vertex >> i & 1U) != 0 ? 1 : -1;
    box.value(u);
  }
}

}  // namespace

const std::vector<std::string>& maximiser_names() {
  static const std::vector<std::string> names = {"lbfgsb", "projected_gradient", "vertices"};
  return names;
}

Maximiser parse_maximiser(std::string_view name) {
  const auto& names = maximiser_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end())
    throw ConfigError(fmt::format("unknown maximiser \"{}\"; allowed: {}", name, fmt::join(names, ", ")));
  return static_cast<Maximiser>(found - names.begin());
}

Vector box_half_widths(std::span<const double> x, const Directions& a, double epsilon) {
  if (!(epsilon > 0) || !std::isfinite(epsilon))
    throw ConfigError(fmt::format("epsilon of the sharpness is {}; allowed: above 0, finite", epsilon));
  const auto n = static_cast<Eigen::Index>(x.size());
  const Eigen::Map<const Vector> point(x.data(), n);
  if (!a.is_identity() && (a.rows() != n || a.cols() > n)) {
    throw ConfigError(
        fmt::format("A of the sharpness has {} rows and {} columns; allowed: {} rows, the function's "
                    "arguments, and no more columns",
                    a.rows(), a.cols(), n));
  }
  return epsilon * (a.coordinates(point).cwiseAbs().array() + 1);
}

SharpnessOptions keskar(double epsilon) {
  return {.epsilon = epsilon, .most_iterations = 10};
}

Sharpness sharpness(const Differentiable& f, std::span<const double> x, const Directions& a,
                    const SharpnessOptions& options) {
  if (x.size() != f.size || f.size == 0)
    throw ConfigError(fmt::format("a point of {} numbers for a function of {}", x.size(), f.size));
  if (options.starts < 1 || options.most_iterations < 1) {
    throw ConfigError(fmt::format("{} starts of {} iterations each; allowed: at least 1", options.starts,
                                  options.most_iterations));
  }
  SearchRegion box(f, x, a, box_half_widths(x, a, options.epsilon), "the box of the sharpness");
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
  const Vector best = box.best_displacement();
  result.best.assign(best.begin(), best.end());
  result.evaluations = box.evaluations();
  result.gradients = box.gradients();
  result.converged =
      exact || projected_residual(box.best(), box.best_gradient(), box.largest_entry()) <= options.tolerance;
  return result;
}

}  // namespace soret::measure
