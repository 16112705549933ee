#pragma once

#include <filesystem>

namespace soret::data {

/// Reads a MATLAB file of format 5 from end to end: its elements must fill it, and packed ones must unpack
/// with the right checksum. matio checks neither. Throws InputError with the file and the byte.
void check_mat_file(const std::filesystem::path& path);

}  // namespace soret::data
