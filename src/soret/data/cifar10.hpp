#pragma once

#include <filesystem>
#include <span>

#include "soret/data/dataset.hpp"

namespace soret::data {

/// Reads CIFAR-10 in its binary version: records of one label byte and 3 x 32 x 32 bytes (red, green and blue
/// planes, each row-major), at most 10000 records a file, each file plain, gzip or xz. `files`: the training
/// batches in order, then the test batch; they are decompressed at the same time, one OpenMP thread per file.
/// Throws InputError, with the file and the numbers, for a size that is not whole records, and for a label
/// out of range. Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
TrainTest read_cifar10(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

}  // namespace soret::data
