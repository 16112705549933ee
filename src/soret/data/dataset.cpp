#include "soret/data/dataset.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "soret/base/error.hpp"

namespace soret::data {
namespace {

Dataset empty_like(const Dataset& source, std::size_t samples) {
  Dataset out{.name = source.name,
              .channels = source.channels,
              .height = source.height,
              .width = source.width,
              .classes = source.classes,
              .images = {},
              .labels = {}};
  out.images.reserve(samples * source.features());
  out.labels.reserve(samples);
  return out;
}

void append(Dataset& out, const Dataset& source, std::size_t first, std::size_t count) {
  const auto pixels = std::span(source.images).subspan(first * source.features(), count * source.features());
  const auto labels = std::span(source.labels).subspan(first, count);
  out.images.insert(out.images.end(), pixels.begin(), pixels.end());
  out.labels.insert(out.labels.end(), labels.begin(), labels.end());
}

/// Mean over all pixels of one channel of f(pixel). Each plane is summed on its own, which keeps the rounding
/// error of the long sum near that of a plane.
template <typename F>
double channel_mean(const Dataset& source, std::size_t channel, F f) {
  double total = 0.0;
  for (std::size_t sample = 0; sample < source.size(); ++sample) {
    double sum = 0.0;
    for (const float pixel : source.image(sample).subspan(channel * source.plane(), source.plane())) {
      sum += f(static_cast<double>(pixel));
    }
    total += sum;
  }
  return total / static_cast<double>(source.size() * source.plane());
}

}  // namespace

Dataset slice(const Dataset& source, std::size_t first, std::size_t count) {
  if (first > source.size() || count > source.size() - first) {
    throw ConfigError(
        fmt::format("{}: {} samples from sample {} on were asked for, but this part of it has {}",
                    source.name, count, first, source.size()));
  }
  Dataset out = empty_like(source, count);
  append(out, source, first, count);
  return out;
}

Dataset subset(const Dataset& source, std::span<const std::size_t> indices) {
  Dataset out = empty_like(source, indices.size());
  for (const std::size_t index : indices) {
    if (index >= source.size()) {
      throw ConfigError(fmt::format("{}: sample {} was asked for, but this part of it has {} (0 to {})",
                                    source.name, index, source.size(),
                                    static_cast<std::ptrdiff_t>(source.size()) - 1));
    }
    append(out, source, index, 1);
  }
  return out;
}

ChannelMoments channel_moments(const Dataset& source) {
  if (source.size() == 0) {
    throw InputError(fmt::format("{}: no samples to take the mean and standard deviation of", source.name));
  }
  ChannelMoments moments;
  for (std::size_t channel = 0; channel < static_cast<std::size_t>(source.channels); ++channel) {
    const double mean = channel_mean(source, channel, [](double pixel) { return pixel; });
    const double variance =
        channel_mean(source, channel, [mean](double pixel) { return (pixel - mean) * (pixel - mean); });
    moments.mean.push_back(mean);
    moments.stddev.push_back(std::sqrt(variance));
  }
  return moments;
}

void standardise(Dataset& target, const ChannelMoments& moments) {
  const auto channels = static_cast<std::size_t>(target.channels);
  if (moments.mean.size() != channels || moments.stddev.size() != channels) {
    throw InputError(fmt::format("{}: images of {} channels cannot be standardised with the moments of {}",
                                 target.name, channels, moments.mean.size()));
  }
  for (std::size_t channel = 0; channel < channels; ++channel) {
    if (!(moments.stddev[channel] > 0.0)) {
      throw InputError(
          fmt::format("{}: channel {} has standard deviation {} in the training samples, so it cannot be "
                      "standardised; use more samples or the scaling unit_interval",
                      target.name, channel, moments.stddev[channel]));
    }
  }
  const std::size_t plane = target.plane();
  for (std::size_t i = 0; i < target.size() * channels; ++i) {
    const double mean = moments.mean[i % channels];
    const double stddev = moments.stddev[i % channels];
    for (float& pixel : std::span(target.images).subspan(i * plane, plane)) {
      pixel = static_cast<float>((static_cast<double>(pixel) - mean) / stddev);
    }
  }
}

const std::vector<std::string>& scaling_names() {
  static const std::vector<std::string> names = {"unit_interval", "standardise"};
  return names;
}

Scaling parse_scaling(std::string_view name) {
  const auto& names = scaling_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw ConfigError(fmt::format("unknown scaling \"{}\"; allowed: {}", name, fmt::join(names, ", ")));
  }
  return static_cast<Scaling>(std::distance(names.begin(), found));
}

}  // namespace soret::data
