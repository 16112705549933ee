#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "soret/data/dataset.hpp"

namespace soret::data {

/// The datasets that can be loaded, for a config's list of choices.
std::vector<std::string> dataset_kinds();

/// Loads a dataset with its features in [0, 1] (byte / 255).
///
/// `directory` is the config's data.path; if it is empty, the environment variable SORET_DATA. The files,
/// plain or packed, are looked for in the folders that the dataset is usually unpacked to (DIR/mnist,
/// DIR/fashion-mnist, ...) and then in DIR itself, unless DIR is named as such a folder of another dataset.
///
/// Throws ConfigError for an unknown kind; InputError if the files are absent (the message says what was
/// looked for, where, and how to get it) or invalid.
TrainTest load(std::string_view kind, const std::filesystem::path& directory, const SampleLimit& limit = {});

}  // namespace soret::data
