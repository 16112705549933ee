#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <vector>

#include "sims/train/problem.hpp"
#include "soret/scan/experiment.hpp"
#include "soret/store/checkpoint.hpp"

/// One training run: trajectory number `trajectory` of a scan point.
namespace soret::sims {

struct RunFiles {
  std::filesystem::path checkpoint;  ///< empty: none is kept
  std::function<void(const std::string&)> note;
};

struct TrainRun {
  std::vector<double> values;     ///< of all observables, cell by cell, as UnitResult has them
  std::int64_t diverged_at = -1;  ///< first recorded step with a loss that was not finite
};

/// Trains from the checkpoint, or from the start where there is none, to the end. The numbers do not depend
/// on where it was interrupted. `progress` gets the updates that were done since it was last called. Throws
/// Stopped when `stop` is set, with the checkpoint written; InputError for a checkpoint of another config;
/// RunError if it cannot be written.
TrainRun run_training(const TrainProblem& problem, const TrainRecord& record, std::uint32_t trajectory,
                      const RunFiles& files, const std::atomic<bool>& stop,
                      const std::function<void(double updates)>& progress);

/// Where the training was when a checkpoint was written. Throws InputError if it is that of another network.
training::TrainingState training_state_of(const network::Network<float>& network,
                                          const store::Dataset& checkpoint,
                                          const std::filesystem::path& file);

/// Parameters and running statistics that a trajectory begins with.
struct Beginning {
  std::vector<float> parameters, statistics;
};
Beginning beginning(const TrainProblem& problem, std::uint32_t trajectory);

/// The checkpoint to begin from and the file of external norms, where there are any. Throws as beginning().
Sources sources_of(const TrainProblem& problem);

}  // namespace soret::sims
