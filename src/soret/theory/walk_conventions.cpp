#include "soret/theory/walk_conventions.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <numeric>
#include <stdexcept>

#include "soret/base/error.hpp"

namespace soret::theory {
namespace {

/// The sums over a group that Eqs. 10 and 11 are made of.
struct GroupSums {
  double norm = 0;         // |g|
  double slope = 0;        // sum_ij g_i g_j d_j g_i / |g|
  double divergence = 0;   // sum_j d_j g_j
  double directional = 0;  // sum_j g_j d_j rho
};

GroupSums group_sums(const GroupPoint& point) {
  const std::size_t n = point.g.size();
  if (point.g_slope.size() != n * n || point.density_gradient.size() != n) {
    throw std::domain_error(
        fmt::format("a group of {} coordinates needs {} slopes of g and {} of the density, not {} and {}", n,
                    n * n, n, point.g_slope.size(), point.density_gradient.size()));
  }
  GroupSums sums;
  for (std::size_t i = 0; i < n; ++i) {
    sums.norm += point.g[i] * point.g[i];
    sums.divergence += point.g_slope[i * n + i];
    sums.directional += point.g[i] * point.density_gradient[i];
    for (std::size_t j = 0; j < n; ++j) sums.slope += point.g[i] * point.g[j] * point.g_slope[i * n + j];
  }
  sums.norm = std::sqrt(sums.norm);
  if (!(sums.norm > 0)) throw std::domain_error("a flow needs a direction: g must not vanish");
  sums.slope /= sums.norm;
  return sums;
}

}  // namespace

std::string_view name(Convention convention) {
  switch (convention) {
    case Convention::fokker_planck:
      return "fokker_planck";
    case Convention::paper_eq10:
      return "paper_eq10";
    case Convention::paper_eq11:
      return "paper_eq11";
  }
  throw std::domain_error("no such convention");
}

Convention convention_named(std::string_view text) {
  for (const Convention convention : kConventions) {
    if (name(convention) == text) return convention;
  }
  throw ConfigError(
      fmt::format("'{}' is no convention; allowed are fokker_planck, paper_eq10 and paper_eq11", text));
}

ConventionNumbers numbers(Convention convention) {
  switch (convention) {
    case Convention::fokker_planck:
      return {.diffusion = 0.5, .exponent = 2};
    case Convention::paper_eq10:
      return {.diffusion = 1, .exponent = 1};
    case Convention::paper_eq11:
      return {.diffusion = 1, .exponent = 0.5};
  }
  throw std::domain_error("no such convention");
}

FluxCoefficients flux_coefficients(Convention convention, double learning_rate, double g, double g_slope) {
  const auto [diffusion, exponent] = numbers(convention);
  const double scale = diffusion * learning_rate * learning_rate * g;
  return {.a = scale * g, .b = scale * exponent * g_slope};
}

double group_flow(Convention convention, double learning_rate, const GroupPoint& point) {
  const GroupSums sums = group_sums(point);
  const double gradient_part = sums.norm * sums.directional;
  double flow = 0;
  switch (convention) {
    case Convention::fokker_planck:
      flow = -0.5 * (gradient_part + (sums.slope + sums.norm * sums.divergence) * point.density);
      break;
    case Convention::paper_eq10:
      flow = -gradient_part - sums.slope * point.density;
      break;
    case Convention::paper_eq11:
      flow = -gradient_part - 0.5 * sums.slope * point.density;
      break;
  }
  return learning_rate * learning_rate * flow;
}

double thermophoresis_coefficient(double learning_rate, const GroupPoint& point) {
  return -0.5 * learning_rate * learning_rate * group_sums(point).slope;
}

double effective_temperature(double learning_rate, double g) {
  return 0.25 * learning_rate * learning_rate * g * g;
}

double soret_coefficient(Convention convention, double temperature) {
  if (!(temperature > 0))
    throw std::domain_error(fmt::format("temperature {} must be positive", temperature));
  return numbers(convention).exponent / (2 * temperature);
}

std::vector<double> stationary_density(Convention convention, const Cells& cells,
                                       const std::function<double(double)>& g) {
  const double exponent = numbers(convention).exponent;
  // Relative to one value of g, so that no power overflows.
  const double reference = g(cells.centre(0));
  std::vector<double> density = cell_integrals(cells, [&](double q) {
    const double value = g(q);
    if (!(value > 0 && std::isfinite(value))) {
      throw ConfigError(
          fmt::format("g({}) = {}: a stationary density needs g > 0 in the whole domain", q, value));
    }
    return std::pow(value / reference, -exponent);
  });
  const double total = std::accumulate(density.begin(), density.end(), 0.0);
  for (double& value : density) value /= total * cells.width();
  return density;
}

}  // namespace soret::theory
