#include "sims/train/run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>

#include "sims/checkpoint.hpp"
#include "sims/train/recorder.hpp"
#include "soret/base/digest.hpp"
#include "soret/base/error.hpp"
#include "soret/scan/scan_result.hpp"

namespace soret::sims {
namespace {

using O = TrainObservable;
using Clock = std::chrono::steady_clock;

/// Parameters that the validation set prefers to all that were recorded before.
struct Selection {
  std::int64_t step = -1;  ///< none yet
  double error = 0, loss = 0;
  std::vector<float> parameters, statistics;
};

/// All that a run goes on from.
struct RunState {
  training::TrainingState training;
  StepRecord last;
  Selection selection;
  std::vector<double> values;  ///< recorded so far, 0 elsewhere
  double seconds = 0;          ///< spent so far
  bool ended = false;
};

/// Observables that share a schedule.
struct Group {
  const std::vector<std::int64_t>* steps;
  std::vector<std::size_t> members;  ///< of record.observables
};

class Run {
 public:
  Run(const TrainProblem& problem, const TrainRecord& record, std::uint32_t trajectory, const RunFiles& files,
      const std::atomic<bool>& stop)
      : problem_(problem),
        record_(record),
        trajectory_(trajectory),
        files_(files),
        stop_(stop),
        recipe_(problem.options.recipe),
        sources_(sources_of(problem)) {
    recipe_.seed = training::run_seed(problem.options.seed, trajectory);
    Beginning begin = beginning(problem, trajectory);
    state_.training = initial_training_state(*problem.network, recipe_, begin.parameters);
    state_.training.statistics = std::move(begin.statistics);
    recorder_.emplace(problem, record, recipe_.seed, std::move(begin.parameters), stop_);
    lay_out();
    resume();
  }

  TrainRun train(const std::function<void(double)>& progress) {
    progress(static_cast<double>(state_.training.update));
    if (state_.ended) return {std::move(state_.values), -1};
    std::optional<training::Trainer> trainer;
    trainer.emplace(*problem_.network, problem_.head(), problem_.chunk, recipe_, problem_.set->train,
                    state_.training);
    std::vector<float> before(measures_updates_ ? state_.training.parameters.size() : 0);
    auto saved = Clock::now();
    constexpr std::int64_t kTellEvery = 16;
    for (std::int64_t done = 1;; ++done) {
      const auto recording = Clock::now();
      const bool finite = record_due(*trainer);
      state_.last.seconds.back() += seconds_since(recording);
      if (!finite) return diverged();
      const bool ends = state_.training.update >= problem_.updates || stops_early(*trainer);
      if (ends) break;
      if (stop_) interrupt();
      if (seconds_since(saved) > record_.checkpoint_seconds) {
        save();
        saved = Clock::now();
      }
      if (measures_updates_) before = state_.training.parameters;
      const training::Step step = next_step(*trainer);
      remember(step);
      if (measures_updates_)
        state_.last.update_norm =
            measure::update_norms<float>(before, state_.training.parameters, problem_.parts)[0];
      if (done % kTellEvery == 0) progress(kTellEvery);
      if (!std::isfinite(step.loss)) return diverged();
    }
    if (!finish(*trainer)) return diverged();
    return {std::move(state_.values), -1};
  }

 private:
  // ---- What is recorded when ----

  void lay_out() {
    groups_ = {
        {&record_.steps, {}}, {&record_.gradient_steps, {}}, {&record_.curvature_steps, {}}, {nullptr, {}}};
    for (std::size_t i = 0; i < record_.observables.size(); ++i) {
      const O o = record_.observables[i];
      Group& group = *std::ranges::find(groups_, steps_of(o, record_), &Group::steps);
      group.members.push_back(i);
      offsets_.push_back(cells_);
      cells_ += recorder_->extent(o) * (group.steps ? group.steps->size() : 1);
      measures_updates_ = measures_updates_ || o == O::update_norm;
      measures_gradients_ = measures_gradients_ || o == O::step_gradient_norm;
      selects_ = selects_ || o > O::stopped_at;
    }
    state_.values.assign(cells_, 0.0);
  }

  training::Step next_step(training::Trainer& trainer) {
    try {
      return trainer.step(measures_gradients_, &stop_);
    } catch (const training::Interrupted&) {
      interrupt();
    }
  }

  void remember(const training::Step& step) {
    StepRecord& last = state_.last;
    last.gradient_norm = step.gradient_norm;
    if (recipe_.penalty.applies(state_.training.update - 1)) last.penalty = step.penalty;
    const double spent[] = {step.loading_seconds, step.gradient_seconds - step.penalty_seconds,
                            step.penalty_seconds, step.update_seconds};
    for (std::size_t k = 0; k < std::size(spent); ++k) last.seconds[k] += spent[k];
  }

  std::int64_t update_of(std::int64_t step) const {
    return record_.counts_epochs ? step * problem_.updates_per_epoch : step;
  }

  /// Records what is due now. False if the network has left finite range.
  bool record_due(training::Trainer& trainer) {
    looked_ = false;
    for (std::size_t g = 0; g + 1 < groups_.size(); ++g) {
      const auto& steps = *groups_[g].steps;
      for (std::size_t k = 0; k < steps.size(); ++k)
        if (update_of(steps[k]) == state_.training.update && !record(trainer, groups_[g], k)) return false;
      if (g == 0 && selects_ &&
          std::ranges::any_of(steps,
                              [&](std::int64_t step) { return update_of(step) == state_.training.update; }) &&
          !select(trainer))
        return false;
    }
    return true;
  }

  void look(const training::Trainer& trainer) {
    if (!looked_) recorder_->look_at(state_.training, trainer, state_.last);
    looked_ = true;
  }

  bool record(const training::Trainer& trainer, const Group& group, std::size_t index) {
    if (group.members.empty()) return true;
    look(trainer);
    if (!std::isfinite(measure::norms<float>(state_.training.parameters, problem_.parts)[0])) return false;
    for (const std::size_t member : group.members) {
      if (stop_) interrupt();
      const O o = record_.observables[member];
      const std::size_t extent = recorder_->extent(o);
      const std::span<double> out =
          std::span(state_.values).subspan(offsets_[member] + index * extent, extent);
      try {
        recorder_->measure(o, out);
      } catch (const Stopped&) {
        interrupt();
      } catch (const measure::NotFinite&) {  // the curvature overflows before the loss does
        return false;
      }
      if (std::ranges::any_of(out, [](double x) { return !std::isfinite(x); })) return false;
    }
    return true;
  }

  /// False if the held-out slice has no finite loss.
  bool select(const training::Trainer& trainer) {
    look(trainer);
    const Recorder::Scores scores = recorder_->validation();
    if (!std::isfinite(scores.loss)) return false;
    Selection& best = state_.selection;
    const auto rank = [&](double error, double loss) {
      return record_.select_by_loss ? std::pair(loss, error) : std::pair(error, loss);
    };
    if (best.step >= 0 && rank(scores.error, scores.loss) >= rank(best.error, best.loss)) return true;
    const auto step = std::ranges::find_if(
        record_.steps, [&](std::int64_t s) { return update_of(s) == state_.training.update; });
    best = {*step, scores.error, scores.loss, state_.training.parameters, state_.training.statistics};
    return true;
  }

  // ---- How it ends ----

  bool stops_early(const training::Trainer& trainer) {
    const TrainOptions& o = problem_.options;
    if (o.stop_seconds > 0 && state_.seconds + seconds_since(start_) >= o.stop_seconds) return true;
    const bool at_record = std::ranges::any_of(
        record_.steps, [&](std::int64_t step) { return update_of(step) == state_.training.update; });
    if (o.stop_accuracy == 0 || !at_record) return false;
    look(trainer);
    return 1 - recorder_->train().error >= o.stop_accuracy;
  }

  /// The numbers of a run that ended early stay what they were. False if they are not finite.
  bool finish(training::Trainer& trainer) {
    for (std::size_t g = 0; g + 1 < groups_.size(); ++g) {
      const Group& group = groups_[g];
      const auto first = std::ranges::find_if(
          *group.steps, [&](std::int64_t step) { return update_of(step) > state_.training.update; });
      if (first == group.steps->end()) continue;
      const auto index = static_cast<std::size_t>(first - group.steps->begin());
      if (!record(trainer, group, index)) return false;
      for (const std::size_t member : group.members) {
        const std::size_t extent = recorder_->extent(record_.observables[member]);
        const auto own = std::span(state_.values).subspan(offsets_[member], group.steps->size() * extent);
        for (std::size_t k = index + 1; k < group.steps->size(); ++k)
          std::ranges::copy(own.subspan(index * extent, extent),
                            own.begin() + static_cast<std::ptrdiff_t>(k * extent));
      }
    }
    for (const std::size_t member : groups_.back().members)
      if (!std::isfinite(state_.values[offsets_[member]] = final_value(record_.observables[member])))
        return false;
    state_.ended = true;
    if (record_.keep_checkpoints) save();
    return true;
  }

  double final_value(O o) {
    const Selection& best = state_.selection;
    switch (o) {
      case O::stopped_at:
        return static_cast<double>(state_.training.update);
      case O::selected_step:
        return static_cast<double>(best.step);
      case O::selected_validation_error:
        return best.error;
      case O::selected_validation_loss:
        return best.loss;
      default:
        break;
    }
    if (!selected_test_) selected_test_ = recorder_->test_at(best.parameters, best.statistics);
    return o == O::selected_test_error ? selected_test_->error : selected_test_->loss;
  }

  /// The first recorded step that lies ahead, or the last.
  TrainRun diverged() {
    if (!files_.checkpoint.empty()) store::remove_checkpoint(files_.checkpoint);  // of no use to anyone
    const auto next = std::ranges::find_if(
        record_.steps, [&](std::int64_t step) { return update_of(step) >= state_.training.update; });
    return {std::move(state_.values), next == record_.steps.end() ? record_.steps.back() : *next};
  }

  [[noreturn]] void interrupt() {
    save();
    throw Stopped{};
  }

  // ---- Checkpoints ----

  static double seconds_since(Clock::time_point then) {
    return std::chrono::duration<double>(Clock::now() - then).count();
  }

  void save() const {
    if (files_.checkpoint.empty()) return;
    const training::TrainingState& t = state_.training;
    store::Dataset to;
    to.attributes = {{"title", "Soret checkpoint"},
                     {"format", kCheckpointFormat},
                     {"config", problem_.config},
                     {"trajectory", static_cast<std::int64_t>(trajectory_)},
                     {"run_seed", fmt::format("{}", recipe_.seed)},
                     {"parameters", static_cast<std::int64_t>(t.parameters.size())},
                     {"sources", sources_text(sources_)},
                     {"update", t.update},
                     {"optimizer_updates", t.optimizer.updates},
                     {"update_norm", state_.last.update_norm},
                     {"gradient_norm", state_.last.gradient_norm},
                     {"penalty", state_.last.penalty},
                     {"seconds", state_.seconds + seconds_since(start_)},
                     {"ended", std::int64_t{state_.ended}},
                     {"selected_step", state_.selection.step},
                     {"selected_error", state_.selection.error},
                     {"selected_loss", state_.selection.loss}};
    put_weights(*problem_.network, t.parameters, t.statistics, to);
    const auto put = [&](const char* name, const auto& values) {
      const std::string dimension = fmt::format("{}.place", name);
      to.dimensions.push_back({dimension, values.size()});
      to.variables.push_back({name, {dimension}, values, {}});
    };
    if (!t.optimizer.memory.empty()) put("optimizer_memory", t.optimizer.memory);
    put("recorded", state_.values);
    put("wall_seconds", std::vector<double>(state_.last.seconds.begin(), state_.last.seconds.end()));
    if (state_.selection.step >= 0) {
      put("selected_parameters", state_.selection.parameters);
      if (!state_.selection.statistics.empty()) put("selected_state", state_.selection.statistics);
    }
    std::error_code ignored;  // the write says what is wrong with the folder
    std::filesystem::create_directories(files_.checkpoint.parent_path(), ignored);
    store::write_checkpoint(std::move(to), files_.checkpoint);
  }

  void resume() {
    if (files_.checkpoint.empty()) return;
    std::optional<store::Recovered> recovered;
    try {
      recovered = store::recover_checkpoint(files_.checkpoint);
    } catch (const InputError& error) {
      files_.note(fmt::format("no checkpoint of this run is whole, it starts over: {}", error.what()));
    }
    if (!recovered) return;
    if (!recovered->note.empty())
      files_.note(fmt::format("going on from the checkpoint before the last: {}", recovered->note));
    const store::Dataset& from = recovered->data;
    const std::string there = text_attribute(from, "config");
    if (there != problem_.config)
      throw InputError(
          fmt::format("checkpoint {} belongs to another config:{}\nStart over with --fresh, or "
                      "choose another output.",
                      files_.checkpoint.string(), config_difference(there, problem_.config)));
    for (const auto& [file, digest] : sources_)
      if (!has_source(from.attributes, file, digest))
        throw InputError(
            fmt::format("checkpoint {} was written when {} held something else; start over with --fresh, or "
                        "choose another output",
                        files_.checkpoint.string(), file));
    state_.training = training_state_of(*problem_.network, from, files_.checkpoint);
    state_.last.update_norm = real_attribute(from, "update_norm");
    state_.last.gradient_norm = real_attribute(from, "gradient_norm");
    state_.last.penalty = real_attribute(from, "penalty");
    std::ranges::copy(from.at("wall_seconds").reals(), state_.last.seconds.begin());
    state_.seconds = real_attribute(from, "seconds");
    state_.ended = integer_attribute(from, "ended") != 0;
    state_.selection.step = integer_attribute(from, "selected_step");
    state_.selection.error = real_attribute(from, "selected_error");
    state_.selection.loss = real_attribute(from, "selected_loss");
    if (state_.selection.step >= 0) {
      state_.selection.parameters = from.at("selected_parameters").singles();
      if (const auto* statistics = from.find("selected_state"))
        state_.selection.statistics = statistics->singles();
    }
    if (from.at("recorded").reals().size() != cells_)
      throw InputError(fmt::format("checkpoint {} holds other recordings", files_.checkpoint.string()));
    state_.values = from.at("recorded").reals();
  }

  const TrainProblem& problem_;
  const TrainRecord& record_;
  std::uint32_t trajectory_;
  const RunFiles& files_;
  const std::atomic<bool>& stop_;
  training::Recipe recipe_;
  Sources sources_;
  Clock::time_point start_ = Clock::now();
  RunState state_;
  std::optional<Recorder> recorder_;
  std::vector<Group> groups_;  ///< step, gradient_step, curvature_step, once
  std::vector<std::size_t> offsets_;
  std::size_t cells_ = 0;
  bool measures_updates_ = false, measures_gradients_ = false, selects_ = false;
  bool looked_ = false;  ///< the recorder is at the state's parameters
  std::optional<Recorder::Scores> selected_test_;
};

}  // namespace

Beginning beginning(const TrainProblem& problem, std::uint32_t trajectory) {
  const Model& model = problem.options.model;
  if (model.start.empty())
    return {
        initial_parameters(*problem.network, model.initialisation,
                           training::run_seed(problem.options.seed, trajectory), model.dense_initialisation),
        problem.network->initial_state()};
  Weights weights = weights_of(*problem.network, store::read_checkpoint(model.start), model.start);
  return {std::move(weights.parameters), std::move(weights.state)};
}

Sources sources_of(const TrainProblem& problem) {
  Sources sources;
  if (const std::string& start = problem.options.model.start; !start.empty())
    sources[start] = weights_of(*problem.network, store::read_checkpoint(start), start).digest();
  if (const auto& norms = problem.options.recipe.grafting.norms; !norms.empty())
    sources[problem.options.method.norm_file] = Digest().add(std::span<const double>(norms)).text();
  return sources;
}

training::TrainingState training_state_of(const network::Network<float>& network, const store::Dataset& from,
                                          const std::filesystem::path& file) {
  Weights weights = weights_of(network, from, file);
  training::TrainingState t{.update = integer_attribute(from, "update"),
                            .parameters = std::move(weights.parameters),
                            .statistics = std::move(weights.state),
                            .optimizer = {}};
  t.optimizer.updates = integer_attribute(from, "optimizer_updates");
  if (const store::Variable* memory = from.find("optimizer_memory")) t.optimizer.memory = memory->singles();
  return t;
}

TrainRun run_training(const TrainProblem& problem, const TrainRecord& record, std::uint32_t trajectory,
                      const RunFiles& files, const std::atomic<bool>& stop,
                      const std::function<void(double)>& progress) {
  return Run(problem, record, trajectory, files, stop).train(progress);
}

}  // namespace soret::sims
