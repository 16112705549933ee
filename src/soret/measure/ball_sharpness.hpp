#pragma once

#include "soret/measure/sharpness.hpp"

/// How far a function rises in a ball about x: what sharpness-aware minimisation (Foret et al. 2021, Eq. 1)
/// asks of a loss,
///
///   max_{|d|_2 <= rho} f(x + d) - f(x)
namespace soret::measure {

struct BallOptions {
  double radius = 0.05;  ///< rho
  int starts = 1;        ///< ascents from random points of the sphere, beside that from the first-order step
  int most_iterations = 100;  ///< of an ascent
  double tolerance = 1e-6;    ///< see BallSharpness::converged
  std::uint64_t seed = 1;     ///< of the starts
};

struct BallSharpness {
  double value = 0;       ///< f(x)
  double first_step = 0;  ///< f(x + rho g / |g|) - f(x), their Eq. 2: where SAM goes; 0 where g = 0
  double rise = 0;        ///< the largest found, by projected gradient ascent: a lower bound; 0 at least
  std::int64_t evaluations = 0, gradients = 0;  ///< as in Sharpness
  /// In units of rho: the gradient at the best point, divided by the longest met anywhere and projected onto
  /// the ball, is no longer than the tolerance.
  bool converged = false;
};

/// Throws ConfigError unless 0 < rho < infinity, for starts or iterations below 1, and for an f or gradient
/// that is not finite where it is looked at.
BallSharpness ball_sharpness(const Differentiable& f, std::span<const double> x, const BallOptions& options);

}  // namespace soret::measure
