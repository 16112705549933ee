#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "soret/data/dataset.hpp"

/// What the readers of byte formats share: how a stored byte becomes a feature and a label.
namespace soret::data {

/// Appends byte / 255, correctly rounded, for every byte.
void append_pixels(Dataset& target, std::span<const std::uint8_t> bytes);

/// Appends a label. Throws InputError with `file`, `sample` (its index in that file) and the value unless the
/// value is below target.classes.
void append_label(Dataset& target, std::uint8_t label, const std::filesystem::path& file, std::size_t sample);

}  // namespace soret::data
