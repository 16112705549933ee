#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "soret/measure/gradient_noise.hpp"
#include "soret/scan/config.hpp"

/// The keys of `simulation = noise_scale` and what they mean.
namespace soret::sims {

/// The option table; the one place where keys, defaults and ranges stand.
std::vector<Option> noise_scale_options();

/// In the order of noise_scale_observables().
enum class NoiseObservable {
  noise_mean,
  covariance_trace,
  covariance_leading,
  covariance_ratio,
  covariance_diagonal,
  covariance,
  noise_scale,
  noise_displacement,
  gradient_norm_squared,
  gradient_variance,
  excess_kurtosis,
  inverse_tail_index,
  ks_distance
};
std::vector<Observable> noise_scale_observables();

/// One scan point's settings, typed.
struct NoiseScaleOptions {
  enum class Inputs { gaussian, uniform, student_t, dataset };
  enum class Targets { teacher, random, dataset };
  enum class Start { zero, random, minimiser };
  enum class Method { automatic, enumerate, sample };

  measure::Loss loss = measure::Loss::linear;
  int inputs = 0;  ///< without the bias
  int outputs = 1;
  bool bias = true;

  std::string data_kind;  ///< gaussian, uniform, student_t or a dataset
  Inputs input_kind = Inputs::gaussian;
  int degrees_of_freedom = 0;
  Targets targets = Targets::teacher;
  double teacher_scale = 0;
  double label_noise = 0;
  int training_samples = 0;  ///< 0: all of a dataset
  std::string scaling;
  std::string data_path;

  Start start = Start::zero;
  double scale = 0;
  std::int64_t descent_steps = 0;
  double descent_rate = 0;

  measure::Sampling sampling = measure::Sampling::without_replacement;
  int batch_size = 1;
  double learning_rate = 0;
  Method method = Method::automatic;
  double enumeration_limit = 0;
  int directions = 0;
  double tail_fraction = 0;
  std::uint64_t seed = 0;
};

/// Throws ConfigError where keys contradict each other.
NoiseScaleOptions noise_scale_point(const Settings& settings);

/// What the whole scan shares.
struct NoiseScaleRecord {
  std::vector<std::int64_t> steps;  ///< ascending, from 1 to sgd.steps
  std::vector<NoiseObservable> observables;
  std::uint32_t trajectories = 0;
};
NoiseScaleRecord noise_scale_record(const Settings& common);

}  // namespace soret::sims
