#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sims/train/options.hpp"
#include "soret/measure/parts.hpp"

namespace soret::sims {

/// Samples that are evaluated together, at most.
inline constexpr int kEvaluationChunk = 128;

/// A scan point, ready to be trained.
struct TrainProblem {
  TrainOptions options;
  std::string config{};  ///< the point's settings as the text of a config
  std::shared_ptr<const TrainingSet> set{};
  std::shared_ptr<const network::Network<float>> network{};
  std::vector<measure::Part> parts{};  ///< the whole network, then its layers
  int chunk = 1;
  std::int64_t updates_per_epoch = 1;
  std::int64_t updates = 1;  ///< of the whole run

  network::HeadKind head() const { return options.model.head; }
  int outputs() const { return static_cast<int>(network->output().size()); }
};

/// Prepares scan points; those with the same data share them.
class TrainProblems {
 public:
  /// Throws ConfigError, InputError: see make_training_set() and make_network().
  TrainProblem operator()(const Settings& settings, const TrainRecord& record);

 private:
  std::map<std::string, std::shared_ptr<const TrainingSet>> sets_;
};

/// Bytes that one run of it takes at most, about: passes and gradients of `threads` threads, parameters and
/// what the optimiser remembers. The data set, which runs share, comes on top.
double memory_of_run(const TrainProblem& problem, int threads);

/// The settings of a point as a config that runs this point alone.
std::string config_text(const std::string& simulation, const Settings& settings);

}  // namespace soret::sims
