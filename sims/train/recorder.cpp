#include "sims/train/recorder.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "sims/stoppable.hpp"
#include "soret/measure/ball_sharpness.hpp"
#include "soret/measure/fisher.hpp"
#include "soret/measure/loss_function.hpp"
#include "soret/measure/sharpness.hpp"
#include "soret/network/chunks.hpp"
#include "soret/random/stream.hpp"

namespace soret::sims {
namespace {

using O = TrainObservable;

double ratio(double over, double under) {
  return under > 0 ? over / under : 0;  // without signal and noise neither is larger
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return std::sqrt(sum);
}

/// The seed of everything that is drawn for the recording of micro-batch norms.
std::uint64_t monitor_seed(std::uint64_t seed) {
  return Stream{seed, Purpose::monitor, 0}.derived_seed();
}

/// The seed of the labels that are drawn for them at an update.
std::uint64_t label_seed(std::uint64_t seed, std::int64_t update) {
  return Stream{seed, Purpose::monitor, 1 + static_cast<std::uint32_t>(update)}.derived_seed();
}

int evaluation_chunk(const TrainProblem& problem) {
  return std::min(problem.chunk, kEvaluationChunk);
}

std::size_t monitored_size(const TrainProblem& problem, const TrainRecord& record) {
  return std::min(problem.set->train.size(), static_cast<std::size_t>(record.monitored_size));
}

/// Batches [first, first + size), [first + size, ...) of samples that lie one behind the other.
std::vector<std::vector<std::uint32_t>> in_a_row(std::size_t samples, std::size_t size) {
  std::vector<std::vector<std::uint32_t>> batches;
  for (std::size_t first = 0; first < samples; first += size) {
    batches.emplace_back(size);
    std::iota(batches.back().begin(), batches.back().end(), static_cast<std::uint32_t>(first));
  }
  return batches;
}

/// The first `count` samples as networks read them.
data::Batch<float> front(const data::Dataset& set, std::size_t count) {
  std::vector<std::uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0U);
  data::Batch<float> batch;
  data::assemble(set, indices, batch);
  return batch;
}

}  // namespace

Recorder::Recorder(const TrainProblem& problem, const TrainRecord& record, std::uint64_t seed,
                   std::vector<float> start, const std::atomic<bool>& stop)
    : problem_(problem),
      record_(record),
      seed_(seed),
      stop_(stop),
      start_(std::move(start)),
      sampler_(problem.options.recipe.sampling, problem.set->train.size(), problem.options.recipe.batch_size,
               seed),
      monitor_sampler_(training::Sampling::shuffle_drop_last, problem.set->train.size(),
                       monitored_size(problem, record), monitor_seed(seed)),
      passes_(static_cast<std::size_t>(omp_get_max_threads()),
              network::Pass<float>(*problem.network, evaluation_chunk(problem), network::After::nothing)) {}

void Recorder::look_at(const training::TrainingState& state, const training::Trainer& trainer,
                       const StepRecord& last) {
  state_ = &state;
  optimizer_ = &trainer.optimizer();
  learning_rate_ = trainer.learning_rate();
  last_ = last;
  train_.reset();
  validation_.reset();
  test_.reset();
  batches_.reset();
  batch_gradients_.reset();
  samples_.reset();
  monitored_.labels.clear();
  monitored_moments_.reset();
  fisher_.reset();
  curved_loss_.reset();
  hessian_.reset();
  eigenpairs_.reset();
  traces_.reset();
  bound_.reset();
}

std::vector<Recorder::Scores> Recorder::evaluate(const data::Dataset& set,
                                                 std::span<const std::int32_t> others,
                                                 std::span<const float> parameters,
                                                 std::span<const float> statistics) {
  const network::HeadKind head = problem_.head();
  const int outputs = problem_.outputs();
  const int n = static_cast<int>(set.size());
  struct Sums {
    double loss = 0;
    std::int64_t correct = 0;
  };
  const std::size_t labellings = others.empty() ? 1 : 2;
  std::vector<Sums> totals(labellings);
  std::vector<std::array<Sums, 2>> mine(static_cast<std::size_t>(omp_get_max_threads()));
  network::for_each_chunk(
      n, evaluation_chunk(problem_),
      [&](const network::Chunk& chunk) {
        const auto thread = static_cast<std::size_t>(omp_get_thread_num());
        thread_local data::Batch<float> batch;
        thread_local std::vector<std::uint32_t> indices;
        thread_local training::LabelTargets targets;
        indices.resize(static_cast<std::size_t>(chunk.count));
        std::iota(indices.begin(), indices.end(), static_cast<std::uint32_t>(chunk.first));
        data::assemble(set, indices, batch);
        const float* const z =
            problem_.network->forward(passes_[thread], chunk.count, batch.x.data(), parameters.data(),
                                      statistics.data(), {.batch_statistics = false, .dropout = false});
        for (std::size_t k = 0; k < labellings; ++k) {
          const std::span<const std::int32_t> labels =
              k == 0 ? std::span<const std::int32_t>(batch.labels)
                     : others.subspan(static_cast<std::size_t>(chunk.first), indices.size());
          mine[thread][k] = {network::evaluate<float>(head, chunk.count, outputs, z,
                                                      targets(head, outputs, labels), 1.0, nullptr),
                             network::correct(head, chunk.count, outputs, z, labels.data())};
        }
      },
      [&](const network::Chunk&) {
        for (std::size_t k = 0; k < labellings; ++k) {
          const Sums& part = mine[static_cast<std::size_t>(omp_get_thread_num())][k];
          totals[k].loss += part.loss;
          totals[k].correct += part.correct;
        }
      });
  std::vector<Scores> scores;
  for (const Sums& total : totals)
    scores.push_back({total.loss / n, 1 - static_cast<double>(total.correct) / n});
  return scores;
}

const std::vector<Recorder::Scores>& Recorder::train_scores() {
  if (!train_) {
    const bool clean = record_.wants(O::train_clean_loss) || record_.wants(O::train_clean_error);
    train_ = evaluate(
        problem_.set->train,
        clean ? std::span<const std::int32_t>(problem_.set->clean_labels) : std::span<const std::int32_t>(),
        state_->parameters, state_->statistics);
  }
  return *train_;
}
const Recorder::Scores& Recorder::validation() {
  if (!validation_)
    validation_ = evaluate(problem_.set->validation, {}, state_->parameters, state_->statistics)[0];
  return *validation_;
}
const Recorder::Scores& Recorder::test() {
  if (!test_) test_ = test_at(state_->parameters, state_->statistics);
  return *test_;
}
Recorder::Scores Recorder::test_at(std::span<const float> parameters, std::span<const float> statistics) {
  return evaluate(problem_.set->test, {}, parameters, statistics)[0];
}

measure::LossAt<float> Recorder::loss(bool whole_set) {
  const data::Dataset& train = problem_.set->train;
  data::Batch<float>& samples = whole_set ? all_ : measured_;
  if (samples.size() == 0) {
    const bool all = whole_set || record_.measured_samples == 0;
    samples = front(train, all ? train.size()
                               : std::min(train.size(), static_cast<std::size_t>(record_.measured_samples)));
  }
  training::LabelTargets& targets = whole_set ? all_targets_ : measured_targets_;
  return {.network = *problem_.network,
          .head = problem_.head(),
          .samples = static_cast<int>(samples.size()),
          .x = samples.x.data(),
          .targets = targets(problem_.head(), problem_.outputs(), samples.labels),
          .parameters = state_->parameters,
          .state = state_->statistics,
          .chunk = problem_.chunk,
          .batch_statistics = whole_set && problem_.options.model.has_batch_norm()};
}

const std::vector<std::vector<std::uint32_t>>& Recorder::epoch_batches() {
  if (!batches_) {
    const std::int64_t epoch = state_->update / problem_.updates_per_epoch;
    batches_.emplace();
    for (std::int64_t k = 0; k < problem_.updates_per_epoch; ++k)
      batches_->push_back(sampler_.batch(epoch * problem_.updates_per_epoch + k));
  }
  return *batches_;
}

const measure::BatchGradientMoments& Recorder::batch_moments() {
  if (!batch_gradients_) {
    const training::Optimizer& o = *optimizer_;
    measure::Preconditioner<float> preconditioner{.epsilon = o.epsilon};
    const std::size_t parameters = state_->parameters.size();
    const auto updates = static_cast<double>(state_->optimizer.updates);
    if (state_->optimizer.updates > 0 && o.kind == training::OptimizerKind::rmsprop) {
      preconditioner.second_moment = state_->optimizer.memory;
    } else if (state_->optimizer.updates > 0 && o.kind == training::OptimizerKind::adam) {
      second_moments_.assign(state_->optimizer.memory.begin() + static_cast<std::ptrdiff_t>(parameters),
                             state_->optimizer.memory.end());
      const auto corrected = static_cast<float>(1 / (1 - std::pow(o.beta2, updates)));
      for (float& s : second_moments_) s *= corrected;
      preconditioner.second_moment = second_moments_;
    }
    batch_gradients_ = measure::batch_gradients(loss(true), epoch_batches(), preconditioner);
    if (preconditioner.second_moment.empty()) {  // nothing is preconditioned: all readings are the plain one
      for (auto& part : batch_gradients_->parts)
        part.literal = part.preconditioned = part.half_preconditioned = part.square;
    }
  }
  return batch_gradients_->parts[0];
}

measure::LossAt<float> Recorder::monitored() {
  const std::size_t size = monitored_size(problem_, record_);
  if (monitored_.size() == 0) {
    const auto batches = static_cast<std::int64_t>(record_.monitored_batches);
    std::vector<std::uint32_t> indices;
    for (std::int64_t k = 0; k < batches; ++k) {
      const auto& batch = monitor_sampler_.batch(state_->update * batches + k);
      indices.insert(indices.end(), batch.begin(), batch.end());
    }
    data::assemble(problem_.set->train, indices, problem_.options.data.augmentation, monitor_seed(seed_),
                   static_cast<std::uint64_t>(state_->update * batches) * size, monitored_);
  }
  return {.network = *problem_.network,
          .head = problem_.head(),
          .samples = static_cast<int>(monitored_.size()),
          .x = monitored_.x.data(),
          .targets = monitored_targets_(problem_.head(), problem_.outputs(), monitored_.labels),
          .parameters = state_->parameters,
          .state = state_->statistics,
          .chunk = static_cast<int>(size),
          .batch_statistics = problem_.options.model.has_batch_norm()};
}

const measure::BatchGradientMoments& Recorder::monitored_moments() {
  if (!monitored_moments_) {
    const auto loss = monitored();
    monitored_moments_ =
        measure::batch_gradients(loss, in_a_row(monitored_.size(), static_cast<std::size_t>(loss.chunk)))
            .parts[0];
  }
  return *monitored_moments_;
}

const measure::SampleGradients& Recorder::samples() {
  if (!samples_) samples_ = measure::sample_gradients(loss(false));
  return *samples_;
}
const std::vector<double>& Recorder::fisher() {
  if (!fisher_) fisher_ = measure::fisher_trace(loss(false));
  return *fisher_;
}
const measure::SymmetricOperator& Recorder::hessian() {
  if (!hessian_) {
    curved_loss_.emplace(loss(false));
    hessian_ = stoppable(measure::hessian(*curved_loss_), stop_);
  }
  return *hessian_;
}
const measure::Eigenpairs& Recorder::eigenpairs() {
  if (!eigenpairs_) {
    const int most = static_cast<int>(problem_.network->parameter_count());
    const int count = record_.wants(O::eigenvalues) ? std::min(record_.eigenvalues, most) : 1;
    eigenpairs_ = measure::largest_eigenpairs(hessian(), count, record_.eigenvalue_tolerance,
                                              record_.most_products, seed_);
  }
  return *eigenpairs_;
}
const std::vector<measure::TraceEstimate>& Recorder::traces() {
  if (!traces_) {
    traces_ = measure::traces(hessian(), problem_.parts, record_.probes, seed_);
  }
  return *traces_;
}
const measure::TraceBound& Recorder::bound() {
  if (!bound_) bound_ = measure::trace_bound(loss(false));
  return *bound_;
}

template <class Measure>
double Recorder::flatness(const Measure& measure_at) {
  const measure::LossAt<float> at = loss(false);
  const std::vector<double> x(at.parameters.begin(), at.parameters.end());
  try {
    return measure_at(stoppable(measure::loss_function(at), stop_), x);
  } catch (const measure::NotFiniteInRegion& error) {
    throw measure::NotFinite(error.what());
  }
}
double Recorder::box_sharpness(double epsilon) {
  measure::SharpnessOptions options = measure::keskar(epsilon);
  options.seed = seed_;
  return flatness([&](const measure::Differentiable& f, std::span<const double> x) {
    return measure::sharpness(f, x, Eigen::MatrixXd(), options).phi;
  });
}
double Recorder::rise_in_ball() {
  constexpr int kIterations = 10;  // as many as keskar() has
  const measure::BallOptions options{
      .radius = record_.sharpness_radius, .most_iterations = kIterations, .seed = seed_};
  return flatness([&](const measure::Differentiable& f, std::span<const double> x) {
    return measure::ball_sharpness(f, x, options).rise;
  });
}

std::size_t Recorder::extent(TrainObservable observable) const {
  return sims::extent(observable, record_, problem_.parts.size() - 1);
}

void Recorder::measure(TrainObservable observable, std::span<double> out) {
  const auto layers = [&](const auto& value) {
    for (std::size_t k = 1; k < problem_.parts.size(); ++k) out[k - 1] = value(k);
  };
  const auto implicit = [&](double mean_square) {
    out[0] = measure::implicit_term(learning_rate_, mean_square);
  };
  switch (observable) {
    case O::train_loss:
      out[0] = train().loss;
      break;
    case O::train_error:
      out[0] = train().error;
      break;
    case O::train_clean_loss:
      out[0] = train_scores()[1].loss;
      break;
    case O::train_clean_error:
      out[0] = train_scores()[1].error;
      break;
    case O::validation_loss:
      out[0] = validation().loss;
      break;
    case O::validation_error:
      out[0] = validation().error;
      break;
    case O::test_loss:
      out[0] = test().loss;
      break;
    case O::test_error:
      out[0] = test().error;
      break;
    case O::scheduled_learning_rate:
      out[0] = learning_rate_;
      break;
    case O::parameter_norm:
      out[0] = measure::norms<float>(state_->parameters, problem_.parts)[0];
      break;
    case O::parameter_norm_layer: {
      const auto norms = measure::norms<float>(state_->parameters, problem_.parts);
      layers([&](std::size_t k) { return norms[k]; });
      break;
    }
    case O::distance:
      out[0] = distance(state_->parameters, start_);
      break;
    case O::update_norm:
      out[0] = last_.update_norm;
      break;
    case O::step_gradient_norm:
      out[0] = last_.gradient_norm;
      break;
    case O::penalty:
      out[0] = last_.penalty;
      break;
    case O::wall_seconds:
      out[0] = std::accumulate(last_.seconds.begin(), last_.seconds.end() - 1, 0.0);
      break;
    case O::wall_seconds_phase:
      std::ranges::copy(last_.seconds, out.begin());
      break;
    case O::gradient_norm:
      out[0] = std::sqrt(batch_moments().gradient_square);
      break;
    case O::batch_gradient_norm:
      out[0] = batch_moments().norm;
      break;
    case O::batch_gradient_square:
      out[0] = batch_moments().square;
      break;
    case O::implicit_term:
      implicit(batch_moments().square);
      break;
    case O::implicit_gradient_term:
      implicit(batch_moments().gradient_square);
      break;
    case O::implicit_deviation_term:
      implicit(batch_moments().deviation_square);
      break;
    case O::implicit_remainder:
      implicit(batch_moments().remainder);
      break;
    case O::implicit_literal:
      implicit(batch_moments().literal);
      break;
    case O::implicit_preconditioned:
      implicit(batch_moments().preconditioned);
      break;
    case O::implicit_half_preconditioned:
      implicit(batch_moments().half_preconditioned);
      break;
    case O::gradient_variance:
      out[0] = samples().parts[0].variance();
      break;
    case O::gradient_variance_layer:
      layers([&](std::size_t k) { return samples().parts[k].variance(); });
      break;
    case O::covariance_trace:
      out[0] = samples().parts[0].trace_over_n();
      break;
    case O::signal_to_noise:
      out[0] = ratio(samples().parts[0].square_of_mean, samples().parts[0].trace_over_n());
      break;
    case O::critical_batch_size:
      out[0] = ratio(samples().parts[0].trace_over_n(), samples().parts[0].square_of_mean);
      break;
    case O::empirical_fisher_trace:
      out[0] = samples().parts[0].mean_square;
      break;
    case O::fisher_trace:
      out[0] = fisher()[0];
      break;
    case O::fisher_trace_layer:
      layers([&](std::size_t k) { return fisher()[k]; });
      break;
    case O::sampled_gradient_square:
      out[0] =
          measure::sampled_gradient_square(loss(true), epoch_batches(), record_.fisher_draws, seed_)[0].value;
      break;
    case O::micro_batch_norm:
      out[0] = monitored_moments().norm;
      break;
    case O::micro_batch_square:
      out[0] = monitored_moments().square;
      break;
    case O::sampled_micro_batch_square: {
      const auto loss = monitored();
      out[0] = measure::sampled_gradient_square(
                   loss, in_a_row(monitored_.size(), static_cast<std::size_t>(loss.chunk)),
                   record_.fisher_draws, label_seed(seed_, state_->update))[0]
                   .value;
      break;
    }
    case O::lambda_max:
      out[0] = eigenpairs().values[0];
      break;
    case O::eigenvalues:
      std::ranges::fill(out, 0.0);  // of a network with fewer parameters
      std::ranges::copy(eigenpairs().values, out.begin());
      break;
    case O::lambda_max_layer:
      layers([&](std::size_t k) {
        const auto& part = problem_.parts[k];
        const auto own = measure::block(hessian(), part.first, part.size());
        return measure::largest_eigenpairs(own, 1, record_.eigenvalue_tolerance, record_.most_products, seed_)
            .values[0];
      });
      break;
    case O::hessian_trace:
      out[0] = traces()[0].value;
      break;
    case O::hessian_trace_probe_error:
      out[0] = record_.probes > 1 ? traces()[0].error : 0;
      break;
    case O::hessian_trace_layer:
      layers([&](std::size_t k) { return traces()[k].value; });
      break;
    case O::spectral_density: {
      const auto density = measure::spectral_density(hessian(), record_.lanczos_steps, record_.probes, seed_);
      std::ranges::copy(measure::smoothed(density, record_.density_places, record_.density_width),
                        out.begin());
      break;
    }
    case O::gauss_newton_trace:
      out[0] = bound().gauss_newton;
      break;
    case O::trace_bound:
      out[0] = bound().product;
      break;
    case O::trace_bound_printed:
      out[0] = bound().printed;
      break;
    case O::sharpness:
      out[0] = box_sharpness(record_.sharpness_epsilon);
      break;
    case O::sharpness_half:
      out[0] = box_sharpness(record_.sharpness_epsilon / 2);
      break;
    case O::sam_sharpness:
      out[0] = rise_in_ball();
      break;
    case O::stopped_at:
    case O::selected_step:
    case O::selected_validation_error:
    case O::selected_validation_loss:
    case O::selected_test_error:
    case O::selected_test_loss:
      break;
  }
}

}  // namespace soret::sims
