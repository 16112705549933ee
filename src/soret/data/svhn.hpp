#pragma once

#include <filesystem>
#include <span>

#include "soret/data/dataset.hpp"

namespace soret::data {

/// Reads SVHN's cropped digits: MATLAB files (format 5) with X, bytes [32][32][3][sample] in MATLAB's order
/// of rows, columns, channels, and y, [sample][1], where 10 stands for the digit 0. `files`: train_32x32.mat
/// and test_32x32.mat. Labels are the digits.
///
/// Throws InputError, with the file and the place, for a file that is no such set, is truncated or damaged
/// (checksums are verified where all samples are read), a label out of range, and in a build without matio.
/// Source: Y. Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011.
TrainTest read_svhn(std::span<const std::filesystem::path> files, const SampleLimit& limit = {});

}  // namespace soret::data
