#pragma once

#include <Eigen/SparseCore>
#include <Eigen/SparseLU>
#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "soret/theory/cells.hpp"
#include "soret/theory/fokker_planck.hpp"

/// The evolution of a density on a rectangle, d rho/dt = -div J with J_i = drift_i rho - 1/2 sum_j d_j(C_ij
/// rho) (the Ito form), C the covariance of the movement per unit of time: eta^2 g_i g_j per step for two
/// coordinates that share one zeta (seed 002 Eq. 8 with both in U), diag(eta^2 g_i^2) for two that do not,
/// eta C(w)/|B| for seed 003's Langevin dynamics.
///
/// Space: finite volumes whose exchange is that of walkers between neighbouring cells: to the two sides of
/// x at the rate C_xx/(2 dx^2) - |C_xy|/(2 dx dy), likewise in y, and along the diagonal that has C_xy's sign
/// at |C_xy|/(2 dx dy) (drift by exponential fitting). At a wall without flux the blocked part of a diagonal
/// movement is dropped, as a reflected walker's is. Order 2 in the cells' widths for smooth coefficients.
///
/// All rates are positive, and so is the density, where |C_xy| <= min(C_xx dy/dx, C_yy dx/dy): see
/// positive(). A shared zeta (C of rank one) reaches that only where |g_x|/dx = |g_y|/dy; elsewhere a density
/// with steep flanks across the direction of g undershoots there, as nothing smooths it in that direction.
/// Start it from a width of several cells.
///
/// Time: as in one dimension, backward Euler extrapolated to order 2, with one sparse factorisation per
/// length of step.
namespace soret::theory {

struct PlaneGrid {
  Cells x, y;

  std::size_t size() const { return static_cast<std::size_t>(x.count) * static_cast<std::size_t>(y.count); }
  std::size_t cell(int i, int j) const {
    return static_cast<std::size_t>(i) * static_cast<std::size_t>(y.count) + static_cast<std::size_t>(j);
  }
};

struct PlaneWalls {
  Walls x, y;
};

struct PlaneCovariance {
  double xx = 0, xy = 0, yy = 0;
};
using PlaneCovarianceField = std::function<PlaneCovariance(double x, double y)>;
using PlaneDrift = std::function<std::array<double, 2>(double x, double y)>;

/// A density and what has moved since its start. crossed_* is the net probability that went through each
/// face towards larger x or y.
struct PlaneDensity {
  double time = 0;
  std::vector<double> density;    // [x.count][y.count], mean over the cell
  std::vector<double> crossed_x;  // [x.count + 1][y.count]
  std::vector<double> crossed_y;  // [x.count][y.count + 1]
};

struct PlaneFlux {
  std::vector<double> x;  // [x.count + 1][y.count], J_x, per length of face
  std::vector<double> y;  // [x.count][y.count + 1], J_y
};

/// Proportional to `shape` at time 0. Throws ConfigError if it is negative, not finite or 0 everywhere.
PlaneDensity density_start(const PlaneGrid& grid, const std::function<double(double, double)>& shape);

/// sum rho times the cells' area.
double total_probability(const PlaneGrid& grid, std::span<const double> density);

class PlaneFokkerPlanck {
 public:
  /// Throws ConfigError where C is not positive semidefinite or a drift meets no noise in its direction, and
  /// std::domain_error for bad cells or one periodic wall.
  PlaneFokkerPlanck(const PlaneGrid& grid, PlaneWalls walls, const PlaneCovarianceField& covariance,
                    const PlaneDrift& drift = {});

  /// True if no rate is negative: the density then stays positive and in each cell.
  bool positive() const { return positive_; }

  PlaneFlux flux(std::span<const double> density) const;

  /// What went out through absorbing walls since the start.
  double absorbed_probability(const PlaneDensity& state) const;

  /// `steps` equal steps to `time`. Factorises when the length of a step differs from that of the call
  /// before.
  void evolve(PlaneDensity& state, double time, int steps);

 private:
  using Matrix = Eigen::SparseMatrix<double>;
  class Builder;

  void step(PlaneDensity& state);
  void factorise(double dt);
  void limit(const Eigen::VectorXd& halves, const Eigen::VectorXd& moved, Eigen::VectorXd& correction) const;

  PlaneGrid grid_;
  PlaneWalls walls_;
  bool positive_ = true;
  // Faces are those of crossed_x, then those of crossed_y.
  Matrix flux_;        // [face][cell], J of a density
  Matrix divergence_;  // [cell][face], div J of the faces' J
  struct WallFace {
    Eigen::Index face;
    int outward;  // +1 where outward is towards larger x or y
  };
  std::vector<WallFace> wall_faces_;                     // unless periodic
  std::vector<std::array<Eigen::Index, 2>> twin_faces_;  // the two ends of a circle
  double dt_ = 0;
  Eigen::SparseLU<Matrix> whole_, half_;
};

}  // namespace soret::theory
