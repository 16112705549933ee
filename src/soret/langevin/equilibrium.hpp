#pragma once

#include <optional>
#include <vector>

#include "soret/langevin/basins.hpp"
#include "soret/langevin/langevin.hpp"
#include "soret/langevin/observe.hpp"

/// What theory says about the walkers of a problem once they have forgotten their start. A function returns
/// an empty vector (or NaN) where the law in question says nothing about the problem.
namespace soret::langevin {

/// Variance sigma^2 of C = sigma^2 I; that at l = 0 for state noise; nullopt if C is not isotropic.
std::optional<double> isotropic_variance(const Problem& problem);

/// T = eta sigma^2 / (2 |B|), seed 003 Eq. 25 being exp(-l / T), with sigma^2 = tr C / dimension.
double temperature(const Problem& problem);

enum class CovarianceLaw {
  scheme,      ///< the recursion as it is run; for SGD in one dimension eta sigma^2 / (|B| h (2 - eta h))
  continuous,  ///< its limit of small steps, eta sigma^2 / (2 |B| h)
};

/// Stationary covariance [d][d] of a quadratic landscape: with C' the noise in the eigenbasis of H,
/// Sigma'_ij = eta h C'_ij b_i b_j / (|B| (1 - m_i m_j)), where a step of length h multiplies coordinate i by
/// m_i and its noise by b_i. Filled with NaN where the recursion has none because it is unstable.
std::vector<double> stationary_covariance(const Problem& problem, CovarianceLaw law);

enum class DensityLaw {
  eq25,           ///< seed 003 Eq. 25: isotropic constant noise
  fokker_planck,  ///< the exact density of the stochastic differential equation
  scheme,         ///< the exact density of the recursion as it is run: Gaussian, on quadratics
};

/// Mean density in every bin of w_0 [bins], or of (w_0, w_1) [bins][bins].
std::vector<double> stationary_density(const Problem& problem, DensityLaw law, const Histogram& histogram);
std::vector<double> stationary_density_2d(const Problem& problem, DensityLaw law, const Histogram& histogram);

enum class OccupancyLaw {
  eq26,          ///< det(H_A)^(-1/2) exp(-2 l_A / (eta sigma^2 / |B|)), Eq. 26 with the factor 2 of Eq. 25
  eq26_printed,  ///< the same without the factor 2
  integral,      ///< the exact stationary density, integrated over the basin
};

/// Probability of every basin.
std::vector<double> occupancy(const Problem& problem, OccupancyLaw law, const Basins& basins, const Box& box);

/// Mean time, in t = eta * steps, until a walker of the stochastic differential equation that starts at w_0
/// reaches the target: the double integral of e^Phi(y) e^-Phi(x) / D(x), Phi' = l' / D (one dimension).
double mean_first_passage_time(const Problem& problem, const Box& box);

/// Kramers: a walker hops from basin to basin over the passes between them, each hop at the rate
/// |lambda| / 2 pi sqrt(det H_A / |det H_b|) exp(-(l_b - l_A) / T), lambda the negative eigenvalue at the
/// pass; the mean time from the start's basin until it is in that of the target, or in a plane in one whose
/// minimum lies beyond the target (one or two dimensions, isotropic constant noise). The target should lie
/// well beyond the passes.
double kramers_time(const Problem& problem, const Basins& basins);

/// Quantiles 0, 1/n, ..., 1 of the exact density in one dimension, for Start::Kind::quantile.
std::vector<double> stationary_quantiles(const Problem& problem, const Box& box, std::size_t n);

}  // namespace soret::langevin
