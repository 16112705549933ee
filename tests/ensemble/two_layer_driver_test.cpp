#include <gtest/gtest.h>

#include <stdexcept>
#include <tuple>

#include "tests/ensemble/replay.hpp"

/// The drivers against the oracle, which shares no arithmetic with them.
namespace soret::two_layer {
namespace {

/// Steps that cross at least two of the blocked driver's block boundaries and end inside a block.
int steps_for(int batch) {
  return batch >= 16 ? 3 : 2 * (16 / batch) + 1 + (batch == 1 ? 4 : 0);
}

/// A rate whose steps move the network visibly but keep it where errors do not grow: the loss's curvature is
/// of the order of |x|^2 |V|^2 + |h|^2, at most (inputs + hidden) / 3 here.
float rate_for(const Problem& p) {
  return std::min(0.1F, 1.0F / static_cast<float>(p.inputs + p.hidden)) * (1 - p.momentum * 0.5F);
}

/// What rounding may do to a parameter in S float steps. Every step rounds the parameter once (eps |theta|)
/// and moves it by rate * velocity, which carries the relative error of dot products of M and N terms and of
/// a few function values (20 eps covers exp, tanh and the 2.5e-7 of normal_cdf). A velocity sums about
/// 1/(1-mu) gradients, which largest_velocity already contains. The factor 4 is for what earlier errors do
/// to later gradients.
double tolerance(const Problem& p, const Replay& run, int steps) {
  constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
  const double per_move = p.inputs + p.hidden + p.outputs + 20;
  const double relative = std::max(1.0, run.largest_parameter);
  return 4 * kEpsilon * steps *
         (run.largest_parameter + p.learning_rate * run.largest_velocity * per_move * relative);
}

/// A trajectory fit for comparison. No unit of the oracle comes so close to the kink of a ReLU that rounding
/// could decide whether it is active: there floats and doubles may rightly differ by a whole gradient. And
/// the network moves far more than the tolerance: a lone unit may be dead from the start.
struct Comparison {
  std::uint32_t trajectory = 0;
  Replay run;
  double tolerance = 0;
};

Comparison choose_comparison(const Problem& p, int steps) {
  const bool kinked = p.activation == Activation::relu || p.activation == Activation::leaky_relu;
  for (std::uint32_t trajectory = 3; trajectory < 100; ++trajectory) {
    Comparison c{trajectory, replay(p, trajectory, steps)};
    c.tolerance = tolerance(p, c.run, steps);
    const double moved = distance(p, c.run.network, oracle::in_double(initial_parameters(p, trajectory)));
    if (moved > 100 * c.tolerance && (!kinked || c.run.kink_distance > 4 * c.tolerance)) return c;
  }
  throw std::logic_error("no trajectory is fit for comparison: " + describe(p, Driver::lanes));
}

void expect_agreement(const Problem& p, int steps) {
  const Comparison c = choose_comparison(p, steps);
  for (const Driver driver : {Driver::lanes, Driver::blocked}) {
    const Parameters got = train_cpu(p, c.trajectory, steps, driver);
    EXPECT_LE(distance(p, oracle::in_double(got), c.run.network), c.tolerance) << describe(p, driver);
    if (!p.bias) {
      EXPECT_EQ(got.b, std::vector<float>(p.hidden, 0.0F));
    }
  }
}

class TwoLayerDriver : public ::testing::TestWithParam<std::tuple<Activation, Loss>> {};

TEST_P(TwoLayerDriver, AgreesWithTheOracle) {
  const auto [activation, loss] = GetParam();
  for (const NetworkShape& shape : kShapes) {
    Problem p = make_problem(shape, activation, loss);
    for (const int batch : {1, 2, 3, 5, 16, 17, 70}) {
      for (const bool bias : {true, false}) {
        for (const float momentum : {0.0F, 0.9F}) {
          p.batch_size = batch;
          p.bias = bias;
          p.momentum = momentum;
          p.learning_rate = rate_for(p);
          expect_agreement(p, steps_for(batch));
        }
      }
    }
  }
}

TEST_P(TwoLayerDriver, SeesEverySourceOfSamplesAsTheOracleDoes) {
  const auto [activation, loss] = GetParam();
  for (const int inputs : {1, 2, 4, 5, 13}) {
    Problem p = make_problem({inputs, 6, 3}, activation, loss);
    p.learning_rate = 0.1F;
    for (const Inputs kind : {Inputs::gaussian, Inputs::uniform, Inputs::ball}) {
      for (const Labels labels : {Labels::random, Labels::teacher}) {
        for (const Sampling sampling :
             {Sampling::fresh, Sampling::with_replacement, Sampling::without_replacement}) {
          for (const int batch : {1, 3, 17}) {
            p.input_kind = kind;
            p.radius = 2.5F;
            p.label_kind = labels;
            p.sampling = sampling;
            p.batch_size = batch;
            // Five samples: batches of 3 straddle epochs, batches of 17 hold several.
            if (sampling != Sampling::fresh)
              p.training = std::make_shared<SampleSet>(synthetic_set(p, 5, false));
            expect_agreement(p, steps_for(batch));
          }
        }
      }
    }
  }
}

// Random labels change every 128 (logistic) and every 4 (softmax) samples of a stream; the two drivers reach
// them by different ways.
TEST(TwoLayerDriverLabels, StayInStepOverManyBlocksOfLabels) {
  for (const Loss loss : kLosses) {
    Problem p = make_problem({2, 3, 3}, Activation::tanh, loss);
    p.learning_rate = 0.02F;
    p.batch_size = 7;
    expect_agreement(p, 40);
  }
}

INSTANTIATE_TEST_SUITE_P(AllFormulas, TwoLayerDriver,
                         ::testing::Combine(::testing::ValuesIn(kActivations), ::testing::ValuesIn(kLosses)));

}  // namespace
}  // namespace soret::two_layer
