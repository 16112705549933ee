#include "soret/training/trainer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "soret/base/error.hpp"
#include "soret/network/initialise.hpp"
#include "soret/network/models.hpp"

namespace soret::training {
namespace {

using network::HeadKind;

/// Three clouds in the plane.
data::Dataset three_clouds(int n) {
  data::Dataset clouds{.name = "clouds", .width = 2, .classes = 3, .images = {}, .labels = {}};
  std::mt19937 bits(4);
  std::normal_distribution<float> normal(0, 0.3F);
  for (int i = 0; i < n; ++i) {
    clouds.labels.push_back(i % 3);
    clouds.images.push_back(std::cos(2.1F * static_cast<float>(i % 3)) + normal(bits));
    clouds.images.push_back(std::sin(2.1F * static_cast<float>(i % 3)) + normal(bits));
  }
  return clouds;
}

network::Network<float> small() {
  constexpr std::array widths = {12, 3};
  return network::multilayer_perceptron<float>({1, 1, 2}, widths, network::ActivationKind::tanh);
}

TEST(Trainer, LearnsThreeClouds) {
  const auto clouds = three_clouds(150);
  const auto net = small();
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::momentum, OptimizerKind::nesterov,
                                   OptimizerKind::rmsprop, OptimizerKind::adam}) {
    Recipe recipe{.optimizer = {.kind = kind}, .schedule = {.learning_rate = 0.02}, .batch_size = 16};
    if (kind == OptimizerKind::sgd) recipe.schedule.learning_rate = 0.2;
    auto state =
        initial_training_state(net, recipe, initial_parameters(net, network::Initialisation::he_normal, 1));
    Trainer trainer(net, HeadKind::softmax, 16, recipe, clouds, state);
    for (int k = 0; k < 300; ++k) trainer.step();
    network::Pass<float> pass(net, 150);
    const float* const z = net.forward(pass, 150, clouds.images.data(), state.parameters.data(), nullptr,
                                       {.batch_statistics = false});
    const network::Targets<float> targets{clouds.labels.data(), nullptr, false};
    const double loss = network::evaluate<float>(HeadKind::softmax, 150, 3, z, targets, 1.0 / 150, nullptr);
    EXPECT_GT(network::correct(HeadKind::softmax, 150, 3, z, clouds.labels.data()), 140)
        << static_cast<int>(kind);
    EXPECT_LT(loss, 0.25) << static_cast<int>(kind);
  }
}

// A copy of the state goes on as the original does, bit by bit: across epochs, a smaller last batch,
// augmentation, dropout, batch normalisation, a penalty, injected noise, a schedule and the switch of the
// rule.
TEST(Trainer, GoesOnFromItsState) {
  constexpr int kSamples = 50;
  const auto net = network::c1<float>({17, 17, 1}, 3, 0);
  data::Dataset waves{.name = "waves", .height = 17, .width = 17, .classes = 3, .images = {}, .labels = {}};
  for (std::size_t i = 0; i < kSamples * net.input().size(); ++i)
    waves.images.push_back(std::sin(0.37F * static_cast<float>(i)));
  for (int i = 0; i < kSamples; ++i) waves.labels.push_back(i % 3);
  const Recipe recipe{
      .optimizer = {.kind = OptimizerKind::adam},
      .schedule = {.kind = ScheduleKind::cosine, .learning_rate = 1e-3, .period = 2, .warm_up = 0.5},
      .batch_size = 12,
      .micro_batch_size = 4,
      .penalty = {.kind = PenaltyKind::unit_jacobian, .form = PenaltyForm::sample, .every = 2},
      .noise = {.kind = InjectedNoiseKind::anticorrelated, .variance = 1e-6, .until = 8},
      .augmentation = {.padding = 2, .flip = true},
      .switch_at = 7,
      .switch_to = {.kind = OptimizerKind::momentum},
      .switch_factor = 10,
      .seed = 9};
  const auto start =
      initial_training_state(net, recipe, initial_parameters(net, network::Initialisation::he_normal, 1));
  auto state = start;
  std::vector<TrainingState> path = {state};
  std::vector<double> losses;
  {
    Trainer trainer(net, HeadKind::softmax, 12, recipe, waves, state);
    EXPECT_EQ(trainer.updates_per_epoch(), 5);
    for (int k = 0; k < 12; ++k) {
      losses.push_back(trainer.step().loss);
      path.push_back(state);
    }
  }
  for (const int from : {3, 6, 7, 10}) {
    auto copy = path[from];
    Trainer trainer(net, HeadKind::softmax, 12, recipe, waves, copy);
    for (int k = from; k < 12; ++k) EXPECT_EQ(trainer.step().loss, losses[k]);
    EXPECT_EQ(copy.parameters, state.parameters);
    EXPECT_EQ(copy.statistics, state.statistics);
    EXPECT_EQ(copy.optimizer.memory, state.optimizer.memory);
  }
  EXPECT_EQ(state.optimizer.updates, 5);
}

// Interrupted between the chunks of a batch, the state is what it was, and goes on as if nothing had been.
TEST(Trainer, LeavesItsStateWhereItIsInterrupted) {
  const auto net = network::f2<float>({1, 1, 2}, 3, 0);
  const auto clouds = three_clouds(60);
  const Recipe recipe{.optimizer = {.kind = OptimizerKind::momentum},
                      .schedule = {.learning_rate = 0.01},
                      .batch_size = 20,
                      .micro_batch_size = 4,
                      .penalty = {.kind = PenaltyKind::gradient_norm}};
  auto state =
      initial_training_state(net, recipe, initial_parameters(net, network::Initialisation::he_normal, 1));
  auto whole = state;
  Trainer undisturbed(net, HeadKind::softmax, 4, recipe, clouds, whole);
  for (int k = 0; k < 4; ++k) undisturbed.step();
  std::atomic<bool> stop = false;
  {
    Trainer trainer(net, HeadKind::softmax, 4, recipe, clouds, state);
    trainer.step(false, &stop);
    const auto before = state;
    stop = true;
    EXPECT_THROW(trainer.step(false, &stop), Interrupted);
    EXPECT_EQ(state.update, 1);
    EXPECT_EQ(state.parameters, before.parameters);
    EXPECT_EQ(state.statistics, before.statistics);
  }
  stop = false;
  Trainer trainer(net, HeadKind::softmax, 4, recipe, clouds, state);
  for (int k = 0; k < 3; ++k) trainer.step(false, &stop);
  EXPECT_EQ(state.parameters, whole.parameters);
  EXPECT_EQ(state.statistics, whole.statistics);
  EXPECT_EQ(state.optimizer.memory, whole.optimizer.memory);

  // Also when some of the chunks have moved the statistics by then.
  for (int milliseconds = 1; milliseconds < 40; milliseconds *= 2) {
    stop = false;
    Trainer late(net, HeadKind::softmax, 4, recipe, clouds, state);
    const auto before = state;
    const std::jthread timer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      stop = true;
    });
    try {
      while (true) {
        const auto last = state;
        try {
          late.step(false, &stop);
        } catch (const Interrupted&) {
          EXPECT_EQ(state.update, last.update);
          EXPECT_EQ(state.statistics, last.statistics);
          throw;
        }
      }
    } catch (const Interrupted&) {
      EXPECT_GE(state.update, before.update);
    }
  }
}

// The squared head sees the unit vector of the class: one update of a bias-free linear map, by hand.
TEST(Trainer, TakesClassesForUnitVectors) {
  constexpr std::array widths = {2};
  const auto net = network::multilayer_perceptron<float>({1, 1, 2}, widths, network::ActivationKind::tanh);
  data::Dataset one{.name = "one", .width = 2, .classes = 2, .images = {2, -1}, .labels = {1}};
  const Recipe recipe{.optimizer = {}, .schedule = {.learning_rate = 0.25}, .batch_size = 1};
  auto state = initial_training_state(net, recipe, {0.5F, 0, 0, 1, 0, 0});
  Trainer trainer(net, HeadKind::squared, 1, recipe, one, state);
  // z = (1, -1), z - e_1 = (1, -2): loss 5/2, gradient (1, -2) x (2, -1) and (1, -2)
  EXPECT_EQ(trainer.step().loss, 2.5);
  EXPECT_EQ(state.parameters, (std::vector<float>{0, 0.25F, 1, 0.5F, -0.25F, 0.5F}));
}

// Before the first step, by the number of the sample in the set.
TEST(Trainer, RefusesLabelsWithoutAnOutput) {
  auto clouds = three_clouds(40);
  clouds.labels[17] = 3;
  const auto net = small();
  const Recipe recipe{.optimizer = {}, .schedule = {}, .batch_size = 8};
  auto state =
      initial_training_state(net, recipe, initial_parameters(net, network::Initialisation::he_normal, 1));
  try {
    const Trainer trainer(net, HeadKind::softmax, 4, recipe, clouds, state);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("sample 17 has label 3"), std::string::npos) << error.what();
  }
  BatchGradient<float> batch(net, HeadKind::softmax, 4);
  std::vector<float> g(net.parameter_count());
  const network::Targets<float> targets{clouds.labels.data() + 16, nullptr, false};
  EXPECT_THROW(batch({2, clouds.images.data(), targets, state.parameters, {}, {}}, g), ConfigError);
}

}  // namespace
}  // namespace soret::training
