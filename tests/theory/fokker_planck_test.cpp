#include "soret/theory/fokker_planck.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numbers>
#include <numeric>
#include <vector>

#include "soret/base/error.hpp"

namespace soret::theory {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kEps = 2.220446049250313e-16;
constexpr Walls kReflecting{Wall::no_flux, Wall::no_flux};
constexpr Walls kCircle{Wall::periodic, Wall::periodic};
constexpr Walls kAbsorbing{Wall::absorbing, Wall::absorbing};
constexpr Walls kHalfOpen{Wall::no_flux, Wall::absorbing};

double wavy(double q) {
  return 1 + 0.6 * std::sin(2 * kPi * q);
}
double falling(double q) {
  return std::cos(2 * kPi * q) - 0.3;
}

/// sum |rho - truth| width, truth as cell means.
double distance(const Cells& cells, const std::vector<double>& density, const Field& truth) {
  const std::vector<double> exact = cell_integrals(cells, truth);
  double total = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) total += std::abs(density[i] * cells.width() - exact[i]);
  return total;
}

/// log2 of the ratio of errors at n and 2n: the order of convergence.
double order(const std::function<double(int)>& error, int n) {
  return std::log2(error(n) / error(2 * n));
}

void fixed_steps(const FokkerPlanck& equation, Density& state, double time, int steps) {
  const double dt = (time - state.time) / steps;
  for (int k = 0; k < steps; ++k) step(equation, state, dt);
}

struct Case {
  Walls walls;
  int cells;
};
const std::vector<Case> kCases = {{kReflecting, 2}, {kReflecting, 37}, {kCircle, 2},     {kCircle, 3},
                                  {kCircle, 41},    {kAbsorbing, 2},   {kAbsorbing, 53}, {kHalfOpen, 29}};

// The plain matrix 1 + dt L, from flux() of unit densities, against one backward Euler step. A step of the
// solver is the extrapolation of such steps, so compare those.
TEST(FokkerPlanckStep, IsTheExtrapolatedBackwardEulerStep) {
  for (const auto& [walls, count] : kCases) {
    const Cells cells{0, 1, count};
    const FokkerPlanck equation = walk_equation(cells, walls, Convention::fokker_planck, 0.1, wavy, falling);
    Eigen::MatrixXd generator(count, count);
    for (int j = 0; j < count; ++j) {
      std::vector<double> unit(static_cast<std::size_t>(count), 0.0);
      unit[static_cast<std::size_t>(j)] = 1;
      const std::vector<double> through = flux(equation, unit);
      for (int i = 0; i < count; ++i) {
        const auto f = static_cast<std::size_t>(i);
        generator(i, j) = (through[f] - through[f + 1]) / cells.width();
      }
    }
    Density state = density_start(cells, [](double q) { return 1 + 0.1 * std::cos(3 * q); });
    const double dt = 0.001;
    const Eigen::MatrixXd one = Eigen::MatrixXd::Identity(count, count);
    const Eigen::VectorXd start = Eigen::Map<const Eigen::VectorXd>(state.density.data(), count);
    const Eigen::VectorXd whole = (one - dt * generator).partialPivLu().solve(start);
    const auto half = (one - dt / 2 * generator).partialPivLu();
    const Eigen::VectorXd halves = half.solve(half.solve(start));
    step(equation, state, dt);
    for (int i = 0; i < count; ++i) {
      EXPECT_NEAR(state.density[static_cast<std::size_t>(i)], 2 * halves[i] - whole[i], 1e-13)
          << count << " " << i;
    }
  }
}

TEST(FokkerPlanckStep, KeepsProbabilityAndSignForAnyStep) {
  for (const auto& [walls, count] : kCases) {
    const Cells cells{-1, 2, count};
    for (const bool drifts : {false, true}) {
      const FokkerPlanck equation = walk_equation(cells, walls, Convention::fokker_planck, 0.3, wavy,
                                                  drifts ? Field(falling) : Field());
      for (const double dt : {1e-9, 1e-3, 0.1, 10.0, 1e6, 1e12}) {
        Density state = point_start(cells, 0.1);
        for (int k = 0; k < 50; ++k) {
          step(equation, state, dt);
          const double lowest = *std::min_element(state.density.begin(), state.density.end());
          EXPECT_GE(lowest, 0) << count << " " << dt;
          const double kept = total_probability(cells, state.density) + absorbed_probability(equation, state);
          // Three solves per step, each of some ten roundings per cell.
          EXPECT_NEAR(kept, 1, 40 * (k + 1) * count * kEps) << count << " " << dt << " step " << k;
          EXPECT_GE(absorbed_probability(equation, state), 0);
        }
      }
    }
  }
}

// d rho/dt = -dJ/dq: what crossed the faces accounts for every cell.
TEST(FokkerPlanckStep, CrossingsAccountForEveryCell) {
  for (const auto& [walls, count] : kCases) {
    const Cells cells{0, 1, count};
    const FokkerPlanck equation = walk_equation(cells, walls, Convention::paper_eq10, 0.2, wavy);
    Density state = point_start(cells, 0.7);
    const std::vector<double> before = state.density;
    evolve(equation, state, 3.0);
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_NEAR((state.density[i] - before[i]) * cells.width(), state.crossed[i] - state.crossed[i + 1],
                  1e-12);
    }
    EXPECT_EQ(state.time, 3.0);
  }
}

TEST(FokkerPlanckStationary, IsTheConventionsPowerOfGExactly) {
  for (const Convention convention : kConventions) {
    for (const Walls walls : {kReflecting, kCircle}) {
      const Cells cells{0, 1, 61};
      const FokkerPlanck equation = walk_equation(cells, walls, convention, 0.05, wavy);
      const std::vector<double> found = long_time_density(equation, point_start(cells, 0.3).density);
      const std::vector<double> expected = stationary_density(convention, cells, wavy);
      for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_NEAR(found[i] / expected[i], 1, 1e-12) << name(convention);
      }
      for (const double j : flux(equation, found)) EXPECT_NEAR(j, 0, 1e-15);
      Density state{0, found, std::vector<double>(62, 0.0)};
      evolve(equation, state, 1e5);
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(state.density[i], found[i], 1e-12 * found[i]);
    }
  }
}

TEST(FokkerPlanckStationary, IsTheBoltzmannDensity) {
  const Field loss = [](double w) { return (w * w - 1) * (w * w - 1) + 0.2 * w; };
  const Cells cells{-2, 2, 200};
  const FokkerPlanck equation = langevin_equation(cells, kReflecting, loss, 0.07);
  const std::vector<double> found = long_time_density(equation, point_start(cells, 1).density);
  for (int i = 0; i < cells.count; ++i) {
    const double expected = std::exp(-(loss(cells.centre(i)) - loss(cells.centre(100))) / 0.07);
    EXPECT_NEAR(found[static_cast<std::size_t>(i)] / found[100] / expected, 1, 1e-10) << i;
  }
}

// A constant drift round a circle never rests: a density without structure, a flux equal to the drift.
TEST(FokkerPlanckStationary, CarriesACurrentRoundACircle) {
  const Cells cells{0, 2, 17};
  const FokkerPlanck equation = flux_equation(
      cells, kCircle, [](double) { return 0.1; }, [](double) { return -0.7; });
  const std::vector<double> found = long_time_density(equation, point_start(cells, 0.3).density);
  for (const double value : found) EXPECT_NEAR(value, 0.5, 1e-13);
  for (const double j : flux(equation, found)) EXPECT_NEAR(j, 0.35, 1e-13);
}

// rho = 1 + cos(pi q), D = eta^2 g^2/2: the first mode decays as exp(-D pi^2 t).
TEST(FokkerPlanckOrder, ReflectingBrownianMode) {
  const double eta = 0.3;
  const double time = 4;
  const double decay = std::exp(-eta * eta / 2 * kPi * kPi * time);
  const Field truth = [=](double q) { return 1 + decay * std::cos(kPi * q); };
  const auto error = [&](int n) {
    const Cells cells{0, 1, n};
    const auto equation =
        walk_equation(cells, kReflecting, Convention::fokker_planck, eta, [](double) { return 1.0; });
    Density state = density_start(cells, [](double q) { return 1 + std::cos(kPi * q); });
    fixed_steps(equation, state, time, n);
    return distance(cells, state.density, truth);
  };
  EXPECT_LT(error(64), 1e-3);
  EXPECT_NEAR(order(error, 32), 2, 0.1);
}

TEST(FokkerPlanckOrder, AbsorbingWallsSurvival) {
  const double diffusion = 0.05;
  const double time = 2;
  const double decay = std::exp(-diffusion * kPi * kPi * time);
  const auto error = [&](int n) {
    const Cells cells{0, 1, n};
    const auto equation = flux_equation(
        cells, kAbsorbing, [=](double) { return diffusion; }, [](double) { return 0.0; });
    Density state = density_start(cells, [](double q) { return std::sin(kPi * q); });
    fixed_steps(equation, state, time, n);
    EXPECT_NEAR(1 - absorbed_probability(equation, state), decay, 1.0 / n / n);
    return distance(cells, state.density, [=](double q) { return decay * kPi / 2 * std::sin(kPi * q); });
  };
  EXPECT_NEAR(order(error, 32), 2, 0.1);
}

TEST(FokkerPlanckOrder, DriftingWaveOnACircle) {
  const double diffusion = 0.02;
  const double speed = 0.3;
  const double time = 1.5;
  const double k = 2 * kPi;
  const double decay = std::exp(-diffusion * k * k * time);
  const auto error = [&](int n) {
    const Cells cells{0, 1, n};
    const auto equation = flux_equation(
        cells, kCircle, [=](double) { return diffusion; }, [=](double) { return -speed; });
    Density state = density_start(cells, [=](double q) { return 1 + 0.9 * std::cos(k * q); });
    fixed_steps(equation, state, time, n);
    return distance(cells, state.density,
                    [=](double q) { return 1 + 0.9 * decay * std::cos(k * (q - speed * time)); });
  };
  EXPECT_NEAR(order(error, 64), 2, 0.1);
}

double gaussian(double x, double mean, double variance) {
  return std::exp(-(x - mean) * (x - mean) / (2 * variance)) / std::sqrt(2 * kPi * variance);
}

// Ornstein-Uhlenbeck from a Gaussian, mean m e^-ht, variance T/h + (v - T/h) e^-2ht.
TEST(FokkerPlanckOrder, OrnsteinUhlenbeckDensity) {
  const double h = 1.5;
  const double temperature = 0.2;
  const double time = 0.7;
  const double mean = 1.2 * std::exp(-h * time);
  const double rest = temperature / h;
  const double variance = rest + (0.04 - rest) * std::exp(-2 * h * time);
  const auto error = [&](int n) {
    const Cells cells{-4, 4, n};
    const auto equation = langevin_equation(
        cells, kReflecting, [=](double w) { return h * w * w / 2; }, temperature);
    Density state = density_start(cells, [](double w) { return gaussian(w, 1.2, 0.04); });
    fixed_steps(equation, state, time, n / 2);
    return distance(cells, state.density, [=](double w) { return gaussian(w, mean, variance); });
  };
  EXPECT_LT(error(256), 2e-3);
  EXPECT_NEAR(order(error, 128), 2, 0.1);
}

// dX = mu X dt + s X dW: g = q with a drift, lognormal at all times.
TEST(FokkerPlanckOrder, GeometricBrownianDensity) {
  const double s = 0.3;
  const double mu = 0.2;
  const double time = 1;
  const auto lognormal = [](double x, double mean, double variance) {
    return gaussian(std::log(x), mean, variance) / x;
  };
  const auto error = [&](int n) {
    const Cells cells{0.02, 8, n};
    const auto equation = walk_equation(
        cells, kReflecting, Convention::fokker_planck, s, [](double q) { return q; },
        [=](double q) { return mu * q; });
    Density state = density_start(cells, [&](double q) { return lognormal(q, 0, 0.04); });
    fixed_steps(equation, state, time, n / 4);
    return distance(cells, state.density,
                    [&](double q) { return lognormal(q, (mu - s * s / 2) * time, 0.04 + s * s * time); });
  };
  EXPECT_NEAR(order(error, 256), 2, 0.15);
}

TEST(FokkerPlanckOrder, InTimeAloneIsTwo) {
  const Cells cells{0, 1, 20};
  const auto equation = walk_equation(cells, kReflecting, Convention::fokker_planck, 0.3, wavy);
  const auto run = [&](int steps) {
    Density state = density_start(cells, [](double q) { return 1 + std::cos(kPi * q); });
    fixed_steps(equation, state, 1.0, steps);
    return state;
  };
  const Density truth = run(4096);
  const auto error = [&](int steps) {
    const Density state = run(steps);
    double total = 0;
    for (std::size_t i = 0; i < 20; ++i) total += std::abs(state.density[i] - truth.density[i]);
    return total;
  };
  EXPECT_NEAR(order(error, 32), 2, 0.1);
  const auto crossing_error = [&](int steps) { return std::abs(run(steps).crossed[10] - truth.crossed[10]); };
  EXPECT_NEAR(order(crossing_error, 32), 2, 0.1);
}

// The adaptive steps: from a point, to a time when the density is smooth.
TEST(FokkerPlanckEvolve, FollowsAPointToItsTolerance) {
  const Cells cells{-4, 4, 801};
  const auto equation = flux_equation(
      cells, kReflecting, [](double) { return 0.5; }, [](double) { return 0.0; });
  Density state = point_start(cells, 0);
  double total = 0;
  for (const double time : {0.1, 0.3}) {
    evolve(equation, state, time);
    total = distance(cells, state.density, [=](double q) { return gaussian(q, 0, time); });
    EXPECT_LT(total, 2e-4) << time;
  }
  Density coarse = point_start(cells, 0);
  evolve(equation, coarse, 0.3, 1e-2);
  EXPECT_GT(distance(cells, coarse.density, [](double q) { return gaussian(q, 0, 0.3); }), total);
}

// Early flux of each convention from a smooth density, against J = -a rho' - b rho.
TEST(FokkerPlanckConventions, FluxIsTheFormula) {
  const Cells cells{0, 1, 400};
  const Field shape = [](double q) { return 1 + 0.5 * std::cos(2 * kPi * q + 0.4); };
  for (const Convention convention : kConventions) {
    const auto equation = walk_equation(cells, kCircle, convention, 0.1, wavy);
    const Density state = density_start(cells, shape);
    const std::vector<double> found = flux(equation, state.density);
    for (int f = 0; f <= cells.count; ++f) {
      const double q = cells.edge(f);
      const double g_slope = 1.2 * kPi * std::cos(2 * kPi * q);
      const double slope = -kPi * std::sin(2 * kPi * q + 0.4);
      const double expected = flux_coefficients(convention, 0.1, wavy(q), g_slope).flux(shape(q), slope);
      EXPECT_NEAR(found[static_cast<std::size_t>(f)], expected, 2e-5) << name(convention) << " " << q;
    }
  }
}

// The general form with a convention's coefficients is the same equation to the order of the scheme.
TEST(FokkerPlanckConventions, GeneralCoefficientsAgree) {
  const Cells cells{0, 1, 300};
  for (const Convention convention : kConventions) {
    const auto coefficients = [=](double q) {
      return flux_coefficients(convention, 0.1, wavy(q), 1.2 * kPi * std::cos(2 * kPi * q));
    };
    const auto special = walk_equation(cells, kReflecting, convention, 0.1, wavy);
    const auto general = flux_equation(
        cells, kReflecting, [=](double q) { return coefficients(q).a; },
        [=](double q) { return coefficients(q).b; });
    Density one = density_start(cells, [](double) { return 1.0; });
    Density other = one;
    evolve(special, one, 5);
    evolve(general, other, 5);
    for (std::size_t i = 0; i < 300; ++i)
      EXPECT_NEAR(one.density[i], other.density[i], 2e-3 * one.density[i]);
  }
}

// Exit from [0, 1] with constant steps: q (1 - q) / (eta g)^2.
TEST(FokkerPlanckAbsorption, MeanTimeIsTheParabola) {
  const double eta = 0.1;
  const Cells cells{0, 1, 100};
  const auto equation =
      walk_equation(cells, kAbsorbing, Convention::fokker_planck, eta, [](double) { return 1.0; });
  for (const double q : {0.1, 0.5, 0.83}) {
    EXPECT_NEAR(mean_absorption_time(equation, point_start(cells, q).density), q * (1 - q) / (eta * eta),
                0.01);
  }
  // The same as the integral of the survival.
  Density state = point_start(cells, 0.5);
  double integral = 0;
  for (int k = 0; k < 400; ++k) {
    const double before = total_probability(cells, state.density);
    evolve(equation, state, 0.5 * (k + 1));
    integral += 0.25 * (before + total_probability(cells, state.density));
  }
  EXPECT_NEAR(integral, 25, 0.05);
}

// A walker stops where g = 0: probability gathers there and none crosses.
TEST(FokkerPlanckWalk, StopsWhereTheAmplitudeVanishes) {
  const Cells cells{-1, 1, 100};
  const auto equation =
      walk_equation(cells, kReflecting, Convention::fokker_planck, 0.1, [](double q) { return std::abs(q); });
  Density state = point_start(cells, 0.5);
  const double before = 1;
  evolve(equation, state, 500);
  double right = 0;
  for (std::size_t i = 50; i < 100; ++i) right += state.density[i] * cells.width();
  EXPECT_GT(right, before * 0.5);
  const auto stopped = walk_equation(cells, kReflecting, Convention::fokker_planck, 0.1,
                                     [](double q) { return std::max(0.0, q); });
  Density still = point_start(cells, -0.5);
  evolve(stopped, still, 100);
  EXPECT_DOUBLE_EQ(still.density[25] + still.density[24], 50);
}

TEST(FokkerPlanckStart, IsAtItsPoint) {
  const Cells cells{-1, 2, 7};
  for (const double q : {-0.7, 0.0, 0.123, 1.0, 1.7}) {
    const Density state = point_start(cells, q);
    double mean = 0;
    for (int i = 0; i < 7; ++i) {
      mean += cells.centre(i) * state.density[static_cast<std::size_t>(i)] * cells.width();
    }
    EXPECT_NEAR(mean, q, 1e-14);
    EXPECT_NEAR(total_probability(cells, state.density), 1, 1e-15);
  }
  EXPECT_NEAR(point_start(cells, -1).density[0] * cells.width(), 1, 1e-15);
  EXPECT_NEAR(point_start(cells, 2).density[6] * cells.width(), 1, 1e-15);
}

TEST(FokkerPlanckInput, WrongFieldsAreNamed) {
  const Cells cells{0, 1, 10};
  const auto negative = [](double q) { return q - 0.5; };
  EXPECT_THROW(walk_equation(cells, kReflecting, Convention::fokker_planck, 0.1, negative), ConfigError);
  const auto nan = [](double q) { return q > 0.8 ? std::nan("") : 1.0; };
  EXPECT_THROW(walk_equation(cells, kReflecting, Convention::fokker_planck, 0.1, nan), ConfigError);
  const auto zero = [](double q) { return q < 0.5 ? 0.0 : 1.0; };
  EXPECT_NO_THROW(walk_equation(cells, kReflecting, Convention::fokker_planck, 0.1, zero));
  EXPECT_THROW(walk_equation(cells, kReflecting, Convention::fokker_planck, 0.1, zero, falling), ConfigError);
  EXPECT_THROW(flux_equation(cells, kReflecting, zero, falling), ConfigError);
  EXPECT_THROW(langevin_equation(cells, kReflecting, nan, 1), ConfigError);
  EXPECT_THROW(langevin_equation(cells, kReflecting, falling, 0), std::domain_error);
  EXPECT_THROW(walk_equation(cells, {Wall::periodic, Wall::no_flux}, Convention::fokker_planck, 0.1, wavy),
               std::domain_error);
  EXPECT_THROW(walk_equation({1, 0, 10}, kReflecting, Convention::fokker_planck, 0.1, wavy),
               std::domain_error);
  EXPECT_THROW(walk_equation({0, 1, 1}, kReflecting, Convention::fokker_planck, 0.1, wavy),
               std::domain_error);
  EXPECT_THROW(walk_equation(cells, kReflecting, Convention::fokker_planck, 0, wavy), std::domain_error);
  EXPECT_THROW(point_start(cells, 1.5), std::domain_error);
  EXPECT_THROW(density_start(cells, falling), ConfigError);
  EXPECT_THROW(density_start(cells, [](double) { return 0.0; }), ConfigError);
  const auto equation = walk_equation(cells, kReflecting, Convention::fokker_planck, 0.1, wavy);
  Density state = point_start(cells, 0.5);
  EXPECT_THROW(step(equation, state, 0), std::domain_error);
  EXPECT_THROW(evolve(equation, state, -1), std::domain_error);
  EXPECT_THROW(evolve(equation, state, 1, 0), std::domain_error);
  EXPECT_THROW(mean_absorption_time(equation, state.density), std::domain_error);
}

}  // namespace
}  // namespace soret::theory
