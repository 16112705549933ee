#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "soret/walk/random_walk.hpp"
#include "tests/oracles/random_walk_oracle.hpp"

namespace soret::walk {
namespace {

constexpr std::uint32_t kFirst = 1000;
constexpr int kWalkers = 131;  // one block of 128 and a rest

/// The largest distance of the driver's walkers from the plain loop's after `steps` steps.
double distance(const Problem& p, std::int64_t steps) {
  const auto start = positions_cpu(p, kFirst, kWalkers, 0);
  const auto end = positions_cpu(p, kFirst, kWalkers, steps);
  double most = 0;
  for (int w = 0; w < kWalkers; ++w) {
    std::vector<double> q;
    for (const auto& row : start) q.push_back(row[w]);
    q = oracle::walked(p, kFirst + static_cast<std::uint32_t>(w), q, steps);
    for (std::size_t i = 0; i < q.size(); ++i) {
      double d = std::abs(end[i][w] - q[i]);
      if (p.boundary == Boundary::periodic) d = std::min(d, p.width() - d);
      most = std::max(most, d);
    }
  }
  return most;
}

/// Positions of order 1, a few roundings per step; amplitudes with slopes up to 3 let differences grow by at
/// most e^(eta^2 slope^2 steps).
constexpr double kTolerance = 1e-12;
constexpr std::int64_t kSteps = 201;  // past a word and a block of random bits

Field field_of(FieldKind kind) {
  Field f;
  f.kind = kind;
  f.strength = 0.4;
  if (kind == FieldKind::bump) f.centre = 0.6, f.inverse_width = 5;
  if (kind == FieldKind::power) f.centre = -0.5, f.exponent = 1.5;
  if (kind == FieldKind::sinusoidal) f.inverse_period = 1 / 1.5, f.centre = 0.1;
  return f;
}

class EveryWalk : public ::testing::TestWithParam<std::tuple<FieldKind, Boundary, Kick>> {};

TEST_P(EveryWalk, FollowsThePlainLoop) {
  Problem p;
  p.learning_rate = 0.03;
  p.field = field_of(std::get<0>(GetParam()));
  p.boundary = std::get<1>(GetParam());
  p.kick = std::get<2>(GetParam());
  p.degrees_of_freedom = 5;
  p.lower = -0.25;
  p.upper = 1.25;
  EXPECT_LT(distance(p, kSteps), kTolerance);
  p.dimensions = 3;
  p.shares = {0, 1, 0};
  EXPECT_LT(distance(p, 41), kTolerance);
  p.field.coupling = Coupling::product;
  p.learning_rate = 0.01;  // the product of three profiles is steep outside [0, 1]
  EXPECT_LT(distance(p, 41), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(
    RandomWalk, EveryWalk,
    ::testing::Combine(
        ::testing::Values(FieldKind::constant, FieldKind::linear, FieldKind::sinusoidal,
                          FieldKind::exponential, FieldKind::power, FieldKind::bump, FieldKind::quadratic),
        ::testing::Values(Boundary::line, Boundary::reflecting, Boundary::periodic, Boundary::absorbing),
        ::testing::Values(Kick::rademacher, Kick::gaussian, Kick::uniform, Kick::student_t)));

TEST(RandomWalk, NeuronFollowsThePlainLoop) {
  Problem p;
  p.dimensions = 2;
  p.shares = {0, 0};
  p.field.kind = FieldKind::neuron;
  p.field.weight_norm = 1.3;
  p.field.inverse_root_batch = 0.5;
  p.learning_rate = 0.2;
  p.boundary = Boundary::reflecting;
  p.lower = 0;
  p.upper = 2;
  EXPECT_LT(distance(p, kSteps), kTolerance);
}

TEST(RandomWalk, EightDimensionsFollowThePlainLoop) {
  Problem p;
  p.dimensions = 8;
  p.shares = {0, 1, 1, 2, 3, 3, 3, 4};
  p.field = field_of(FieldKind::quadratic);
  p.field.correlation = 0.3;
  for (const Kick kick : {Kick::rademacher, Kick::gaussian, Kick::student_t}) {
    p.kick = kick;
    EXPECT_LT(distance(p, 150), kTolerance);
  }
}

// The field of a formula is the built-in one: same steps to rounding.
TEST(RandomWalk, AFormulaIsTheBuiltInField) {
  Problem built_in;
  built_in.field.strength = 0.5;
  Problem formula = built_in;
  formula.field.kind = FieldKind::formula;
  formula.formulas = {Formula("1 + 0.5*sin(2*pi*q)", {"q"})};
  EXPECT_LT(distance(formula, kSteps), kTolerance);
  const auto a = positions_cpu(built_in, kFirst, kWalkers, kSteps);
  const auto b = positions_cpu(formula, kFirst, kWalkers, kSteps);
  for (int w = 0; w < kWalkers; ++w) {
    const double d = std::abs(a[0][w] - b[0][w]);
    EXPECT_LT(std::min(d, 1 - d), kTolerance);
  }
  formula.dimensions = 2;
  formula.shares = {0, 1};
  formula.formulas = {Formula("1 + q1*q2", {"q1", "q2"}), Formula("exp(-q1)", {"q1", "q2"})};
  EXPECT_LT(distance(formula, kSteps), kTolerance);
}

// The fast path (one dimension, signs) and the general path do the same operations: two coordinates that
// share gamma and start alike stay with the one-dimensional walker, bit by bit.
TEST(RandomWalk, BothPathsGiveTheSameBits) {
  for (const FieldKind kind : {FieldKind::constant, FieldKind::linear, FieldKind::sinusoidal,
                               FieldKind::exponential, FieldKind::power, FieldKind::bump}) {
    for (const Boundary boundary : {Boundary::line, Boundary::reflecting, Boundary::periodic}) {
      Problem one;
      one.field = field_of(kind);
      one.boundary = boundary;
      one.learning_rate = 0.05;
      one.start = Start::point;
      one.start_position = 0.37;
      Problem two = one;
      two.dimensions = 2;
      two.shares = {0, 0};
      const auto a = positions_cpu(one, kFirst, kWalkers, 1000);
      const auto b = positions_cpu(two, kFirst, kWalkers, 1000);
      EXPECT_EQ(a[0], b[0]);
      EXPECT_EQ(a[0], b[1]);
    }
  }
}

TEST(RandomWalk, StepsLongerThanTheDomainBounceAsOftenAsItTakes) {
  Problem p;
  p.kick = Kick::student_t;
  p.degrees_of_freedom = 1;
  p.field = field_of(FieldKind::constant);
  p.learning_rate = 2.5;
  for (const Boundary boundary : {Boundary::reflecting, Boundary::periodic}) {
    p.boundary = boundary;
    const auto q = positions_cpu(p, 0, kWalkers, 7);
    for (const double x : q[0]) EXPECT_TRUE(x >= 0 && x <= 1) << x;
    p.kick = Kick::gaussian;
    EXPECT_LT(distance(p, 5), 1e-11);
  }
}

}  // namespace
}  // namespace soret::walk
