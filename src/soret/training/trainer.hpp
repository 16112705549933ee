#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soret/data/loader.hpp"
#include "soret/training/batch_gradient.hpp"
#include "soret/training/grafting.hpp"
#include "soret/training/injected_noise.hpp"
#include "soret/training/optimizer.hpp"
#include "soret/training/sampler.hpp"
#include "soret/training/schedule.hpp"

/// The training of one network on a set that lies in memory.
namespace soret::training {

/// What a head compares the outputs with: the labels themselves, or for `squared` the unit vectors of their
/// classes.
class LabelTargets {
 public:
  /// `labels` must outlive the result of operator().
  network::Targets<float> operator()(network::HeadKind head, int classes,
                                     std::span<const std::int32_t> labels);

 private:
  std::vector<float> values_;
};

/// Seed of all streams of a training run: the first 64 bits of the stream (seed, run_seed, trajectory).
std::uint64_t run_seed(std::uint64_t seed, std::uint32_t trajectory);

struct Recipe {
  Optimizer optimizer;
  Schedule schedule;
  bool schedule_counts_epochs = true;  ///< positions of the schedule are epochs, else updates
  std::size_t batch_size = 64;
  std::size_t micro_batch_size = 0;  ///< of penalties and grafting; 0: the chunk
  Penalty penalty{};
  Grafting grafting{};
  InjectedNoise noise{};
  data::Augmentation augmentation{};
  Sampling sampling = Sampling::shuffle;
  /// From this update on another rule, with memories of its own that start at zero (the question of SWATS,
  /// Keskar and Socher 2017); negative: never.
  std::int64_t switch_at = -1;
  Optimizer switch_to{};
  double switch_factor = 1;  ///< of the learning rate, from then on
  std::uint64_t seed = 1;    ///< of whatever is drawn
};

/// The penalty of an update whose batch has `micro_batches` of the `most` that full ones have.
PenaltyTerm penalty_term(const Recipe& recipe, std::int64_t update, double learning_rate, int micro_batches,
                         int most);

/// All that changes: with the recipe and the data it determines the rest of the run, bit by bit.
struct TrainingState {
  std::int64_t update = 0;  ///< done so far
  std::vector<float> parameters;
  std::vector<float> statistics;  ///< running ones of batch normalisation
  OptimizerState<float> optimizer;
};

/// What an update did.
struct Step {
  double loss = 0;           ///< mean of its batch, before it
  double penalty = 0;        ///< without its strength; 0 where there was none
  double gradient_norm = 0;  ///< of loss and penalty, before grafting; where it was asked for
  /// Wall time: waiting for the batch; its gradient; of this, the share of what a penalty adds to the
  /// gradients of its scalars; the update itself.
  double loading_seconds = 0, gradient_seconds = 0, penalty_seconds = 0, update_seconds = 0;
};

class Trainer {
 public:
  /// The network, the data and `state` must outlive this. Batches are assembled ahead on a thread of their
  /// own. Throws ConfigError for a batch larger than the set, for labels without an output, for micro-batches
  /// that do not fit the chunks (BatchGradient), and for iterative grafting with a penalty.
  Trainer(const network::Network<float>& network, network::HeadKind head, int chunk, const Recipe& recipe,
          const data::Dataset& train, TrainingState& state);

  /// One update. Throws Interrupted, the state as it was, when `stop` turns true before its gradient is
  /// complete; then this trainer has lost the batch and is of no further use.
  Step step(bool wants_gradient_norm = false, const std::atomic<bool>* stop = nullptr);
  double learning_rate() const;  ///< of the next update
  /// The rule of the next update.
  const Optimizer& optimizer() const;
  std::int64_t updates_per_epoch() const { return sampler_.updates_per_epoch(); }
  /// The gradient of the last step, as the optimiser took it.
  std::span<const float> gradient() const { return gradient_; }
  const BatchGradient<float>& batch_gradient() const { return batch_gradient_; }

 private:
  BatchGradient<float>::Result take_gradient(const BatchAt<float>& batch);

  /// How many samples the run saw before an update, were every batch full.
  std::uint64_t first_sample(std::int64_t update) const {
    return static_cast<std::uint64_t>(update) * recipe_.batch_size;
  }

  network::HeadKind head_;
  int classes_;
  Recipe recipe_;
  TrainingState& state_;
  Sampler sampler_;
  BatchGradient<float> batch_gradient_;
  LabelTargets targets_;
  std::vector<float> gradient_;
  std::vector<float> statistics_before_;  ///< a step that may be interrupted
  std::vector<float> micro_gradient_;     ///< of the micro-batch that gives the norm
  data::Loader<float> loader_;            ///< last: its thread asks the sampler
};

/// At the start of a run.
TrainingState initial_training_state(const network::Network<float>& network, const Recipe& recipe,
                                     std::vector<float> parameters);

}  // namespace soret::training
