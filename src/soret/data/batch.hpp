#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "soret/data/dataset.hpp"

/// Batches as networks read them, with or without random crops and flips.
namespace soret::data {

/// Random variations of training images. The default leaves them alone.
struct Augmentation {
  /// Shifts by up to this many pixels in each direction: a crop of the image's own size, uniform among all in
  /// the image with `padding` zeros around it. Zero in the numbers of the dataset: of standardised images,
  /// the mean of the channel (K. He et al., CVPR 2016, who use 4).
  std::int32_t padding = 0;
  bool flip = false;  ///< mirrors left and right with probability 1/2

  bool any() const { return padding != 0 || flip; }
};

/// T is float or double.
template <class T>
struct Batch {
  std::vector<T> x;                  ///< x[sample][row][column][channel]
  std::vector<std::int32_t> labels;  ///< labels[sample]
  std::size_t size() const { return labels.size(); }
};

/// The samples of `source` named by `indices`, in that order. Keeps the memory that `out` has.
/// Throws ConfigError, naming place and value, for an index out of range.
template <class T>
void assemble(const Dataset& source, std::span<const std::uint32_t> indices, Batch<T>& out);

/// The same with augmented images. `first_sample`: how many samples the run saw before this batch; sample k
/// of the batch is varied by block first_sample + k of the stream (seed, augmentation, 0): word x chooses the
/// row, y the column, the top bit of z the flip. So who assembles which batch when changes nothing.
/// Throws ConfigError also for negative padding.
template <class T>
void assemble(const Dataset& source, std::span<const std::uint32_t> indices, const Augmentation& augmentation,
              std::uint64_t seed, std::uint64_t first_sample, Batch<T>& out);

}  // namespace soret::data
