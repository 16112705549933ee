#include "soret/measure/landscape.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "soret/base/error.hpp"
#include "soret/random/fill.hpp"

namespace soret::measure {
namespace {

template <class A, class B>
double dot(std::span<const A> a, std::span<const B> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

std::vector<double> difference(std::span<const float> a, std::span<const float> b) {
  std::vector<double> d(a.size());
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = static_cast<double>(a[i]) - static_cast<double>(b[i]);
  return d;
}

double norm(std::span<const double> v) {
  return std::sqrt(dot(v, v));
}

/// sin(alpha pi/2), exact where alpha is whole.
double sine_of_quarters(double alpha) {
  const double turn = std::remainder(alpha, 4.0);  // in [-2, 2], exact
  if (turn == std::trunc(turn)) return std::abs(turn) == 1 ? turn : 0;
  return std::sin(turn * std::numbers::pi / 2);
}

}  // namespace

std::vector<float> combination(std::span<const double> coefficients,
                               std::span<const std::span<const double>> vectors) {
  std::vector<double> sum(vectors[0].size());
  for (std::size_t k = 0; k < vectors.size(); ++k) {
    if (coefficients[k] == 0) continue;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += coefficients[k] * vectors[k][i];
  }
  return {sum.begin(), sum.end()};
}

std::array<double, 2> linear_path(double alpha) {
  return {1 - alpha, alpha};
}

std::array<double, 2> curved_path(double alpha) {
  return {sine_of_quarters(alpha + 1), sine_of_quarters(alpha)};
}

std::array<double, 3> PlaneThroughThree::coefficients(double alpha, double beta) const {
  const double second = alpha - beta * s;
  return {1 - second - beta, second, beta};
}

PlaneThroughThree plane_through(std::span<const float> w1, std::span<const float> w2,
                                std::span<const float> w3) {
  const std::vector<double> u = difference(w2, w1);
  std::vector<double> v = difference(w3, w1);
  PlaneThroughThree plane{.u_norm = norm(u)};
  if (plane.u_norm == 0) throw ConfigError("the first two checkpoints hold the same parameters");
  const double whole = norm(v);
  plane.s = dot<double, double>(v, u) / (plane.u_norm * plane.u_norm);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] -= plane.s * u[i];
  plane.v_norm = norm(v);
  // What single precision leaves of a difference of parameters.
  constexpr double kRounding = 1e-6;
  if (!(plane.v_norm > kRounding * whole))
    throw ConfigError("the three checkpoints lie on one line and span no plane");
  return plane;
}

std::vector<double> random_vector(std::size_t size, std::uint64_t seed, std::uint32_t trajectory, int which) {
  std::vector<float> draws(size);
  fill_normal({seed, Purpose::landscape, 2 * trajectory + static_cast<std::uint32_t>(which)}, 0, draws);
  return {draws.begin(), draws.end()};
}

void normalise(std::span<double> direction) {
  const double length = norm(direction);
  for (double& d : direction) d /= length;
}

void filter_normalise(const network::Network<float>& network, std::span<const float> parameters,
                      std::span<double> direction) {
  for (const network::View& view : network.parameters()) {
    const auto own = direction.subspan(view.offset, view.what.size());
    if (view.what.kind != network::Parameter::Kind::weight) {
      std::ranges::fill(own, 0.0);
      continue;
    }
    const auto filters = static_cast<std::size_t>(view.what.shape[0]);
    const std::size_t size = view.what.size() / filters;
    for (std::size_t k = 0; k < filters; ++k) {
      const auto filter = own.subspan(k * size, size);
      const auto weights = parameters.subspan(view.offset + k * size, size);
      const double length = norm(filter);
      const double scale = length > 0 ? std::sqrt(dot(weights, weights)) / length : 0;
      for (double& d : filter) d *= scale;
    }
  }
}

}  // namespace soret::measure
