#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soret/training/batch_gradient.hpp"
#include "soret/training/optimizer.hpp"
#include "soret/training/sampler.hpp"
#include "soret/training/schedule.hpp"

/// The training of one network on a set that lies in memory.
namespace soret::training {

/// Samples as networks read them.
struct Samples {
  std::span<const float> x;              ///< [sample][h][w][c]
  std::span<const std::int32_t> labels;  ///< [sample]
  std::size_t size() const { return labels.size(); }
};

struct Recipe {
  Optimizer optimizer;
  Schedule schedule;
  bool schedule_counts_epochs = true;  ///< positions of the schedule are epochs, else updates
  std::size_t batch_size = 64;
  Sampling sampling = Sampling::shuffle;
  /// From this update on another rule, with memories of its own that start at zero (the question of SWATS,
  /// Keskar and Socher 2017); negative: never.
  std::int64_t switch_at = -1;
  Optimizer switch_to{};
  double switch_factor = 1;  ///< of the learning rate, from then on
  std::uint64_t seed = 1;    ///< of the order of the samples and of dropout
};

/// All that changes: with the recipe and the data it determines the rest of the run, bit by bit.
struct TrainingState {
  std::int64_t update = 0;  ///< done so far
  std::vector<float> parameters;
  std::vector<float> statistics;  ///< running ones of batch normalisation
  OptimizerState<float> optimizer;
};

class Trainer {
 public:
  /// The network, the data and `state` must outlive this. Throws ConfigError for a batch larger than the set.
  Trainer(const network::Network<float>& network, network::HeadKind head, int chunk, const Recipe& recipe,
          Samples data, TrainingState& state);

  /// One update; the mean loss of its batch before it.
  double step();
  double learning_rate() const;  ///< of the next update
  /// The rule of the next update.
  const Optimizer& optimizer() const;
  std::int64_t updates_per_epoch() const { return sampler_.updates_per_epoch(); }
  /// The gradient of the last step.
  std::span<const float> gradient() const { return gradient_; }

  /// The gradient of the mean loss of the given samples at the state's parameters; the loss. Nothing moves:
  /// dropout is off, batch statistics are the batch's and running ones stay.
  double gradient_of(std::span<const std::uint32_t> samples, std::span<float> gradient);
  /// The samples of an update, past or future.
  std::vector<std::uint32_t> batch(std::int64_t update) { return sampler_.batch(update); }

  BatchGradient<float>& batch_gradient() { return batch_gradient_; }

 private:
  int gather(std::span<const std::uint32_t> samples);

  const network::Network<float>& network_;
  Recipe recipe_;
  Samples data_;
  TrainingState& state_;
  Sampler sampler_;
  BatchGradient<float> batch_gradient_;
  std::vector<float> x_, gradient_;
  std::vector<std::int32_t> labels_;
};

/// At the start of a run.
TrainingState initial_training_state(const network::Network<float>& network, const Recipe& recipe,
                                     std::vector<float> parameters);

}  // namespace soret::training
