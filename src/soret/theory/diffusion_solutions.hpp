#pragma once

/// Solved diffusions: what integrators, walks and the Fokker-Planck solver are held against. Functions throw
/// std::domain_error for a negative time, a rate that is not positive, or a place outside the domain.
namespace soret::theory {

/// dX = -rate X dt + spread dW.
struct OrnsteinUhlenbeck {
  double rate;
  double spread;

  double mean(double start, double time) const;
  double variance(double time) const;
  /// Cov(X_s, X_t) from a fixed start.
  double covariance(double s, double t) const;
  double stationary_variance() const;
  /// The density of X_t from X_0 = start.
  double density(double start, double time, double x) const;
};

/// dX = drift X dt + volatility X dW in the sense of Ito, X_0 = start > 0.
struct GeometricBrownian {
  double drift;
  double volatility;

  /// The path's value where the Brownian path is at w: start exp((drift - volatility^2/2) t + volatility w).
  double solution(double start, double time, double w) const;
  double mean(double start, double time) const;
  double second_moment(double start, double time) const;
  /// Lognormal.
  double density(double start, double time, double x) const;
};

/// Brownian motion whose variance grows by `variance_rate` per unit of time: (eta g)^2 per step for the walk
/// of seed 002 with constant g, 2T for Langevin on flat ground.
struct Brownian {
  double variance_rate;

  /// Between reflecting walls at 0 and `length`: the density at q from `start`.
  double reflected_density(double length, double start, double time, double q) const;
  /// Between absorbing walls at 0 and `length`; integrates to survival().
  double absorbed_density(double length, double start, double time, double q) const;
  /// P(no wall reached) between absorbing walls at 0 and `length`.
  double survival(double length, double start, double time) const;
  /// start (length - start) / variance_rate.
  double mean_exit_time(double length, double start) const;

  /// One absorbing wall at `distance`: P(not reached) = erf(d / sqrt(2 s^2 t)), and the density of the time
  /// at which it is, whose mean is infinite.
  double half_line_survival(double distance, double time) const;
  double first_passage_density(double distance, double time) const;
};

/// A walk that is looked at only after each step passes a wall late: with Gaussian steps of standard
/// deviation s it is absorbed as the Brownian motion is by a wall 0.5826 s = -zeta(1/2)/sqrt(2 pi) s further
/// off (Siegmund 1979), to o(s). A binary walk on a lattice that has the wall as a site needs no shift.
inline constexpr double kGaussianWallShift = 0.58259715793901067;

}  // namespace soret::theory
