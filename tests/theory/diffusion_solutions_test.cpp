#include "soret/theory/diffusion_solutions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <functional>
#include <numbers>
#include <stdexcept>

#include "soret/theory/cells.hpp"
#include "soret/theory/fokker_planck.hpp"

namespace soret::theory {
namespace {

double integral(const std::function<double(double)>& f, double from, double to) {
  double total = 0;
  for (const double part : cell_integrals({from, to, 400}, f)) total += part;
  return total;
}

TEST(OrnsteinUhlenbeckLaw, MomentsAreThoseOfItsDensity) {
  const OrnsteinUhlenbeck law{.rate = 0.7, .spread = 1.3};
  const double start = 2;
  for (const double time : {0.05, 1.0, 20.0}) {
    const auto moment = [&](int k) {
      return integral([&](double x) { return std::pow(x, k) * law.density(start, time, x); }, -12, 12);
    };
    EXPECT_NEAR(moment(0), 1, 1e-12);
    EXPECT_NEAR(moment(1), law.mean(start, time), 1e-12);
    EXPECT_NEAR(moment(2) - moment(1) * moment(1), law.variance(time), 1e-11);
  }
  EXPECT_DOUBLE_EQ(law.stationary_variance(), 1.69 / 1.4);
  EXPECT_NEAR(law.variance(100), law.stationary_variance(), 1e-15);
  EXPECT_NEAR(law.variance(1e-9), 1.69e-9, 1e-17);
  EXPECT_DOUBLE_EQ(law.covariance(1, 3), law.covariance(3, 1));
  EXPECT_NEAR(law.covariance(1, 3), std::exp(-1.4) * law.variance(1), 1e-15);
  EXPECT_THROW(law.mean(1, -1), std::domain_error);
}

// Chapman and Kolmogorov: two steps of time are one.
TEST(OrnsteinUhlenbeckLaw, ComposesInTime) {
  const OrnsteinUhlenbeck law{.rate = 0.7, .spread = 1.3};
  const double through =
      integral([&](double y) { return law.density(0.4, 0.3, y) * law.density(y, 0.5, -0.2); }, -10, 10);
  EXPECT_NEAR(through, law.density(0.4, 0.8, -0.2), 1e-12);
}

TEST(GeometricBrownianLaw, MomentsAreThoseOfItsDensityAndPaths) {
  const GeometricBrownian law{.drift = 0.3, .volatility = 0.5};
  for (const double time : {0.1, 1.0}) {
    const auto moment = [&](int k) {
      return integral([&](double u) { return std::exp((k + 1) * u) * law.density(2, time, std::exp(u)); }, -6,
                      8);
    };
    EXPECT_NEAR(moment(0), 1, 1e-12);
    EXPECT_NEAR(moment(1), law.mean(2, time), 1e-10);
    EXPECT_NEAR(moment(2), law.second_moment(2, time), 1e-9);
    // E over the Brownian path's end, w ~ N(0, t).
    const auto weight = [&](double w) {
      return std::exp(-w * w / (2 * time)) / std::sqrt(2 * std::numbers::pi * time);
    };
    EXPECT_NEAR(integral([&](double w) { return weight(w) * law.solution(2, time, w); }, -12, 12),
                law.mean(2, time), 1e-10);
  }
}

// Images and modes are the same function where they meet (0.3) and the walls are what they should be.
TEST(BrownianLaw, IsContinuousWhereTheSeriesChange) {
  const Brownian law{.variance_rate = 0.04};
  const double length = 2;
  const double meet = 0.3 * length * length / 0.04;
  for (const double q : {0.0, 0.3, 1.1, 2.0}) {
    const auto jump = [&](auto f) { return std::abs(f(meet * (1 + 1e-13)) - f(meet * (1 - 1e-13))); };
    EXPECT_LT(jump([&](double t) { return law.reflected_density(length, 0.7, t, q); }), 1e-12);
    EXPECT_LT(jump([&](double t) { return law.absorbed_density(length, 0.7, t, q); }), 1e-12);
    EXPECT_LT(jump([&](double t) { return law.survival(length, q, t); }), 1e-12);
  }
}

TEST(BrownianLaw, DensitiesIntegrateAsTheyShould) {
  const Brownian law{.variance_rate = 0.04};
  for (const double time : {1.0, 7.0, 40.0, 400.0}) {
    const auto reflected = [&](double q) { return law.reflected_density(2, 0.7, time, q); };
    const auto absorbed = [&](double q) { return law.absorbed_density(2, 0.7, time, q); };
    EXPECT_NEAR(integral(reflected, 0, 2), 1, 1e-12);
    EXPECT_NEAR(integral(absorbed, 0, 2), law.survival(2, 0.7, time), 1e-12);
    EXPECT_NEAR(absorbed(0), 0, 1e-14);
    EXPECT_NEAR(absorbed(2), 0, 1e-14);
    // Symmetric in start and place, and under a reflection of both.
    EXPECT_NEAR(law.reflected_density(2, 0.7, time, 1.6), law.reflected_density(2, 1.6, time, 0.7), 1e-14);
    EXPECT_NEAR(law.reflected_density(2, 0.7, time, 1.6), law.reflected_density(2, 1.3, time, 0.4), 1e-14);
  }
  EXPECT_NEAR(law.reflected_density(2, 0.7, 1e5, 0.1), 0.5, 1e-14);
}

TEST(BrownianLaw, ExitTimeIsTheIntegralOfSurvival) {
  const Brownian law{.variance_rate = 0.04};
  const double mean = integral([&](double t) { return law.survival(2, 0.7, t); }, 0, 1000);
  EXPECT_NEAR(mean, law.mean_exit_time(2, 0.7), 1e-5);
  EXPECT_DOUBLE_EQ(law.mean_exit_time(2, 0.7), 0.7 * 1.3 / 0.04);
}

TEST(BrownianLaw, HalfLineIsAVeryLongInterval) {
  const Brownian law{.variance_rate = 0.04};
  EXPECT_NEAR(law.half_line_survival(0.7, 3), law.survival(50, 0.7, 3), 1e-14);
  const double h = 1e-4;
  const double fall = (law.half_line_survival(0.7, 3 - h) - law.half_line_survival(0.7, 3 + h)) / (2 * h);
  EXPECT_NEAR(law.first_passage_density(0.7, 3), fall, 1e-9);
  EXPECT_EQ(law.half_line_survival(0.7, 0), 1);
}

TEST(BrownianLaw, IsWhatTheSolverFinds) {
  const double eta = 0.05;
  const Brownian law{.variance_rate = eta * eta};
  const Cells cells{0, 1, 300};
  const auto constant = [](double) { return 1.0; };
  for (const double time : {20.0, 300.0}) {
    const double start = 0.311;
    const auto closed = walk_equation(cells, {}, Convention::fokker_planck, eta, constant);
    const auto open =
        walk_equation(cells, {Wall::absorbing, Wall::absorbing}, Convention::fokker_planck, eta, constant);
    Density inside = point_start(cells, start);
    Density left = inside;
    evolve(closed, inside, time);
    evolve(open, left, time);
    for (int i = 0; i < cells.count; ++i) {
      const auto k = static_cast<std::size_t>(i);
      EXPECT_NEAR(inside.density[k], law.reflected_density(1, start, time, cells.centre(i)), 2e-4);
      EXPECT_NEAR(left.density[k], law.absorbed_density(1, start, time, cells.centre(i)), 2e-4);
    }
    EXPECT_NEAR(total_probability(cells, left.density) / law.survival(1, start, time), 1, 2e-4);
  }
}

TEST(BrownianLaw, RejectsPlacesOutside) {
  const Brownian law{.variance_rate = 1};
  EXPECT_THROW(law.reflected_density(1, 1.2, 1, 0.5), std::domain_error);
  EXPECT_THROW(law.absorbed_density(1, 0.5, 0, 0.5), std::domain_error);
  EXPECT_THROW(law.survival(0, 0, 1), std::domain_error);
  EXPECT_THROW(law.half_line_survival(-1, 1), std::domain_error);
  EXPECT_THROW(Brownian{0}.survival(1, 0.5, 1), std::domain_error);
}

}  // namespace
}  // namespace soret::theory
