#include "soret/theory/walk_conventions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <numbers>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "soret/base/error.hpp"

namespace soret::theory {
namespace {

constexpr double kPi = std::numbers::pi;

TEST(Convention, NamesGoBothWays) {
  for (const Convention convention : kConventions) EXPECT_EQ(convention_named(name(convention)), convention);
  EXPECT_THROW(convention_named("fokker-planck"), ConfigError);
}

// eta = 0.1, g = 2, g' = 3: a = eta^2 g^2 = 0.04 (or half), b = eta^2 g g' = 0.06 (or half).
TEST(Convention, CoefficientsByHand) {
  const auto check = [](Convention convention, double a, double b) {
    const FluxCoefficients found = flux_coefficients(convention, 0.1, 2, 3);
    EXPECT_DOUBLE_EQ(found.a, a);
    EXPECT_DOUBLE_EQ(found.b, b);
    EXPECT_NEAR(found.flux(5, -7), 7 * a - 5 * b, 1e-15);
  };
  check(Convention::fokker_planck, 0.02, 0.06);
  check(Convention::paper_eq10, 0.04, 0.06);
  check(Convention::paper_eq11, 0.04, 0.03);
}

// J = 0 at rho = g^-k: -a rho' - b rho with rho' = -k g' g^(-k-1).
TEST(Convention, FluxVanishesAtTheStationaryDensity) {
  for (const Convention convention : kConventions) {
    const double k = numbers(convention).exponent;
    const double g = 1.7;
    const double g_slope = -0.4;
    const FluxCoefficients at = flux_coefficients(convention, 0.03, g, g_slope);
    EXPECT_NEAR(at.flux(std::pow(g, -k), -k * g_slope * std::pow(g, -k - 1)), 0, 1e-18);
  }
}

// g = 1 + q on [0, 1]: the integrals of g^-2, g^-1 and g^-1/2 are 1/2, ln 2 and 2 (sqrt 2 - 1).
TEST(StationaryDensity, MatchesItsIntegralPerCell) {
  const Cells cells{0, 1, 7};
  const auto check = [&](Convention convention, auto antiderivative) {
    const std::vector<double> density = stationary_density(convention, cells, [](double q) { return 1 + q; });
    const double total = antiderivative(2.0) - antiderivative(1.0);
    for (int i = 0; i < 7; ++i) {
      const double mass = (antiderivative(1 + cells.edge(i + 1)) - antiderivative(1 + cells.edge(i))) / total;
      EXPECT_NEAR(density[static_cast<std::size_t>(i)] * cells.width(), mass, 1e-12);
    }
    EXPECT_NEAR(std::accumulate(density.begin(), density.end(), 0.0) * cells.width(), 1, 1e-14);
  };
  check(Convention::fokker_planck, [](double g) { return -1 / g; });
  check(Convention::paper_eq10, [](double g) { return std::log(g); });
  check(Convention::paper_eq11, [](double g) { return 2 * std::sqrt(g); });
}

TEST(StationaryDensity, NeedsAPositiveAmplitude) {
  const Cells cells{-1, 1, 5};
  EXPECT_THROW(stationary_density(Convention::fokker_planck, cells, [](double q) { return q; }), ConfigError);
  EXPECT_THROW(stationary_density(Convention::fokker_planck, cells, [](double) { return std::nan(""); }),
               ConfigError);
  // The scale of g does not matter, however small.
  const auto tiny =
      stationary_density(Convention::fokker_planck, cells, [](double q) { return 1e-200 * (2 + q); });
  const auto plain = stationary_density(Convention::fokker_planck, cells, [](double q) { return 2 + q; });
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(tiny[i], plain[i], 1e-14);
}

/// g_i(q), its slopes and rho(q) as smooth fields of three coordinates.
struct Fields {
  static std::vector<double> g(const std::vector<double>& q) {
    return {1 + 0.3 * q[0] * q[1], 2 + std::sin(q[0] + q[2]), std::exp(0.2 * q[1] - 0.1 * q[2])};
  }
  static double density(const std::vector<double>& q) {
    return std::exp(-q[0] * q[0] - 0.5 * q[1]) * (2 + std::cos(q[2]));
  }
};

std::vector<double> moved(std::vector<double> q, std::size_t j, double h) {
  q[j] += h;
  return q;
}

// The projection on g/|g| of J_i = -1/2 sum_j d_j(eta^2 g_i g_j rho), by central differences.
TEST(GroupFlow, FokkerPlanckIsTheProjectedFlux) {
  const std::vector<double> q = {0.3, -0.7, 0.9};
  const double eta = 0.2;
  const double h = 1e-5;
  const std::vector<double> g = Fields::g(q);
  std::vector<double> slope(9);
  std::vector<double> gradient(3);
  std::vector<double> flux(3, 0.0);
  for (std::size_t j = 0; j < 3; ++j) {
    const auto up = moved(q, j, h);
    const auto down = moved(q, j, -h);
    gradient[j] = (Fields::density(up) - Fields::density(down)) / (2 * h);
    for (std::size_t i = 0; i < 3; ++i) {
      slope[i * 3 + j] = (Fields::g(up)[i] - Fields::g(down)[i]) / (2 * h);
      const auto product = [&](const std::vector<double>& x) {
        return eta * eta * Fields::g(x)[i] * Fields::g(x)[j] * Fields::density(x);
      };
      flux[i] -= 0.5 * (product(up) - product(down)) / (2 * h);
    }
  }
  double norm = 0;
  double projected = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    norm += g[i] * g[i];
    projected += flux[i] * g[i];
  }
  projected /= std::sqrt(norm);
  const GroupPoint point{g, slope, Fields::density(q), gradient};
  EXPECT_NEAR(group_flow(Convention::fokker_planck, eta, point), projected, 1e-10);
}

// |U| = 2, g = (3, 4), |g| = 5, by hand: sum g_i g_j d_j g_i = 9*1 + 12*2 + 12*3 + 16*4 = 133,
// sum g_i d_i rho = 3*0.5 - 4*0.25 = 0.5, rho = 10.
TEST(GroupFlow, PrintedEquationsByHand) {
  const std::vector<double> g = {3, 4};
  const std::vector<double> slope = {1, 2, 3, 4};
  const std::vector<double> gradient = {0.5, -0.25};
  const GroupPoint point{g, slope, 10, gradient};
  EXPECT_DOUBLE_EQ(group_flow(Convention::paper_eq10, 0.1, point), -0.01 * (5 * 0.5 + 133.0 / 5 * 10));
  EXPECT_DOUBLE_EQ(group_flow(Convention::paper_eq11, 0.1, point), -0.01 * (5 * 0.5 + 133.0 / 10 * 10));
  EXPECT_DOUBLE_EQ(group_flow(Convention::fokker_planck, 0.1, point),
                   -0.005 * (5 * 0.5 + (133.0 / 5 + 5 * (1 + 4)) * 10));
  EXPECT_DOUBLE_EQ(thermophoresis_coefficient(0.1, point), -0.01 * 133 / 10);
}

TEST(GroupFlow, OfOneCoordinateIsTheFlux) {
  const std::vector<double> g = {1.3};
  const std::vector<double> slope = {0.6};
  const std::vector<double> gradient = {-0.8};
  const GroupPoint point{g, slope, 2.1, gradient};
  for (const Convention convention : kConventions) {
    EXPECT_NEAR(group_flow(convention, 0.05, point),
                flux_coefficients(convention, 0.05, 1.3, 0.6).flux(2.1, -0.8), 1e-17);
  }
  // Eq. 35 in size, Eq. 11 in sign: |c| is the slope of the effective temperature.
  const double h = 1e-6;
  const double rise =
      (effective_temperature(0.05, 1.3 + 0.6 * h) - effective_temperature(0.05, 1.3 - 0.6 * h)) / (2 * h);
  EXPECT_NEAR(thermophoresis_coefficient(0.05, point), -rise, 1e-10);
}

TEST(GroupFlow, NeedsADirectionAndMatchingSizes) {
  const std::vector<double> zero = {0, 0};
  const std::vector<double> four = {1, 2, 3, 4};
  EXPECT_THROW(group_flow(Convention::paper_eq10, 0.1, {zero, four, 1, zero}), std::domain_error);
  EXPECT_THROW(group_flow(Convention::paper_eq10, 0.1, {zero, zero, 1, zero}), std::domain_error);
}

// rho ~ g^-k ~ T^(-k/2): S_T = -d ln rho / dT = k / (2T).
TEST(SoretCoefficient, IsTheLogarithmicSlopeInTemperature) {
  EXPECT_DOUBLE_EQ(soret_coefficient(Convention::fokker_planck, 0.2), 5);
  EXPECT_DOUBLE_EQ(soret_coefficient(Convention::paper_eq10, 0.2), 2.5);
  EXPECT_DOUBLE_EQ(soret_coefficient(Convention::paper_eq11, 0.2), 1.25);
  EXPECT_THROW(soret_coefficient(Convention::fokker_planck, 0), std::domain_error);
}

// The law itself, without Fokker-Planck: the one-step operator of the binary walk on a circle leaves g^-2
// alone to order eta^2 better than g^-1 and g^-1/2. <phi(q - eta g) + phi(q + eta g)>/2 - <phi> for a test
// function phi, under each density.
TEST(Convention, OnlyFokkerPlanckIsStationaryUnderTheWalk) {
  const Cells circle{0, 1, 400};
  const auto g = [](double q) { return 1 + 0.5 * std::sin(2 * kPi * q); };
  const auto phi = [](double q) { return std::sin(2 * kPi * q) + 0.3 * std::cos(4 * kPi * q); };
  const auto drift = [&](Convention convention, double eta) {
    const double k = numbers(convention).exponent;
    double change = 0;
    double total = 0;
    for (int i = 0; i < circle.count; ++i) {
      const double q = circle.centre(i);
      const double weight = std::pow(g(q), -k);
      change += weight * (0.5 * (phi(q - eta * g(q)) + phi(q + eta * g(q))) - phi(q));
      total += weight;
    }
    return std::abs(change / total) / (eta * eta);
  };
  EXPECT_NEAR(drift(Convention::fokker_planck, 0.01) / drift(Convention::fokker_planck, 0.005), 4, 0.1);
  EXPECT_LT(drift(Convention::fokker_planck, 0.005), 0.05);
  EXPECT_GT(drift(Convention::paper_eq10, 0.005), 1);
  EXPECT_GT(drift(Convention::paper_eq11, 0.005), 1);
}

TEST(Cells, KeepTheirIntegralsWhenGrouped) {
  const Cells cells{-1, 2, 12};
  const std::vector<double> quartic = cell_integrals(cells, [](double q) { return 5 * q * q * q * q; });
  EXPECT_NEAR(std::accumulate(quartic.begin(), quartic.end(), 0.0), 33, 1e-12);
  const std::vector<double> grouped = coarsened(quartic, 4);
  ASSERT_EQ(grouped.size(), 3U);
  EXPECT_NEAR(grouped[0], (quartic[0] + quartic[1] + quartic[2] + quartic[3]) / 4, 1e-15);
  EXPECT_EQ(coarsened(cells, 4).count, 3);
  EXPECT_EQ(coarsened(cells, 4).edge(3), 2);
  EXPECT_THROW(coarsened(cells, 5), std::domain_error);
}

}  // namespace
}  // namespace soret::theory
