#pragma once

#include <algorithm>
#include <cmath>

#include "soret/ensemble/two_layer.hpp"
#include "soret/theory/gaussian_unit.hpp"

/// The arithmetic of the observables, in double and written once for every driver: one unit, one probe
/// sample.
namespace soret::two_layer {

/// E sigma' of a unit has a closed form.
SORET_HD bool exact_activation_rate(Inputs inputs) {
  return inputs == Inputs::gaussian;
}
/// h_v, h_w and h_b have closed forms too.
SORET_HD bool exact_moments(Inputs inputs, Activation activation) {
  return inputs == Inputs::gaussian && activation == Activation::relu;
}

/// 0 if a parameter is a number within the limit, else 1.
SORET_HD double out_of_range(float x) {
  return std::fabs(x) <= kDivergenceLimit ? 0.0 : 1.0;
}

/// Which passes over the probe set a list of observables asks for.
struct Needs {
  bool forward;    ///< hidden units and their slopes
  bool residual;   ///< outputs and residuals too
  bool gradients;  ///< gradients of all parameters too
  bool averages;   ///< E sigma', h_v, h_w or h_b, exact or not
};
inline Needs needs_of(std::span<const Observable> list, Inputs inputs, Activation activation) {
  const auto wants = [&](Observable o) { return std::find(list.begin(), list.end(), o) != list.end(); };
  const bool gradients = wants(Observable::gradient_variance);
  const bool residual = gradients || wants(Observable::loss) || wants(Observable::accuracy) ||
                        wants(Observable::output_variance);
  const bool moments = wants(Observable::h_v) || wants(Observable::h_w) || wants(Observable::h_b);
  const bool forward = residual || (moments && !exact_moments(inputs, activation)) ||
                       (wants(Observable::activation_rate) && !exact_activation_rate(inputs));
  return {forward, residual, gradients, moments || wants(Observable::activation_rate)};
}

/// Mean slope E sigma'(u) of one unit, u ~ N(b, a^2).
SORET_HD double mean_slope(Activation activation, double leak, double a, double b) {
  switch (activation) {
    case Activation::relu:
      return theory::relu_activation_rate(a, b);
    case Activation::leaky_relu:
      return leak + (1 - leak) * theory::relu_activation_rate(a, b);
    case Activation::tanh:
      return theory::tanh_mean_slope(a, b);
    case Activation::gelu:
      break;
  }
  return theory::gelu_mean_slope(a, b);
}

/// sigma(u) and sigma'(u).
SORET_HD void activate_double(Activation activation, double leak, double u, double& value, double& slope) {
  switch (activation) {
    case Activation::relu:
      slope = u > 0 ? 1 : 0;
      value = u * slope;
      break;
    case Activation::leaky_relu:
      slope = u > 0 ? 1 : leak;
      value = u * slope;
      break;
    case Activation::tanh:
      value = std::tanh(u);
      slope = 1 - value * value;
      break;
    case Activation::gelu:
      value = u * theory::normal_cdf(u);
      slope = theory::normal_cdf(u) + u * theory::normal_density(u);
      break;
  }
}

/// What one sample says about a network.
struct Verdict {
  double loss;
  bool right;  ///< classified right; false for the squared loss
};

/// Judges outputs f[C] against target[C] and writes the residuals d[C] = dL/df.
template <class Target>
SORET_HD Verdict judge(Loss loss, int outputs, const double* f, const Target* target, double* d) {
  if (loss == Loss::logistic) {
    const double z = f[0];
    const double y = target[0];
    d[0] = 1 / (1 + std::exp(-z)) - y;
    // -[y ln p + (1 - y) ln(1 - p)] = max(z, 0) - z y + ln(1 + e^-|z|)
    return {(z > 0 ? z : 0) - z * y + std::log1p(std::exp(-std::abs(z))), (z > 0) == (y > 0.5)};
  }
  if (loss == Loss::softmax) {
    int best = 0;
    int label = 0;
    for (int c = 1; c < outputs; ++c) {
      if (f[c] > f[best]) best = c;
      if (target[c] > target[label]) label = c;
    }
    double sum = 0;
    for (int c = 0; c < outputs; ++c) sum += std::exp(f[c] - f[best]);
    const double log_sum = f[best] + std::log(sum);
    for (int c = 0; c < outputs; ++c) d[c] = std::exp(f[c] - log_sum) - target[c];
    return {log_sum - f[label], best == label};
  }
  double square = 0;
  for (int c = 0; c < outputs; ++c) {
    d[c] = f[c] - target[c];
    square += d[c] * d[c];
  }
  return {0.5 * square, false};
}

}  // namespace soret::two_layer
