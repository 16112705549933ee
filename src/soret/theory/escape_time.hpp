#pragma once

#include <Eigen/Core>
#include <functional>

/// How long dw = -grad l dt + sqrt(2T) dW stays in a well. T = eta sigma^2/(2|B|) for SGD (seed 003 Eq. 25,
/// see langevin_laws.hpp), whose steps each take the time eta: divide by eta for a number of steps. A finite
/// step changes the time by a relative O(eta curvature).
namespace soret::theory {

/// Kramers (1940): 2 pi / sqrt(l''(well) |l''(top)|) exp(barrier/T), the mean time to the other side of a
/// barrier of height `barrier` over the bottom. Asymptotic: its relative error is of order T/barrier, so use
/// it for barriers of several T; the top itself is reached in half the time. Throws std::domain_error unless
/// both curvatures' signs, the barrier and T are right.
double kramers_time(double well_curvature, double top_curvature, double barrier, double temperature);

/// Eyring and Kramers in n dimensions: 2 pi / |lambda| sqrt(|det H_saddle| / det H_well) exp(barrier/T),
/// lambda the saddle's one negative eigenvalue. The same validity. Throws std::domain_error unless H_well is
/// positive definite and H_saddle has exactly one negative eigenvalue and no zero.
double kramers_time(const Eigen::MatrixXd& well_hessian, const Eigen::MatrixXd& saddle_hessian,
                    double barrier, double temperature);

/// The exact mean time from `start` to `target` on a line with a reflecting wall at `wall`, on the other side
/// of the start: 1/T int_start^target dy e^(l(y)/T) int_wall^y dz e^(-l(z)/T), to a relative 1e-9. A wall far
/// up a well's outer slope stands for none. Throws std::domain_error if the three are out of order, T is not
/// positive, l is not finite or the quadrature does not settle.
double mean_first_passage_time(const std::function<double(double)>& loss, double temperature, double wall,
                               double start, double target);

/// The same for dw = -l' dt + sqrt(2 D(w)) dW (Ito): int_start^target dy e^Phi(y) int_wall^y dz e^-Phi(z) /
/// D(z) with Phi' = l' / D. Constant D = T has Phi = l / T.
double mean_first_passage_time(const std::function<double(double)>& phi,
                               const std::function<double(double)>& diffusion, double wall, double start,
                               double target);

}  // namespace soret::theory
