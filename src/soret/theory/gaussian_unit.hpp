#pragma once

#include <cmath>

#include "soret/base/host_device.hpp"

/// Exact averages over x ~ N(0, I) of one hidden unit with pre-activation u = w.x + b, u ~ N(b, a^2), a =
/// ||w|| (seed 002, section 4). A unit with a = 0 is the limit: u = b. Every function runs on a device too.
namespace soret::theory {

/// Standard normal distribution function and density.
SORET_HD double normal_cdf(double x) {
  constexpr double kSqrtHalf = 0.70710678118654752440;
  return 0.5 * std::erfc(-x * kSqrtHalf);
}
SORET_HD double normal_density(double x) {
  constexpr double kInverseSqrt2Pi = 0.39894228040143267794;
  return kInverseSqrt2Pi * std::exp(-0.5 * x * x);
}

namespace detail {

/// b / a with the limit a -> 0, where the unit's input does not vary.
SORET_HD double ratio(double a, double b) {
  return a > 0 ? b / a : (b > 0 ? HUGE_VAL : -HUGE_VAL);
}

/// z phi(z), 0 in the limit z -> +-infinity.
SORET_HD double z_density(double z) {
  return z == HUGE_VAL || z == -HUGE_VAL ? 0.0 : z * normal_density(z);
}

}  // namespace detail

/// P(u > 0) = Phi(b / a): the activation rate of a ReLU unit (seed 002 Eq. 14). At a = b = 0 it is 0.
SORET_HD double relu_activation_rate(double a, double b) {
  return normal_cdf(detail::ratio(a, b));
}

/// E[relu(u)^2] = (a^2 + b^2) Phi(b/a) + a b phi(b/a): h_v of a ReLU unit (seed 002 section 4.2).
SORET_HD double relu_second_moment(double a, double b) {
  const double z = detail::ratio(a, b);
  return (a * a + b * b) * normal_cdf(z) + a * b * normal_density(z);
}

/// sum_j E[x_j^2 1(u > 0)] = M Phi(z) - z phi(z), z = b/a, over M inputs: h_w of a ReLU unit is V^2 times
/// this.
SORET_HD double relu_input_second_moment(double a, double b, int inputs) {
  const double z = detail::ratio(a, b);
  return inputs * normal_cdf(z) - detail::z_density(z);
}

/// E[gelu'(u)] for gelu(u) = u Phi(u): Phi(t) + t phi(t) / s^2 with s^2 = 1 + a^2, t = b/s.
SORET_HD double gelu_mean_slope(double a, double b) {
  const double s2 = 1 + a * a;
  const double t = b / std::sqrt(s2);
  return normal_cdf(t) + t * normal_density(t) / s2;
}

/// E[1 - tanh(u)^2] to 1e-10, by the trapezoidal rule, which converges exponentially on integrands that are
/// analytic in a strip: its error is about e^(-2 pi d / h) for a strip of half-width d. The variable is
/// chosen to keep the poles of sech^2 (at i pi / 2 in u) at least pi / 2 away.
SORET_HD double tanh_mean_slope(double a, double b) {
  constexpr double kStep = 0.3;  // e^(-2 pi (pi/2) / h) = 5e-15, times the poles' strength
  double total = 0;
  if (a <= 1) {  // over z = (u - b) / a; phi is below 1e-13 beyond 26 steps
    for (int k = -26; k <= 26; ++k) {
      const double z = k * kStep;
      const double t = std::tanh(b + a * z);
      total += (1 - t * t) * normal_density(z);
    }
    return total * kStep;
  }
  for (int k = -48; k <= 48; ++k) {  // over u; sech^2 is below 1e-12 beyond 48 steps
    const double u = k * kStep;
    const double t = std::tanh(u);
    total += (1 - t * t) * normal_density((u - b) / a);
  }
  return total * kStep / a;
}

}  // namespace soret::theory
