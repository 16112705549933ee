#pragma once

#include <filesystem>
#include <span>

#include "soret/data/dataset.hpp"

namespace soret::data {

/// Reads Tiny-ImageNet: 200 classes, 500 training images each, JPEGs of 64 x 64 pixels, some of them grey,
/// which become red = green = blue. `files`: one path, the folder tiny-imagenet-200 or the zip archive that
/// it comes in. Classes are numbered as in wnids.txt. Training images go round the classes, the first of
/// each, then the second of each, so that the first n are of all classes alike. The test set is the published
/// validation set, in the order of val_annotations.txt; the labels of the published test set are not known.
/// All of it takes 5.4 GB in memory.
///
/// Images are decoded on all OpenMP threads; their number changes nothing. Throws InputError, with the file
/// and the line, for what is missing, truncated, damaged, or of another size, an unknown class, and in a
/// build without libjpeg-turbo. Source: Stanford CS231N; Y. Le and X. Yang, "Tiny ImageNet Visual Recognition
/// Challenge", 2015.
TrainTest read_tiny_imagenet(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

/// The same as 32 x 32 pixels, each the mean of 2 x 2: 1.4 GB.
TrainTest read_tiny_imagenet_32(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

}  // namespace soret::data
