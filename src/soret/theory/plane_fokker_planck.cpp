#include "soret/theory/plane_fokker_planck.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "soret/base/error.hpp"
#include "soret/theory/bernoulli.hpp"

namespace soret::theory {
namespace {

using Vector = Eigen::VectorXd;

Eigen::Map<const Vector> as_vector(std::span<const double> values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

/// Where a movement from `cell` by `direction` ends along one axis.
struct Landing {
  enum { inside, blocked, absorbed } kind;
  int cell;  // if inside
};

Landing landing(const Cells& cells, Walls walls, int cell, int direction) {
  const int to = cell + direction;
  if (to >= 0 && to < cells.count) return {Landing::inside, to};
  switch (to < 0 ? walls.lo : walls.hi) {
    case Wall::periodic:
      return {Landing::inside, to < 0 ? cells.count - 1 : 0};
    case Wall::absorbing:
      return {Landing::absorbed, 0};
    case Wall::no_flux:
      break;
  }
  return {Landing::blocked, 0};
}

PlaneCovariance checked(const PlaneCovarianceField& field, double x, double y) {
  const PlaneCovariance c = field(x, y);
  const double slack = 1e-12 * c.xx * c.yy;  // a rank-one C misses 0 by rounding
  if (!(c.xx >= 0 && c.yy >= 0 && c.xx * c.yy - c.xy * c.xy >= -slack && std::isfinite(c.xx * c.yy))) {
    throw ConfigError(
        fmt::format("the covariance at ({}, {}) is [[{}, {}], [{}, {}]]: it must be positive semidefinite", x,
                    y, c.xx, c.xy, c.xy, c.yy));
  }
  return c;
}

/// 2 drift / variance: the slope of ln(C_xx rho) at which nothing flows.
double slope_at_rest(double drift, double variance, double x, double y) {
  if (drift == 0) return 0;
  if (!(variance > 0 && std::isfinite(drift))) {
    throw ConfigError(fmt::format(
        "drift {} at ({}, {}) with variance {}: a drift must be finite and needs noise in its direction",
        drift, x, y, variance));
  }
  return 2 * drift / variance;
}

}  // namespace

/// Turns the movements of walkers between cells into fluxes through faces.
class PlaneFokkerPlanck::Builder {
 public:
  Builder(PlaneFokkerPlanck& equation, const PlaneCovarianceField& covariance, const PlaneDrift& drift)
      : equation_(equation), grid_(equation.grid_), covariance_(covariance), drift_(drift) {}

  void build() {
    for (int i = 0; i < grid_.x.count; ++i) {
      for (int j = 0; j < grid_.y.count; ++j) {
        leave(i, j);
        bound(i, j);
      }
    }
    for (int j = 0; j < grid_.y.count; ++j) {
      close(equation_.walls_.x, face_x(0, j), face_x(grid_.x.count, j));
    }
    for (int i = 0; i < grid_.x.count; ++i) {
      close(equation_.walls_.y, face_y(i, 0), face_y(i, grid_.y.count));
    }
    const auto cells = static_cast<Eigen::Index>(grid_.size());
    const Eigen::Index faces = face_y(grid_.x.count, 0);
    equation_.flux_.resize(faces, cells);
    equation_.flux_.setFromTriplets(through_.begin(), through_.end());
    equation_.divergence_.resize(cells, faces);
    equation_.divergence_.setFromTriplets(divergence_.begin(), divergence_.end());
  }

 private:
  using Triplets = std::vector<Eigen::Triplet<double, int>>;

  int face_x(int face, int j) const { return face * grid_.y.count + j; }
  int face_y(int i, int face) const { return face_x(grid_.x.count + 1, 0) + i * (grid_.y.count + 1) + face; }

  /// All movements out of a cell.
  void leave(int i, int j) {
    const double x = grid_.x.centre(i);
    const double y = grid_.y.centre(j);
    const double dx = grid_.x.width();
    const double dy = grid_.y.width();
    donor_ = static_cast<int>(grid_.cell(i, j));
    const PlaneCovariance c = checked(covariance_, x, y);
    const double diagonal = std::abs(c.xy) / (2 * dx * dy);
    for (const int way : {-1, 1}) {
      const auto along_x = [&](double s) { return slope(0, x + s, y); };
      const auto along_y = [&](double s) { return slope(1, x, y + s); };
      straight_x(i, j, way, c.xx / (2 * dx * dx), diagonal, along_x);
      straight_y(i, j, way, c.yy / (2 * dy * dy), diagonal, along_y);
      if (diagonal > 0) move_diagonally(i, j, way, c.xy > 0 ? way : -way, diagonal);
    }
  }

  double slope(int axis, double x, double y) const {
    if (!drift_) return 0;
    const PlaneCovariance c = checked(covariance_, x, y);
    const auto k = static_cast<std::size_t>(axis);
    return slope_at_rest(drift_(x, y)[k], axis == 0 ? c.xx : c.yy, x, y);
  }

  /// The rate of a straight movement of length `width` (half of it to an absorbing wall) where
  /// `along(s)` is the slope at rest at a distance s.
  template <class Along>
  double rate(double spread, double diagonal, bool to_wall, int way, double width, Along along) {
    const double length = way * (to_wall ? width / 2 : width);
    const double rise = drift_ ? length / 6 * (along(0.0) + 4 * along(length / 2) + along(length)) : 0.0;
    const double result = (to_wall ? 2 : 1) * (spread * bernoulli(-rise) - diagonal);
    // What rounding leaves of the rate of a walk exactly along the diagonal is not a negative rate.
    if (result < -1e-12 * spread) equation_.positive_ = false;
    return result;
  }

  template <class Along>
  void straight_x(int i, int j, int way, double spread, double diagonal, Along along) {
    const auto [kind, to] = landing(grid_.x, equation_.walls_.x, i, way);
    if (kind == Landing::blocked) return;
    cross_x(i, j, way, rate(spread, diagonal, kind == Landing::absorbed, way, grid_.x.width(), along));
  }
  template <class Along>
  void straight_y(int i, int j, int way, double spread, double diagonal, Along along) {
    const auto [kind, to] = landing(grid_.y, equation_.walls_.y, j, way);
    if (kind == Landing::blocked) return;
    cross_y(i, j, way, rate(spread, diagonal, kind == Landing::absorbed, way, grid_.y.width(), along));
  }

  /// Half of the walkers go by x first, half by y first; a no-flux wall drops its part of the movement, and
  /// an absorbing wall, half a cell away, takes double.
  void move_diagonally(int i, int j, int way_x, int way_y, double rate) {
    const Landing x = landing(grid_.x, equation_.walls_.x, i, way_x);
    const Landing y = landing(grid_.y, equation_.walls_.y, j, way_y);
    if (x.kind == Landing::absorbed) {
      cross_x(i, j, way_x, 2 * rate);
    } else if (y.kind == Landing::absorbed) {
      cross_y(i, j, way_y, 2 * rate);
    } else if (x.kind == Landing::inside && y.kind == Landing::inside) {
      cross_x(i, j, way_x, rate / 2);
      cross_x(i, y.cell, way_x, rate / 2);
      cross_y(i, j, way_y, rate / 2);
      cross_y(x.cell, j, way_y, rate / 2);
    } else if (x.kind == Landing::inside) {
      cross_x(i, j, way_x, rate);
    } else if (y.kind == Landing::inside) {
      cross_y(i, j, way_y, rate);
    }
  }

  void cross_x(int i, int j, int way, double rate) {
    const int face = way > 0 ? i + 1 : i;
    const double flux = way * rate * grid_.x.width();
    through_.emplace_back(face_x(face, j), donor_, flux);
    if (equation_.walls_.x.circle() && face % grid_.x.count == 0) {
      through_.emplace_back(face_x(grid_.x.count - face, j), donor_, flux);
    }
  }
  void cross_y(int i, int j, int way, double rate) {
    const int face = way > 0 ? j + 1 : j;
    const double flux = way * rate * grid_.y.width();
    through_.emplace_back(face_y(i, face), donor_, flux);
    if (equation_.walls_.y.circle() && face % grid_.y.count == 0) {
      through_.emplace_back(face_y(i, grid_.y.count - face), donor_, flux);
    }
  }

  /// The four faces of a cell.
  void bound(int i, int j) {
    const auto cell = static_cast<int>(grid_.cell(i, j));
    divergence_.emplace_back(cell, face_x(i + 1, j), 1 / grid_.x.width());
    divergence_.emplace_back(cell, face_x(i, j), -1 / grid_.x.width());
    divergence_.emplace_back(cell, face_y(i, j + 1), 1 / grid_.y.width());
    divergence_.emplace_back(cell, face_y(i, j), -1 / grid_.y.width());
  }

  void close(const Walls& walls, int lo, int hi) {
    if (walls.circle()) {
      equation_.twin_faces_.push_back({lo, hi});
    } else {
      equation_.wall_faces_.push_back({lo, -1});
      equation_.wall_faces_.push_back({hi, +1});
    }
  }

  PlaneFokkerPlanck& equation_;
  const PlaneGrid& grid_;
  const PlaneCovarianceField& covariance_;
  const PlaneDrift& drift_;
  int donor_ = 0;
  Triplets through_, divergence_;
};

PlaneDensity density_start(const PlaneGrid& grid, const std::function<double(double, double)>& shape) {
  require_valid(grid.x);
  require_valid(grid.y);
  PlaneDensity state{0, std::vector<double>(grid.size()),
                     std::vector<double>(grid.size() + static_cast<std::size_t>(grid.y.count), 0.0),
                     std::vector<double>(grid.size() + static_cast<std::size_t>(grid.x.count), 0.0)};
  for (int i = 0; i < grid.x.count; ++i) {
    for (int j = 0; j < grid.y.count; ++j) {
      state.density[grid.cell(i, j)] = cell_mean(grid.x, i, [&](double x) {
        return cell_mean(grid.y, j, [&](double y) {
          const double value = shape(x, y);
          if (!(value >= 0 && std::isfinite(value))) {
            throw ConfigError(
                fmt::format("initial density({}, {}) = {}: it must be finite and not negative", x, y, value));
          }
          return value;
        });
      });
    }
  }
  const double total = total_probability(grid, state.density);
  if (!(total > 0)) throw ConfigError("the initial density is 0 in the whole domain");
  for (double& value : state.density) value /= total;
  return state;
}

double total_probability(const PlaneGrid& grid, std::span<const double> density) {
  return as_vector(density).sum() * grid.x.width() * grid.y.width();
}

PlaneFokkerPlanck::PlaneFokkerPlanck(const PlaneGrid& grid, PlaneWalls walls,
                                     const PlaneCovarianceField& covariance, const PlaneDrift& drift)
    : grid_(grid), walls_(walls) {
  require_valid(grid.x);
  require_valid(grid.y);
  require_valid(walls.x);
  require_valid(walls.y);
  Builder(*this, covariance, drift).build();
}

PlaneFlux PlaneFokkerPlanck::flux(std::span<const double> density) const {
  const Vector all = flux_ * as_vector(density);
  const auto faces_x = static_cast<std::ptrdiff_t>((grid_.x.count + 1) * grid_.y.count);
  return {{all.begin(), all.begin() + faces_x}, {all.begin() + faces_x, all.end()}};
}

double PlaneFokkerPlanck::absorbed_probability(const PlaneDensity& state) const {
  double total = 0;
  for (const auto& [face, outward] : wall_faces_) {
    const auto k = static_cast<std::size_t>(face);
    const std::size_t faces_x = state.crossed_x.size();
    total += outward * (k < faces_x ? state.crossed_x[k] : state.crossed_y[k - faces_x]);
  }
  return total;
}

void PlaneFokkerPlanck::factorise(double dt) {
  Matrix one(flux_.cols(), flux_.cols());
  one.setIdentity();
  const Matrix outflow = divergence_ * flux_;
  whole_.compute(one + dt * outflow);
  half_.compute(one + dt / 2 * outflow);
  if (whole_.info() != Eigen::Success || half_.info() != Eigen::Success) {
    throw RunError(
        fmt::format("the Fokker-Planck matrix for steps of {} cannot be factorised: take shorter steps", dt));
  }
  dt_ = dt;
}

/// Cuts what the correction takes out of a cell to what the cell has, and what it brings back from an
/// absorbing wall to what the wall took.
void PlaneFokkerPlanck::limit(const Vector& halves, const Vector& moved, Vector& correction) const {
  for (const auto& [face, outward] : wall_faces_) {
    if (correction[face] * outward < 0) {
      correction[face] = -outward * std::min(std::abs(correction[face]), std::abs(moved[face]));
    }
  }
  // The sum over a cell's faces of the positive parts of their divergence.
  const Vector taken = (divergence_ * correction + divergence_.cwiseAbs() * correction.cwiseAbs()) / 2;
  const Vector has = halves.cwiseMax(0.0);
  const Vector share = (taken.array() > has.array()).select(has.array() / taken.array(), 1.0);
  Vector factor = Vector::Ones(correction.size());
  for (Eigen::Index face = 0; face < divergence_.cols(); ++face) {
    for (Matrix::InnerIterator entry(divergence_, face); entry; ++entry) {
      if (entry.value() * correction[face] > 0) factor[face] = share[entry.row()];
    }
  }
  for (const auto& [lo, hi] : twin_faces_) factor[lo] = factor[hi] = std::min(factor[lo], factor[hi]);
  correction.array() *= factor.array();
}

void PlaneFokkerPlanck::step(PlaneDensity& state) {
  Eigen::Map<Vector> density(state.density.data(), flux_.cols());
  const Vector whole = whole_.solve(density);
  const Vector half = half_.solve(density);
  const Vector halves = half_.solve(half);

  // moved + correction is the flux of 2 halves - whole.
  const Vector moved = dt_ / 2 * (flux_ * (half + halves));
  Vector correction = moved - dt_ * (flux_ * whole);
  if (positive_) limit(halves, moved, correction);
  const Vector total = moved + correction;
  density -= divergence_ * total;
  if (positive_) density = density.cwiseMax(0.0);  // of rounding

  const auto faces_x = static_cast<Eigen::Index>(state.crossed_x.size());
  const auto faces_y = static_cast<Eigen::Index>(state.crossed_y.size());
  Eigen::Map<Vector>(state.crossed_x.data(), faces_x) += grid_.y.width() * total.head(faces_x);
  Eigen::Map<Vector>(state.crossed_y.data(), faces_y) += grid_.x.width() * total.tail(faces_y);
}

void PlaneFokkerPlanck::evolve(PlaneDensity& state, double time, int steps) {
  if (!(time > state.time && std::isfinite(time)) || steps < 1) {
    throw std::domain_error(
        fmt::format("{} steps from time {} to {}: at least one, to a later time", steps, state.time, time));
  }
  const double dt = (time - state.time) / steps;
  // Equal intervals give lengths that differ by rounding.
  if (!(std::abs(dt - dt_) <= 1e-9 * dt)) factorise(dt);
  for (int k = 0; k < steps; ++k) step(state);
  state.time = time;
}

}  // namespace soret::theory
