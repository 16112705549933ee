#include "soret/theory/fokker_planck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "soret/base/error.hpp"
#include "soret/theory/bernoulli.hpp"

namespace soret::theory {
namespace {

/// What exponential fitting needs: J = -w(q) e^-phi (e^phi u(q) rho)'.
struct FittedFlux {
  Field weight;                                    // w
  std::function<double(int)> factor;               // u of a cell
  std::function<double(double, double)> exponent;  // phi(q2) - phi(q1)
};

FokkerPlanck fitted_equation(const Cells& cells, Walls walls, const FittedFlux& law) {
  require_valid(cells);
  require_valid(walls);
  const auto n = static_cast<std::size_t>(cells.count);
  FokkerPlanck equation{cells, walls, std::vector<double>(n + 1, 0.0), std::vector<double>(n + 1, 0.0)};
  std::vector<double> factor(n);
  for (int i = 0; i < cells.count; ++i) factor[static_cast<std::size_t>(i)] = law.factor(i);

  const double width = cells.width();
  for (std::size_t f = 1; f < n; ++f) {
    const double q = cells.edge(static_cast<int>(f));
    const double speed = law.weight(q) / width;
    const double rise = law.exponent(q - width / 2, q + width / 2);
    equation.rightward[f] = speed * bernoulli(rise) * factor[f - 1];
    equation.leftward[f] = speed * bernoulli(-rise) * factor[f];
  }
  if (walls.circle()) {
    const double speed = law.weight(cells.lo) / width;
    const double rise =
        law.exponent(cells.hi - width / 2, cells.hi) + law.exponent(cells.lo, cells.lo + width / 2);
    equation.rightward[0] = equation.rightward[n] = speed * bernoulli(rise) * factor[n - 1];
    equation.leftward[0] = equation.leftward[n] = speed * bernoulli(-rise) * factor[0];
  }
  // An absorbing wall holds rho = 0 half a cell away from the last centre.
  if (walls.lo == Wall::absorbing) {
    const double rise = law.exponent(cells.lo, cells.lo + width / 2);
    equation.leftward[0] = law.weight(cells.lo) / (width / 2) * bernoulli(-rise) * factor[0];
  }
  if (walls.hi == Wall::absorbing) {
    const double rise = law.exponent(cells.hi - width / 2, cells.hi);
    equation.rightward[n] = law.weight(cells.hi) / (width / 2) * bernoulli(rise) * factor[n - 1];
  }
  return equation;
}

/// The integral of f from q1 to q2 by Simpson's rule: an error of order 5 in the width, below that of the
/// scheme.
double simpson(const Field& f, double q1, double q2) {
  return (q2 - q1) / 6 * (f(q1) + 4 * f((q1 + q2) / 2) + f(q2));
}

/// f with its value checked at every call.
Field checked(const char* what, const char* allowed, Field f, bool (*accept)(double)) {
  return [=, f = std::move(f)](double q) {
    const double value = f(q);
    if (!(std::isfinite(value) && accept(value))) {
      throw ConfigError(fmt::format("{}({}) = {}: {}", what, q, value, allowed));
    }
    return value;
  };
}

bool is_any(double) {
  return true;
}
bool is_positive(double x) {
  return x > 0;
}
bool is_not_negative(double x) {
  return x >= 0;
}

/// The solution of (1 + dt L) x = b, L rho = div J / width: one backward Euler step.
///
/// The matrix has columns that sum to 1 (plus what a wall absorbs), so its elimination can be written
/// without a subtraction. Cells are eliminated from the left; on a circle each eliminated cell also trades
/// with the last one. Per cell i, right[i] and left[i] are the shares that leave it to either side,
/// to_last[i] what the elimination lets it send to the last cell, from_last[i] what it gets from there, and
/// keep[i] the part of its pivot that stays: pivot = keep + right + to_last.
class BackwardEuler {
 public:
  BackwardEuler(const FokkerPlanck& equation, double dt);
  std::vector<double> solve(std::span<const double> b) const;

 private:
  std::size_t last_;
  std::vector<double> right_, left_, to_last_, from_last_, pivot_;
};

BackwardEuler::BackwardEuler(const FokkerPlanck& equation, double dt)
    : last_(static_cast<std::size_t>(equation.cells.count) - 1),
      right_(last_ + 1),
      left_(last_ + 1),
      to_last_(last_ + 1),
      from_last_(last_ + 1),
      pivot_(last_ + 1) {
  const double scale = dt / equation.cells.width();
  for (std::size_t i = 0; i <= last_; ++i) {
    right_[i] = scale * equation.rightward[i + 1];
    left_[i] = scale * equation.leftward[i];
  }
  const bool circle = equation.walls.circle();
  double keep = circle ? 1 : 1 + left_[0];
  double keep_last = circle ? 1 : 1 + right_[last_];
  to_last_[0] = circle ? left_[0] : 0;
  from_last_[0] = circle ? right_[last_] : 0;
  for (std::size_t i = 0; i < last_; ++i) {
    if (i + 1 == last_) {  // its right neighbour is the last cell
      to_last_[i] += std::exchange(right_[i], 0.0);
      from_last_[i] += std::exchange(left_[last_], 0.0);
    }
    pivot_[i] = keep + right_[i] + to_last_[i];
    keep_last += from_last_[i] * (keep / pivot_[i]);
    keep = 1 + left_[i + 1] * (keep / pivot_[i]);
    to_last_[i + 1] = left_[i + 1] * (to_last_[i] / pivot_[i]);
    from_last_[i + 1] = from_last_[i] * (right_[i] / pivot_[i]);
  }
  pivot_[last_] = keep_last;
}

std::vector<double> BackwardEuler::solve(std::span<const double> b) const {
  std::vector<double> x(b.begin(), b.end());
  for (std::size_t i = 0; i < last_; ++i) {
    const double sent = x[i] / pivot_[i];
    if (i + 1 < last_) x[i + 1] += right_[i] * sent;
    x[last_] += to_last_[i] * sent;
  }
  x[last_] /= pivot_[last_];
  for (std::size_t i = last_; i-- > 0;) {
    const double from_right = i + 1 < last_ ? left_[i + 1] * x[i + 1] : 0;
    x[i] = (x[i] + from_right + from_last_[i] * x[last_]) / pivot_[i];
  }
  return x;
}

/// One backward Euler step and two halves of it.
struct Trial {
  std::vector<double> whole, half, halves;

  Trial(const FokkerPlanck& equation, std::span<const double> density, double dt)
      : whole(BackwardEuler(equation, dt).solve(density)) {
    const BackwardEuler solver(equation, dt / 2);
    half = solver.solve(density);
    halves = solver.solve(half);
  }

  /// Total variation between the two results.
  double difference(double width) const {
    double total = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) total += std::abs(halves[i] - whole[i]);
    return total * width / 2;
  }
};

/// Puts the extrapolation 2 halves - whole in place of the state, limited so that no cell goes below 0.
void accept(const FokkerPlanck& equation, const Trial& trial, double dt, Density& state) {
  const std::size_t n = trial.halves.size();
  const double width = equation.cells.width();
  const std::vector<double> flux_whole = flux(equation, trial.whole);
  const std::vector<double> flux_half = flux(equation, trial.half);
  const std::vector<double> flux_halves = flux(equation, trial.halves);
  std::vector<double> moved(n + 1);
  std::vector<double> correction(n + 1);
  for (std::size_t f = 0; f <= n; ++f) {
    moved[f] = dt / 2 * (flux_half[f] + flux_halves[f]);
    correction[f] = moved[f] - dt * flux_whole[f];
  }
  std::vector<double> share(n, 1.0);  // of what the correction takes out of a cell
  for (std::size_t i = 0; i < n; ++i) {
    const double taken = std::max(0.0, correction[i + 1]) + std::max(0.0, -correction[i]);
    if (taken > trial.halves[i] * width) share[i] = trial.halves[i] * width / taken;
  }
  // Only what the limit withholds goes through fluxes, whose rounding grows with the step; the rest is a
  // difference of two solutions, exact to rounding for any step.
  const bool circle = equation.walls.circle();
  std::vector<double> withheld(n + 1, 0.0);
  for (std::size_t f = 0; f <= n; ++f) {
    const bool from_left = correction[f] > 0;
    if (!circle && (f == 0 ? from_left : f == n && !from_left)) {
      // An absorbing wall gives back at most what it took in this step.
      const double allowed =
          std::copysign(std::min(std::abs(correction[f]), std::abs(moved[f])), correction[f]);
      withheld[f] = correction[f] - allowed;
    } else {
      const std::size_t donor = from_left ? (f > 0 ? f - 1 : n - 1) : (f < n ? f : 0);
      withheld[f] = correction[f] * (1 - share[donor]);
    }
    state.crossed[f] += moved[f] + correction[f] - withheld[f];
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double extrapolated = 2 * trial.halves[i] - trial.whole[i];
    state.density[i] = std::max(0.0, extrapolated + (withheld[i + 1] - withheld[i]) / width);
  }
  state.time += dt;
}

std::vector<double> normalised(const Cells& cells, std::vector<double> density) {
  const double total = total_probability(cells, density);
  for (double& value : density) value /= total;
  return density;
}

/// A time after which only what never decays is left, in double precision: far beyond the slowest exchange
/// between two neighbouring cells times the number of cells squared.
double beyond_all_times(const FokkerPlanck& equation) {
  double slowest = 0;
  for (const auto& speeds : {equation.rightward, equation.leftward}) {
    for (const double speed : speeds) {
      if (speed > 0) slowest = std::max(slowest, equation.cells.width() / speed);
    }
  }
  const double n = equation.cells.count;
  return slowest > 0 ? 1e20 * n * n * slowest : 1.0;
}

}  // namespace

void require_valid(Walls walls) {
  if ((walls.lo == Wall::periodic) != (walls.hi == Wall::periodic)) {
    throw std::domain_error("a circle has no ends: both walls are periodic or none is");
  }
}

FokkerPlanck flux_equation(const Cells& cells, Walls walls, const Field& a, const Field& b) {
  const Field diffusion =
      checked("a", "the coefficient of the density's slope must be positive", a, is_positive);
  const Field drift = checked("b", "the coefficient of the density must be finite", b, is_any);
  return fitted_equation(cells, walls,
                         {.weight = diffusion,
                          .factor = [](int) { return 1.0; },
                          .exponent =
                              [=](double q1, double q2) {
                                return simpson([&](double q) { return drift(q) / diffusion(q); }, q1, q2);
                              }});
}

FokkerPlanck walk_equation(const Cells& cells, Walls walls, Convention convention, double learning_rate,
                           const Field& g, const Field& drift) {
  if (!(learning_rate > 0 && std::isfinite(learning_rate))) {
    throw std::domain_error(fmt::format("learning rate {} must be positive", learning_rate));
  }
  const auto [diffusion, exponent] = numbers(convention);
  const double scale = diffusion * learning_rate * learning_rate;
  const Field amplitude = drift ? checked("g", "with a drift the amplitude must be positive", g, is_positive)
                                : checked("g", "the amplitude must not be negative", g, is_not_negative);
  FittedFlux law;
  // a = scale g^2 = w u with u = g^exponent: without a drift no logarithm of g is needed, and g may vanish.
  law.weight = [=, power = 2 - exponent](double q) { return scale * std::pow(amplitude(q), power); };
  // u as the reciprocal of the cell's mean of 1/u: the density at rest is then exact as a mean over cells.
  law.factor = [=, power = exponent](int cell) {
    const double mean = cell_mean(cells, cell, [&](double q) { return std::pow(amplitude(q), -power); });
    return 1 / mean;
  };
  if (drift) {
    const Field mean_step = checked("drift", "the drift must be finite", drift, is_any);
    law.exponent = [=](double q1, double q2) {
      return -simpson([&](double q) { return mean_step(q) / (scale * amplitude(q) * amplitude(q)); }, q1, q2);
    };
  } else {
    law.exponent = [](double, double) { return 0.0; };
  }
  return fitted_equation(cells, walls, law);
}

FokkerPlanck langevin_equation(const Cells& cells, Walls walls, const Field& loss, double temperature) {
  if (!(temperature > 0 && std::isfinite(temperature))) {
    throw std::domain_error(fmt::format("temperature {} must be positive", temperature));
  }
  const Field height = checked("loss", "the loss must be finite", loss, is_any);
  return fitted_equation(
      cells, walls,
      {.weight = [=](double) { return temperature; },
       .factor = [](int) { return 1.0; },
       .exponent = [=](double q1, double q2) { return (height(q2) - height(q1)) / temperature; }});
}

Density point_start(const Cells& cells, double q) {
  require_valid(cells);
  if (!(q >= cells.lo && q <= cells.hi)) {
    throw std::domain_error(fmt::format("start {} lies outside [{}, {}]", q, cells.lo, cells.hi));
  }
  const auto n = static_cast<std::size_t>(cells.count);
  Density state{0, std::vector<double>(n, 0.0), std::vector<double>(n + 1, 0.0)};
  // In units of cells from the first centre, where the walls are closer than a centre the nearest one.
  const double place = std::clamp((q - cells.centre(0)) / cells.width(), 0.0, cells.count - 1.0);
  const auto left = std::min(static_cast<std::size_t>(place), n - 2);
  const double share = place - static_cast<double>(left);
  state.density[left] = (1 - share) / cells.width();
  state.density[left + 1] = share / cells.width();
  return state;
}

Density density_start(const Cells& cells, const Field& shape) {
  const Field checked_shape =
      checked("initial density", "it must be finite and not negative", shape, is_not_negative);
  std::vector<double> density = cell_integrals(cells, checked_shape);
  if (!(std::accumulate(density.begin(), density.end(), 0.0) > 0)) {
    throw ConfigError("the initial density is 0 in the whole domain");
  }
  const std::size_t faces = density.size() + 1;
  return {0, normalised(cells, std::move(density)), std::vector<double>(faces, 0.0)};
}

std::vector<double> flux(const FokkerPlanck& equation, std::span<const double> density) {
  const std::size_t n = density.size();
  const bool circle = equation.walls.circle();
  std::vector<double> result(n + 1);
  for (std::size_t f = 0; f <= n; ++f) {
    const double left = f > 0 ? density[f - 1] : (circle ? density[n - 1] : 0);
    const double right = f < n ? density[f] : (circle ? density[0] : 0);
    result[f] = equation.rightward[f] * left - equation.leftward[f] * right;
  }
  return result;
}

double total_probability(const Cells& cells, std::span<const double> density) {
  return std::accumulate(density.begin(), density.end(), 0.0) * cells.width();
}

double absorbed_probability(const FokkerPlanck& equation, const Density& state) {
  return equation.walls.circle() ? 0 : state.crossed.back() - state.crossed.front();
}

void step(const FokkerPlanck& equation, Density& state, double dt) {
  if (!(dt > 0 && std::isfinite(dt))) throw std::domain_error(fmt::format("step {} must be positive", dt));
  accept(equation, Trial(equation, state.density, dt), dt, state);
}

void evolve(const FokkerPlanck& equation, Density& state, double time, double tolerance) {
  if (!(time >= state.time && std::isfinite(time))) {
    throw std::domain_error(fmt::format("time {} lies before the density's own, {}", time, state.time));
  }
  if (!(tolerance > 0)) throw std::domain_error(fmt::format("tolerance {} must be positive", tolerance));
  double dt = time - state.time;
  while (state.time < time) {
    const double left = time - state.time;
    const bool final = dt >= left;
    dt = final ? left : dt;
    const Trial trial(equation, state.density, dt);
    const double difference = trial.difference(equation.cells.width()) /
                              std::max(total_probability(equation.cells, state.density), 1e-300);
    if (difference <= tolerance) {
      accept(equation, trial, dt, state);
      if (final) state.time = time;
    }
    if (!final && state.time + dt == state.time) {
      throw RunError(fmt::format(
          "the density at time {} needs steps below {}: take wider cells or more tolerance", state.time, dt));
    }
    // The difference grows as the step squared.
    dt *= std::clamp(0.9 * std::sqrt(tolerance / std::max(difference, 1e-300)), 0.1, 4.0);
  }
}

std::vector<double> long_time_density(const FokkerPlanck& equation, std::span<const double> start) {
  return BackwardEuler(equation, beyond_all_times(equation)).solve(start);
}

double mean_absorption_time(const FokkerPlanck& equation, std::span<const double> start) {
  if (equation.walls.lo != Wall::absorbing && equation.walls.hi != Wall::absorbing) {
    throw std::domain_error("no wall absorbs: there is no time of absorption");
  }
  // The integral over time of the density is L^-1 start, the limit of dt (1 + dt L)^-1 start.
  const double dt = beyond_all_times(equation);
  return dt * total_probability(equation.cells, BackwardEuler(equation, dt).solve(start));
}

}  // namespace soret::theory
