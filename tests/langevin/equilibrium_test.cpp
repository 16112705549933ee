#include "soret/langevin/equilibrium.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "soret/base/error.hpp"
#include "soret/theory/escape_time.hpp"
#include "soret/theory/langevin_laws.hpp"
#include "tests/oracles/statistics.hpp"

/// The predictions of a problem against the closed forms of theory/, and walkers against the predictions.
namespace soret::langevin {
namespace {

using oracle::kFiveSigma;

Problem with_unit_noise(Landscape landscape) {
  Problem p;
  p.landscape = std::move(landscape);
  p.noise.factor.assign(p.landscape.dimension, 1.0);
  p.start.centre.assign(p.landscape.dimension, 0.0);
  return p;
}

Problem coupled() {
  Landscape l;
  l.dimension = 2;
  l.diagonal = false;
  l.hessian = {2, 0.6, 0.6, 1};
  Problem p = with_unit_noise(l);
  p.noise.kind = Noise::Kind::dense;
  p.noise.factor = {1.0, 0, 0.7, 0.4};
  p.learning_rate = 0.5;
  p.batch_size = 4;
  return p;
}

Problem double_well(double temperature) {
  Landscape l;
  l.kind = Landscape::Kind::double_well;
  l.tilt = 0.1;
  Problem p = with_unit_noise(l);
  p.learning_rate = 0.01;
  p.batch_size = 0.005 / temperature;
  return p;
}

/// Two wells whose e^(-l/T) is the sum of two Gaussians.
Problem gaussian_wells(double temperature) {
  Landscape l;
  l.kind = Landscape::Kind::wells;
  l.sharpness = 1 / temperature;
  l.wells = {{{-1, 0}, 0, 8}, {{1, 0}, -1.2, 32}};
  Problem p = with_unit_noise(l);
  p.learning_rate = 0.01;
  p.batch_size = 0.005 / temperature;
  return p;
}

constexpr Box kBox{{-2.5, 0}, {2.5, 0}};

TEST(Equilibrium, CovarianceIsThatOfTheTheory) {
  const Problem p = coupled();
  const Eigen::Matrix2d h{{2, 0.6}, {0.6, 1}};
  const Eigen::Matrix2d f{{1.0, 0}, {0.7, 0.4}};
  const Eigen::MatrixXd discrete = theory::discrete_covariance(h, f * f.transpose(), 0.5, 4);
  const Eigen::MatrixXd continuous = theory::continuous_covariance(h, f * f.transpose(), 0.5, 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(stationary_covariance(p, CovarianceLaw::scheme)[i], discrete(i / 2, i % 2), 1e-14);
    EXPECT_NEAR(stationary_covariance(p, CovarianceLaw::continuous)[i], continuous(i / 2, i % 2), 1e-14);
  }
}

TEST(Equilibrium, AnUnstableRecursionHasNoCovariance) {
  Landscape l;
  l.hessian = {1};
  Problem p = with_unit_noise(l);
  p.learning_rate = 2;
  EXPECT_TRUE(std::isnan(stationary_covariance(p, CovarianceLaw::scheme)[0]));
  EXPECT_DOUBLE_EQ(stationary_covariance(p, CovarianceLaw::continuous)[0], 1);
}

TEST(Equilibrium, DensityIsEq25) {
  const Problem p = double_well(0.25);
  const theory::Cells cells{-2.5, 2.5, 50};
  const auto truth = theory::equilibrium_density(
      cells,
      [&](double w) {
        return value(p.landscape, {&w, 1});
      },
      temperature(p));
  const Histogram histogram{kBox, 50, 8};
  const auto density = stationary_density(p, DensityLaw::eq25, histogram);
  ASSERT_EQ(density.size(), truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i)
    EXPECT_NEAR(density[i], truth[i], 1e-3 * truth[i] + 1e-9) << i;
  EXPECT_EQ(stationary_density(p, DensityLaw::fokker_planck, histogram), density);
}

TEST(Equilibrium, OccupancyOfGaussianWellsIsEq26WithTheFactorTwo) {
  const Problem p = gaussian_wells(0.8);
  const Basins basins(p.landscape, kBox);
  ASSERT_EQ(basins.count(), 2U);
  EXPECT_NEAR(basins.minima()[0].position[0], -1, 1e-3);
  EXPECT_NEAR(basins.minima()[1].position[0], 1, 1e-3);
  EXPECT_NEAR(basins.minima()[1].determinant, 32, 0.1);
  const theory::GradientNoise noise{p.learning_rate, p.batch_size, 1};
  const std::vector<theory::Basin> wells = {{0, 8}, {-1.2, 32}};
  const auto laplace = theory::basin_occupancy(theory::OccupancyLaw::laplace, wells, noise);
  const auto printed = theory::basin_occupancy(theory::OccupancyLaw::paper_eq26, wells, noise);
  EXPECT_NEAR(occupancy(p, OccupancyLaw::eq26, basins, kBox)[0], laplace[0], 2e-3);
  EXPECT_NEAR(occupancy(p, OccupancyLaw::eq26_printed, basins, kBox)[0], printed[0], 2e-3);
  EXPECT_NEAR(occupancy(p, OccupancyLaw::integral, basins, kBox)[0], laplace[0], 2e-3);
  EXPECT_GT(std::abs(laplace[0] - printed[0]), 0.1);
}

TEST(Equilibrium, EscapeTimesAreThoseOfTheTheory) {
  Problem p = double_well(0.2);
  const Basins basins(p.landscape, kBox);
  p.start.centre = basins.minima()[1].position;
  p.target = Target{basins.minima()[0].position[0], -1};
  const auto loss = [&](double w) { return value(p.landscape, {&w, 1}); };
  const auto mirrored = [&](double w) { return loss(-w); };
  const double exact =
      theory::mean_first_passage_time(mirrored, temperature(p), -5, -p.start.centre[0], -p.target->position);
  EXPECT_NEAR(mean_first_passage_time(p, kBox) / exact, 1, 1e-6);
  const double top = basins.maxima()[0];
  EXPECT_NEAR(kramers_time(p, basins) /
                  theory::kramers_time(basins.minima()[1].determinant, hessian(p.landscape, {&top, 1})[0],
                                       loss(top) - basins.minima()[1].loss, temperature(p)),
              1, 1e-9);
}

Landscape formula(int dimension, std::string text) {
  Landscape l;
  l.kind = Landscape::Kind::formula;
  l.dimension = dimension;
  l.formula = std::move(text);
  return l;
}

/// A second coordinate with the same curvature everywhere changes nothing.
TEST(KramersTime, InThePlaneIsThatOnTheLine) {
  Problem line = double_well(0.2);
  const Basins on_line(line.landscape, kBox);
  line.start.centre = on_line.minima()[0].position;
  line.target = Target{on_line.minima()[1].position[0], 1};

  Problem plane = with_unit_noise(formula(2, "(x^2 - 1)^2 + 0.1*x + 3*(y - 0.2*x)^2"));
  plane.learning_rate = line.learning_rate;
  plane.batch_size = line.batch_size;
  const Basins in_plane(plane.landscape, {{-2, -2}, {2, 2}});
  ASSERT_EQ(in_plane.count(), 2U);
  plane.start.centre = in_plane.minima()[0].position;
  plane.target = Target{in_plane.minima()[1].position[0], 1};

  // With y - x/5 = u the loss is a sum, but the noise is not isotropic in (x, u): by hand, at the minimum and
  // at the pass H = [[h + 0.24, -1.2], [-1.2, 6]], det H = 6 h.
  const double top = on_line.maxima()[0];
  const double bottom = on_line.minima()[0].position[0];
  const auto bend = [](double x) { return 12 * x * x - 4; };
  const double trace = bend(top) + 6.24;
  const double lambda = 0.5 * (std::sqrt(trace * trace - 24 * bend(top)) - trace);
  const auto loss = [&](double w) { return value(line.landscape, {&w, 1}); };
  const double expected = 2 * M_PI / lambda * std::sqrt(bend(top) / -bend(bottom)) *
                          std::exp((loss(top) - loss(bottom)) / temperature(line));
  EXPECT_NEAR(kramers_time(plane, in_plane) / expected, 1, 1e-5);
  plane.landscape.formula = "(x^2 - 1)^2 + 0.1*x + 3*y^2";
  const Basins apart(plane.landscape, {{-2, -2}, {2, 2}});
  EXPECT_NEAR(kramers_time(plane, apart) / kramers_time(line, on_line), 1, 1e-5);
}

/// From the deep minimum of Mueller and Brown's landscape the line through the next minimum is reached within
/// the basin, far below the saddle; from the minimum on the right it is not.
TEST(KramersTime, IsNoneWhereTheTargetCutsTheBasin) {
  Landscape l;
  l.kind = Landscape::Kind::mueller_brown;
  l.dimension = 2;
  l.scale = 0.01;
  Problem p = with_unit_noise(l);
  p.learning_rate = 0.004;
  p.batch_size = 0.002 / 0.06;  // T = 0.06
  const Basins basins(l, {{-1.5, -0.3}, {1.1, 2.0}});
  p.start.centre = basins.minima()[0].position;
  p.target = Target{basins.minima()[1].position[0], 1};
  EXPECT_TRUE(std::isnan(kramers_time(p, basins)));
  p.start.centre = basins.minima()[2].position;
  p.target->direction = -1;
  EXPECT_GT(kramers_time(p, basins), 0);
}

/// Three equal wells: a walker in the middle goes back as often as on, so that two hops take three times one.
TEST(KramersTime, AddsUpOverHops) {
  Problem p = with_unit_noise(formula(1, "abs(x) < 1.5 ? -cos(2*pi*x) : 20*(abs(x) - 1.5)^2 + 1"));
  p.learning_rate = 0.01;
  p.batch_size = 0.005 / 0.125;
  const Box box{{-2, 0}, {2, 0}};
  const Basins basins(p.landscape, box);
  ASSERT_EQ(basins.count(), 3U);
  p.start.centre = {-1};
  p.target = Target{0, 1};
  const double once = kramers_time(p, basins);
  EXPECT_NEAR(once, std::exp(16) / (2 * M_PI), 1e-3 * once);
  p.target = Target{1, 1};
  EXPECT_NEAR(kramers_time(p, basins) / once, 3, 1e-6);
  // Of the exact time it is the limit of low temperatures.
  EXPECT_NEAR(mean_first_passage_time(p, box) / kramers_time(p, basins), 1, 0.1);
  p.target = Target{-0.9, 1};
  EXPECT_TRUE(std::isnan(kramers_time(p, basins)));
}

TEST(Basins, PassesOfMuellerAndBrownAreItsTwoKnownSaddles) {
  Landscape l;
  l.kind = Landscape::Kind::mueller_brown;
  l.dimension = 2;
  const auto passes = Basins(l, {{-1.5, -0.3}, {1.1, 2.0}}).passes(l);
  ASSERT_EQ(passes.size(), 2U);
  const double known[2][3] = {{-0.822, 0.624, -40.665}, {0.212, 0.293, -72.249}};
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(passes[k].basins[0], k);
    EXPECT_EQ(passes[k].basins[1], k + 1);
    EXPECT_NEAR(passes[k].position[0], known[k][0], 1e-3);
    EXPECT_NEAR(passes[k].position[1], known[k][1], 1e-3);
    EXPECT_NEAR(passes[k].loss, known[k][2], 1e-3);
  }
}

TEST(Basins, OfMuellerAndBrownAreItsThreeKnownMinima) {
  Landscape l;
  l.kind = Landscape::Kind::mueller_brown;
  l.dimension = 2;
  const Basins basins(l, {{-1.5, -0.3}, {1.1, 2.0}});
  ASSERT_EQ(basins.count(), 3U);
  const double known[3][3] = {{-0.558, 1.442, -146.700}, {-0.050, 0.467, -80.768}, {0.623, 0.028, -108.167}};
  for (int k = 0; k < 3; ++k) {
    EXPECT_NEAR(basins.minima()[k].position[0], known[k][0], 1e-3);
    EXPECT_NEAR(basins.minima()[k].position[1], known[k][1], 1e-3);
    EXPECT_NEAR(basins.minima()[k].loss, known[k][2], 1e-3);
    EXPECT_EQ(basins.of(known[k][0], known[k][1]), static_cast<std::size_t>(k));
  }
}

TEST(Basins, OfAQuadraticAreOneAroundTheOriginOrNone) {
  for (const bool diagonal : {true, false}) {
    Landscape l;
    l.dimension = 2;
    l.diagonal = diagonal;
    l.hessian = diagonal ? std::vector<double>{2, 0.5} : std::vector<double>{2, 0.6, 0.6, 1};
    const Basins basins(l, {{-1, -3}, {2, 4}});
    ASSERT_EQ(basins.count(), 1U);
    EXPECT_EQ(basins.minima()[0].position, (std::vector<double>{0, 0}));
    EXPECT_NEAR(basins.minima()[0].determinant, diagonal ? 1 : 1.64, 1e-9);
    EXPECT_EQ(basins.of(1.9, -2.9), 0U);
    EXPECT_EQ(Basins(l, {{0.5, -3}, {2, 4}}).count(), 0U);
    l.hessian[0] = -1;
    EXPECT_EQ(Basins(l, {{-1, -3}, {2, 4}}).count(), 0U);
  }
}

TEST(Basins, OfAFlatPlaneAreRefused) {
  EXPECT_THROW(Basins(formula(2, "max(x, 0)"), {{-1, -1}, {1, 1}}), ConfigError);
}

/// Every group's numbers of one observable at the last record: [cell][group].
std::vector<std::vector<double>> measure(const Problem& p, Plan plan, Observable o, std::uint32_t groups) {
  plan.observables = {o};
  const std::size_t cells = plan.cells(o, p.landscape.dimension);
  std::vector<std::vector<double>> out(cells);
  for (std::uint32_t g = 0; g < groups; ++g) {
    const auto values = observe_group(p, plan, g);
    for (std::size_t c = 0; c < cells; ++c) out[c].push_back(values[values.size() - cells + c]);
  }
  return out;
}

/// Truth: the discrete Lyapunov law, with noise that is correlated between coordinates and steps of half the
/// stability limit; for Heun the law of its own recursion. n = 48 groups of 128 walkers, 20 snapshots.
TEST(EquilibriumStatistics, CovarianceOfCoupledCoordinates) {
  for (const auto scheme : {Scheme::euler_maruyama, Scheme::heun}) {
    Problem p = coupled();
    p.scheme = scheme;
    p.walkers = 128;
    p.burn_in = 100;
    Plan plan;
    plan.records = {200};
    plan.snapshots = 20;
    const auto truth = stationary_covariance(p, CovarianceLaw::scheme);
    const auto measured = measure(p, plan, Observable::covariance, 48);
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_LT(oracle::mean_deviation(measured[i], truth[i]), kFiveSigma) << i;
  }
}

/// Truth: with C = (1 + 2 l) sigma^2 in three dimensions SGD's stationary variance is the fixed point of its
/// moments. n = 48 groups of 512 walkers.
TEST(EquilibriumStatistics, CovarianceWithNoiseThatGrowsWithTheLoss) {
  Landscape l;
  l.dimension = 3;
  l.hessian = {1, 0.5, 2};
  Problem p = with_unit_noise(l);
  p.noise.kind = Noise::Kind::state;
  p.noise.base = 1, p.noise.slope = 2;
  p.learning_rate = 0.2;
  p.walkers = 512;
  p.burn_in = 200;
  Plan plan;
  plan.records = {200};
  plan.snapshots = 5;
  const auto truth = stationary_covariance(p, CovarianceLaw::scheme);
  const auto measured = measure(p, plan, Observable::covariance, 48);
  for (const std::size_t i : {0U, 4U, 8U})
    EXPECT_LT(oracle::mean_deviation(measured[i], truth[i]), kFiveSigma) << i;
}

/// Truth: Eq. 26 with its factor 2, up to what basins of overlapping Gaussians differ, 0.0008; the printed
/// law is off by 0.1. Started evenly over both wells, many relaxation times before. n = 32 groups of 128
/// walkers.
TEST(EquilibriumStatistics, OccupancySupportsTheFactorTwo) {
  Problem p = gaussian_wells(1.5);
  p.scheme = Scheme::heun;
  p.substeps = 4;
  p.start.kind = Start::Kind::uniform;
  p.walkers = 128;
  p.burn_in = 15000;
  const Basins basins(p.landscape, kBox);
  Plan plan;
  plan.records = {10000};
  plan.snapshots = 50;
  plan.basins = &basins;
  const auto measured = measure(p, plan, Observable::occupancy, 32);
  const double exact = occupancy(p, OccupancyLaw::integral, basins, kBox)[0];
  EXPECT_NEAR(occupancy(p, OccupancyLaw::eq26, basins, kBox)[0], exact, 1e-3);
  EXPECT_LT(oracle::mean_deviation(measured[0], exact), kFiveSigma);
  EXPECT_GT(oracle::mean_deviation(measured[0], occupancy(p, OccupancyLaw::eq26_printed, basins, kBox)[0]),
            10);
}

/// Truth: the mean first-passage time of the SDE; the Heun step of 0.01 sees a passage late by less than a
/// hundredth of the time, the standard error. n = 32 groups of 64 walkers.
TEST(EquilibriumStatistics, EscapeTimeIsTheMeanFirstPassageTime) {
  Problem p = double_well(0.5);
  p.scheme = Scheme::heun;
  p.walkers = 64;
  const Basins basins(p.landscape, kBox);
  p.start.centre = basins.minima()[0].position;
  p.target = Target{basins.minima()[1].position[0], 1};
  Plan plan;
  plan.records = {30000};
  EXPECT_EQ(measure(p, plan, Observable::escaped, 32)[0], std::vector<double>(32, 1.0));
  EXPECT_LT(oracle::mean_deviation(measure(p, plan, Observable::survival_time, 32)[0],
                                   mean_first_passage_time(p, kBox)),
            kFiveSigma);
}

/// Truth: Cov(w_0, w_k) = (1 - eta h)^k Var w at rest. n = 64 groups of 256 walkers.
TEST(EquilibriumStatistics, AutocovarianceOfAParabolaDecaysGeometrically) {
  Landscape l;
  l.hessian = {1};
  Problem p = with_unit_noise(l);
  p.walkers = 256;
  p.burn_in = 200;
  Plan plan;
  plan.records = {0, 5};
  EXPECT_LT(oracle::mean_deviation(measure(p, plan, Observable::autocovariance, 64)[0],
                                   std::pow(0.9, 5) * 0.1 / 1.9),
            kFiveSigma);
}

/// Truth: the stationary start is the stationary state, so that nothing relaxes. n = 64 groups of 256
/// walkers.
TEST(EquilibriumStatistics, QuantilesStartAtRest) {
  Problem p = double_well(0.5);
  p.start.kind = Start::Kind::quantile;
  p.start.quantiles = stationary_quantiles(p, kBox, 4096);
  p.walkers = 256;
  const Histogram histogram{kBox, 10, 2};
  Plan plan;
  plan.records = {0};
  plan.histogram = histogram;
  const auto truth = stationary_density(p, DensityLaw::eq25, histogram);
  const auto measured = measure(p, plan, Observable::density, 64);
  for (std::size_t i = 2; i < 8; ++i)
    EXPECT_LT(oracle::mean_deviation(measured[i], truth[i]), kFiveSigma) << i;
}

TEST(EquilibriumRun, DivergenceMakesAGroupNotFinite) {
  Landscape l;
  l.hessian = {3};
  Problem p = with_unit_noise(l);
  p.learning_rate = 1;  // multiplies by -2
  Plan plan;
  plan.records = {0, 100, 2000};
  plan.observables = {Observable::mean};
  const auto values = observe_group(p, plan, 0);
  EXPECT_TRUE(std::isfinite(values[0]));
  EXPECT_TRUE(std::isfinite(values[1]));
  EXPECT_FALSE(std::isfinite(values[2]));
}

}  // namespace
}  // namespace soret::langevin
