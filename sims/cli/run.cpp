#include <fmt/core.h>
#include <omp.h>

#include <atomic>
#include <csignal>
#include <filesystem>

#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "sims/simulation.hpp"
#include "soret/base/error.hpp"
#include "soret/scan/merge.hpp"
#include "soret/scan/ranks.hpp"
#include "soret/scan/runner.hpp"

namespace soret::cli {
namespace {

constexpr Usage kUsage{
    .synopsis = "soret run CONFIG [options]",
    .about =
        "Runs a config into one result file. An output that an earlier run left unfinished is resumed;\n"
        "a complete one is left as it is. Ctrl-C stops after saving what is done (a second one at once).",
    .examples =
        "  soret run configs/quickstart.cfg\n"
        "  soret run fig.cfg --profile smoke\n"
        "  soret run fig.cfg --set \"sgd.learning_rate=0.05 0.1\" --set sgd.steps=1000 -o fig.h5\n"
        "  soret run fig.cfg --set \"sgd.learning_rate=geomspace(0.01, 1, 9)\" -o scan.h5\n"
        "  soret run fig.cfg --shard 2/3 -o part2.h5   # then: soret merge part*.h5 -o fig.h5",
    .word = "CONFIG",
    .fewest = 1,
    .most = 1};

constexpr std::uint64_t kMostThreads = 4096;  // more is a slip of the pen

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may set lock-free atomics only");

/// The first SIGINT or SIGTERM asks the run to stop and restores the default: the second one kills.
void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = true; };
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

ScanPlan read_plan(const Arguments& arguments) {
  const OptionTable table = [](std::string_view name) -> std::optional<std::vector<Option>> {
    const auto* simulation = sims::find_simulation(name);
    return simulation ? std::optional(simulation->options) : std::nullopt;
  };
  return load_config(
      arguments.words[0],
      {.overrides = arguments.get<std::vector<std::string>>("set"), .profile = arguments.get("profile")},
      table, sims::simulation_names());
}

sims::Backend read_backend(const Arguments& arguments) {
  using Kind = sims::Backend::Kind;
  const auto name = arguments.get("backend", std::string("auto"));
  require_choice(kUsage, "--backend", name, {"auto", "cpu", "cuda"});
  const auto threads =
      natural(kUsage, arguments, "threads", static_cast<std::uint64_t>(omp_get_max_threads()));
  if (threads < 1 || threads > kMostThreads)
    usage_error(kUsage, fmt::format("--threads {}: is not from 1 to {}", threads, kMostThreads));
  return {name == "auto"  ? Kind::automatic
          : name == "cpu" ? Kind::cpu
                          : Kind::cuda,
          static_cast<int>(threads)};
}

/// What no single key can tell is checked by the simulation, which does not know the config's name.
std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const sims::Backend& backend,
                                    const std::string& config) {
  try {
    return sims::find_simulation(plan.simulation)->prepare(plan, backend);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", config, error.what()));
  }
}

/// results/fig03_04-smoke-shard2of3.h5
std::filesystem::path default_output(const Arguments& arguments, const Shard& shard) {
  std::string name = std::filesystem::path(arguments.words[0]).stem().string();
  if (arguments.has("profile")) name += fmt::format("-{}", arguments.get("profile"));
  if (shard.count > 1) name += fmt::format("-shard{}of{}", shard.index, shard.count);
  std::error_code ignored;  // the runner says what is wrong with an output that it cannot write
  std::filesystem::create_directories("results", ignored);
  return std::filesystem::path("results") / (name + ".h5");
}

double rate(double count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

void print_report(const RunReport& report, const RunRequest& request, const Experiment& experiment) {
  const std::string file = request.output.string();
  if (report.already_complete) {
    fmt::print("{} is complete: nothing to do (--fresh runs it again)\n", file);
    return;
  }
  fmt::print("{}: {} scan point{}", file, report.points, report.points == 1 ? "" : "s");
  if (report.points_found > 0) fmt::print(" ({} of an earlier run)", report.points_found);
  fmt::print(", {} trajectories in {:.3g} s on {}\n", report.trajectories, report.wall_seconds,
             experiment.device());
  if (report.diverged > 0)
    fmt::print("{} trajectories diverged and are left out; `soret info {}` shows at which points\n",
               report.diverged, file);
}

nlohmann::json report_json(const RunReport& report, const RunRequest& request, const ScanPlan& plan,
                           const Experiment& experiment) {
  const auto computed = static_cast<double>(report.points - report.points_found);
  return {{"file", request.output.string()},
          {"simulation", plan.simulation},
          {"shard", request.shard.text()},
          {"points", report.points},
          {"points_found", report.points_found},
          {"already_complete", report.already_complete},
          {"trajectories", report.trajectories},
          {"diverged", report.diverged},
          {"seconds", report.wall_seconds},
          {"points_per_second", rate(computed, report.wall_seconds)},
          {"trajectories_per_second", rate(static_cast<double>(report.trajectories), report.wall_seconds)},
          {"backend", experiment.backend()},
          {"device", experiment.device()}};
}

/// OUT.h5.rank2of4
std::filesystem::path part_of(const std::filesystem::path& output, const Shard& shard) {
  return output.string() + fmt::format(".rank{}of{}", shard.index, shard.count);
}

/// Every rank of an MPI job runs a shard of the scan beside the output; the first then merges them.
RunReport run_on_ranks(const Ranks& ranks, const ScanPlan& plan, Experiment& experiment,
                       const RunRequest& request) {
  if (request.shard.count > 1)
    throw ConfigError("--shard: the ranks of an MPI job share the scan points already");
  if (!request.fresh && holds_complete_scan(plan, experiment, request))
    return run_scan(plan, experiment, request);
  if (!request.fresh && std::filesystem::exists(request.output))
    throw ConfigError(
        fmt::format("output {}: was begun without MPI; resume it so, or overwrite it with --fresh",
                    request.output.string()));

  const auto shard = [&](int rank) {
    return Shard{static_cast<std::size_t>(rank) + 1, static_cast<std::size_t>(ranks.size())};
  };
  RunRequest mine = request;
  mine.shard = shard(ranks.rank());
  mine.output = part_of(request.output, mine.shard);
  mine.quiet = request.quiet || ranks.rank() > 0;
  std::exception_ptr failure;
  RunReport report;
  try {
    report = run_scan(plan, experiment, mine);
  } catch (...) {
    failure = std::current_exception();
  }
  const bool complete = ranks.all(!failure);
  if (failure) std::rethrow_exception(failure);
  if (!complete) throw RunError("another rank failed; the same command resumes");
  report.points = plan.points();
  report.points_found = static_cast<std::size_t>(ranks.sum(static_cast<std::int64_t>(report.points_found)));
  report.trajectories = static_cast<std::uint64_t>(ranks.sum(static_cast<std::int64_t>(report.trajectories)));
  report.diverged = ranks.sum(report.diverged);
  if (ranks.rank() > 0) return report;

  std::vector<std::filesystem::path> parts;
  for (int rank = 0; rank < ranks.size(); ++rank) parts.push_back(part_of(request.output, shard(rank)));
  if (request.fresh) std::filesystem::remove(request.output);
  merge_shards(parts, request.output);
  for (const auto& part : parts) std::filesystem::remove(part);
  return report;
}

}  // namespace

void run(const Words& words) {
  po::options_description options;
  options.add_options()                                                                              //
      ("output,o", po::value<std::string>()->value_name("OUT.h5"),                                   //
       "result file; default results/CONFIG.h5, with -PROFILE and -shardIofN where those are used")  //
      ("set", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE"),
       "override a key, after the profile; several values make a scan axis; may be repeated")  //
      ("profile", po::value<std::string>()->value_name("NAME"),
       "use the overrides of the config's section [smoke] or [paper]")  //
      ("backend", po::value<std::string>()->value_name("NAME"),
       "auto (the default), cpu or cuda")                                                            //
      ("threads", po::value<std::string>()->value_name("N"), "CPU threads; default all")             //
      ("shard", po::value<std::string>()->value_name("I/N"), "run part I of N only, I from 1 to N")  //
      ("fresh", po::bool_switch(), "start over, whatever the output holds")                          //
      ("quiet", po::bool_switch(), "no progress line")                                               //
      ("json", po::bool_switch(), "report as one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;

  const sims::Backend backend = read_backend(*arguments);
  const Shard shard = arguments->has("shard") ? parse_shard(arguments->get("shard")) : Shard{};
  const ScanPlan plan = read_plan(*arguments);
  const RunRequest request{.output = arguments->has("output")
                                         ? std::filesystem::path(arguments->get("output"))
                                         : default_output(*arguments, shard),
                           .stop = stop_requested,
                           .threads = backend.threads,
                           .shard = shard,
                           .fresh = arguments->flag("fresh"),
                           .quiet = arguments->flag("quiet")};

  stop_on_signals();
  const auto experiment = prepare(plan, backend, arguments->words[0]);
  const Ranks ranks;
  const RunReport report = ranks.size() > 1 ? run_on_ranks(ranks, plan, *experiment, request)
                                            : run_scan(plan, *experiment, request);
  if (ranks.rank() > 0) return;
  if (arguments->flag("json"))
    print_json(report_json(report, request, plan, *experiment));
  else
    print_report(report, request, *experiment);
}

}  // namespace soret::cli
