#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "sims/checkpoint.hpp"
#include "sims/train/options.hpp"
#include "soret/scan/experiment.hpp"

/// A network that `simulation = train` left in a checkpoint, with the data that it was trained on.
namespace soret::sims {

/// What of the data of a run is wanted.
struct DataSubset {
  std::string path{};                ///< where the data set lies now; empty: where the run found it
  std::size_t training_samples = 0;  ///< the first of those that were trained on; 0: all of them
  std::size_t test_samples = 0;      ///< the first of the test set; 0: those that the run tested on
};

struct TrainedNetwork {
  std::filesystem::path file;
  Settings settings;  ///< of the scan point that it comes from
  TrainOptions options;
  /// Scaled, split and with the labels of the run, whatever the subset.
  std::shared_ptr<const TrainingSet> set;
  std::shared_ptr<const network::Network<float>> network;
  Weights weights;

  network::HeadKind head() const { return options.model.head; }
  int outputs() const { return static_cast<int>(network->output().size()); }
};

/// Settings of the run that wrote a checkpoint. Throws InputError, naming the file, if there are none or they
/// are no `simulation = train`.
Settings checkpoint_settings(const store::Dataset& checkpoint, const std::filesystem::path& file);

/// Reads checkpoints; those that were trained on the same data share them.
class TrainedNetworks {
 public:
  /// Throws InputError, naming the file, if it is missing, damaged or no checkpoint of `simulation = train`,
  /// and as data::load; ConfigError for more samples than there are.
  TrainedNetwork operator()(const std::filesystem::path& file, const DataSubset& subset = {});

  /// Of the files read so far: path and digest of the weights.
  const Sources& sources() const { return sources_; }

 private:
  Sources sources_;
  std::map<std::string, std::shared_ptr<const TrainingSet>> sets_;
};

/// Throws ConfigError, naming both files, if the networks are not the same function of their parameters: the
/// first layer whose shapes differ with both, or the key of [network] (activation, loss) that differs.
void require_same_architecture(const TrainedNetwork& one, const TrainedNetwork& other);

/// Throws ConfigError, naming both files and the first key of [data] that differs (the seed too where data
/// are drawn by it), if the networks were not trained on the same data.
void require_same_data(const TrainedNetwork& one, const TrainedNetwork& other);

}  // namespace soret::sims
