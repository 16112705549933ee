#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sims/landscape/options.hpp"
#include "soret/data/batch.hpp"
#include "soret/measure/curvature.hpp"
#include "soret/measure/landscape.hpp"
#include "soret/measure/scores.hpp"
#include "soret/training/trainer.hpp"

namespace soret::sims {

/// Samples as networks read them.
struct LandscapeData {
  data::Batch<float> batch;
  training::LabelTargets labels;
  network::Targets<float> targets;

  explicit LandscapeData(const data::Dataset& set, network::HeadKind head, int outputs);
  LandscapeData(const LandscapeData&) = delete;
  LandscapeData& operator=(const LandscapeData&) = delete;
  int samples() const { return static_cast<int>(batch.size()); }
};

/// A point of parameter space with running statistics.
struct LandscapePoint {
  std::vector<float> parameters, state;
};

/// A line or plane through parameter space, with the data that the loss is of. All but find_directions() may
/// be called from several threads.
class Section {
 public:
  struct Data {
    std::shared_ptr<const LandscapeData> train, test;
  };
  /// Throws ConfigError, naming the files, for checkpoints of different networks, or that were trained on
  /// different data, or that span no plane; for more eigenvectors than parameters; and for batches that leave
  /// a batch-normalisation group of one sample.
  Section(const LandscapeOptions& options, const std::vector<TrainedNetwork>& networks, Data data);

  /// Computes eigenvectors where the section needs them and has none yet. Throws RunError if they do not
  /// converge, Stopped.
  void find_directions(const std::atomic<bool>& stop);

  LandscapePoint at(double alpha, double beta, std::uint32_t trajectory) const;
  measure::Scores train_scores(const LandscapePoint& point) const;
  measure::Scores test_scores(const LandscapePoint& point) const;
  double distance(const LandscapePoint& point) const;  ///< from x_s
  static double parameter_norm(const LandscapePoint& point);
  /// At a point that is re-estimated, its statistics; else as it is.
  LandscapePoint with_statistics(LandscapePoint point) const;

  /// The row of landscape_derived() at any cell of the section, in the order of direction and checkpoint; NaN
  /// where a kind has no such thing.
  std::vector<double> derived(const std::string& quantity) const;

  const network::Network<float>& network() const { return *network_; }
  const LandscapeOptions& options() const { return options_; }
  int train_samples() const { return data_.train->samples(); }
  int test_samples() const { return data_.test->samples(); }

 private:
  using Doubles = std::vector<double>;

  measure::LossAt<float> loss(const LandscapeData& data, const LandscapePoint& point) const;
  void check_groups() const;
  /// Of alpha and beta; `second`: whether beta's is wanted.
  std::vector<Doubles> directions(std::uint32_t trajectory, bool second) const;

  LandscapeOptions options_;
  std::shared_ptr<const network::Network<float>> network_;
  network::HeadKind head_;
  int batch_norm_group_ = 0;
  Data data_;
  std::vector<Doubles> parameters_, states_;  ///< of the checkpoints
  std::vector<float> origin_;
  measure::PlaneThroughThree plane_;
  std::mutex finding_;
  measure::Eigenpairs eigenpairs_;
};

}  // namespace soret::sims
