#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "soret/data/batch.hpp"
#include "soret/data/dataset.hpp"
#include "soret/data/label_noise.hpp"
#include "soret/network/layer.hpp"
#include "soret/scan/config.hpp"

/// The data that configs name: the section [data].
namespace soret::sims {

struct DataOptions {
  std::string kind;       ///< a dataset, or `gaussian` or `clusters`
  std::string path;       ///< of a dataset
  int inputs = 0;         ///< of gaussian and clusters
  int classes = 0;        ///< of gaussian and clusters
  double separation = 0;  ///< of clusters
  std::size_t training_samples = 0, validation_samples = 0, test_samples = 0;  ///< 0: all (validation: none)
  bool random_subset = false;
  double label_noise = 0;
  data::LabelNoise label_noise_kind = data::LabelNoise::uniform;
  data::Scaling scaling = data::Scaling::standardise;
  data::Augmentation augmentation;
  std::uint64_t seed = 1;
};

std::vector<Option> data_options();
DataOptions data_of(const Settings& settings);

struct TrainingSet {
  data::Dataset train, validation, test;
  std::vector<std::int32_t> clean_labels;  ///< of train, before label noise

  network::Shape input() const { return {train.height, train.width, train.channels}; }
};

/// What comes from where: the training set is the first or random `training_samples` + `validation_samples`
/// of the publisher's; of these a random slice is held out; labels of what is left are redrawn; all is scaled
/// by the moments of what is left. Throws ConfigError for more samples than there are, InputError as
/// data::load.
TrainingSet make_training_set(const DataOptions& options);

}  // namespace soret::sims
