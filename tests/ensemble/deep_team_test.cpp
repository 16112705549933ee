#include <gtest/gtest.h>

#include "tests/ensemble/deep_replay.hpp"
#include "tests/ensemble/deep_team_run.hpp"

/// The body of the CUDA driver, on CPU teams.
namespace soret::deep {
namespace {

constexpr std::int64_t kSteps = 11;  // over the end of a chunk

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  return distance({a.begin(), a.end()}, b);
}

/// Each of a few steps rounds pre-activations of order 1 in every layer.
constexpr double kTolerance = 64 * std::numeric_limits<float>::epsilon();

TEST(DeepTeam, EveryParameterHasItsPlace) {
  for (const DeepShape& shape : kDeepShapes) {
    const Problem p = deep_problem(shape, Activation::relu, Loss::squared);
    const DeepTeamShape s = deep_team_shape(p);
    const auto start = initial_parameters(p, 1);
    std::vector<float> state(s.parameters(), -1.0F);
    put_parameters(s, start, state.data());
    EXPECT_GE(state.size(), start.size());
    EXPECT_EQ(std::ranges::count(state, -1.0F), 0) << "gaps are zero";
    std::vector<float> back;
    get_parameters(s, state.data(), back);
    EXPECT_EQ(back, start) << describe(p);
    EXPECT_EQ(s.width % 32, 0);
    EXPECT_LE(s.groups(), kDeepGroups);
  }
}

TEST(DeepTeam, TheFigureFitsAnH200) {
  const Problem p;
  const DeepTeamShape s = deep_team_shape(p);
  const auto floats = s.parameters() + deep_team_layout(deep_team_problem(p), s).size;
  EXPECT_LE(4 * floats, 227 * 1024);
}

TEST(DeepTeam, TrainsLikeTheCpuDrivers) {
  int k = 0;
  for (const DeepShape& shape : kDeepShapes) {
    for (const Activation activation : kDeepActivations) {
      for (const auto& [batch, momentum] :
           {std::pair{1, 0.0F}, std::pair{1, 0.9F}, std::pair{3, 0.0F}, std::pair{9, 0.5F}}) {
        Problem p = deep_problem(shape, activation, kDeepLosses[k++ % 3]);
        p.batch_size = batch;
        p.momentum = momentum;
        p.learning_rate = 0.02F;
        EXPECT_LE(difference(train_team(p, 5, kSteps), train_cpu(p, 5, kSteps)), kTolerance) << describe(p);
      }
    }
  }
}

TEST(DeepTeam, TrainsLikeTheCpuDriversOnEveryKindOfData) {
  for (const Inputs inputs : {Inputs::gaussian, Inputs::uniform, Inputs::ball}) {
    for (const Labels labels : {Labels::random, Labels::teacher}) {
      for (const Sampling sampling :
           {Sampling::fresh, Sampling::with_replacement, Sampling::without_replacement}) {
        for (const int batch : {1, 4}) {
          Problem p = deep_problem({5, 9, 3, 3}, Activation::tanh, Loss::softmax);
          p.input_kind = inputs;
          p.label_kind = labels;
          p.sampling = sampling;
          p.batch_size = batch;
          if (sampling != Sampling::fresh)  // chunks and batches straddle its epochs
            p.training = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 11, false));
          EXPECT_LE(difference(train_team(p, 5, 27), train_cpu(p, 5, 27)), kTolerance) << describe(p);
        }
      }
    }
  }
}

// Biases begin at zero: for a sample of zeros every unit is zero and has a gradient all the same.
TEST(DeepTeam, AUnitThatIsZeroHasAGradient) {
  Problem p = deep_problem({5, 9, 3, 1}, Activation::tanh, Loss::logistic);
  p.initialisation = Initialisation::he;
  p.sampling = Sampling::with_replacement;
  p.training = std::make_shared<SampleSet>(SampleSet{1, std::vector<float>(5, 0.0F), {1.0F}});
  const auto got = train_team(p, 1, 3);
  EXPECT_LE(difference(got, train_cpu(p, 1, 3)), kTolerance);
  EXPECT_NE(got[5 * 9], 0.0F) << "the first layer's biases move";
}

TEST(DeepTeam, CuttingARunIntoLaunchesChangesNothing) {
  for (const Sampling sampling : {Sampling::fresh, Sampling::without_replacement}) {
    for (const int batch : {1, 4}) {
      Problem p = deep_problem({17, 33, 4, 1}, Activation::relu, Loss::logistic);
      p.sampling = sampling;
      p.batch_size = batch;
      p.momentum = batch == 1 ? 0.0F : 0.9F;
      if (sampling != Sampling::fresh)
        p.training = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 11, false));
      DeepTeamRun cut(p, 1);
      for (const auto& [from, to] : {std::pair{0, 1}, std::pair{1, 2}, std::pair{2, 13}, std::pair{13, 23}})
        cut.advance(from, to);
      EXPECT_EQ(cut.parameters(), train_team(p, 1, 23)) << describe(p);
    }
  }
}

TEST(DeepTeam, RealThreadsGiveTheBitsOfTheSerialTeam) {
  for (const int batch : {1, 3}) {
    Problem p = deep_problem({3, 5, 3, 2}, Activation::relu, Loss::softmax);
    p.label_kind = Labels::teacher;
    p.input_kind = batch == 1 ? Inputs::ball : Inputs::gaussian;
    p.sampling = batch == 1 ? Sampling::fresh : Sampling::without_replacement;
    p.batch_size = batch;
    if (p.sampling != Sampling::fresh)  // batches straddle its epochs
      p.training = std::make_shared<SampleSet>(synthetic_set(sample_problem(p), 5, false));
    DeepTeamRun threads(p, 3);
    threads.advance(0, 2, two_layer::OnThreadTeam{});
    EXPECT_EQ(threads.parameters(), train_team(p, 3, 2)) << describe(p);
  }
}

}  // namespace
}  // namespace soret::deep
