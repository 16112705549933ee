#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "soret/data/dataset.hpp"
#include "soret/random/stream.hpp"

/// Random parts of a training set: smaller sets to train on, and a held-out slice to select models by.
namespace soret::data {

/// `count` of the samples 0 to samples - 1, drawn without replacement, in ascending order. They are the front
/// of one shuffle per stream, so the smaller of two subsets lies within the larger. Draws: swap k of Fisher
/// and Yates takes word x of block k. Throws ConfigError for more than there are, or 2^32 and more.
std::vector<std::size_t> random_samples(std::size_t samples, std::size_t count, const Stream& stream);

/// `count` random samples of a set, in its order, from the stream (seed, subset, 0).
Dataset random_subset(const Dataset& source, std::size_t count, std::uint64_t seed);

struct HeldOut {
  Dataset train;
  Dataset validation;
};

/// Holds `count` random samples of a training set out of it: train is the random_subset() of all others.
/// Throws ConfigError unless at least one is left to train on.
HeldOut hold_out(const Dataset& source, std::size_t count, std::uint64_t seed);

}  // namespace soret::data
