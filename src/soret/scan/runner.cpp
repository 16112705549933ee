#include "soret/scan/runner.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/base/version_info.hpp"
#include "soret/scan/journal.hpp"
#include "soret/scan/progress.hpp"
#include "soret/scan/scan_result.hpp"
#include "soret/scan/schedule.hpp"
#include "soret/scan/statistics.hpp"
#include "soret/store/replace_file.hpp"
#include "soret/store/result_file.hpp"

namespace soret {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

fs::path journal_path(const fs::path& output) {
  return output.string() + ".partial";
}
/// Where the experiment keeps what is unfinished.
fs::path checkpoint_path(const fs::path& output) {
  return output.string() + ".checkpoints";
}

std::string text_attribute(const store::Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  if (found == attributes.end()) return "";
  const auto* text = std::get_if<std::string>(&found->second);
  return text != nullptr ? *text : "";
}

/// Tells the result of a scan from what was made of it, which copies most other attributes.
std::string title_of(const ScanPlan& plan) {
  return fmt::format("Soret scan of {}", plan.simulation);
}

bool is_complete(const store::Attributes& attributes) {
  const auto found = attributes.find("complete");
  return found != attributes.end() && found->second == store::Attribute(std::int64_t{1});
}

// ---- What is at the output ----

void check_folder(const fs::path& output) {
  const fs::path folder = output.has_parent_path() ? output.parent_path() : fs::path(".");
  if (!fs::is_directory(folder))
    throw ConfigError(fmt::format("output {}: there is no folder {}", output.string(), folder.string()));
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw ConfigError(fmt::format("output {}: cannot write into the folder {}: {}", output.string(),
                                  folder.string(), std::generic_category().message(errno)));
}

void check_same_run(const store::Attributes& earlier, const ScanPlan& plan, const Experiment& experiment,
                    const RunRequest& request) {
  const auto refuse = [&](const std::string& why) {
    throw ConfigError(fmt::format("output {} {}\nChoose another output, or overwrite it with --fresh.",
                                  request.output.string(), why));
  };
  if (text_attribute(earlier, "title") != title_of(plan)) {
    const std::string title = text_attribute(earlier, "title");
    refuse(fmt::format("holds something else{}{}.", title.empty() ? "" : ": ", title));
  }
  if (const std::string there = text_attribute(earlier, "config");
      without_annotations(there) != without_annotations(plan.text()))
    refuse(fmt::format("belongs to another config:{}", config_difference(there, plan.text())));
  for (const auto& [file, digest] : experiment.sources())
    if (!has_source(earlier, file, digest))
      refuse(fmt::format("was computed from {} when that held something else.", file));
  if (const std::string there = text_attribute(earlier, "shard"); there != request.shard.text())
    refuse(fmt::format("is shard {} of the scan, not {}.", there, request.shard.text()));
  if (const std::string there = text_attribute(earlier, "backend");
      !is_complete(earlier) && there != experiment.backend())
    refuse(fmt::format("was begun on backend {0}; to go on with it, use --backend {0}.", there));
}

/// The attributes of an earlier run of this very scan; nullopt if there is none to go on with.
std::optional<store::Attributes> earlier_run(const ScanPlan& plan, const Experiment& experiment,
                                             const RunRequest& request) {
  const fs::path& output = request.output;
  if (output.empty() || fs::is_directory(output))
    throw ConfigError(fmt::format("output '{}' is a directory; name a file in it", output.string()));
  if (!fs::exists(output)) return std::nullopt;
  if (!store::is_hdf5(output))
    throw ConfigError(fmt::format(
        "output {} exists and is not a result file (not HDF5); choose another output", output.string()));
  if (request.fresh) return std::nullopt;
  try {
    store::Attributes earlier = store::read_attributes(output);
    check_same_run(earlier, plan, experiment, request);
    return earlier;
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}\nOverwrite it with --fresh, or choose another output.", error.what()));
  }
}

// ---- The run ----

const char* same_command(const RunRequest& request) {
  return request.fresh ? "the same command without --fresh" : "the same command";
}

/// Sets the number of OpenMP threads for as long as it lives.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(omp_get_max_threads()) {
    if (threads > 0) omp_set_num_threads(threads);
  }
  ~ThreadCount() { omp_set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  int get() const { return omp_get_max_threads(); }

 private:
  int before_;
};

class ScanRun {
 public:
  ScanRun(const ScanPlan& plan, Experiment& experiment, const RunRequest& request, int threads)
      : experiment_(experiment),
        request_(request),
        threads_(threads),
        result_(plan, experiment),
        identity_(fmt::format("{}\nshard {} on {}, {} cells in {} blocks\n{}",
                              without_annotations(plan.text()), request.shard.text(), experiment.backend(),
                              result_.cells(), result_.blocks().count(), sources_text(experiment.sources()))),
        journal_(journal_path(request.output)) {
    store::remove_stale_temporaries(request.output);
    store::remove_stale_temporaries(journal_path(request.output));
    fill_attributes(plan);
    experiment_.keep_in(checkpoint_path(request.output), request.fresh);
  }

  /// Takes over what the output and the journal hold.
  void resume(const std::optional<store::Attributes>& earlier) {
    if (earlier) {
      take_finished();
      if (const auto commit = text_attribute(*earlier, "git_commit"); commit != kGitCommit && !request_.quiet)
        fmt::print(stderr, "note: {} was begun by commit {}, this is {}\n", request_.output.string(), commit,
                   kGitCommit);
    }
    if (request_.fresh) journal_.rewrite(identity_, {});
    journal_.replay(identity_, [&](JournalRecord&& record) { take(std::move(record)); });
    write_output();  // tells now, not after hours, that it cannot be written
  }

  RunReport run() {
    RunReport report;
    std::vector<BlockRange> work;
    for (std::size_t point = 0; point < experiment_.points(); ++point) {
      if (!request_.shard.holds(point)) continue;
      ++report.points;
      if (result_.finished(point))
        ++report.points_found;
      else
        append_missing(point, work);
    }

    const auto units = schedule(work, result_.blocks(), experiment_, threads_);
    double total = 0;
    for (const WorkUnit& unit : units) total += cost(unit);
    {
      Progress progress(request_.quiet, total, report.points_found, report.points);
      std::mutex one_at_a_time;
      const bool reports = experiment_.report_to([&](double done) {
        const std::lock_guard lock(one_at_a_time);
        progress.add(done, 0, 0);
      });
      experiment_.run_all(units, request_.stop, [&](const WorkUnit& unit, UnitResult&& values) {
        JournalRecord record = summarize_unit(unit, values);
        journal_.append(record);
        const bool finished = take(std::move(record));
        report.trajectories += unit.count;
        const std::lock_guard lock(one_at_a_time);
        progress.add(reports ? 0 : cost(unit), unit.count, finished ? 1 : 0);
        if (Clock::now() >= next_snapshot_) snapshot();
      });
    }

    std::size_t unfinished = 0;
    for (std::size_t point = 0; point < experiment_.points(); ++point)
      if (request_.shard.holds(point) && !result_.finished(point)) ++unfinished;
    if (unfinished > 0) {
      snapshot();
      if (!request_.stop) throw std::logic_error("the experiment left units out");
      throw Interrupted(fmt::format("interrupted; {} of {} points are finished and kept in {}; {} resumes",
                                    report.points - unfinished, report.points, request_.output.string(),
                                    same_command(request_)));
    }
    result_.attributes()["complete"] = std::int64_t{1};
    write_output();
    journal_.remove();
    report.diverged = result_.diverged();
    report.wall_seconds = seconds_since(start_);
    return report;
  }

 private:
  /// The finished blocks of a point that still lacks others.
  using Pending = std::vector<std::optional<BlockSummary>>;

  void take_finished() {
    const store::Dataset earlier = store::read(request_.output);
    try {
      result_.take_finished(earlier);
    } catch (const InputError& error) {
      throw InputError(
          fmt::format("cannot go on with {}: {}\nOverwrite it with --fresh, or choose another output.",
                      request_.output.string(), error.what()));
    }
    result_.attributes()["created"] = text_attribute(earlier.attributes, "created");
    if (const auto found = earlier.attributes.find("wall_seconds"); found != earlier.attributes.end())
      seconds_before_ = std::get<double>(found->second);
  }

  void fill_attributes(const ScanPlan& plan) {
    auto& attributes = result_.attributes();
    attributes = {{"Conventions", "CF-1.8"},
                  {"title", title_of(plan)},
                  {"simulation", plan.simulation},
                  {"config", plan.text()},
                  {"soret_version", kVersion},
                  {"git_commit", kGitCommit},
                  {"backend", experiment_.backend()},
                  {"device", experiment_.device()},
                  {"threads", std::int64_t{threads_}},
                  {"created", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
                  {"wall_seconds", 0.0},
                  {"complete", std::int64_t{0}},
                  {"shard", request_.shard.text()}};
    if (const std::string sources = sources_text(experiment_.sources()); !sources.empty())
      attributes["sources"] = sources;
    if (plan.common().values().contains("ensemble.seed"))
      attributes["seed"] = plan.common().integer("ensemble.seed");
  }

  double cost(const WorkUnit& unit) const { return experiment_.cost(unit.point) * unit.count; }

  JournalRecord summarize_unit(const WorkUnit& unit, const UnitResult& values) const {
    const Blocks& blocks = result_.blocks();
    if (values.values.size() != result_.cells() * unit.count || values.diverged_at.size() != unit.count)
      throw std::logic_error("a unit's result has the wrong size");
    JournalRecord record{unit.point, blocks.of(unit.first), {}};
    for (std::uint32_t k = record.first_block; blocks.first(k) < unit.first + unit.count; ++k)
      record.blocks.push_back(summarize(values, unit.count, blocks.first(k) - unit.first,
                                        blocks.first(k + 1) - blocks.first(k), result_.step_of_cell()));
    return record;
  }

  /// True if that was the last of the point.
  bool take(JournalRecord&& record) {
    if (result_.finished(record.point)) return false;  // killed between the output and the journal
    Pending& pending = pending_[record.point];
    pending.resize(result_.blocks().count());
    for (std::size_t k = 0; k < record.blocks.size(); ++k)
      pending[record.first_block + k] = std::move(record.blocks[k]);
    for (const auto& block : pending)
      if (!block) return false;

    std::vector<BlockSummary> blocks;
    for (auto& block : pending) blocks.push_back(std::move(*block));
    result_.finish(record.point, blocks);
    pending_.erase(record.point);
    return true;
  }

  void append_missing(std::size_t point, std::vector<BlockRange>& work) const {
    const std::uint32_t count = result_.blocks().count();
    const auto found = pending_.find(point);
    const auto missing = [&](std::uint32_t k) { return found == pending_.end() || !found->second[k]; };
    for (std::uint32_t first = 0; first < count; ++first) {
      if (!missing(first)) continue;
      std::uint32_t last = first + 1;
      while (last < count && missing(last)) ++last;
      work.push_back({point, first, last});
      first = last;
    }
  }

  void write_output() {
    result_.attributes()["wall_seconds"] = seconds_before_ + seconds_since(start_);
    store::write(result_.dataset(), request_.output);
  }

  /// The output first: a kill in between leaves blocks in the journal that take() then drops.
  void snapshot() {
    const auto start = Clock::now();
    write_output();
    std::vector<JournalRecord> rest;
    for (const auto& [point, pending] : pending_)
      for (std::uint32_t k = 0; k < pending.size(); ++k)
        if (pending[k]) rest.push_back({point, k, {*pending[k]}});
    journal_.rewrite(identity_, rest);

    constexpr int kCostShare = 20;  // at most 5% of the time goes into snapshots
    next_snapshot_ = Clock::now() +
                     std::max<Clock::duration>(request_.snapshot_every, kCostShare * (Clock::now() - start));
  }

  Experiment& experiment_;
  const RunRequest& request_;
  int threads_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_snapshot_ = start_ + request_.snapshot_every;
  double seconds_before_ = 0;
  ScanResult result_;
  std::string identity_;  ///< of everything that the journal's records depend on
  Journal journal_;
  std::map<std::size_t, Pending> pending_;
};

/// Labels and the like that the config says otherwise than a complete output does.
void follow_annotations(const ScanPlan& plan, const fs::path& output) {
  if (text_attribute(store::read_attributes(output), "config") == plan.text()) return;
  check_folder(output);
  store::Dataset file = store::read(output);
  annotate(plan, file);
  store::write(file, output);
}

/// A run killed between the last write and the removal of its journal leaves it beside a complete output.
void remove_left_over_journal(const fs::path& output) {
  if (fs::exists(journal_path(output))) Journal(journal_path(output)).remove();
}

}  // namespace

std::string Shard::text() const {
  return fmt::format("{}/{}", index, count);
}

Shard parse_shard(std::string_view text) {
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto index = parse_integer(text.substr(0, slash));
    const auto count = parse_integer(text.substr(slash + 1));
    if (index && count && 1 <= *index && *index <= *count)
      return {static_cast<std::size_t>(*index), static_cast<std::size_t>(*count)};
  }
  throw ConfigError(fmt::format("--shard {}: write i/n with 1 <= i <= n, for example --shard 1/3", text));
}

bool holds_complete_scan(const ScanPlan& plan, const Experiment& experiment, const RunRequest& request) {
  const auto earlier = earlier_run(plan, experiment, request);
  return earlier && is_complete(*earlier);
}

RunReport run_scan(const ScanPlan& plan, Experiment& experiment, const RunRequest& request) {
  if (holds_complete_scan(plan, experiment, request)) {
    remove_left_over_journal(request.output);
    follow_annotations(plan, request.output);
    RunReport report;
    report.already_complete = true;
    for (std::size_t point = 0; point < plan.points(); ++point)
      if (request.shard.holds(point)) ++report.points;
    report.points_found = report.points;
    return report;
  }
  check_folder(request.output);

  const ThreadCount threads(request.threads);
  ScanRun run(plan, experiment, request, threads.get());
  // Looked at again now that no other run can change it: one may just have begun or ended.
  const auto earlier = earlier_run(plan, experiment, request);
  try {
    run.resume(earlier);
    return run.run();
  } catch (const RunError& error) {
    throw RunError(fmt::format("{}\nWhat was finished is kept in {} and beside it; {} resumes.", error.what(),
                               request.output.string(), same_command(request)));
  }
}

}  // namespace soret
