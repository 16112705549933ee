#include <gsl/gsl_cdf.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>

#include "soret/walk/kicks.hpp"
#include "soret/walk/random_walk.hpp"
#include "tests/oracles/statistics.hpp"

namespace soret::walk {
namespace {

using oracle::kFiveSigma;

Problem constant(double g, Boundary boundary) {
  Problem p;
  p.field.kind = FieldKind::constant;
  p.field.level = g;
  p.boundary = boundary;
  return p;
}

/// Values of one observable, [record][cell][group].
struct Recorded {
  std::vector<double> values;
  std::size_t cells;
  std::size_t groups;
  std::vector<double> at(std::size_t record, std::size_t cell) const {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>((record * cells + cell) * groups);
    return {first, first + static_cast<std::ptrdiff_t>(groups)};
  }
};

Recorded run(const Problem& p, Observable o, const std::vector<std::int64_t>& steps, int groups, int walkers,
             int bins = 10, std::int64_t sample_every = 0) {
  const std::array<Observable, 1> observables = {o};
  const Records records = run_cpu(p, {.groups = groups,
                                      .walkers = walkers,
                                      .record_steps = steps,
                                      .sample_every = sample_every,
                                      .bins = bins,
                                      .observables = observables});
  return {records.values, cells(o, p, bins), static_cast<std::size_t>(groups)};
}

// n = 40 x 16 x 128 gammas against their distribution functions.
TEST(KicksStatistics, FollowTheirLaws) {
  const auto deviation = [](Kick kick, double nu, const std::function<double(double)>& cdf) {
    Problem p;
    p.kick = kick;
    p.degrees_of_freedom = nu;
    std::vector<double> all;
    for (std::uint32_t first = 0; first < 40 * kBlockWalkers; first += kBlockWalkers) {
      Kicks kicks(p, first);
      for (std::int64_t step = 0; step < 16; ++step) {
        const double* gamma = kicks(step, 0);
        all.insert(all.end(), gamma, gamma + kBlockWalkers);
      }
    }
    return oracle::ks_deviation(all, cdf);
  };
  EXPECT_LT(deviation(Kick::gaussian, 3, [](double x) { return gsl_cdf_ugaussian_P(x); }), kFiveSigma);
  EXPECT_LT(deviation(Kick::uniform, 3, [](double x) { return 0.5 + x / (2 * std::sqrt(3.0)); }), kFiveSigma);
  EXPECT_LT(
      deviation(Kick::student_t, 5, [](double x) { return gsl_cdf_tdist_P(x * std::sqrt(5.0 / 3), 5); }),
      kFiveSigma);
  EXPECT_LT(deviation(Kick::student_t, 1.5, [](double x) { return gsl_cdf_tdist_P(x, 1.5); }), kFiveSigma);
}

// Every bit of a Philox block is used: 64 successive steps, one walker per row, no bias and no correlation.
TEST(KicksStatistics, SignsAreFairAndIndependentFromStepToStep) {
  const Problem p;
  constexpr int kBlocks = 64;
  std::vector<double> sums, products;
  for (std::uint32_t first = 0; first < kBlocks * kBlockWalkers; first += kBlockWalkers) {
    Kicks kicks(p, first);
    std::array<double, kBlockWalkers> before{}, sum{}, product{};
    for (std::int64_t step = 0; step < 300; ++step) {
      const double* gamma = kicks(step, 0);
      for (int k = 0; k < kBlockWalkers; ++k) {
        sum[k] += gamma[k];
        product[k] += gamma[k] * before[k];
        before[k] = gamma[k];
      }
    }
    sums.insert(sums.end(), sum.begin(), sum.end());
    products.insert(products.end(), product.begin(), product.end());
  }
  EXPECT_LT(oracle::mean_deviation(sums, 0), kFiveSigma);
  EXPECT_LT(oracle::mean_deviation(products, 0), kFiveSigma);
  std::vector<double> squares;
  for (const double s : sums) squares.push_back(s * s);
  EXPECT_LT(oracle::mean_deviation(squares, 300), kFiveSigma);
}

// Constant g: mean stays, variance eta^2 g^2 t exactly, for every law of unit variance, with or without
// turns.
TEST(RandomWalkStatistics, ConstantAmplitudeSpreadsAsTheExactLaw) {
  for (const Boundary boundary : {Boundary::line, Boundary::periodic}) {
    for (const Kick kick : {Kick::rademacher, Kick::gaussian, Kick::uniform, Kick::student_t}) {
      Problem p = constant(1.5, boundary);
      p.kick = kick;
      p.degrees_of_freedom = 6;
      p.start = Start::point;
      p.start_position = 0.3;
      const double eta_g = 0.03;
      const std::vector<std::int64_t> steps = {0, 7, 500};
      const Recorded mean = run(p, Observable::position_mean, steps, 64, 1024);
      const Recorded variance = run(p, Observable::position_variance, steps, 64, 1024);
      for (std::size_t k = 1; k < steps.size(); ++k) {
        EXPECT_LT(oracle::mean_deviation(mean.at(k, 0), 0.3), kFiveSigma);
        EXPECT_LT(oracle::mean_deviation(variance.at(k, 0), eta_g * eta_g * static_cast<double>(steps[k])),
                  kFiveSigma);
      }
      EXPECT_EQ(variance.at(0, 0)[5], 0);
    }
  }
}

// Coordinates with one gamma are perfectly correlated; without, they are independent: the variance of q1 +
// q2.
TEST(RandomWalkStatistics, SharedGammasMoveTogether) {
  Problem p = constant(1, Boundary::line);
  p.dimensions = 2;
  p.start = Start::point;
  p.learning_rate = 0.1;
  for (const bool shared : {true, false}) {
    p.shares = {0, shared ? 0 : 1};
    const auto q = positions_cpu(p, 0, 20000, 100);
    std::vector<double> square;
    for (std::size_t w = 0; w < q[0].size(); ++w) square.push_back(std::pow(q[0][w] + q[1][w] - 1, 2));
    EXPECT_LT(oracle::mean_deviation(square, shared ? 4.0 : 2.0), kFiveSigma);
    EXPECT_EQ(q[0] == q[1], shared);
  }
}

// Steps of 1/16 from the middle of [0, 1]: the gambler's ruin with 8 coins each. Mean 64 steps, variance
// 2/3 k^2 (k^2 - 1) = 2688, either wall with probability 1/2, survival by images.
TEST(RandomWalkStatistics, AbsorbingWallsAreTheGamblersRuin) {
  Problem p = constant(1, Boundary::absorbing);
  p.learning_rate = 1.0 / 16;
  p.start = Start::point;
  const std::vector<std::int64_t> steps = {0, 1, 8, 64, 4000};
  EXPECT_LT(oracle::mean_deviation(run(p, Observable::passage_time, steps, 64, 512).at(4, 0), 64),
            kFiveSigma);
  EXPECT_LT(oracle::mean_deviation(run(p, Observable::passage_time_square, steps, 64, 512).at(4, 0),
                                   2688 + 64 * 64),
            kFiveSigma);
  EXPECT_LT(oracle::mean_deviation(run(p, Observable::absorbed_at_upper, steps, 64, 512).at(4, 0), 0.5),
            kFiveSigma);
  const Recorded survival = run(p, Observable::survival, steps, 64, 512);
  EXPECT_EQ(survival.at(0, 0)[0], 1);
  EXPECT_EQ(survival.at(1, 0)[0], 1);
  EXPECT_EQ(survival.at(4, 0)[0], 0);
  EXPECT_LT(oracle::mean_deviation(survival.at(2, 0), 1 - 2.0 / 256), kFiveSigma);
  // The chain itself, step by step.
  std::array<double, 17> chain{};
  chain[8] = 1;
  for (int step = 0; step < 64; ++step) {
    std::array<double, 17> next{};
    next[0] = chain[0], next[16] = chain[16];
    for (int i = 1; i < 16; ++i) next[i - 1] += 0.5 * chain[i], next[i + 1] += 0.5 * chain[i];
    chain = next;
  }
  EXPECT_LT(oracle::mean_deviation(survival.at(3, 0), 1 - chain[0] - chain[16]), kFiveSigma);
}

// Net crossings of an edge are a difference of occupations: on a closed interval the flux integrates the
// change of the density, exactly, group by group; no walker crosses a wall.
TEST(RandomWalk, TheFluxBalancesTheDensity) {
  for (const Boundary boundary : {Boundary::reflecting, Boundary::periodic}) {
    Problem p;
    p.field.strength = 0.5;
    p.boundary = boundary;
    constexpr int kBins = 12;
    constexpr std::size_t kGroups = 3;
    const std::vector<std::int64_t> steps = {0, 100, 350};
    const Recorded flux = run(p, Observable::flux, steps, kGroups, 300, kBins);
    const Recorded density = run(p, Observable::density, steps, kGroups, 300, kBins);
    for (std::size_t k = 1; k < steps.size(); ++k) {
      for (std::size_t group = 0; group < kGroups; ++group) {
        for (int b = 0; b < kBins; ++b) {
          const double change = (density.at(k, b)[group] - density.at(k - 1, b)[group]) / kBins;
          const double in = flux.at(k, b)[group] - flux.at(k, b + 1)[group];
          EXPECT_NEAR(change, in * static_cast<double>(steps[k] - steps[k - 1]), 1e-12);
        }
        if (boundary == Boundary::reflecting) {
          EXPECT_EQ(flux.at(k, 0)[group], 0);
          EXPECT_EQ(flux.at(k, kBins)[group], 0);
        } else {
          EXPECT_EQ(flux.at(k, 0)[group], flux.at(k, kBins)[group]);
        }
      }
    }
  }
}

// Crossings counted step by step along every path, those around the ring too, add up to the flux.
TEST(RandomWalk, TheFluxCountsCrossingsAlongThePath) {
  Problem p;
  p.field.strength = 0.5;
  p.learning_rate = 0.2;
  constexpr int kWalkers = 50;
  constexpr std::int64_t kSteps = 40;
  for (const Boundary boundary :
       {Boundary::line, Boundary::reflecting, Boundary::periodic, Boundary::absorbing}) {
    p.boundary = boundary;
    const Recorded flux = run(p, Observable::flux, {0, kSteps}, 1, kWalkers, 4);
    auto q = positions_cpu(p, 0, kWalkers, 0)[0];
    std::array<int, 5> net{};
    for (std::int64_t step = 1; step <= kSteps; ++step) {
      const auto next = positions_cpu(p, 0, kWalkers, step)[0];
      for (int w = 0; w < kWalkers; ++w) {
        double from = q[w];
        double to = next[w];
        if (boundary == Boundary::periodic) to += std::round(from - to);  // steps are below half a ring
        if (boundary == Boundary::absorbing && to <= 0 && from > 0) to = -1e-9;
        if (boundary == Boundary::absorbing && from <= 0) from = to = -1e-9;
        for (int edge = 0; edge <= 4; ++edge)
          for (int turn = -1; turn <= 1; ++turn) {
            if (turn != 0 && boundary != Boundary::periodic) continue;
            const double at = 0.25 * edge + turn;
            net[edge] += (to >= at ? 1 : 0) - (from >= at ? 1 : 0);
          }
      }
      q = next;
    }
    for (int edge = 0; edge <= 4; ++edge)
      EXPECT_NEAR(flux.at(1, edge)[0], static_cast<double>(net[edge]) / kWalkers / kSteps, 1e-12)
          << static_cast<int>(boundary) << " " << edge;
  }
}

// Groups are the same numbers however they are requested, and recording more changes nothing.
TEST(RandomWalk, GroupsDoNotDependOnTheRequest) {
  Problem p;
  p.field.strength = 0.5;
  p.boundary = Boundary::reflecting;
  p.kick = Kick::gaussian;
  const std::vector<std::int64_t> steps = {0, 90, 200};
  const std::vector<Observable> observables = {Observable::density, Observable::flux,
                                               Observable::position_mean};
  Request request{.first_group = 3,
                  .groups = 5,
                  .walkers = 77,
                  .record_steps = steps,
                  .sample_every = 20,
                  .bins = 9,
                  .observables = observables};
  const Records all = run_cpu(p, request);
  const std::vector<Observable> more = {Observable::density, Observable::flux, Observable::position_mean,
                                        Observable::diffusion_density};
  request.groups = 1;
  request.observables = more;
  for (std::uint32_t k = 0; k < 5; ++k) {
    request.first_group = 3 + k;
    const Records one = run_cpu(p, request);
    for (std::size_t i = 0; i < all.values.size() / 5; ++i) EXPECT_EQ(one.values[i], all.values[i * 5 + k]);
  }
}

// The walk's own moments: binned by starting place, the displacement has mean 0 and mean square eta^2 g^2.
TEST(RandomWalkStatistics, KramersMoyalCoefficientsAreThoseOfTheWalk) {
  Problem p;
  p.field.strength = 0.5;
  p.learning_rate = 0.03;
  constexpr int kBins = 8;
  const std::vector<std::int64_t> steps = {0, 2000};
  const Recorded density = run(p, Observable::density, steps, 32, 256, kBins, 50);
  const Recorded drift = run(p, Observable::drift_density, steps, 32, 256, kBins, 50);
  const Recorded diffusion = run(p, Observable::diffusion_density, steps, 32, 256, kBins, 50);
  for (std::size_t b = 0; b < kBins; ++b) {
    EXPECT_LT(oracle::mean_deviation(drift.at(1, b), 0), kFiveSigma);
    // In a bin 1/2 eta^2 g^2 lies between its extremes there.
    double least = 1, most = 0;
    for (int i = 0; i <= 100; ++i) {
      const double q = (static_cast<double>(b) + i / 100.0) / kBins;
      const double d = 0.5 * std::pow(0.03 * (1 + 0.5 * std::sin(2 * M_PI * q)), 2);
      least = std::min(least, d), most = std::max(most, d);
    }
    for (std::size_t group = 0; group < 32; ++group) {
      const double d2 = diffusion.at(1, b)[group] / density.at(1, b)[group];
      EXPECT_GT(d2, least * (1 - 1e-9));
      EXPECT_LT(d2, most * (1 + 1e-9));
    }
  }
}

TEST(RandomWalkStatistics, AStationaryStartFollowsItsDensity) {
  for (const FieldKind kind : {FieldKind::sinusoidal, FieldKind::exponential}) {
    Problem p;
    p.field.kind = kind;
    p.field.strength = 0.5;
    p.boundary = Boundary::reflecting;
    p.start = Start::stationary;
    auto q = positions_cpu(p, 0, 20000, 0)[0];
    // Integral of 1/g^2 by the midpoint rule.
    constexpr int kCells = 100000;
    std::vector<double> cumulative = {0};
    for (int i = 0; i < kCells; ++i) {
      const double x = (i + 0.5) / kCells;
      const double g = kind == FieldKind::sinusoidal ? 1 + 0.5 * std::sin(2 * M_PI * x) : std::exp(0.5 * x);
      cumulative.push_back(cumulative.back() + 1 / (g * g));
    }
    EXPECT_LT(oracle::ks_deviation(
                  q, [&](double x) { return cumulative[static_cast<int>(x * kCells)] / cumulative.back(); }),
              kFiveSigma);
  }
}

// A walker out of finite range ends its group there, and no other.
TEST(RandomWalk, AGroupThatOverflowsIsReported) {
  Problem p;
  p.boundary = Boundary::line;
  p.field.kind = FieldKind::exponential;
  p.field.strength = 30;
  p.learning_rate = 1;
  p.lower = -1;
  p.upper = 1;
  const std::vector<std::int64_t> steps = {0, 400};
  const std::vector<Observable> observables = {Observable::density};
  const Records records =
      run_cpu(p, {.groups = 2, .walkers = 500, .record_steps = steps, .bins = 3, .observables = observables});
  for (const double x : records.values) EXPECT_TRUE(std::isfinite(x));
  p.field.kind = FieldKind::power;
  p.field.exponent = 3;  // steps grow as |q|^3: out of range in no time
  p.field.strength = 0;
  const Records power =
      run_cpu(p, {.groups = 2, .walkers = 500, .record_steps = steps, .bins = 3, .observables = observables});
  EXPECT_EQ(power.diverged_at, (std::vector<std::int64_t>{400, 400}));
}

}  // namespace
}  // namespace soret::walk
