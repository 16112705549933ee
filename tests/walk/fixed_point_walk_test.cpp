#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/walk/random_walk.hpp"
#include "tests/oracles/random_walk_oracle.hpp"

namespace soret::walk {
namespace {

constexpr int kWalkers = 131;

struct Case {
  FieldKind kind;
  Boundary boundary;
  double period;
};

class SinglePrecision : public ::testing::TestWithParam<Case> {
 protected:
  static Problem problem() {
    Problem p;
    p.field.kind = GetParam().kind;
    p.field.strength = 0.4;
    p.field.centre = p.field.kind == FieldKind::power ? -0.5 : 0.6;
    p.field.exponent = 1.5;
    p.field.inverse_width = 5;
    p.field.inverse_period = 1 / GetParam().period;
    p.boundary = GetParam().boundary;
    p.lower = -0.25;
    p.upper = 1.25;
    p.learning_rate = 0.05;
    p.single_precision = true;
    return p;
  }

  /// Largest distance from the plain double loop after `steps` steps.
  static double distance(const Problem& p, std::int64_t steps) {
    const auto start = positions_cpu(p, 7, kWalkers, 0);
    const auto end = positions_cpu(p, 7, kWalkers, steps);
    double most = 0;
    for (int w = 0; w < kWalkers; ++w) {
      std::vector<double> at;
      at.push_back(start[0][w]);
      const double q = oracle::walked(p, 7 + static_cast<std::uint32_t>(w), at, steps)[0];
      double d = std::abs(q - end[0][w]);
      if (p.boundary == Boundary::periodic) d = std::min(d, p.width() - d);
      most = std::max(most, d);
    }
    return most;
  }
};

// The longest step is 0.05 * 2.4: five roundings of its length in single precision, one of its start and one
// of its end to 2^-32 of the domain.
TEST_P(SinglePrecision, AStepIsOffByItsRoundings) {
  EXPECT_LT(distance(problem(), 1), 0.12 * 5 * 0x1p-24 + 1.5 * 0x1p-32);
}

// Errors of 201 steps in one direction at worst, grown by e^(slope eta sqrt(steps)) < 4 on the way.
TEST_P(SinglePrecision, FollowsThePlainLoop) {
  EXPECT_LT(distance(problem(), 201), 201 * 4 * (0.12 * 5 * 0x1p-24));
}

// Where a stretch of steps ends for the sake of a record makes no difference to any bit.
TEST_P(SinglePrecision, RecordsChangeNothing) {
  const Problem p = problem();
  constexpr std::array<std::int64_t, 2> few = {0, 700};
  constexpr std::array<std::int64_t, 9> many = {0, 1, 2, 31, 33, 127, 128, 300, 700};
  constexpr std::array<Observable, 3> observables = {Observable::position_mean, Observable::density,
                                                     Observable::position_variance};
  Request request{
      .groups = 1, .walkers = kWalkers, .record_steps = few, .bins = 5, .observables = observables};
  const Records a = run_cpu(p, request);
  request.record_steps = many;
  const Records b = run_cpu(p, request);
  EXPECT_EQ(a.values[1], b.values[8]);
  for (int bin = 0; bin < 5; ++bin) EXPECT_EQ(a.values[2 + 5 + bin], b.values[9 + 5 * 8 + bin]);
  EXPECT_EQ(a.values[2 + 10 + 1], b.values[9 + 45 + 8]);
}

INSTANTIATE_TEST_SUITE_P(RandomWalk, SinglePrecision, ::testing::ValuesIn([] {
                           std::vector<Case> cases;
                           for (const Boundary boundary : {Boundary::reflecting, Boundary::periodic}) {
                             for (const FieldKind kind :
                                  {FieldKind::constant, FieldKind::linear, FieldKind::exponential,
                                   FieldKind::power, FieldKind::bump})
                               cases.push_back({kind, boundary, 1});
                             // One, three and not a whole number of periods in the domain of 1.5.
                             for (const double period : {1.5, 0.5, 1.1})
                               cases.push_back({FieldKind::sinusoidal, boundary, period});
                           }
                           return cases;
                         }()));

// 40 steps of +-0.47 of the ring: turns are counted step by step.
TEST(FixedPointWalk, LongStepsKeepTheirTurns) {
  Problem p;
  p.field.kind = FieldKind::constant;
  p.learning_rate = 0.47;
  p.single_precision = true;
  constexpr std::array<std::int64_t, 2> steps = {0, 40};
  constexpr std::array<Observable, 2> observables = {Observable::position_mean,
                                                     Observable::position_variance};
  const Request request{
      .groups = 3, .walkers = kWalkers, .record_steps = steps, .bins = 5, .observables = observables};
  const Records single = run_cpu(p, request);
  p.single_precision = false;
  const Records exact = run_cpu(p, request);
  for (std::size_t k = 0; k < exact.values.size(); ++k)
    EXPECT_NEAR(single.values[k], exact.values[k], 40 * 0.47 * 2 * 40 * 0x1p-24);
}

// A mirrored step may be as long as the domain.
TEST(FixedPointWalk, MirrorsTakeStepsOfTheWholeDomain) {
  Problem p;
  p.field.kind = FieldKind::constant;
  p.learning_rate = 1;
  p.boundary = Boundary::reflecting;
  p.single_precision = true;
  const auto start = positions_cpu(p, 0, kWalkers, 0)[0];
  const auto end = positions_cpu(p, 0, kWalkers, 1)[0];
  for (int w = 0; w < kWalkers; ++w) EXPECT_NEAR(end[w], 1 - start[w], 0x1p-31);
}

TEST(FixedPointWalk, RefusesWhatItCannotDo) {
  Problem good;
  good.single_precision = true;
  EXPECT_NO_THROW(check(good));
  const auto refused = [&](auto change) {
    Problem p = good;
    change(p);
    try {
      check(p);
    } catch (const ConfigError& error) {
      return std::string(error.what()).find("walk.precision = single") != std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(refused([](Problem& p) { p.dimensions = 2, p.shares = {0, 1}; }));
  EXPECT_TRUE(refused([](Problem& p) { p.kick = Kick::gaussian; }));
  EXPECT_TRUE(refused([](Problem& p) { p.boundary = Boundary::line; }));
  EXPECT_TRUE(refused([](Problem& p) { p.boundary = Boundary::absorbing; }));
  EXPECT_TRUE(refused([](Problem& p) { p.field.kind = FieldKind::quadratic; }));
  EXPECT_TRUE(refused([](Problem& p) { p.learning_rate = 0.5; }));
  EXPECT_TRUE(refused([](Problem& p) { p.lower = 1e6, p.upper = 1e6 + 1; }));
}

}  // namespace
}  // namespace soret::walk
