#pragma once

#include <functional>
#include <span>
#include <vector>

#include "soret/theory/cells.hpp"
#include "soret/theory/walk_conventions.hpp"

/// The evolution of a density on an interval, d rho/dt = -dJ/dq with J = -a(q) rho' - b(q) rho, by finite
/// volumes: implicit in time, conservative, and never negative.
///
/// Space: exponential fitting (Scharfetter and Gummel 1969, Chang and Cooper 1970). Across each face the flux
/// is that of a constant-flux solution between the two cell centres, so what does not flow is kept exactly:
/// the density at rest of a walk without drift is right as a mean over each cell, that of a Langevin equation
/// at each centre. Order 2 in the cell width for smooth coefficients.
///
/// Time: one backward Euler step of length h and two of h/2, extrapolated to order 2. Every solve is an
/// elimination without subtractions (Grassmann, Taksar and Heyman 1985), so each keeps positivity and
/// probability to rounding whatever the step. The extrapolation is done on fluxes, and what it would take out
/// of a cell is limited to what the cell has (Zalesak 1979): the order drops to 1 only in cells that would go
/// negative.
namespace soret::theory {

using Field = std::function<double(double)>;

enum class Wall { no_flux, absorbing, periodic };

struct Walls {
  Wall lo = Wall::no_flux;
  Wall hi = Wall::no_flux;  // periodic exactly if lo is

  bool circle() const { return lo == Wall::periodic; }
};

/// Throws std::domain_error if only one wall is periodic.
void require_valid(Walls walls);

/// The discrete equation. The flux through face f, at cells.edge(f), towards larger q is
/// rightward[f] rho[f-1] - leftward[f] rho[f]; a circle has rho[-1] = rho[count-1] and face 0 = face count.
struct FokkerPlanck {
  Cells cells;
  Walls walls;
  std::vector<double> rightward;  // [count + 1], >= 0
  std::vector<double> leftward;   // [count + 1], >= 0
};

/// J = -a rho' - b rho. Throws ConfigError where a is not positive or b not finite, and std::domain_error for
/// bad cells or one periodic wall, as do the next two.
FokkerPlanck flux_equation(const Cells& cells, Walls walls, const Field& a, const Field& b);

/// The walk of seed 002 Eq. 8 under a convention, time in steps; `drift`, where given, is the walk's mean
/// step and adds drift(q) rho to J. fokker_planck is the Ito form J = drift rho - (eta^2 g^2 rho)' / 2. g may
/// be 0 where there is no drift: walkers stop there. Throws ConfigError where g is negative or not finite, or
/// 0 with a drift.
FokkerPlanck walk_equation(const Cells& cells, Walls walls, Convention convention, double learning_rate,
                           const Field& g, const Field& drift = {});

/// J = -l' rho - T rho', of dw = -l'(w) dt + sqrt(2T) dW: seed 003 section 5 with T = eta sigma^2/(2|B|) and
/// the mean loss l. Throws std::domain_error unless T > 0, ConfigError where l is not finite.
FokkerPlanck langevin_equation(const Cells& cells, Walls walls, const Field& loss, double temperature);

/// A density and what has moved since its start.
struct Density {
  double time = 0;
  std::vector<double> density;  // [count], mean over the cell
  /// [count + 1], net probability that has gone through the face towards larger q: the mean flux between two
  /// times is a difference of these over the time, and is what counted crossings estimate.
  std::vector<double> crossed;
};

/// All probability at q: in the two cells with the nearest centres, with mean q (up to half a cell from a
/// wall).
Density point_start(const Cells& cells, double q);
/// Proportional to `shape` at time 0. Throws ConfigError if it is negative, not finite or 0 everywhere.
Density density_start(const Cells& cells, const Field& shape);

/// The flux through each face [count + 1].
std::vector<double> flux(const FokkerPlanck& equation, std::span<const double> density);

/// sum_i rho_i times the width: 1 less what the walls absorbed.
double total_probability(const Cells& cells, std::span<const double> density);
/// What went out through absorbing walls since the start.
double absorbed_probability(const FokkerPlanck& equation, const Density& state);

/// One step of length dt > 0.
void step(const FokkerPlanck& equation, Density& state, double dt);

/// Steps until `time`, of lengths such that one backward Euler step and its two halves differ by at most
/// `tolerance` times the probability that is left, in total variation. The extrapolated density is better in
/// each step: its whole relative error is about `tolerance` per lifetime of what decays. Throws RunError if
/// the steps become too short to change the time.
void evolve(const FokkerPlanck& equation, Density& state, double time, double tolerance = 1e-5);

/// The limit of evolve() for t to infinity from `start`: unique where every cell reaches every other, zero
/// where a wall absorbs.
std::vector<double> long_time_density(const FokkerPlanck& equation, std::span<const double> start);

/// The mean time until absorption from `start`, which holds for any field. Throws std::domain_error if no
/// wall absorbs.
double mean_absorption_time(const FokkerPlanck& equation, std::span<const double> start);

}  // namespace soret::theory
