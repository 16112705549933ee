#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <span>
#include <vector>

#include "sims/train/problem.hpp"
#include "soret/measure/batch_gradients.hpp"
#include "soret/measure/hessian.hpp"
#include "soret/measure/sample_gradients.hpp"
#include "soret/measure/trace_bound.hpp"

namespace soret::sims {

/// What a run knows of its steps so far.
struct StepRecord {
  double update_norm = 0, gradient_norm = 0, penalty = 0;  ///< of the last update
  std::array<double, std::size(kPhases)> seconds = {};     ///< so far, by phase
};

/// Looks at a run without touching it: evaluation by running statistics, gradients of the batches of the
/// epoch to come, curvature. What several observables need is computed once.
class Recorder {
 public:
  struct Scores {
    double loss = 0;
    double error = 0;
  };

  /// `start`: the parameters that the run began with. All must outlive this.
  Recorder(const TrainProblem& problem, const TrainRecord& record, std::uint64_t seed,
           std::vector<float> start, const std::atomic<bool>& stop);

  /// Forgets what was computed at other parameters.
  void look_at(const training::TrainingState& state, const training::Trainer& trainer,
               const StepRecord& last);

  /// Numbers of an observable per record.
  std::size_t extent(TrainObservable observable) const;
  /// out[extent(observable)]; not for those that are recorded once. Throws Stopped, from curvature, when
  /// `stop` is set.
  void measure(TrainObservable observable, std::span<double> out);

  const Scores& train() { return train_scores()[0]; }
  const Scores& validation();
  const Scores& test();
  /// The test set at other parameters.
  Scores test_at(std::span<const float> parameters, std::span<const float> statistics);

 private:
  /// By its labels, and by `others` where these are not empty.
  std::vector<Scores> evaluate(const data::Dataset& set, std::span<const std::int32_t> others,
                               std::span<const float> parameters, std::span<const float> statistics);
  const std::vector<Scores>& train_scores();
  const measure::BatchGradientMoments& batch_moments();
  const std::vector<std::vector<std::uint32_t>>& epoch_batches();
  const measure::SampleGradients& samples();
  /// Fresh micro-batches of augmented training samples, one behind the other.
  measure::LossAt<float> monitored();
  const measure::BatchGradientMoments& monitored_moments();
  const std::vector<double>& fisher();
  const measure::SymmetricOperator& hessian();
  const measure::Eigenpairs& eigenpairs();
  const std::vector<measure::TraceEstimate>& traces();
  const measure::TraceBound& bound();
  /// measure_at(f, x) of the training loss f at the parameters x. Throws NotFinite where f overflows about x.
  template <class Measure>
  double flatness(const Measure& measure_at);
  double box_sharpness(double epsilon);
  double rise_in_ball();
  measure::LossAt<float> loss(bool whole_set);

  const TrainProblem& problem_;
  const TrainRecord& record_;
  std::uint64_t seed_;
  const std::atomic<bool>& stop_;
  std::vector<float> start_;
  training::Sampler sampler_;
  training::Sampler monitor_sampler_;
  std::vector<network::Pass<float>> passes_;  ///< [thread]
  data::Batch<float> all_, measured_;         ///< made when first asked for
  data::Batch<float> monitored_;              ///< of this place
  training::LabelTargets all_targets_, measured_targets_, monitored_targets_;
  std::vector<float> second_moments_;

  const training::TrainingState* state_ = nullptr;
  const training::Optimizer* optimizer_ = nullptr;
  double learning_rate_ = 0;
  StepRecord last_;
  std::optional<std::vector<Scores>> train_;
  std::optional<Scores> validation_, test_;
  std::optional<std::vector<std::vector<std::uint32_t>>> batches_;
  std::optional<measure::BatchGradients> batch_gradients_;
  std::optional<measure::SampleGradients> samples_;
  std::optional<measure::BatchGradientMoments> monitored_moments_;
  std::optional<std::vector<double>> fisher_;
  std::optional<measure::LossAt<float>> curved_loss_;
  std::optional<measure::SymmetricOperator> hessian_;
  std::optional<measure::Eigenpairs> eigenpairs_;
  std::optional<std::vector<measure::TraceEstimate>> traces_;
  std::optional<measure::TraceBound> bound_;
};

}  // namespace soret::sims
