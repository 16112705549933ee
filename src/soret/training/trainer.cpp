#include "soret/training/trainer.hpp"

#include <algorithm>

namespace soret::training {

using network::Mode;
using network::Targets;

Trainer::Trainer(const network::Network<float>& network, network::HeadKind head, int chunk,
                 const Recipe& recipe, Samples data, TrainingState& state)
    : network_(network),
      recipe_(recipe),
      data_(data),
      state_(state),
      sampler_(recipe.sampling, data.size(), recipe.batch_size, recipe.seed),
      batch_gradient_(network, head, chunk),
      x_(recipe.batch_size * network.input().size()),
      gradient_(network.parameter_count()),
      labels_(recipe.batch_size) {}

int Trainer::gather(std::span<const std::uint32_t> samples) {
  const std::size_t size = network_.input().size();
  if (samples.size() > labels_.size()) {
    labels_.resize(samples.size());
    x_.resize(samples.size() * size);
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::ranges::copy(data_.x.subspan(samples[i] * size, size),
                      x_.begin() + static_cast<std::ptrdiff_t>(i * size));
    labels_[i] = data_.labels[samples[i]];
  }
  return static_cast<int>(samples.size());
}

const Optimizer& Trainer::optimizer() const {
  const bool switched = recipe_.switch_at >= 0 && state_.update >= recipe_.switch_at;
  return switched ? recipe_.switch_to : recipe_.optimizer;
}

double Trainer::learning_rate() const {
  const auto update = static_cast<double>(state_.update);
  const double position =
      recipe_.schedule_counts_epochs ? update / static_cast<double>(updates_per_epoch()) : update;
  const bool switched = recipe_.switch_at >= 0 && state_.update >= recipe_.switch_at;
  return training::learning_rate(recipe_.schedule, position) * (switched ? recipe_.switch_factor : 1);
}

double Trainer::step() {
  const int n = gather(sampler_.batch(state_.update));
  const Mode mode{.seed = recipe_.seed,
                  .first_sample = static_cast<std::uint64_t>(state_.update) * recipe_.batch_size};
  const double loss = batch_gradient_(n, x_.data(), Targets<float>{labels_.data(), nullptr, false},
                                      state_.parameters, state_.statistics, mode, gradient_);
  if (state_.update == recipe_.switch_at)
    state_.optimizer = initial_state<float>(optimizer(), gradient_.size());
  update<float>(optimizer(), learning_rate(), gradient_, state_.optimizer, state_.parameters);
  ++state_.update;
  return loss;
}

double Trainer::gradient_of(std::span<const std::uint32_t> samples, std::span<float> gradient) {
  const int n = gather(samples);
  std::vector<float> statistics = state_.statistics;
  return batch_gradient_(n, x_.data(), Targets<float>{labels_.data(), nullptr, false}, state_.parameters,
                         statistics, {.dropout = false}, gradient);
}

TrainingState initial_training_state(const network::Network<float>& network, const Recipe& recipe,
                                     std::vector<float> parameters) {
  return {0, std::move(parameters), network.initial_state(),
          initial_state<float>(recipe.switch_at == 0 ? recipe.switch_to : recipe.optimizer,
                               network.parameter_count())};
}

}  // namespace soret::training
