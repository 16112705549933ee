#include "soret/training/grafting.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "soret/base/error.hpp"
#include "soret/network/initialise.hpp"
#include "soret/network/models.hpp"
#include "soret/training/trainer.hpp"

namespace soret::training {
namespace {

using network::HeadKind;

double norm(std::span<const float> v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> d(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) d[i] = a[i] - b[i];
  return norm(d);
}

data::Dataset waves(int n) {
  data::Dataset set{.name = "waves", .width = 3, .classes = 3, .images = {}, .labels = {}};
  for (int i = 0; i < 3 * n; ++i) set.images.push_back(std::sin(0.7F * static_cast<float>(i * i)));
  for (int i = 0; i < n; ++i) set.labels.push_back((i * 5 + i / 3) % 3);
  return set;
}
network::Network<float> small() {
  constexpr std::array widths = {7, 3};
  return network::multilayer_perceptron<float>({1, 1, 3}, widths, network::ActivationKind::tanh);
}
/// The steps of a run, and the parameters before each and after the last.
struct Path {
  std::vector<Step> steps;
  std::vector<std::vector<float>> parameters;
};
/// Updates first, first + 1, ... of a run, whatever came before, from these parameters.
Path run_from(const Recipe& recipe, std::int64_t first, std::vector<float> parameters, int updates) {
  const auto net = small();
  const auto data = waves(36);
  auto state = initial_training_state(net, recipe, std::move(parameters));
  state.update = first;
  Path path;
  Trainer trainer(net, HeadKind::softmax, 4, recipe, data, state);
  for (int k = 0; k < updates; ++k) {
    path.parameters.push_back(state.parameters);
    path.steps.push_back(trainer.step(true));
  }
  path.parameters.push_back(state.parameters);
  return path;
}
Path run(const Recipe& recipe, int updates) {
  return run_from(recipe, 0, initial_parameters(small(), network::Initialisation::he_normal, 1), updates);
}
Recipe plain() {
  return {.optimizer = {},
          .schedule = {.learning_rate = 0.1},
          .batch_size = 12,
          .micro_batch_size = 4,
          .seed = 3};
}

TEST(Grafting, GivesLengthAndKeepsDirection) {
  std::vector<float> g = {3, 4, 0, 0, 5, 12};
  graft(Grafting{}, 26.0, g);
  EXPECT_NEAR(norm(g), 26, 1e-5);
  EXPECT_NEAR(g[5] / g[0], 4, 1e-6);

  const Grafting layers{.kind = GraftingKind::iterative, .layer_ends = {2, 4, 6}};
  g = {3, 4, 0, 0, 5, 12};
  graft(layers, std::vector<float>{10, 0, 1, 1, 0, 26}, g);
  EXPECT_EQ(g, (std::vector<float>{6, 8, 0, 0, 10, 24}));  // a layer without a gradient keeps none

  const std::vector<float> least = {0, std::numeric_limits<float>::denorm_min(), 0};
  g = least;
  graft(Grafting{}, 1e3, g);  // the factor would be 7e47
  EXPECT_EQ(g, least);
  graft(Grafting{}, std::numeric_limits<double>::infinity(), g);  // another's divergence is not hidden
  EXPECT_EQ(g[1], std::numeric_limits<float>::infinity());
}

// Seed 000 A.5: with plain SGD a step of normalised gradient descent has the length of the learning rate.
TEST(Grafting, NormalisedStepsHaveTheLengthOfTheLearningRate) {
  Recipe recipe = plain();
  recipe.grafting.kind = GraftingKind::normalised;
  const Path path = run(recipe, 9);
  for (std::size_t k = 0; k < 9; ++k)
    EXPECT_NEAR(distance(path.parameters[k + 1], path.parameters[k]), 0.1, 1e-6);
}

// The direction is that of plain SGD, the length that of the gradient of one of the batch's micro-batches.
TEST(Grafting, IterativeStepsHaveTheLengthOfAMicroBatchGradient) {
  Recipe recipe = plain();
  const Path direction = run(recipe, 1);
  recipe.grafting.kind = GraftingKind::iterative;
  std::vector<bool> chosen(3, false);
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6, 7, 8}) {
    recipe.seed = seed;
    Recipe other = plain();
    other.seed = seed;
    const Path grafted = run(recipe, 1);
    const Path sgd = run(other, 1);
    EXPECT_EQ(grafted.steps[0].gradient_norm, sgd.steps[0].gradient_norm);
    // Micro-batches are the three batches of 4 that the same order of samples gives.
    other.batch_size = 4;
    other.schedule.learning_rate = 1e-20;  // stays where it is
    const Path micro = run(other, 3);
    const double length = distance(grafted.parameters[1], grafted.parameters[0]);
    const int which = chosen_micro_batch(seed, 0, 3);
    chosen[static_cast<std::size_t>(which)] = true;
    EXPECT_NEAR(length, 0.1 * micro.steps[static_cast<std::size_t>(which)].gradient_norm, 1e-6);
    const double scale = length / distance(sgd.parameters[1], sgd.parameters[0]);
    for (std::size_t i = 0; i < sgd.parameters[0].size(); ++i)
      EXPECT_NEAR(grafted.parameters[1][i] - grafted.parameters[0][i],
                  scale * (sgd.parameters[1][i] - sgd.parameters[0][i]), 1e-6);
  }
  EXPECT_EQ(chosen, std::vector<bool>(3, true));
}

TEST(Grafting, ExternalStepsHaveTheLengthsOfAnotherRun) {
  Recipe recipe = plain();
  recipe.grafting = {.kind = GraftingKind::external, .norms = {2, 0.5, 3}, .interval = 2};
  const Path path = run(recipe, 6);
  const double expected[] = {2, 2, 0.5, 0.5, 3, 3};
  for (std::size_t k = 0; k < 6; ++k)
    EXPECT_NEAR(distance(path.parameters[k + 1], path.parameters[k]), 0.1 * expected[k], 1e-6);
  EXPECT_THROW(run(recipe, 7), ConfigError);
}

TEST(Grafting, RefusesMicroBatchNormsOfPenalisedGradients) {
  Recipe recipe = plain();
  recipe.grafting.kind = GraftingKind::iterative;
  recipe.penalty.kind = PenaltyKind::gradient_norm;
  EXPECT_THROW(run(recipe, 1), ConfigError);
}

TEST(TrainerPenalty, ComesEveryFewUpdatesAndFollowsTheLearningRate) {
  Recipe recipe = plain();
  recipe.penalty = {.kind = PenaltyKind::gradient_norm, .strength = 0.2, .every = 3};
  const Path path = run(recipe, 7);
  for (std::size_t k = 0; k < 7; ++k) EXPECT_EQ(path.steps[k].penalty > 0, k % 3 == 0) << k;

  Recipe tied = recipe;
  tied.penalty.every = 1;
  tied.penalty.follows_learning_rate = true;
  tied.penalty.strength = 2;  // 0.2 at the learning rate of 0.1
  Recipe constant = recipe;
  constant.penalty.every = 1;
  const Path a = run(tied, 4);
  const Path b = run(constant, 4);
  EXPECT_LT(distance(a.parameters[4], b.parameters[4]), 1e-6);
  EXPECT_GT(distance(a.parameters[4], path.parameters[4]), 1e-4);
}

// One micro-batch is penalised, the one that is drawn, or always the first.
TEST(TrainerPenalty, SamplesOneMicroBatch) {
  Recipe recipe = plain();
  recipe.penalty = {.kind = PenaltyKind::gradient_norm, .form = PenaltyForm::sample, .strength = 0.2};
  const Path drawn = run(recipe, 6);
  recipe.penalty.form = PenaltyForm::fixed_sample;
  const Path fixed = run(recipe, 1);
  Recipe micro = plain();
  micro.batch_size = 4;
  micro.schedule.learning_rate = 1e-20;
  const Path parts = run(micro, 3);
  const auto square = [&](int k) {
    return std::pow(parts.steps[static_cast<std::size_t>(k)].gradient_norm, 2);
  };
  EXPECT_NEAR(fixed.steps[0].penalty, square(0), 1e-6 * square(0));
  const int which = chosen_micro_batch(recipe.seed, 0, 3);
  EXPECT_NEAR(drawn.steps[0].penalty, square(which), 1e-6 * square(which));

  // Later ones from where the run was then: the batches of 4 have the same order of samples. In six updates,
  // the last three of a second epoch, every micro-batch comes.
  std::vector<bool> chosen(3, false);
  for (int k = 0; k < 6; ++k) {
    const int now = chosen_micro_batch(recipe.seed, k, 3);
    chosen[static_cast<std::size_t>(now)] = true;
    const Path then = run_from(micro, 3 * k, drawn.parameters[static_cast<std::size_t>(k)], now + 1);
    const double expected = std::pow(then.steps[static_cast<std::size_t>(now)].gradient_norm, 2);
    EXPECT_NEAR(drawn.steps[static_cast<std::size_t>(k)].penalty, expected, 1e-6 * expected) << k;
  }
  EXPECT_EQ(chosen, std::vector<bool>(3, true));
}

}  // namespace
}  // namespace soret::training
