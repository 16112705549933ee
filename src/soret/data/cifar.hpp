#pragma once

#include <filesystem>
#include <span>

#include "soret/data/dataset.hpp"

/// CIFAR-10 and CIFAR-100 in their binary versions: records of the label bytes and 3 x 32 x 32 bytes (red,
/// green and blue planes, each row-major). Source: A. Krizhevsky, "Learning Multiple Layers of Features from
/// Tiny Images", 2009.
///
/// Each file may be plain, gzip or xz. The files are decompressed at the same time, one OpenMP thread per
/// file. All throw InputError, with the file and the numbers, for a size that is not whole records, more
/// records than a file of the set has, and a label out of range.
namespace soret::data {

/// One label byte. `files`: the training batches in order, then the test batch, at most 10000 records each.
TrainTest read_cifar10(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

/// A byte for the superclass (20 of them), one for the class (100). `files`: train.bin, at most 50000
/// records, and test.bin. The labels are the classes.
TrainTest read_cifar100(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

/// The same images with the superclasses as labels.
TrainTest read_cifar100_coarse(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

}  // namespace soret::data
