#include "soret/training/trainer.hpp"

#include <algorithm>

#include "soret/random/stream.hpp"

namespace soret::training {

using network::Mode;
using network::Targets;

std::uint64_t run_seed(std::uint64_t seed, std::uint32_t trajectory) {
  const auto block = Stream{seed, Purpose::run_seed, trajectory}.block(0);
  return static_cast<std::uint64_t>(block.y) << 32 | block.x;
}

Targets<float> LabelTargets::operator()(network::HeadKind head, int classes,
                                        std::span<const std::int32_t> labels) {
  if (head != network::HeadKind::squared) return {labels.data(), nullptr, false};
  values_.assign(labels.size() * static_cast<std::size_t>(classes), 0.0F);
  for (std::size_t i = 0; i < labels.size(); ++i)
    values_[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(labels[i])] = 1;
  return {labels.data(), values_.data(), false};
}

Trainer::Trainer(const network::Network<float>& network, network::HeadKind head, int chunk,
                 const Recipe& recipe, const data::Dataset& train, TrainingState& state)
    : head_(head),
      classes_(static_cast<int>(network.output().size())),
      recipe_(recipe),
      state_(state),
      sampler_(recipe.sampling, train.size(), recipe.batch_size, recipe.seed),
      batch_gradient_(network, head, chunk),
      gradient_(network.parameter_count()),
      loader_(
          train,
          [this](std::int64_t update) {
            return data::Selection{sampler_.batch(update), first_sample(update)};
          },
          state.update, recipe.augmentation, recipe.seed) {
  const bool unit_vectors = head == network::HeadKind::squared;  // which need a class each
  network::check_labels(unit_vectors ? network::HeadKind::softmax : head, classes_, train.labels);
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
  const data::Batch<float>& batch = loader_.next();
  const Mode mode{.seed = recipe_.seed, .first_sample = first_sample(state_.update)};
  const double loss =
      batch_gradient_(static_cast<int>(batch.size()), batch.x.data(), targets_(head_, classes_, batch.labels),
                      state_.parameters, state_.statistics, mode, gradient_);
  if (state_.update == recipe_.switch_at)
    state_.optimizer = initial_state<float>(optimizer(), gradient_.size());
  update<float>(optimizer(), learning_rate(), gradient_, state_.optimizer, state_.parameters);
  ++state_.update;
  return loss;
}

TrainingState initial_training_state(const network::Network<float>& network, const Recipe& recipe,
                                     std::vector<float> parameters) {
  return {0, std::move(parameters), network.initial_state(),
          initial_state<float>(recipe.switch_at == 0 ? recipe.switch_to : recipe.optimizer,
                               network.parameter_count())};
}

}  // namespace soret::training
