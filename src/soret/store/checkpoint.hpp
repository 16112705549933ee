#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "soret/store/result_file.hpp"

/// Files that a run goes on from: HDF5 as the result file is, with a checksum over all that they hold, and
/// the last but one kept as FILE.previous.
namespace soret::store {

/// Keeps FILE as FILE.previous and writes the dataset as FILE, with the root attribute `checksum` (CRC-32 of
/// names, sizes and data of its variables and of its other root attributes). At every moment one of the two
/// is whole. Throws RunError as write() does.
void write_checkpoint(Dataset dataset, const std::filesystem::path& file);

/// Throws InputError if the file cannot be read or its data are not those that were written.
Dataset read_checkpoint(const std::filesystem::path& file);

struct Recovered {
  Dataset data;
  std::string note;  ///< what was wrong with a newer one; empty if nothing was
};
/// FILE, or FILE.previous where that is damaged or missing, which then becomes FILE; nullopt where neither
/// exists. Throws InputError if there are files and none is whole.
std::optional<Recovered> recover_checkpoint(const std::filesystem::path& file);

/// Deletes both.
void remove_checkpoint(const std::filesystem::path& file) noexcept;

}  // namespace soret::store
