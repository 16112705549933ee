#pragma once

#include <array>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "soret/theory/cells.hpp"

/// What three conventions say about the unbiased walk q <- q - eta gamma f(q, xi) of seed 002 Eqs. 4-8, whose
/// step has mean 0 and standard deviation eta g(q). The unit of time is one step, so fluxes are per step.
///
/// In one dimension each says J = -a rho' - b rho, and where J vanishes rho is proportional to g^-k:
///
///   fokker_planck  a = eta^2 g^2 / 2   b = eta^2 g g'       k = 2     J = -(eta^2 g^2 rho)' / 2
///   paper_eq10     a = eta^2 g^2       b = eta^2 g g'       k = 1     Eq. 10 as printed
///   paper_eq11     a = eta^2 g^2       b = eta^2 g g' / 2   k = 1/2   Eq. 10's diffusion, -b = c of Eq. 11
///
/// Only the first is the small-step limit of the walk: appendix A.3 of the seed takes rho at the far ends of
/// the interval that a step covers instead of at its middle and so doubles a.
namespace soret::theory {

enum class Convention { fokker_planck, paper_eq10, paper_eq11 };

inline constexpr std::array<Convention, 3> kConventions = {Convention::fokker_planck, Convention::paper_eq10,
                                                           Convention::paper_eq11};

/// The name by which configs and result files call a convention.
std::string_view name(Convention convention);
/// The inverse of name(). Throws ConfigError that lists the names.
Convention convention_named(std::string_view text);

/// a = diffusion eta^2 g^2, b = diffusion exponent eta^2 g g', rho ~ g^-exponent at J = 0.
struct ConventionNumbers {
  double diffusion;
  double exponent;
};
ConventionNumbers numbers(Convention convention);

/// The coefficients of J = -a rho' - b rho at a point of a one-dimensional walk.
struct FluxCoefficients {
  double a;
  double b;

  double flux(double density, double density_slope) const { return -a * density_slope - b * density; }
};
FluxCoefficients flux_coefficients(Convention convention, double learning_rate, double g, double g_slope);

/// One point of a walk whose coordinates share one sign zeta: the group U of seed 002 Eq. 7, n = |U|.
struct GroupPoint {
  std::span<const double> g;                 // [i], every g_i >= 0 and not all 0
  std::span<const double> g_slope;           // [i][j], d g_i / d q_j
  double density = 0;                        // rho(q)
  std::span<const double> density_gradient;  // [j], d rho / d q_j
};

/// The flow along the unit vector g/|g| (seed 002 Eqs. 10 and 11). fokker_planck is the projection of
/// J_i = -1/2 sum_j d_j(eta^2 g_i g_j rho); it alone has the divergence of g, because the paper counts the
/// density along a flow line and not per volume. Throws std::domain_error if g vanishes or a size is wrong.
double group_flow(Convention convention, double learning_rate, const GroupPoint& point);

/// c of seed 002 Eq. 11, at most 0 where every d_j g_i >= 0. Appendix A.4 prints it with the opposite sign.
double thermophoresis_coefficient(double learning_rate, const GroupPoint& point);

/// T = (eta g / 2)^2 (seed 002 Eqs. 35 and 36).
double effective_temperature(double learning_rate, double g);

/// S_T of seed 002 Eq. 1, -d ln rho / dT at J = 0: exponent / (2T). Throws std::domain_error unless T > 0.
double soret_coefficient(Convention convention, double temperature);

/// The density at which the flux vanishes, proportional to g^-exponent, as the mean over each cell [i]; its
/// integral over the cells is 1. Holds between reflecting walls and on a circle. Where g falls to 0 inside a
/// cell or at its edge the integral may not exist, and quadrature cannot tell: give a g that is positive in
/// the domain. Throws ConfigError where g is negative, zero or not a number.
std::vector<double> stationary_density(Convention convention, const Cells& cells,
                                       const std::function<double(double)>& g);

}  // namespace soret::theory
