#pragma once

#include <Eigen/Core>
#include <functional>
#include <span>
#include <vector>

#include "soret/theory/cells.hpp"

/// Where noisy gradient descent rests (seed 003 section 5.3). w <- w - eta (grad l(w) + noise), Cov noise =
/// C/|B|; its small-step limit is dw = -grad l dt + sqrt(eta C/|B|) dW, in which a step takes the time eta.
/// l is the MEAN loss. With the sum of N losses (seed 003 Eq. 6) eta stands for eta N in every formula here.
namespace soret::theory {

/// The noise of one-parameter or isotropic SGD: learning rate eta, |B|, and the variance sigma^2 of one
/// example's gradient in each coordinate.
struct GradientNoise {
  double learning_rate;
  double batch_size;
  double variance;
};

/// T = eta sigma^2 / (2 |B|), the temperature at which Eq. 25 is exp(-l/T). Throws std::domain_error if a
/// number is not positive, as does everything that takes the noise.
double equilibrium_temperature(const GradientNoise& noise);

/// Stationary variance in l = h w^2 / 2. Discrete: eta sigma^2 / (|B| h (2 - eta h)), exact for every step
/// that is stable, 0 < eta h < 2; std::domain_error outside. Continuous: eta sigma^2 / (2 |B| h), its limit.
double discrete_variance(const GradientNoise& noise, double curvature);
double continuous_variance(const GradientNoise& noise, double curvature);

/// Variance after `steps` steps from a start of variance `start`.
double discrete_variance_after(const GradientNoise& noise, double curvature, double start, double steps);

/// Correlation of w_t and w_(t+lag) at rest: (1 - eta h)^lag, which alternates for eta h > 1, and its limit
/// exp(-eta h lag).
double discrete_autocorrelation(double learning_rate, double curvature, int lag);
double continuous_autocorrelation(double learning_rate, double curvature, double lag);

/// Stationary covariance S in l = w.H w / 2 with C the covariance of one example's gradient [n][n]:
///   discrete    S = (1 - eta H) S (1 - eta H) + eta^2 C/|B|,
///   continuous  H S + S H = eta C/|B|.
/// H must be symmetric and positive definite, and discretely eta times its largest eigenvalue below 2
/// (std::domain_error); C symmetric and positive semidefinite (ConfigError).
Eigen::MatrixXd discrete_covariance(const Eigen::MatrixXd& hessian, const Eigen::MatrixXd& noise_covariance,
                                    double learning_rate, double batch_size);
Eigen::MatrixXd continuous_covariance(const Eigen::MatrixXd& hessian, const Eigen::MatrixXd& noise_covariance,
                                      double learning_rate, double batch_size);

/// What a step of length h makes of a coordinate of curvature lambda: it is multiplied by `decay`, the noise
/// that it receives by `gain`.
struct StepResponse {
  double decay;
  double gain;
};
/// Euler-Maruyama, 1 - h lambda and 1, and Heun, 1 - h lambda + (h lambda)^2 / 2 and 1 - h lambda / 2.
StepResponse euler_response(double step, double curvature);
StepResponse heun_response(double step, double curvature);

/// The same for any scheme, by its response (step, lambda), in steps that need not be eta:
///   S'_ij = eta h C'_ij b_i b_j / (|B| (1 - m_i m_j)) in the eigenbasis of H, m the decays, b the gains.
/// discrete_covariance() is that of euler_response with h = eta. The decays must be below 1 in modulus
/// (std::domain_error).
Eigen::MatrixXd scheme_covariance(const Eigen::MatrixXd& hessian, const Eigen::MatrixXd& noise_covariance,
                                  double learning_rate, double batch_size, double step,
                                  const std::function<StepResponse(double, double)>& response);

/// Seed 003 Eq. 25, P0 exp(-l/T), as the mean over each cell with integral 1: [i], or [ix][iy] on a plane.
/// Isotropic noise that is the same everywhere, small steps. Throws ConfigError where l is not finite.
std::vector<double> equilibrium_density(const Cells& cells, const std::function<double(double)>& loss,
                                        double temperature);
std::vector<double> equilibrium_density(const Cells& x, const Cells& y,
                                        const std::function<double(double, double)>& loss,
                                        double temperature);

/// A minimum: its loss and the determinant of its Hessian.
struct Basin {
  double loss;
  double hessian_determinant;
};

/// laplace     P(A) ~ det(H_A)^-1/2 exp(-2 l_A / (eta sigma^2/|B|)): Eq. 25 integrated over a bowl by
/// Laplace's
///             method, so right to a relative O(T) for bowls much deeper than T.
/// paper_eq26  the same with exp(-l_A / (eta sigma^2/|B|)), as seed 003 Eq. 26 prints it: the 2 of Eq. 25 is
///             missing.
enum class OccupancyLaw { laplace, paper_eq26 };

/// The share of each basin; they sum to 1. Throws std::domain_error unless every determinant is positive.
std::vector<double> basin_occupancy(OccupancyLaw law, std::span<const Basin> basins,
                                    const GradientNoise& noise);

/// Eq. 25 itself integrated from ends[i] to ends[i + 1]: the exact shares of the basins of a line, which sum
/// to 1. `ends` increases.
std::vector<double> basin_probabilities(const std::function<double(double)>& loss, double temperature,
                                        std::span<const double> ends);

}  // namespace soret::theory
