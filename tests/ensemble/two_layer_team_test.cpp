#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "tests/ensemble/team_run.hpp"

namespace soret::two_layer {
namespace {

struct Size {
  int inputs, hidden, outputs;
};

/// One unit; a part of a warp; several warps; two lanes and four lanes per row; a row per thread in memory;
/// more rows than threads; a slice per lane of a wide input.
const std::vector<Size> kSizes = {{1, 1, 1},     {3, 5, 2},     {10, 10, 1},  {17, 33, 3},
                                  {100, 100, 1}, {130, 101, 1}, {5, 1500, 2}, {1700, 3, 1}};

Problem make(Size size, Loss loss = Loss::logistic) {
  Problem p;
  p.inputs = size.inputs;
  p.hidden = size.hidden;
  p.outputs = loss == Loss::logistic ? 1 : loss == Loss::softmax ? size.outputs + 1 : size.outputs;
  p.loss = loss;
  p.leak = 0.125F;
  p.teacher_hidden = 7;
  p.learning_rate = 0.03F;
  p.seed = 77;
  return p;
}

std::string describe(const Problem& p) {
  return ::testing::PrintToString(std::tuple(p.inputs, p.hidden, p.outputs, static_cast<int>(p.activation),
                                             static_cast<int>(p.loss), p.bias, static_cast<int>(p.input_kind),
                                             static_cast<int>(p.label_kind), static_cast<int>(p.sampling),
                                             p.batch_size, p.momentum));
}

/// Each of a few steps rounds the pre-activations, sums of at most 1700 products of order 1/sqrt(M) times 1,
/// and moves a parameter by learning_rate times a gradient of order 1.
constexpr double kTolerance = 64 * std::numeric_limits<float>::epsilon();
constexpr std::int64_t kSteps = 9;

void expect_same_as_cpu(const Problem& p) {
  const Parameters team = train_team(p, 5, kSteps);
  for (const Driver driver : {Driver::lanes, Driver::blocked}) {
    ASSERT_LT(largest_difference(team, train_cpu(p, 5, kSteps, driver)), kTolerance)
        << describe(p) << (driver == Driver::lanes ? " lanes" : " blocked");
  }
}

TEST(TwoLayerTeam, ShapeCoversEveryRowAndColumnOnce) {
  for (const int inputs : {1, 2, 3, 4, 5, 12, 52, 53, 100, 104, 105, 783, 3072, 20000}) {
    for (const int hidden : {1, 2, 10, 31, 32, 33, 100, 300, 512, 513, 1023, 1024, 1025, 5000}) {
      for (const int batch : {1, 7}) {
        Problem p = make({inputs, hidden, 1});
        p.batch_size = batch;
        const TeamShape s = team_shape(p);
        const auto text = describe(p);
        EXPECT_LE(s.width, kMaxTeam) << text;
        EXPECT_TRUE(s.width % 32 == 0 || 32 % s.width == 0) << text;
        EXPECT_TRUE(s.lanes <= 32 && 32 % s.lanes == 0 && s.width % s.lanes == 0) << text;
        EXPECT_GE(s.width / s.lanes * s.rows, hidden) << text;
        EXPECT_LT(s.width / s.lanes * (s.rows - 1), hidden) << text;
        EXPECT_GE(4 * s.lanes * s.quads, inputs) << text;
        EXPECT_EQ(s.chunk % s.pass, 0) << text;
        EXPECT_EQ(s.pitch() % 2, 1) << text;
        EXPECT_TRUE(!s.registers || s.rows == 1) << text;
        EXPECT_TRUE(s.registers || s.width >= 32) << text;  // memory kernels run one team per block
      }
    }
  }
}

TEST(TwoLayerTeam, OneHundredSquaredFitsRegisters) {
  const TeamShape s = team_shape(make({100, 100, 1}));
  EXPECT_TRUE(s.registers);
  EXPECT_EQ(s.width, 224);
  EXPECT_EQ(s.quads, 13);
}

TEST(TwoLayerTeam, StartsFromTheBitsOfInitialParameters) {
  for (const Size size : kSizes) {
    for (const auto initialisation : {Initialisation::framework_uniform, Initialisation::he,
                                      Initialisation::lecun, Initialisation::normal}) {
      for (const bool bias : {true, false}) {
        Problem p = make(size, Loss::squared);
        p.initialisation = initialisation;
        p.initial_scale = 0.3F;
        p.bias = bias;
        EXPECT_TRUE(same_bits(train_team(p, 9, 0), initial_parameters(p, 9)))
            << describe(p) << " initialisation " << static_cast<int>(initialisation);
      }
    }
  }
}

TEST(TwoLayerTeam, DrawsTheBitsOfTheSampleStream) {
  for (const Size size : kSizes) {
    for (const Loss loss : {Loss::logistic, Loss::softmax, Loss::squared}) {
      for (const Inputs inputs : {Inputs::gaussian, Inputs::uniform, Inputs::ball}) {
        for (const Labels labels : {Labels::random, Labels::teacher}) {
          for (const Sampling sampling :
               {Sampling::fresh, Sampling::with_replacement, Sampling::without_replacement}) {
            Problem p = make(size, loss);
            p.input_kind = inputs;
            p.label_kind = labels;
            p.sampling = sampling;
            p.batch_size = 3;
            give_sets(p);
            TeamRun run(p, 4);
            run.initialise();
            const SerialTeam team(run.shape().width);
            TeamNetwork<SerialTeam, MemoryTile, true> network(team, run.view(), run.shape(), 4, run.state(),
                                                              run.order(), run.local());
            const Parameters teacher = labels == Labels::teacher ? teacher_parameters(p) : Parameters{};
            SampleStream stream(p, teacher, 4);
            std::vector<float> x(p.inputs), t(p.outputs);
            for (std::uint64_t n = 120; n < 140;) {  // across a block of 128 labels
              const int count = network.draw(n);
              ASSERT_GT(count, 0);
              for (int slot = 0; slot < count; ++slot, ++n) {
                stream.rows(n, 1, x.data(), p.inputs, t.data());
                for (int j = 0; j < p.inputs; ++j) ASSERT_EQ(network.input(slot, j), x[j]) << describe(p);
                for (int c = 0; c < p.outputs; ++c) ASSERT_EQ(network.targets(slot)[c], t[c]) << describe(p);
              }
            }
          }
        }
      }
    }
  }
}

TEST(TwoLayerTeam, TrainsLikeTheCpuDriversForEveryActivationLossAndOptimiser) {
  for (const Size size : kSizes) {
    for (const auto activation :
         {Activation::relu, Activation::leaky_relu, Activation::tanh, Activation::gelu}) {
      for (const Loss loss : {Loss::logistic, Loss::softmax, Loss::squared}) {
        for (const auto& [batch, momentum] :
             {std::pair{1, 0.0F}, std::pair{1, 0.9F}, std::pair{3, 0.0F}, std::pair{9, 0.5F}}) {
          Problem p = make(size, loss);
          p.activation = activation;
          p.batch_size = batch;
          p.momentum = momentum;
          p.bias = batch != 3;
          // Squared-loss runs of 1500 units stay finite at a rate below 2 / sum h^2.
          if (loss == Loss::squared) p.learning_rate = 0.02F / static_cast<float>(size.outputs + 1);
          expect_same_as_cpu(p);
        }
      }
    }
  }
}

TEST(TwoLayerTeam, TrainsLikeTheCpuDriversOnEveryKindOfData) {
  for (const Size size : kSizes) {
    for (const Inputs inputs : {Inputs::gaussian, Inputs::uniform, Inputs::ball}) {
      for (const Labels labels : {Labels::random, Labels::teacher}) {
        for (const Sampling sampling :
             {Sampling::fresh, Sampling::with_replacement, Sampling::without_replacement}) {
          for (const int batch : {1, 5}) {
            Problem p = make(size);
            // Smooth: no pre-activation can round to the other side of a kink.
            p.activation = Activation::tanh;
            p.input_kind = inputs;
            p.label_kind = labels;
            p.sampling = sampling;
            p.batch_size = batch;
            p.learning_rate = 0.01F;
            give_sets(p);
            expect_same_as_cpu(p);
          }
        }
      }
    }
  }
}

/// Tile number TILE and its wider neighbours, each on a network that it fits.
template <std::size_t TILE>
void expect_tiles_agree() {
  constexpr RegisterTileSize kTile = kRegisterTiles[TILE];
  for (const bool accumulate : {false, true}) {
    if (accumulate && kTile.registers_accumulate == 0) continue;
    Problem p = make({4 * kTile.quads - 1, 37, 1});
    p.batch_size = accumulate ? 6 : 1;
    TeamRun in_registers(p, 2);
    TeamRun in_memory(p, 2);
    ASSERT_EQ(in_registers.shape().quads, kTile.quads);
    in_registers.initialise();
    in_memory.initialise();
    in_registers.advance<RegisterTile<kTile.quads>>(0, kSteps);
    in_memory.advance<MemoryTile>(0, kSteps);
    EXPECT_TRUE(same_bits(in_registers.parameters(), in_memory.parameters())) << describe(p);
  }
  if constexpr (TILE + 1 < std::size(kRegisterTiles)) expect_tiles_agree<TILE + 1>();
}

TEST(TwoLayerTeam, TilesInRegistersAndInMemoryGiveTheSameBits) {
  expect_tiles_agree<0>();
}

/// Small enough for a real thread per rank.
const std::vector<Size> kThreadedSizes = {{3, 2, 1}, {10, 10, 2}, {110, 18, 1}};

TEST(TwoLayerTeam, RealThreadsGiveTheBitsOfTheSerialTeam) {
  for (const Size size : kThreadedSizes) {
    for (const Sampling sampling : {Sampling::fresh, Sampling::without_replacement}) {
      for (const int batch : {1, 6}) {
        Problem p = make(size, Loss::softmax);
        p.label_kind = Labels::teacher;
        p.input_kind = batch == 1 ? Inputs::ball : Inputs::gaussian;
        p.sampling = sampling;
        p.batch_size = batch;
        give_sets(p);
        TeamRun serial(p, 3);
        TeamRun threads(p, 3);
        serial.initialise();
        threads.initialise(OnThreadTeam{});
        serial.advance(0, 4);
        threads.advance(0, 4, OnThreadTeam{});
        EXPECT_TRUE(same_bits(serial.parameters(), threads.parameters())) << describe(p);
        std::array<double, kObservables> expected{};
        std::array<double, kObservables> got{};
        EXPECT_TRUE(serial.measure(all_observables(), expected.data()));
        EXPECT_TRUE(threads.measure(all_observables(), got.data(), OnThreadTeam{}));
        EXPECT_EQ(got, expected) << describe(p);
      }
    }
  }
}

TEST(TwoLayerTeam, CuttingARunIntoLaunchesChangesNothing) {
  for (const Sampling sampling :
       {Sampling::fresh, Sampling::with_replacement, Sampling::without_replacement}) {
    for (const int batch : {1, 4}) {
      Problem p = make({10, 33, 1});
      p.sampling = sampling;
      p.batch_size = batch;
      p.momentum = batch == 1 ? 0.0F : 0.9F;
      give_sets(p);
      TeamRun whole(p, 1);
      TeamRun cut(p, 1);
      whole.initialise();
      cut.initialise();
      whole.advance(0, 23);
      for (const auto& [from, to] : {std::pair{0, 1}, std::pair{1, 2}, std::pair{2, 13}, std::pair{13, 23}})
        cut.advance(from, to);
      EXPECT_TRUE(same_bits(whole.parameters(), cut.parameters())) << describe(p);
    }
  }
}

TEST(TwoLayerTeam, ObservesLikeTheObserver) {
  const auto observables = all_observables();
  for (const Size size : kSizes) {
    for (const auto activation :
         {Activation::relu, Activation::leaky_relu, Activation::tanh, Activation::gelu}) {
      for (const Loss loss : {Loss::logistic, Loss::softmax, Loss::squared}) {
        for (const Inputs inputs : {Inputs::gaussian, Inputs::uniform}) {
          for (const bool bias : {true, false}) {
            Problem p = make(size, loss);
            p.activation = activation;
            p.input_kind = inputs;
            p.bias = bias;
            give_sets(p);
            TeamRun run(p, 3);
            run.initialise();
            std::array<double, kObservables> got{};
            std::array<double, kObservables> expected{};
            ASSERT_TRUE(run.measure(observables, got.data()));
            Observer(p, observables).measure(run.parameters(), expected);
            for (int k = 0; k < kObservables; ++k) {
              if (std::isnan(expected[k])) {
                EXPECT_TRUE(std::isnan(got[k])) << describe(p) << ' ' << name(observables[k]);
                continue;
              }
              // Sums of up to 5,100 terms (and 13 samples) in another order; differences of sums of order 1.
              EXPECT_NEAR(got[k], expected[k], 1e-11 * std::abs(expected[k]) + 1e-13)
                  << describe(p) << ' ' << name(observables[k]);
            }
          }
        }
      }
    }
  }
}

TEST(TwoLayerTeam, ObservesWithoutAProbeSetWhereClosedFormsAreEnough) {
  const Problem p = make({10, 10, 1});
  const std::array observables = {Observable::activation_rate, Observable::v_norm, Observable::h_w};
  TeamRun run(p, 0);
  run.initialise();
  std::array<double, kObservables> got{};
  std::array<double, 3> expected{};
  ASSERT_TRUE(run.measure(observables, got.data()));
  Observer(p, observables).measure(run.parameters(), expected);
  for (std::size_t k = 0; k < observables.size(); ++k)
    EXPECT_DOUBLE_EQ(got[static_cast<std::size_t>(observables[k])], expected[k]);
}

TEST(TwoLayerTeam, OneParameterThatIsNotFiniteIsADivergence) {
  for (const Size size : {Size{10, 10, 1}, Size{100, 100, 1}}) {
    const Problem p = make(size);
    const std::array observables = {Observable::v_norm};
    for (const float bad :
         {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      TeamRun run(p, 0);
      run.initialise();
      std::array<double, kObservables> out{};
      EXPECT_TRUE(run.measure(observables, out.data()));
      const auto quads = static_cast<std::size_t>(tile_quads(run.shape())) * run.shape().width;
      run.state().weights[quads - run.shape().width].x = bad;
      EXPECT_FALSE(run.measure(observables, out.data()));
      run.initialise();
      run.state().rows[0] = bad;  // a bias
      EXPECT_FALSE(run.measure(observables, out.data()));
    }
  }
}

TEST(TwoLayerTeam, DivergesWhereTheCpuDriversDo) {
  Problem p = make({10, 10, 1}, Loss::squared);
  p.learning_rate = 50.0F;
  for (const std::int64_t steps : {1, 2, 3, 4, 5, 6, 8, 12, 20})
    EXPECT_EQ(finite(train_team(p, 0, steps)), finite(train_cpu(p, 0, steps))) << steps;
  EXPECT_FALSE(finite(train_team(p, 0, 60)));
}

}  // namespace
}  // namespace soret::two_layer
