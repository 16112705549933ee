#pragma once

#include <filesystem>
#include <span>

#include "soret/data/dataset.hpp"

namespace soret::data {

/// Reads a ten-class set of single-channel images in the IDX format of MNIST (big-endian header, unsigned
/// bytes), each file plain, gzip or xz. `files`: training images, training labels, test images, test labels.
/// Throws InputError, with the file and the numbers, for a wrong magic, a size that is not what the header
/// promises, a label out of range, and image and label files that do not belong together. Source: Y. LeCun,
/// C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", 1998.
TrainTest read_idx(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

}  // namespace soret::data
