#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "soret/scan/config.hpp"
#include "soret/scan/experiment.hpp"

/// Runs a scan into one result file (DESIGN sections 4 and 5). The numbers in the file are bitwise the same
/// for any number of threads, any split into shards and any number of interruptions.
namespace soret {

/// Shard `index` of `count`, counted from 1. The points are dealt out along diagonals, so that no shard gets
/// only one value of the fastest axis.
struct Shard {
  std::size_t index = 1;
  std::size_t count = 1;

  bool holds(std::size_t point) const { return (point + point / count) % count == index - 1; }
  std::string text() const;  ///< "2/3"
};

/// Reads "i/n". Throws ConfigError unless 1 <= i <= n.
Shard parse_shard(std::string_view text);

struct RunRequest {
  std::filesystem::path output;
  const std::atomic<bool>& stop;  ///< turned true by SIGINT or SIGTERM
  int threads = 0;                ///< 0: all that OpenMP has
  Shard shard{};
  bool fresh = false;  ///< overwrite whatever the output held
  bool quiet = false;  ///< no progress line
  /// The output is replaced at most this often, and at most 5% of the time is spent on it.
  std::chrono::milliseconds snapshot_every{15'000};
};

struct RunReport {
  bool already_complete = false;   ///< the output was complete before; nothing was computed
  std::size_t points = 0;          ///< of this shard
  std::size_t points_found = 0;    ///< of those, finished by an earlier run
  std::uint64_t trajectories = 0;  ///< computed by this run
  std::int64_t diverged = 0;       ///< trajectories of all finished points that left finite range
  double wall_seconds = 0;         ///< of this run
};

/// True if the output holds this very scan, complete: run_scan would do nothing. Throws as run_scan does for
/// an output that it would refuse.
bool holds_complete_scan(const ScanPlan& plan, const Experiment& experiment, const RunRequest& request);

/// Runs every point of the shard that `request.output` does not hold yet.
///
/// The output exists from the start (`complete` = 0) and is replaced as a whole every so often, on
/// interruption and at the end. Beside it, OUTPUT.partial keeps what was finished since, so that a killed run
/// goes on where it stood; it is locked while a run is under way and is deleted at the end.
///
/// Throws, before anything is computed: ConfigError if the output is a directory, not a result file, belongs
/// to another config, shard or backend (names the keys that differ), is in use by another run, or cannot be
/// written; InputError if it is damaged.
/// Throws later: RunError (disk full, or whatever the experiment throws), Interrupted when `stop` is set; in
/// both cases the same command resumes.
RunReport run_scan(const ScanPlan& plan, Experiment& experiment, const RunRequest& request);

}  // namespace soret
