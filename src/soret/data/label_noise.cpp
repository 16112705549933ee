#include "soret/data/label_noise.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "soret/base/error.hpp"
#include "soret/data/random_subset.hpp"
#include "soret/random/fill.hpp"

namespace soret::data {

LabelNoise parse_label_noise(std::string_view name) {
  const auto found = std::find(kLabelNoises.begin(), kLabelNoises.end(), name);
  if (found == kLabelNoises.end()) {
    throw ConfigError(
        fmt::format("unknown label noise \"{}\"; allowed: {}", name, fmt::join(kLabelNoises, ", ")));
  }
  return static_cast<LabelNoise>(std::distance(kLabelNoises.begin(), found));
}

Relabelling add_label_noise(Dataset& train, double fraction, LabelNoise noise, std::uint64_t seed) {
  if (!(fraction >= 0.0 && fraction <= 1.0)) {
    throw ConfigError(
        fmt::format("a label noise of {} was asked for; allowed are fractions 0 to 1", fraction));
  }
  if (noise == LabelNoise::wrong && train.classes < 2) {
    throw ConfigError(
        fmt::format("{}: has {} class, so there are no wrong labels", train.name, train.classes));
  }
  const auto count = static_cast<std::size_t>(std::llround(fraction * static_cast<double>(train.size())));
  Relabelling done{.redrawn = random_samples(train.size(), count, {seed, Purpose::label_noise, 0}),
                   .clean = train.labels};
  const Stream labels{seed, Purpose::label_noise, 1};
  const auto classes = static_cast<std::uint32_t>(train.classes);
  for (const std::size_t sample : done.redrawn) {
    const std::uint32_t word = labels.block(sample).x;
    const auto old = static_cast<std::uint32_t>(train.labels[sample]);
    const std::uint32_t label =
        noise == LabelNoise::uniform ? below(word, classes) : (old + 1 + below(word, classes - 1)) % classes;
    train.labels[sample] = static_cast<std::int32_t>(label);
  }
  return done;
}

}  // namespace soret::data
