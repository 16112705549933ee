#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Labelled images in memory, and what is done to them before a simulation sees them.
namespace soret::data {

/// Labelled images. A flat feature vector is a dataset with channels = height = 1.
struct Dataset {
  std::string name;  ///< "mnist", "fashion_mnist", "cifar10"
  std::int32_t channels = 1;
  std::int32_t height = 1;
  std::int32_t width = 1;
  std::int32_t classes = 0;
  std::vector<float> images;         ///< images[sample][channel][row][column]
  std::vector<std::int32_t> labels;  ///< labels[sample], 0 <= label < classes

  std::size_t size() const { return labels.size(); }
  std::size_t plane() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
  std::size_t features() const { return static_cast<std::size_t>(channels) * plane(); }
  std::span<const float> image(std::size_t sample) const {
    return std::span(images).subspan(sample * features(), features());
  }
};

/// A dataset as its publisher splits it.
struct TrainTest {
  Dataset train;
  Dataset test;
};

/// The most samples to read of each part. What lies behind them in a file is neither read nor verified.
struct SampleLimit {
  std::size_t train = std::numeric_limits<std::size_t>::max();
  std::size_t test = std::numeric_limits<std::size_t>::max();
};

/// Samples [first, first + count), in order: the first n of a set, or a held-out part of the training set.
/// Throws ConfigError if the set is smaller.
Dataset slice(const Dataset& source, std::size_t first, std::size_t count);

/// The samples named by `indices`, in that order; an index may repeat. Throws ConfigError for one out of
/// range.
Dataset subset(const Dataset& source, std::span<const std::size_t> indices);

/// Per-channel mean and standard deviation over all pixels of all samples (divided by n, not n - 1).
struct ChannelMoments {
  std::vector<double> mean;    ///< mean[channel]
  std::vector<double> stddev;  ///< stddev[channel]
};

/// Two passes in double, in a fixed order. Throws InputError for an empty set.
ChannelMoments channel_moments(const Dataset& source);

/// Replaces every pixel by (pixel - mean) / stddev of its channel. Throws InputError if `moments` is of
/// another number of channels or a channel's stddev is zero (all its pixels are equal).
void standardise(Dataset& target, const ChannelMoments& moments);

enum class Scaling {
  unit_interval,  ///< byte / 255, as load() gives it
  standardise,    ///< the training slice has mean 0 and standard deviation 1 in every channel
};

/// The names of the scalings, for a config's list of choices.
const std::vector<std::string>& scaling_names();

/// Throws ConfigError, listing the names, for an unknown one.
Scaling parse_scaling(std::string_view name);

/// Applies `scaling` to all sets with the numbers of `train` alone: neither the held-out slice nor the test
/// set ever touches them.
template <std::same_as<Dataset>... Others>
void rescale(Scaling scaling, Dataset& train, Others&... others) {
  if (scaling != Scaling::standardise) return;
  const ChannelMoments moments = channel_moments(train);
  standardise(train, moments);
  (standardise(others, moments), ...);
}

}  // namespace soret::data
