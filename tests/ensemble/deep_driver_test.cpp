#include <gtest/gtest.h>
#include <omp.h>

#include <array>
#include <cstring>

#include "soret/base/error.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"
#include "tests/ensemble/deep_replay.hpp"

/// Every driver against the oracle, step by step on the same samples.
namespace soret::deep {
namespace {

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

using Driver = void (*)(const Problem&, const Trajectory&, const OnRecord&);

std::vector<float> train(Driver run, const Problem& p, std::uint32_t trajectory, std::int64_t steps) {
  std::vector<float> result;
  const std::array<std::int64_t, 1> records = {steps};
  run(p, {trajectory, records}, [&](std::size_t, std::span<const float> parameters) {
    result.assign(parameters.begin(), parameters.end());
    return true;
  });
  return result;
}

/// Each step rounds pre-activations, sums of order 1 of at most 145 products, in every layer, and moves each
/// parameter by learning_rate times a gradient of order 1; parameters are kept to epsilon each step.
double tolerance(const DeepReplay& run, int steps) {
  return 4 * steps * kEpsilon * std::max(1.0, run.largest_parameter);
}

void expect_like_the_oracle(Driver run, const Problem& p, std::uint32_t trajectory, int steps) {
  const DeepReplay expected = deep_replay(p, trajectory, steps);
  // A ReLU whose u rounds to the other side of zero changes everything behind it: not a case to compare.
  const bool kinked = p.activation == Activation::relu || p.activation == Activation::leaky_relu;
  ASSERT_TRUE(!kinked || expected.kink_distance > 1e-6) << describe(p) << ": take another trajectory";
  EXPECT_LE(distance(oracle::flat(expected.network), train(run, p, trajectory, steps)),
            tolerance(expected, steps))
      << describe(p);
}

/// A trajectory that stays clear of every kink.
std::uint32_t clear_trajectory(const Problem& p, int steps) {
  std::uint32_t t = 3;
  const bool kinked = p.activation == Activation::relu || p.activation == Activation::leaky_relu;
  while (kinked && deep_replay(p, t, steps).kink_distance <= 1e-6) ++t;
  return t;
}

TEST(DeepDriver, StreamedStepsAreTheOracles) {
  for (const DeepShape& shape : kDeepShapes) {
    for (const Activation activation : kDeepActivations) {
      for (const Loss loss : kDeepLosses) {
        Problem p = deep_problem(shape, activation, loss);
        const int steps = shape.width < 50 ? 37 : 19;  // over the end of a chunk of samples
        expect_like_the_oracle(run_streamed, p, clear_trajectory(p, steps), steps);
      }
    }
  }
}

TEST(DeepDriver, BatchedStepsAreTheOracles) {
  int k = 0;
  for (const DeepShape& shape : kDeepShapes) {
    for (const int batch : {1, 3, 8, 70}) {
      for (const float momentum : {0.0F, 0.9F}) {
        Problem p = deep_problem(shape, kDeepActivations[k % 4], kDeepLosses[k % 3]);
        p.batch_size = batch;
        p.momentum = momentum;
        p.learning_rate = 0.02F;
        ++k;
        if (batch == 70 && shape.width > 100) continue;  // slow in the oracle
        const int steps = batch == 70 ? 3 : 9;
        expect_like_the_oracle(run_batched, p, clear_trajectory(p, steps), steps);
      }
    }
  }
}

TEST(DeepDriver, EverySamplingAndLabelReachesTheNetwork) {
  for (const Driver run : {run_streamed, run_batched}) {
    for (const Inputs inputs : {Inputs::gaussian, Inputs::uniform, Inputs::ball}) {
      for (const Labels labels : {Labels::random, Labels::teacher}) {
        for (const Sampling sampling :
             {Sampling::fresh, Sampling::with_replacement, Sampling::without_replacement}) {
          Problem p = deep_problem({5, 9, 3, 3}, Activation::tanh, Loss::softmax);
          p.input_kind = inputs;
          p.label_kind = labels;
          p.sampling = sampling;
          if (sampling != Sampling::fresh)
            p.training = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 11, false));
          expect_like_the_oracle(run, p, 2, 37);
        }
      }
    }
  }
}

// Rows whose input is zero are left out; they have to come back when it is not.
TEST(DeepDriver, InputsThatAreZeroAreNotForgotten) {
  Problem p = deep_problem({21, 9, 3, 1}, Activation::tanh, Loss::logistic);
  p.sampling = Sampling::without_replacement;
  SampleSet set = synthetic_set(sample_problem(p), 5, false);
  for (std::size_t k = 0; k < set.inputs.size(); ++k)
    if (k % 3 == 0 || k / 21 == 2) set.inputs[k] = 0.0F;  // one sample is nothing but zeros
  p.training = std::make_shared<SampleSet>(set);
  // With biases that begin at zero a unit can be zero and have a gradient all the same.
  for (const Initialisation initialisation : {Initialisation::framework_uniform, Initialisation::he}) {
    p.initialisation = initialisation;
    expect_like_the_oracle(run_streamed, p, 0, 40);
  }
}

TEST(DeepDriver, ConvolutionalStepsAreTheOracles) {
  for (const Activation activation : {Activation::tanh, Activation::gelu}) {
    for (const Loss loss : kDeepLosses) {
      for (const int pad : {0, 2}) {
        for (const auto& [batch, momentum] : {std::pair{1, 0.0F}, std::pair{3, 0.9F}}) {
          Problem p = small_convolutional(activation, loss, pad);
          p.batch_size = batch;
          p.momentum = momentum;
          const two_layer::Problem sample = sample_problem(p);
          const two_layer::Parameters no_teacher;
          two_layer::SampleStream samples(sample, no_teacher, 4);
          const auto start = initial_parameters(p, 4);
          std::vector<double> net(start.begin(), start.end());
          std::vector<double> velocity(net.size(), 0.0);
          std::vector<float> x(static_cast<std::size_t>(batch) * p.inputs());
          std::vector<float> t(static_cast<std::size_t>(batch) * p.outputs);
          constexpr int kSteps = 6;
          for (int s = 0; s < kSteps; ++s) {
            samples.rows(static_cast<std::uint64_t>(s) * batch, batch, x.data(), p.inputs(), t.data());
            const std::vector<double> inputs(x.begin(), x.end());
            const std::vector<double> targets(t.begin(), t.end());
            std::vector<double> g(net.size(), 0.0);
            for (int r = 0; r < batch; ++r) {
              const auto one = oracle::convolutional_gradient(p, net, inputs.data() + r * p.inputs(),
                                                              targets.data() + r * p.outputs);
              for (std::size_t k = 0; k < g.size(); ++k) g[k] += one[k] / batch;
            }
            for (std::size_t k = 0; k < g.size(); ++k) {
              velocity[k] = momentum * velocity[k] + g[k];
              net[k] -= p.learning_rate * velocity[k];
            }
          }
          // Gradients of shared weights sum up to 99 positions.
          EXPECT_LE(distance(net, train(run_convolutional, p, 4, kSteps)), 100 * kSteps * kEpsilon)
              << describe(p) << " pad " << pad;
        }
      }
    }
  }
}

TEST(DeepDriver, StartsWhereTheStreamSays) {
  Problem p = deep_problem({3, 5, 3, 2}, Activation::relu, Loss::squared);
  const Stream stream{p.seed, Purpose::initial_parameters, 7};
  const auto start = initial_parameters(p, 7);
  // Layer 1 has 15 weights (4 blocks) and 5 biases (2 blocks); layer 2 25 weights, from block 6 on.
  const float bound_1 = 1.0F / std::sqrt(3.0F);
  const float bound_2 = 1.0F / std::sqrt(5.0F);
  EXPECT_EQ(start[0], bound_1 * (2.0F * uniform<float>(stream.block(0).x) - 1.0F));
  EXPECT_EQ(start[5], bound_1 * (2.0F * uniform<float>(stream.block(1).y) - 1.0F));
  EXPECT_EQ(start[15], bound_1 * (2.0F * uniform<float>(stream.block(4).x) - 1.0F));
  EXPECT_EQ(start[20], bound_2 * (2.0F * uniform<float>(stream.block(6).x) - 1.0F));
  EXPECT_EQ(start.size(), 15u + 5 + 25 + 5 + 10 + 2);
  p.initialisation = Initialisation::he;
  const auto he = initial_parameters(p, 7);
  for (int k = 15; k < 20; ++k) EXPECT_EQ(he[k], 0.0F) << "bias";
}

TEST(DeepDriverStatistics, InitialWeightsHaveTheirVariance) {
  // A weight N(0, s^2): the mean of n squares is s^2 with standard error s^2 sqrt(2 / n).
  Problem p = deep_problem({50, 50, 4, 1}, Activation::relu, Loss::logistic);
  p.initial_scale = 0.3F;
  for (const auto& [initialisation, variance] :
       {std::pair{Initialisation::he, 2.0 / 50}, std::pair{Initialisation::lecun, 1.0 / 50},
        std::pair{Initialisation::normal, 0.09}}) {
    p.initialisation = initialisation;
    const auto start = initial_parameters(p, 0);
    for (int l = 0; l < 3; ++l) {
      double square = 0;
      for (int k = 0; k < 2500; ++k) square += std::pow(start[l * 2550 + k], 2) / 2500;
      EXPECT_NEAR(square, variance, 5 * variance * std::sqrt(2.0 / 2500)) << l;
    }
  }
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// One problem for each way of running.
std::vector<Problem> one_of_each() {
  std::vector<Problem> problems = {deep_problem({17, 33, 4, 1}, Activation::relu, Loss::logistic),
                                   deep_problem({17, 33, 4, 3}, Activation::relu, Loss::softmax),
                                   small_convolutional(Activation::relu, Loss::softmax, 1)};
  problems[1].batch_size = 5;
  problems[1].momentum = 0.5F;
  for (Problem& p : problems) {
    p.probe = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 7, true));
    p.training = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 11, false));
  }
  return problems;
}

TEST(DeepDriver, RecordingCompanyAndThreadsDoNotChangeATrajectory) {
  const std::vector<std::int64_t> every = {0, 1, 2, 15, 16, 17, 25};
  const std::vector<std::int64_t> last = {25};
  for (const Problem& p : one_of_each()) {
    const auto all = all_observables(p);
    constexpr int kTrajectories = 4;
    const Records together = run_cpu(p, {0, kTrajectories, every, all});
    std::vector<Records> apart(kTrajectories);
    std::vector<std::vector<float>> ends(kTrajectories);
#pragma omp parallel for num_threads(2) schedule(dynamic, 1)
    for (int t = 0; t < kTrajectories; ++t) {
      apart[t] = run_cpu(p, {static_cast<std::uint32_t>(t), 1, last, all});
      ends[t] = train_cpu(p, static_cast<std::uint32_t>(t), 25);
    }
    std::size_t row = 0;
    std::size_t alone = 0;
    for (const Observable o : all) {
      const auto count = static_cast<std::size_t>(cells(p, o));
      for (std::size_t cell = 0; cell < count; ++cell) {
        for (int t = 0; t < kTrajectories; ++t)
          EXPECT_EQ(together.values[(row + (every.size() - 1) * count + cell) * kTrajectories + t],
                    apart[t].values[alone + cell])
              << describe(p) << " " << name(o);
      }
      row += every.size() * count;
      alone += count;
    }
    for (int t = 0; t < kTrajectories; ++t)
      EXPECT_TRUE(same_bits(ends[t], train_cpu(p, static_cast<std::uint32_t>(t), 25))) << describe(p);
    EXPECT_FALSE(same_bits(ends[0], ends[1])) << "two trajectories are one";
  }
}

TEST(DeepDriver, MoreObservablesChangeNothing) {
  const std::vector<std::int64_t> steps = {0, 2, 9};
  for (const Problem& p : one_of_each()) {
    const auto all = all_observables(p);
    const Records everything = run_cpu(p, {2, 2, steps, all});
    std::size_t offset = 0;
    for (const Observable o : all) {
      const std::vector<Observable> one = {o};
      const Records alone = run_cpu(p, {2, 2, steps, one});
      ASSERT_EQ(alone.values.size(), steps.size() * cells(p, o) * 2);
      for (std::size_t k = 0; k < alone.values.size(); ++k)
        EXPECT_EQ(alone.values[k], everything.values[offset + k]) << describe(p) << " " << name(o);
      offset += alone.values.size();
    }
    EXPECT_EQ(offset, everything.values.size());
  }
}

TEST(DeepDriver, DivergenceIsReportedAtTheFirstRecordThatShowsIt) {
  for (Problem p : one_of_each()) {
    p.loss = Loss::squared;
    p.learning_rate = 30.0F;
    p.probe = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 7, true));
    std::vector<std::int64_t> every(200);
    for (std::size_t k = 0; k < every.size(); ++k) every[k] = static_cast<std::int64_t>(k);
    const std::vector<Observable> observables = {Observable::parameter_norm};
    const Records records = run_cpu(p, {0, 2, every, observables});
    for (int t = 0; t < 2; ++t) {
      const std::int64_t at = records.diverged_at[t];
      ASSERT_GT(at, 0) << describe(p);
      EXPECT_TRUE(finite(train_cpu(p, static_cast<std::uint32_t>(t), at - 1)));
      EXPECT_FALSE(finite(train_cpu(p, static_cast<std::uint32_t>(t), at)));
      for (std::size_t k = 0; k < every.size(); ++k)
        EXPECT_EQ(std::isnan(records.values[k * 2 + t]), every[k] >= at) << describe(p);
    }
  }
}

TEST(DeepDriver, StopFlagThrowsStopped) {
  const std::atomic<bool> stop = true;
  const std::vector<std::int64_t> steps = {1'000'000'000'000};
  const std::vector<Observable> observables = {Observable::parameter_norm};
  for (const Problem& p : one_of_each())
    EXPECT_THROW(run_cpu(p, {0, 1, steps, observables, &stop}), Stopped) << describe(p);
}

TEST(DeepDriver, AKernelLargerThanItsImageIsNamed) {
  Problem p = small_convolutional(Activation::relu, Loss::softmax, 0);
  p.layers = 6;  // 11 x 9 shrinks by 4 with every convolution
  try {
    make_network(p);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("conv3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace soret::deep
