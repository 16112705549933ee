#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sims/model.hpp"
#include "sims/train/method.hpp"
#include "sims/training_set.hpp"
#include "soret/scan/experiment.hpp"
#include "soret/training/trainer.hpp"

/// The typed config of `simulation = train`.
namespace soret::sims {

/// In the order of train_observables().
enum class TrainObservable {
  train_loss,
  train_error,
  train_clean_loss,
  train_clean_error,
  validation_loss,
  validation_error,
  test_loss,
  test_error,
  scheduled_learning_rate,
  parameter_norm,
  parameter_norm_layer,
  distance,
  update_norm,
  step_gradient_norm,
  penalty,
  wall_seconds,
  wall_seconds_phase,

  gradient_norm,
  batch_gradient_norm,
  batch_gradient_square,
  implicit_term,
  implicit_gradient_term,
  implicit_deviation_term,
  implicit_remainder,
  implicit_literal,
  implicit_preconditioned,
  implicit_half_preconditioned,
  gradient_variance,
  gradient_variance_layer,
  covariance_trace,
  signal_to_noise,
  critical_batch_size,
  empirical_fisher_trace,
  fisher_trace,
  fisher_trace_layer,
  sampled_gradient_square,
  micro_batch_norm,
  micro_batch_square,
  sampled_micro_batch_square,

  lambda_max,
  eigenvalues,
  lambda_max_layer,
  hessian_trace,
  hessian_trace_probe_error,
  hessian_trace_layer,
  spectral_density,
  gauss_newton_trace,
  trace_bound,
  trace_bound_printed,
  sharpness,
  sharpness_half,
  sam_sharpness,

  stopped_at,
  selected_step,
  selected_validation_error,
  selected_validation_loss,
  selected_test_error,
  selected_test_loss,
};
/// Which are recorded together.
inline constexpr auto kFirstGradient = TrainObservable::gradient_norm;
inline constexpr auto kFirstCurvature = TrainObservable::lambda_max;
inline constexpr auto kFirstFinal = TrainObservable::stopped_at;

/// What wall_seconds_phase tells apart.
inline constexpr std::string_view kPhases[] = {"loading", "gradient", "penalty", "update", "recording"};

/// One scan point.
struct TrainOptions {
  Model model;
  DataOptions data;
  training::Recipe recipe;  ///< seed not set: every trajectory has its own; grafting: that of `method`
  Method method;
  int chunk = 0;  ///< 0: the batch, at most 128
  double stop_accuracy = 0;
  double stop_seconds = 0;
  std::uint64_t seed = 1;
};

/// What all scan points share.
struct TrainRecord {
  std::int64_t epochs = 0, updates = 0;  ///< one of them counts, the other is 0
  std::vector<std::int64_t> steps, gradient_steps, curvature_steps;
  std::vector<TrainObservable> observables;
  std::vector<double> matched_losses;
  std::vector<double> density_places;
  double density_width = 0;
  double eigenvalue_tolerance = 0;
  double checkpoint_seconds = 0;
  std::uint32_t trajectories = 1;
  int measured_samples = 0;
  int probes = 0;
  int eigenvalues = 1;
  int most_products = 0;
  int lanczos_steps = 0;
  double sharpness_epsilon = 0;
  double sharpness_radius = 0;
  int fisher_draws = 0;
  int monitored_size = 0;     ///< of the micro-batches whose norms are recorded
  int monitored_batches = 0;  ///< how many of them
  bool counts_epochs = true;  ///< what the steps are
  bool select_by_loss = false;
  bool keep_checkpoints = false;

  bool wants(TrainObservable o) const { return std::ranges::find(observables, o) != observables.end(); }
};

/// Numbers of an observable per record, of a network with so many layers that have parameters.
std::size_t extent(TrainObservable observable, const TrainRecord& record, std::size_t layers);
/// The steps that it is recorded at; nullptr: once, at the end.
const std::vector<std::int64_t>* steps_of(TrainObservable observable, const TrainRecord& record);

std::vector<Option> train_options();
std::vector<Observable> train_observables();
/// Throws ConfigError for what no single key can tell.
TrainOptions train_point(const Settings& settings);
TrainRecord train_record(const Settings& common);

}  // namespace soret::sims
