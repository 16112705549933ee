#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace soret::store {

/// Replaces a file as a whole: writes `.NAME.tmp.PID` beside it, fsyncs, renames, fsyncs the folder. A reader
/// and a crash see the old bytes or the new ones. A symbolic link keeps pointing to its target, which is
/// replaced. Throws RunError with the system's reason; the old file is then untouched and the temporary gone.
void replace_file(const std::filesystem::path& file, std::span<const std::byte> bytes);

/// Removes the temporaries that runs killed inside replace_file() left beside `file`. Only for a caller that
/// knows that nobody else is writing this file.
void remove_stale_temporaries(const std::filesystem::path& file) noexcept;

}  // namespace soret::store
