#include "soret/theory/plane_fokker_planck.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/theory/langevin_laws.hpp"

namespace soret::theory {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr Walls kReflecting{Wall::no_flux, Wall::no_flux};
constexpr Walls kCircle{Wall::periodic, Wall::periodic};
constexpr Walls kAbsorbing{Wall::absorbing, Wall::absorbing};

using Field2 = std::function<double(double, double)>;

double distance(const PlaneGrid& grid, const std::vector<double>& density, const Field2& truth) {
  double total = 0;
  for (int i = 0; i < grid.x.count; ++i) {
    for (int j = 0; j < grid.y.count; ++j) {
      const double mean = cell_mean(
          grid.x, i, [&](double x) { return cell_mean(grid.y, j, [&](double y) { return truth(x, y); }); });
      total += std::abs(density[grid.cell(i, j)] - mean);
    }
  }
  return total * grid.x.width() * grid.y.width();
}

double order(const std::function<double(int)>& error, int n) {
  return std::log2(error(n) / error(2 * n));
}

// On a torus exp(i k.q) decays as exp(-k.C k t/2), for correlations of either sign.
TEST(PlaneFokkerPlanckOrder, CorrelatedWaveOnATorus) {
  for (const double correlation : {0.6, -0.6, 0.0}) {
    const PlaneCovariance c{0.04, correlation * 0.04, 0.05};
    const double k = 2 * kPi;
    const double time = 0.5;
    const double decay = std::exp(-k * k * (c.xx + 2 * c.xy + c.yy) * time / 2);
    const auto error = [&](int n) {
      const PlaneGrid grid{{0, 1, n}, {0, 1, n}};
      PlaneFokkerPlanck equation(grid, {kCircle, kCircle}, [=](double, double) { return c; });
      EXPECT_TRUE(equation.positive());
      PlaneDensity state =
          density_start(grid, [=](double x, double y) { return 1 + 0.5 * std::cos(k * (x + y)); });
      equation.evolve(state, time, n / 2);
      return distance(grid, state.density,
                      [=](double x, double y) { return 1 + 0.5 * decay * std::cos(k * (x + y)); });
    };
    EXPECT_NEAR(order(error, 16), 2, 0.1) << correlation;
  }
}

// One zeta for both coordinates: a wave across g = (a, b) stays for ever, one along it decays.
TEST(PlaneFokkerPlanckOrder, SharedSignOnATorus) {
  const double a = 0.2;
  const double b = 0.1;
  const PlaneCovariance c{a * a, a * b, b * b};
  const double k = 2 * kPi;
  const double time = 1;
  const double decay = std::exp(-k * k * (a + b) * (a + b) * time / 2);
  const Field2 start = [=](double x, double y) {
    return 1 + 0.3 * std::cos(k * (x - 2 * y)) + 0.4 * std::cos(k * (x + y));
  };
  const Field2 end = [=](double x, double y) {
    return 1 + 0.3 * std::cos(k * (x - 2 * y)) + 0.4 * decay * std::cos(k * (x + y));
  };
  const auto error = [&](int n) {
    const PlaneGrid grid{{0, 1, n}, {0, 1, n}};
    PlaneFokkerPlanck equation(grid, {kCircle, kCircle}, [=](double, double) { return c; });
    EXPECT_FALSE(equation.positive());
    PlaneDensity state = density_start(grid, start);
    equation.evolve(state, time, n);
    return distance(grid, state.density, end);
  };
  EXPECT_NEAR(order(error, 16), 2, 0.15);
  // Along the diagonal of the cells every rate is positive, and the wave across it exact.
  const PlaneGrid grid{{0, 1, 16}, {0, 0.5, 16}};
  PlaneFokkerPlanck equation(grid, {kCircle, kCircle}, [=](double, double) { return c; });
  EXPECT_TRUE(equation.positive());
  PlaneDensity state =
      density_start(grid, [=](double x, double y) { return 1 + 0.3 * std::cos(k * (x - 2 * y)); });
  const std::vector<double> before = state.density;
  equation.evolve(state, 5, 20);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(state.density[i], before[i], 1e-12);
}

// Independent coordinates: the product of two one-dimensional densities, walls of every kind.
TEST(PlaneFokkerPlanckProduct, IsThatOfTheLines) {
  const auto gx = [](double q) { return 1 + 0.5 * q; };
  const auto gy = [](double q) { return 1.2 + std::sin(2 * kPi * q) / 2; };
  const double eta = 0.1;
  const PlaneGrid grid{{0, 1, 50}, {0, 1, 60}};
  const Field sx = [](double x) { return 1 + std::cos(kPi * x) / 2; };
  const Field sy = [](double y) { return 1 + std::sin(2 * kPi * y) / 2; };
  for (const Walls wx : {kReflecting, kAbsorbing}) {
    for (const Walls wy : {kCircle, kReflecting, Walls{Wall::absorbing, Wall::no_flux}}) {
      PlaneFokkerPlanck plane(grid, {wx, wy}, [&](double x, double y) {
        return PlaneCovariance{eta * eta * gx(x) * gx(x), 0, eta * eta * gy(y) * gy(y)};
      });
      const auto line_x = walk_equation(grid.x, wx, Convention::fokker_planck, eta, gx);
      const auto line_y = walk_equation(grid.y, wy, Convention::fokker_planck, eta, gy);
      PlaneDensity both = density_start(grid, [&](double x, double y) { return sx(x) * sy(y); });
      Density x = density_start(grid.x, sx);
      Density y = density_start(grid.y, sy);
      plane.evolve(both, 12, 60);
      evolve(line_x, x, 12);
      evolve(line_y, y, 12);
      for (int i = 0; i < grid.x.count; ++i) {
        for (int j = 0; j < grid.y.count; ++j) {
          EXPECT_NEAR(both.density[grid.cell(i, j)],
                      x.density[static_cast<std::size_t>(i)] * y.density[static_cast<std::size_t>(j)], 3e-3);
        }
      }
      EXPECT_NEAR(total_probability(grid, both.density),
                  total_probability(grid.x, x.density) * total_probability(grid.y, y.density), 2e-3);
    }
  }
}

TEST(PlaneFokkerPlanckStep, KeepsProbabilityAndAccountsForCells) {
  const PlaneGrid grid{{-1, 1, 13}, {0, 3, 17}};
  const auto covariance = [](double x, double y) {
    const double gx = 0.3 + 0.1 * std::sin(3 * x);
    const double gy = 0.3 + 0.1 * std::cos(2 * y);
    return PlaneCovariance{gx * gx, 0.4 * gx * gy, gy * gy};
  };
  const auto drift = [](double x, double y) {
    return std::array<double, 2>{-x + 0.2 * y, 0.3 * x * y - 0.1};
  };
  const std::vector<PlaneWalls> all = {{kReflecting, kReflecting},
                                       {kCircle, kReflecting},
                                       {kAbsorbing, kCircle},
                                       {kAbsorbing, kAbsorbing},
                                       {kCircle, kCircle}};
  for (const PlaneWalls& walls : all) {
    for (const bool drifts : {false, true}) {
      PlaneFokkerPlanck equation(grid, walls, covariance, drifts ? PlaneDrift(drift) : PlaneDrift());
      for (const double time : {0.01, 1.0, 50.0}) {
        // All in one cell, a corner cell too.
        for (const std::size_t at : {grid.cell(5, 8), grid.cell(12, 16)}) {
          PlaneDensity state = density_start(grid, [](double, double) { return 1.0; });
          std::fill(state.density.begin(), state.density.end(), 0.0);
          state.density[at] = 1 / (grid.x.width() * grid.y.width());
          const std::vector<double> before = state.density;
          equation.evolve(state, time, 7);
          if (equation.positive()) {
            EXPECT_GE(*std::min_element(state.density.begin(), state.density.end()), 0);
          }
          EXPECT_NEAR(total_probability(grid, state.density) + equation.absorbed_probability(state), 1,
                      1e-12);
          for (int i = 0; i < 13; ++i) {
            for (int j = 0; j < 17; ++j) {
              const std::size_t cell = grid.cell(i, j);
              const double gained = (state.density[cell] - before[cell]) * grid.x.width() * grid.y.width();
              const auto column = static_cast<std::size_t>(i) * 18 + static_cast<std::size_t>(j);
              EXPECT_NEAR(gained,
                          state.crossed_x[cell] - state.crossed_x[cell + 17] + state.crossed_y[column] -
                              state.crossed_y[column + 1],
                          1e-12);
            }
          }
        }
      }
    }
  }
}

TEST(PlaneFokkerPlanckStep, StaysPositiveWhereItSaysSo) {
  const PlaneGrid grid{{0, 1, 21}, {0, 1, 21}};
  const auto covariance = [](double, double) { return PlaneCovariance{0.04, 0.03, 0.04}; };
  for (const PlaneWalls& walls : {PlaneWalls{kReflecting, kReflecting}, PlaneWalls{kAbsorbing, kCircle}}) {
    PlaneFokkerPlanck equation(grid, walls, covariance);
    ASSERT_TRUE(equation.positive());
    for (const double dt : {1e-3, 0.1, 3.0}) {
      PlaneDensity state =
          density_start(grid, [](double x, double y) { return x < 0.06 && y < 0.06 ? 1.0 : 0.0; });
      double absorbed = 0;
      for (int k = 1; k < 6; ++k) {
        equation.evolve(state, dt * k, 1);
        EXPECT_GE(*std::min_element(state.density.begin(), state.density.end()), 0);
        EXPECT_GE(equation.absorbed_probability(state), absorbed - 1e-14);
        absorbed = equation.absorbed_probability(state);
        EXPECT_NEAR(total_probability(grid, state.density) + absorbed, 1, 1e-12);
      }
    }
  }
}

// dw = -H w dt + B dW: the covariance of the density at rest solves H S + S H = C.
TEST(PlaneFokkerPlanckOrder, OrnsteinUhlenbeckAtRest) {
  Eigen::Matrix2d h;
  h << 1.0, 0.3, 0.3, 0.8;
  Eigen::Matrix2d c;
  c << 0.5, 0.2, 0.2, 0.4;
  const Eigen::Matrix2d truth = continuous_covariance(h, c, 1, 1);
  const auto error = [&](int n) {
    const PlaneGrid grid{{-3, 3, n}, {-3, 3, n}};
    PlaneFokkerPlanck equation(
        grid, {kReflecting, kReflecting},
        [&](double, double) {
          return PlaneCovariance{c(0, 0), c(0, 1), c(1, 1)};
        },
        [&](double x, double y) {
          return std::array<double, 2>{-h(0, 0) * x - h(0, 1) * y, -h(1, 0) * x - h(1, 1) * y};
        });
    PlaneDensity state = density_start(grid, [](double x, double y) { return std::exp(-(x * x + y * y)); });
    equation.evolve(state, 40, 40);
    Eigen::Matrix2d found = Eigen::Matrix2d::Zero();
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        const Eigen::Vector2d w(grid.x.centre(i), grid.y.centre(j));
        found += state.density[grid.cell(i, j)] * grid.x.width() * grid.y.width() * w * w.transpose();
      }
    }
    return (found - truth).norm();
  };
  EXPECT_LT(error(64), 5e-3);
  EXPECT_NEAR(order(error, 32), 2, 0.2);
}

// Eq. 25 on a landscape with three wells of different depth.
TEST(PlaneFokkerPlanckStationary, IsTheBoltzmannDensity) {
  const auto loss = [](double x, double y) {
    return (x * x - 1) * (x * x - 1) / 2 + 0.2 * x + (y - 0.3 * x) * (y - 0.3 * x);
  };
  const double temperature = 0.3;
  const PlaneGrid grid{{-2, 2, 64}, {-2, 2, 48}};
  PlaneFokkerPlanck equation(
      grid, {kReflecting, kReflecting},
      [=](double, double) {
        return PlaneCovariance{2 * temperature, 0, 2 * temperature};
      },
      [](double x, double y) {
        const double r = 2 * (y - 0.3 * x);
        return std::array<double, 2>{-(2 * x * (x * x - 1) + 0.2 - 0.3 * r), -r};
      });
  PlaneDensity state = density_start(grid, [](double, double) { return 1.0; });
  equation.evolve(state, 200, 30);
  const std::vector<double> truth = equilibrium_density(grid.x, grid.y, loss, temperature);
  double difference = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) difference += std::abs(state.density[i] - truth[i]);
  EXPECT_LT(difference * grid.x.width() * grid.y.width(), 5e-3);
  for (const double j : equation.flux(state.density).x) EXPECT_NEAR(j, 0, 2e-3);
}

// One zeta and a reflecting wall at x = 0: x - y changes only by what the wall pushes, x = x0 + W + (M -
// x0)^+ with M the largest value of -W so far, which is distributed as |N(0, g^2 t)|.
TEST(PlaneFokkerPlanckOrder, SharedSignAtAReflectingWall) {
  const double g = 0.5;
  const double time = 1;
  const double sigma = g * std::sqrt(time);
  const auto bump = [](double q, double centre) {
    const double r = (q - centre) / 0.5;
    return std::abs(r) < 1 ? std::pow(1 - r * r, 4) : 0.0;
  };
  // E (M - x0)^+ over the bump.
  const Cells line{0, 1, 1000};
  double push = 0;
  double mass = 0;
  for (int i = 0; i < line.count; ++i) {
    const double x0 = line.centre(i);
    const double z = x0 / sigma;
    push += bump(x0, 0.5) * sigma *
            (std::sqrt(2 / kPi) * std::exp(-z * z / 2) - z * std::erfc(z / std::numbers::sqrt2));
    mass += bump(x0, 0.5);
  }
  push /= mass;
  for (const int ratio : {2, 3}) {  // cells as wide as high, and not
    const auto error = [&](int n) {
      const PlaneGrid grid{{0, 4, n}, {-4, 4, ratio * n}};
      PlaneFokkerPlanck equation(grid, {kReflecting, kReflecting}, [=](double, double) {
        return PlaneCovariance{g * g, g * g, g * g};
      });
      EXPECT_EQ(equation.positive(), ratio == 2);
      PlaneDensity state =
          density_start(grid, [&](double x, double y) { return bump(x, 0.5) * bump(y, 0.0); });
      equation.evolve(state, time, n);
      double difference = 0;
      for (int i = 0; i < grid.x.count; ++i) {
        for (int j = 0; j < grid.y.count; ++j) {
          difference += state.density[grid.cell(i, j)] * (grid.x.centre(i) - grid.y.centre(j));
        }
      }
      return std::abs(difference * grid.x.width() * grid.y.width() - 0.5 - push);
    };
    EXPECT_NEAR(order(error, 16), 2, 0.15);
  }
}

TEST(PlaneFokkerPlanckInput, WrongFieldsAreNamed) {
  const PlaneGrid grid{{0, 1, 4}, {0, 1, 4}};
  const PlaneWalls walls{kReflecting, kReflecting};
  const auto constant = [](PlaneCovariance c) { return [=](double, double) { return c; }; };
  EXPECT_THROW(PlaneFokkerPlanck(grid, walls, constant({1, 2, 1})), ConfigError);
  EXPECT_THROW(PlaneFokkerPlanck(grid, walls, constant({-1, 0, 1})), ConfigError);
  EXPECT_THROW(PlaneFokkerPlanck(grid, walls, constant({std::nan(""), 0, 1})), ConfigError);
  const auto drift = [](double, double) { return std::array<double, 2>{1, 0}; };
  EXPECT_THROW(PlaneFokkerPlanck(grid, walls, constant({0, 0, 1}), drift), ConfigError);
  EXPECT_NO_THROW(PlaneFokkerPlanck(grid, walls, constant({1, 0, 0}), drift));
  EXPECT_THROW(PlaneFokkerPlanck(grid, {{Wall::periodic, Wall::no_flux}, kCircle}, constant({1, 0, 1})),
               std::domain_error);
  EXPECT_THROW(density_start(grid, [](double x, double) { return x - 0.5; }), ConfigError);
  PlaneFokkerPlanck equation(grid, walls, constant({1, 0, 1}));
  PlaneDensity state = density_start(grid, [](double, double) { return 1.0; });
  EXPECT_THROW(equation.evolve(state, 0, 1), std::domain_error);
  EXPECT_THROW(equation.evolve(state, 1, 0), std::domain_error);
}

}  // namespace
}  // namespace soret::theory
