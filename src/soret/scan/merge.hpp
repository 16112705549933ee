#pragma once

#include <filesystem>
#include <span>

namespace soret {

/// Joins the result files of all shards of one scan; the data are bit for bit those of the unsharded run.
/// Throws ConfigError naming the files: another config, an unfinished shard, a shard that is missing or given
/// twice, an output that exists and holds something else. Throws InputError if a file cannot be read.
void merge_shards(std::span<const std::filesystem::path> inputs, const std::filesystem::path& output);

}  // namespace soret
