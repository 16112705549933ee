#pragma once

#include <array>
#include <cmath>

#include "soret/base/double_math.hpp"
#include "soret/theory/gaussian_unit.hpp"

/// Amplitude fields g_i(q) of an inhomogeneous random walk (seed 002 Eq. 6), host and device. F is double or
/// DoubleLanes.
namespace soret::walk {

inline constexpr int kMaxDimensions = 8;

enum class FieldKind { constant, linear, sinusoidal, exponential, power, bump, quadratic, neuron, formula };
inline constexpr int kFieldKinds = 9;

/// How a profile h of one variable becomes an amplitude in several dimensions: g_i = h(q_i), or g_i = prod_j
/// h(q_j) for all i.
enum class Coupling { separate, product };

struct Field {
  FieldKind kind = FieldKind::sinusoidal;
  Coupling coupling = Coupling::separate;
  double level = 1;     ///< g_0
  double strength = 0;  ///< a
  double centre = 0;    ///< c
  double inverse_period = 1;
  double inverse_width = 1;
  double exponent = 1;
  double correlation = 0;         ///< of the quadratic form
  double weight_norm = 1;         ///< ||W|| of the neuron
  double inverse_root_batch = 1;  ///< 1 / sqrt(|B|) of the neuron
};

/// What is known of a coordinate alone: h(q), with d = q - c.
///   constant g_0; linear g_0 + a d; sinusoidal g_0 + a sin(2 pi d / period); exponential g_0 e^(a d);
///   power g_0 |d|^exponent; bump g_0 + a exp(-d^2 / (2 width^2)).
/// Also in single precision.
template <FieldKind K, class F>
SORET_HD F profile(const Field& field, F q) {
  const F level = constant_of<F>(field.level);
  const F strength = constant_of<F>(field.strength);
  const F d = q - constant_of<F>(field.centre);
  if constexpr (K == FieldKind::linear) {
    return fma(d, strength, level);
  } else if constexpr (K == FieldKind::sinusoidal) {
    const double half_turns = 2 * field.inverse_period;
    const F phase = fma(q, constant_of<F>(half_turns), constant_of<F>(-half_turns * field.centre));
    return fma(sin_pi(phase), strength, level);
  } else if constexpr (K == FieldKind::exponential) {
    return level * exponential(strength * d);
  } else if constexpr (K == FieldKind::power) {
    const F at_centre = constant_of<F>(field.exponent > 0 ? 0.0 : (field.exponent < 0 ? HUGE_VAL : 1.0));
    const F x = absolute(d);
    const F power = exponential(constant_of<F>(field.exponent) * logarithm(x));
    return level * select(x > constant_of<F>(0.0), power, at_centre);
  } else if constexpr (K == FieldKind::bump) {
    const F z = d * constant_of<F>(field.inverse_width);
    return fma(exponential(constant_of<F>(-0.5) * z * z), strength, level);
  } else {
    return level;
  }
}

/// g_0 + 1/2 d^T A d with A = a ((1 - correlation) I + correlation 1 1^T), the same for all coordinates.
template <class F>
SORET_HD F quadratic_form(const Field& field, const F* q, int dimensions) {
  F squares = constant_of<F>(0.0);
  F sum = constant_of<F>(0.0);
  for (int i = 0; i < dimensions; ++i) {
    const F d = q[i] - field.centre;
    squares = fma(d, d, squares);
    sum = sum + d;
  }
  const F form = (1 - field.correlation) * squares + field.correlation * (sum * sum);
  return fma(form, constant_of<F>(0.5 * field.strength), constant_of<F>(field.level));
}

/// The two-layer neuron in its (V, b) plane, inputs N(0, I) and |p - y| = 1/2 as early in training (seed 002
/// Eqs. 23 to 26): g_V = phi_1 / sqrt(|B|), g_b = |V| phi_2 / sqrt(|B|).
SORET_HD double neuron_phi_1(const Field& field, double b) {
  return 0.5 * sqrt(theory::relu_second_moment(field.weight_norm, b));
}
SORET_HD double neuron_phi_2(const Field& field, double b) {
  return 0.5 * sqrt(theory::relu_activation_rate(field.weight_norm, b));
}
SORET_HD void neuron_amplitude(const Field& field, double v, double b, double& g_v, double& g_b) {
  g_v = field.inverse_root_batch * neuron_phi_1(field, b);
  g_b = field.inverse_root_batch * absolute(v) * neuron_phi_2(field, b);
}

}  // namespace soret::walk
