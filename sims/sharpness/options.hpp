#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "soret/measure/ball_sharpness.hpp"
#include "soret/measure/directions.hpp"
#include "soret/measure/sharpness.hpp"
#include "soret/scan/config.hpp"

/// The keys of `simulation = sharpness` and what they mean.
namespace soret::sims {

/// The option table; the one place where keys, defaults and ranges stand.
std::vector<Option> sharpness_options();

/// In the order of sharpness_observables().
enum class SharpnessObservable {
  function_value,
  gradient_norm,
  sharpness,
  maximum,
  evaluations,
  gradient_evaluations,
  converged,
  best_point,
  exact_sharpness,
  maximiser_gap,
  sam_sharpness,
  sam_step_sharpness,
  sam_evaluations,
  sam_converged,
  expected_sharpness,
  expected_sharpness_draw_error,
  lambda_max,
  lambda_max_converged,
  hessian_trace,
  hessian_trace_probe_error,
  log_determinant,
  positive_eigenvalues
};
std::vector<Observable> sharpness_observables();

/// What f is.
struct FunctionOptions {
  enum class Kind { sharp, flat, sharp_sharp, sharp_flat, formula, network, checkpoint };
  Kind kind = Kind::sharp;
  std::string formula;
  std::vector<std::string> variables;
  std::vector<double> point;  ///< empty: the origin
  bool convex = false;

  std::string checkpoint;
  int samples = 0;  ///< of the training set; 0: all
  int chunk = 0;
  bool in_double = false;
  bool batch_statistics = false;
  int rescaled_layer = 1;
  double rescaling = 1;
  bool filter_normalised = false;

  bool is_analytic() const { return kind < Kind::network; }
};

/// How A is had.
struct MatrixOptions {
  bool given = false;
  Eigen::MatrixXd entries;  ///< of a given one
  measure::Columns kind = measure::Columns::identity;
  std::size_t columns = 0;
};

/// One scan point's settings, typed.
struct SharpnessPoint {
  FunctionOptions function;
  MatrixOptions matrix;
  measure::SharpnessOptions box;  ///< its seed, as that of `ball`, is each trajectory's own
  measure::BallOptions ball;
  double deviation = 0;  ///< of Gaussian perturbations
  int draws = 0;
  int probes = 0, lanczos_steps = 0, most_products = 0, dense_parameters = 0;
  double eigenvalue_tolerance = 0, threshold = 0;
  std::uint64_t seed = 0;
};

/// Throws ConfigError where keys contradict each other, and for texts that are no points or matrices.
SharpnessPoint sharpness_point(const Settings& settings);

/// Throws ConfigError for keys that are set but not read at any scan point.
void check_sharpness(const ScanPlan& plan);

/// What the whole scan shares.
struct SharpnessRecord {
  std::vector<SharpnessObservable> observables;
  std::uint32_t trajectories = 0;

  bool wants(SharpnessObservable o) const;
  bool wants_any(std::initializer_list<SharpnessObservable> some) const;
};
SharpnessRecord sharpness_record(const Settings& common);

}  // namespace soret::sims
