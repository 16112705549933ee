#pragma once

#include <Eigen/Core>
#include <functional>

/// Local maximisation in the box [-1, 1]^p, or in the unit ball, from a given point, of a function known by
/// its value and gradient. Neither method depends on the function's scale. The caller keeps the best point of
/// those asked for; all are in the box, or ball.
namespace soret::measure {

/// Writes the gradient at u and returns the value.
using ValueAndGradient = std::function<double(const Eigen::VectorXd& u, Eigen::VectorXd& gradient)>;

struct AscentLimits {
  int most_iterations = 100;  ///< steps that are taken; the points tried on the way to one may be more
  double tolerance = 1e-6;    ///< of projected_residual(), in units of the largest entry met in the ascent
};

/// The largest entry of gradient / scale after projection onto the box: of P(u + gradient / scale) - u. Zero
/// where scale is.
double projected_residual(const Eigen::VectorXd& u, const Eigen::VectorXd& gradient, double scale);

/// Spectral projected gradient (Birgin, Martinez and Raydan, SIAM J. Optim. 10, 1196 (2000)), monotone. The
/// first step would reach the other side of the box; a next one has the last one's Barzilai-Borwein length,
/// or four times the length where f is not concave along it.
void ascend_by_projected_gradient(const ValueAndGradient& f, Eigen::VectorXd u, const AscentLimits& limits);

/// The same in the ball |u| <= 1.
void ascend_in_ball(const ValueAndGradient& f, Eigen::VectorXd u, const AscentLimits& limits);

/// Of the ball: |P(u + gradient / scale) - u|, P the projection onto it. Zero where scale is.
double ball_residual(const Eigen::VectorXd& u, const Eigen::VectorXd& gradient, double scale);

/// L-BFGS-B (Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16, 1190 (1995)): ten pairs; the generalised
/// Cauchy point, which meets any number of bounds at once; the minimum over the free variables, projected as
/// Morales and Nocedal (2011) do; a backtracking line search in place of theirs. Added for maxima at
/// vertices, where f is not concave: after a step along which it is not, the pairs are forgotten and the
/// scale theta falls to a sixteenth. It starts such that the gradient's largest entry reaches across the box.
void ascend_by_lbfgsb(const ValueAndGradient& f, Eigen::VectorXd u, const AscentLimits& limits);

}  // namespace soret::measure
