#include "soret/theory/gaussian_unit.hpp"

#include <gsl/gsl_integration.h>

#include <cmath>
#include <memory>
#include <numbers>

namespace soret::theory {

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x * std::numbers::sqrt2 / 2);
}

double normal_density(double x) {
  return std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
}

namespace {
/// b / a with the limit a -> 0, where the unit's input does not vary.
double ratio(double a, double b) {
  return a > 0 ? b / a : (b > 0 ? HUGE_VAL : -HUGE_VAL);
}

/// z phi(z), 0 in the limit z -> +-infinity.
double z_density(double z) {
  return std::isinf(z) ? 0.0 : z * normal_density(z);
}
}  // namespace

double relu_activation_rate(double a, double b) {
  return normal_cdf(ratio(a, b));
}

double relu_second_moment(double a, double b) {
  const double z = ratio(a, b);
  return (a * a + b * b) * normal_cdf(z) + a * b * normal_density(z);
}

double relu_input_second_moment(double a, double b, int inputs) {
  const double z = ratio(a, b);
  return inputs * normal_cdf(z) - z_density(z);
}

double gelu_mean_slope(double a, double b) {
  const double s2 = 1 + a * a;
  const double t = b / std::sqrt(s2);
  return normal_cdf(t) + t * normal_density(t) / s2;
}

double tanh_mean_slope(double a, double b) {
  // The integrand sech^2(b + a z) phi(z) is smooth; beyond |z| = 9 the density is below 1e-17. Panels no
  // wider than the unit's own scale 1/a keep the rule exact to rounding.
  using Table = std::unique_ptr<gsl_integration_glfixed_table, decltype(&gsl_integration_glfixed_table_free)>;
  static const Table table(gsl_integration_glfixed_table_alloc(16), &gsl_integration_glfixed_table_free);
  const int panels = 18 + static_cast<int>(std::ceil(std::fmin(9 * a, 2000)));
  double total = 0;
  for (int p = 0; p < panels; ++p) {
    const double lo = -9 + 18.0 * p / panels;
    const double hi = -9 + 18.0 * (p + 1) / panels;
    for (std::size_t i = 0; i < 16; ++i) {
      double z = 0;
      double weight = 0;
      gsl_integration_glfixed_point(lo, hi, i, &z, &weight, table.get());
      const double t = std::tanh(b + a * z);
      total += weight * (1 - t * t) * normal_density(z);
    }
  }
  return total;
}

}  // namespace soret::theory
