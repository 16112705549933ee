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

/// E[1 - tanh(u)^2], by Gauss-Legendre quadrature to 1e-10.
SORET_HD double tanh_mean_slope(double a, double b) {
  // The positive half of the 16-point rule on [-1, 1] (Abramowitz and Stegun, table 25.4).
  constexpr int kHalf = 8;
  const double nodes[kHalf] = {0.0950125098376374402, 0.281603550779258913, 0.458016777657227386,
                               0.617876244402643748,  0.755404408355003034, 0.865631202387831744,
                               0.944575023073232576,  0.989400934991649933};
  const double weights[kHalf] = {0.189450610455068496,  0.182603415044923589, 0.169156519395002538,
                                 0.149595988816576732,  0.124628971255533872, 0.0951585116824927848,
                                 0.0622535239386478929, 0.0271524594117540949};
  // The integrand sech^2(u) phi(z), u = b + a z, is below 1e-17 beyond |z| = 9 and beyond |u| = 20. Panels no
  // wider than 1 in z and 2 in u keep the rule exact to rounding.
  const double lo = std::fmax(-9.0, (-20 - b) / a);
  const double hi = std::fmin(9.0, (20 - b) / a);
  if (!(lo < hi)) return 0;
  const int panels = static_cast<int>(std::ceil((hi - lo) * (1 + 0.5 * a)));
  const double half_width = 0.5 * (hi - lo) / panels;
  double total = 0;
  for (int p = 0; p < panels; ++p) {
    const double centre = lo + half_width * (2 * p + 1);
    for (int i = 0; i < 2 * kHalf; ++i) {
      const int k = i / 2;
      const double z = centre + (i % 2 == 0 ? -half_width : half_width) * nodes[k];
      const double t = std::tanh(b + a * z);
      total += weights[k] * half_width * (1 - t * t) * normal_density(z);
    }
  }
  return total;
}

}  // namespace soret::theory
