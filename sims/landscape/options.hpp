#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "sims/trained_network.hpp"
#include "soret/scan/experiment.hpp"

/// The typed config of `simulation = landscape`.
namespace soret::sims {

std::vector<Option> landscape_options();

/// In the order of landscape_observables().
enum class LandscapeObservable {
  train_loss,
  train_accuracy,
  test_loss,
  test_accuracy,
  parameter_norm,
  distance
};
std::vector<Observable> landscape_observables();

/// Everything that a file may hold beside the recorded observables.
std::vector<DerivedQuantity> landscape_derived();

/// One cell.
struct LandscapeOptions {
  enum class Kind { linear, curved, filter_normalised, random, eigenvectors, checkpoints };
  enum class BatchNorm { interpolate, reestimate, batch };

  Kind kind = Kind::linear;
  double alpha = 0, beta = 0;
  std::string from, to, third;
  BatchNorm batch_norm = BatchNorm::interpolate;
  int batch_size = 128;  ///< samples that are computed together
  int eigenvector = 1, second_eigenvector = 2;
  double eigenvalue_tolerance = 1e-3;
  int most_products = 300;
  DataSubset data;
  std::uint64_t seed = 1;

  /// Between two checkpoints, in alpha alone.
  bool is_path() const { return kind == Kind::linear || kind == Kind::curved; }
  bool is_random() const { return kind == Kind::filter_normalised || kind == Kind::random; }
  /// Everything but alpha and beta as text: cells of one text lie on one line or plane.
  std::string section() const;
};

/// Throws ConfigError where keys contradict each other.
LandscapeOptions landscape_cell(const Settings& settings);

/// What the whole scan shares.
struct LandscapeRecord {
  std::vector<LandscapeObservable> observables;
  std::uint32_t trajectories = 1;
  bool over_beta = false;  ///< several values of beta
  bool over_alpha = false;

  bool wants(LandscapeObservable o) const { return std::ranges::find(observables, o) != observables.end(); }
};
/// Throws ConfigError for alpha and beta that do not ascend, a single cell, and a zipped scan.
LandscapeRecord landscape_record(const ScanPlan& plan);

}  // namespace soret::sims
