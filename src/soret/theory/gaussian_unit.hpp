#pragma once

/// Exact averages over x ~ N(0, I) of one hidden unit with pre-activation u = w.x + b, u ~ N(b, a^2), a =
/// ||w|| (seed 002, section 4). A unit with a = 0 is the limit: u = b.
namespace soret::theory {

/// Standard normal distribution function and density.
double normal_cdf(double x);
double normal_density(double x);

/// P(u > 0) = Phi(b / a): the activation rate of a ReLU unit (seed 002 Eq. 14). At a = b = 0 it is 0.
double relu_activation_rate(double a, double b);

/// E[relu(u)^2] = (a^2 + b^2) Phi(b/a) + a b phi(b/a): h_v of a ReLU unit (seed 002 section 4.2).
double relu_second_moment(double a, double b);

/// sum_j E[x_j^2 1(u > 0)] = M Phi(z) - z phi(z), z = b/a, over M inputs: h_w of a ReLU unit is V^2 times
/// this.
double relu_input_second_moment(double a, double b, int inputs);

/// E[gelu'(u)] for gelu(u) = u Phi(u): Phi(t) + t phi(t) / s^2 with s^2 = 1 + a^2, t = b/s.
double gelu_mean_slope(double a, double b);

/// E[1 - tanh(u)^2], by Gauss-Legendre quadrature to 1e-10.
double tanh_mean_slope(double a, double b);

}  // namespace soret::theory
