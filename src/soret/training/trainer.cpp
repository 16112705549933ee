#include "soret/training/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "soret/base/error.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/random/stream.hpp"

namespace soret::training {

using network::Targets;

namespace {

double seconds_since(std::chrono::steady_clock::time_point& then) {
  const auto now = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(now - std::exchange(then, now)).count();
}

}  // namespace

std::uint64_t run_seed(std::uint64_t seed, std::uint32_t trajectory) {
  return Stream{seed, Purpose::run_seed, trajectory}.derived_seed();
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
      batch_gradient_(network, head, chunk, static_cast<int>(recipe.micro_batch_size)),
      gradient_(network.parameter_count()),
      micro_gradient_(recipe.grafting.kind == GraftingKind::iterative ? gradient_.size() : 0),
      loader_(
          train,
          [this](std::int64_t update) {
            return data::Selection{sampler_.batch(update), first_sample(update)};
          },
          state.update, recipe.augmentation, recipe.seed) {
  const bool unit_vectors = head == network::HeadKind::squared;  // which need a class each
  if (recipe.grafting.kind == GraftingKind::iterative && recipe.penalty.kind != PenaltyKind::none)
    throw ConfigError("iterative grafting takes the norm of a plain micro-batch gradient: use no penalty");
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

PenaltyTerm penalty_term(const Recipe& recipe, std::int64_t update, double learning_rate, int micro_batches,
                         int most) {
  const Penalty& penalty = recipe.penalty;
  if (!penalty.applies(update)) return {};
  PenaltyTerm term{.penalty = penalty,
                   .strength = penalty.strength_at(learning_rate),
                   .seed = Stream{recipe.seed, Purpose::penalty, 0}.derived_seed()};
  if (penalty.form == PenaltyForm::sample) term.only = chosen_micro_batch(recipe.seed, update, micro_batches);
  if (penalty.form == PenaltyForm::fixed_sample) term.only = 0;
  term.first_micro_batch = static_cast<std::uint64_t>(update) * static_cast<std::uint64_t>(most);
  return term;
}

BatchGradient<float>::Result Trainer::take_gradient(const BatchAt<float>& batch) {
  const std::int64_t update = state_.update;
  const int parts = batch_gradient_.micro_batches(batch.n);
  if (recipe_.grafting.kind == GraftingKind::iterative)
    return batch_gradient_.with_micro_batch(batch, gradient_, chosen_micro_batch(recipe_.seed, update, parts),
                                            micro_gradient_);
  const int most = batch_gradient_.micro_batches(static_cast<int>(recipe_.batch_size));
  return batch_gradient_(batch, gradient_, penalty_term(recipe_, update, learning_rate(), parts, most));
}

Step Trainer::step(bool wants_gradient_norm, const std::atomic<bool>* stop) {
  auto clock = std::chrono::steady_clock::now();
  const data::Batch<float>& batch = loader_.next();
  Step done{.loading_seconds = seconds_since(clock)};
  const BatchAt<float> at{.n = static_cast<int>(batch.size()),
                          .x = batch.x.data(),
                          .targets = targets_(head_, classes_, batch.labels),
                          .parameters = state_.parameters,
                          .state = state_.statistics,
                          .mode = {.seed = recipe_.seed, .first_sample = first_sample(state_.update)},
                          .stop = stop};
  if (stop) statistics_before_ = state_.statistics;
  BatchGradient<float>::Result result;
  try {
    result = take_gradient(at);
  } catch (const Interrupted&) {
    state_.statistics = statistics_before_;
    throw;
  }
  done.loss = result.loss;
  done.penalty = result.penalty;
  done.gradient_seconds = seconds_since(clock);
  done.penalty_seconds = result.penalty_share * done.gradient_seconds;
  if (wants_gradient_norm)
    done.gradient_norm = std::sqrt(network::sum_of_squares(gradient_.size(), gradient_.data()));

  const double rate = learning_rate();
  switch (recipe_.grafting.kind) {
    case GraftingKind::none:
      break;
    case GraftingKind::iterative:
      graft(recipe_.grafting, micro_gradient_, gradient_);
      break;
    case GraftingKind::external:
      graft(recipe_.grafting, external_norm(recipe_.grafting, state_.update), gradient_);
      break;
    case GraftingKind::normalised:
      graft(recipe_.grafting, 1.0, gradient_);
      break;
  }
  update<float>(optimizer(), rate, gradient_, state_.optimizer, state_.parameters);
  add_noise(recipe_.noise, rate, recipe_.seed, state_.update, state_.parameters);
  ++state_.update;
  if (state_.update == recipe_.switch_at)  // now, so that the memory is always that of optimizer()
    state_.optimizer = initial_state<float>(optimizer(), gradient_.size());
  done.update_seconds = seconds_since(clock);
  return done;
}

TrainingState initial_training_state(const network::Network<float>& network, const Recipe& recipe,
                                     std::vector<float> parameters) {
  return {0, std::move(parameters), network.initial_state(),
          initial_state<float>(recipe.switch_at == 0 ? recipe.switch_to : recipe.optimizer,
                               network.parameter_count())};
}

}  // namespace soret::training
