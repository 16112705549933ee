#include "soret/scan/merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/scan/runner.hpp"
#include "soret/scan/scan_result.hpp"
#include "soret/store/result_file.hpp"

namespace soret {
namespace {

namespace fs = std::filesystem;
using store::Attributes;
using store::Dataset;

template <class T>
const T& attribute(const Attributes& attributes, const std::string& name, const fs::path& file) {
  const auto found = attributes.find(name);
  if (found != attributes.end())
    if (const T* value = std::get_if<T>(&found->second)) return *value;
  throw InputError(
      fmt::format("{}: not the result of a scan: it has no attribute '{}'", file.string(), name));
}

/// "cpu" and "cpu" give "cpu"; "cpu" and "cuda" give "cpu; cuda".
void join(std::string& all, const std::string& one) {
  if (("; " + all + "; ").find("; " + one + "; ") == std::string::npos) all += "; " + one;
}

struct ShardFile {
  fs::path file;
  Shard shard;
};

/// By shard index; checks that each is there once and that all are of one scan.
std::vector<ShardFile> sorted_shards(std::span<const fs::path> inputs) {
  if (inputs.empty()) throw ConfigError("nothing to merge: name the files of all shards");
  std::map<std::size_t, fs::path> by_index;
  std::string config, sources;
  std::size_t count = 0;
  for (const fs::path& file : inputs) {
    const Attributes attributes = store::read_attributes(file);
    const Shard shard = parse_shard(attribute<std::string>(attributes, "shard", file));
    const std::string& its_config = attribute<std::string>(attributes, "config", file);
    const auto found = attributes.find("sources");
    const std::string its_sources = found == attributes.end() ? "" : std::get<std::string>(found->second);
    if (by_index.empty()) {
      config = its_config;
      sources = its_sources;
      count = shard.count;
    }
    if (without_annotations(its_config) != without_annotations(config))
      throw ConfigError(fmt::format("{} belongs to another config than {} ('there'):{}", file.string(),
                                    inputs[0].string(), config_difference(config, its_config)));
    if (its_sources != sources)
      throw ConfigError(fmt::format("{} was computed from other contents of the files that it names than {}",
                                    file.string(), inputs[0].string()));
    if (shard.count != count)
      throw ConfigError(fmt::format("{} is shard {}, but {} is one of {}", file.string(), shard.text(),
                                    inputs[0].string(), count));
    if (attribute<std::int64_t>(attributes, "complete", file) != 1)
      throw ConfigError(fmt::format("{} (shard {}) is not finished; run it again to resume it", file.string(),
                                    shard.text()));
    const auto [earlier, is_new] = by_index.emplace(shard.index, file);
    if (!is_new)
      throw ConfigError(fmt::format("{} and {} are the same shard {}", earlier->second.string(),
                                    file.string(), shard.text()));
  }
  std::vector<ShardFile> shards;
  for (std::size_t index = 1; index <= count; ++index) {
    const auto found = by_index.find(index);
    if (found == by_index.end()) throw ConfigError(fmt::format("shard {}/{} is missing", index, count));
    shards.push_back({found->second, {index, count}});
  }
  return shards;
}

void check_output(const fs::path& output, std::span<const fs::path> inputs) {
  if (fs::is_directory(output))
    throw ConfigError(fmt::format("output {} is a directory; name a file in it", output.string()));
  for (const fs::path& input : inputs)
    if (fs::exists(output) && fs::equivalent(output, input))
      throw ConfigError(fmt::format("output {} is one of the shards", output.string()));
  if (fs::exists(output))
    throw ConfigError(fmt::format("output {} exists; choose another or remove it", output.string()));
}

/// No point may come from two files: which one is right could not be told.
void check_disjoint(const Dataset& merged, const Dataset& part, const fs::path& file) {
  const auto& here = merged.at("finished").integers();
  const auto& there = part.at("finished").integers();
  for (std::size_t point = 0; point < std::min(here.size(), there.size()); ++point)
    if (here[point] != 0 && there[point] != 0)
      throw InputError(fmt::format("{}: scan point {} is in another shard too", file.string(), point));
}

void join_attributes(Attributes& all, const Attributes& one, const fs::path& file) {
  for (const char* name : {"backend", "device", "soret_version", "git_commit"})
    join(std::get<std::string>(all.at(name)), attribute<std::string>(one, name, file));
  auto& created = std::get<std::string>(all.at("created"));
  created = std::min(created, attribute<std::string>(one, "created", file));
  std::get<double>(all.at("wall_seconds")) += attribute<double>(one, "wall_seconds", file);
  auto& threads = std::get<std::int64_t>(all.at("threads"));
  threads = std::max(threads, attribute<std::int64_t>(one, "threads", file));
}

}  // namespace

void merge_shards(std::span<const fs::path> inputs, const fs::path& output) {
  const std::vector<ShardFile> shards = sorted_shards(inputs);
  check_output(output, inputs);

  Dataset merged = store::read(shards[0].file);
  for (std::size_t i = 1; i < shards.size(); ++i) {
    const Dataset part = store::read(shards[i].file);
    check_disjoint(merged, part, shards[i].file);
    try {
      copy_finished(part, merged);
    } catch (const InputError& error) {
      throw InputError(fmt::format("{} does not fit {}: {}", shards[i].file.string(), shards[0].file.string(),
                                   error.what()));
    }
    join_attributes(merged.attributes, part.attributes, shards[i].file);
  }
  const auto& finished = merged.at("finished").integers();
  if (const auto gap = std::ranges::find(finished, 0); gap != finished.end())
    throw InputError(fmt::format("scan point {} is in no shard", gap - finished.begin()));
  merged.attributes["shard"] = Shard{}.text();
  store::write(merged, output);
}

}  // namespace soret
