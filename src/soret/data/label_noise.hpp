#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "soret/data/dataset.hpp"

/// Wrong labels on purpose, for training sets only: a test set keeps the labels it came with.
namespace soret::data {

enum class LabelNoise {
  uniform,  ///< a new label is any class, so the old one stays with probability 1 / classes
  wrong,    ///< a new label is any class but the old one
};
inline constexpr std::array<std::string_view, 2> kLabelNoises = {"uniform", "wrong"};

/// Throws ConfigError, listing the names, for an unknown one.
LabelNoise parse_label_noise(std::string_view name);

/// What add_label_noise() did.
struct Relabelling {
  std::vector<std::size_t> redrawn;  ///< the samples that got a new label, ascending
  std::vector<std::int32_t> clean;   ///< clean[sample], the labels before, of all samples
};

/// Redraws the labels of exactly round(fraction * size) samples, chosen without replacement (not each sample
/// with that probability: the noise of a run is the fraction asked for). Fraction 1 with `uniform` gives
/// random labels altogether.
///
/// For one seed, the samples of a smaller fraction are among those of a larger one and get the same new
/// labels. Draws: which samples, from the stream (seed, label_noise, 0) by random_samples(); the new label
/// of a sample is word x of block `sample` of the stream (seed, label_noise, 1).
///
/// Throws ConfigError for a fraction outside [0, 1], and for `wrong` with a single class.
Relabelling add_label_noise(Dataset& train, double fraction, LabelNoise noise, std::uint64_t seed);

}  // namespace soret::data
