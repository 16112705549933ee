#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "sims/cli/arguments.hpp"
#include "soret/base/error.hpp"
#include "soret/base/version_info.hpp"
#ifdef SORET_HAVE_BENCH
#include "bench/bench.hpp"
#endif

namespace soret::cli {
namespace {

constexpr Usage kUsage{
    .synopsis = "soret bench [NAME] [--json]",
    .about =
        "Times the kernels, all of them or one. Each is first verified against an independent computation.",
    .examples = "  soret bench\n  soret bench two_layer --json > bench.json",
    .word = "NAME",
    .fewest = 0,
    .most = 1};

#ifdef SORET_HAVE_BENCH

std::vector<std::string> bench_names() {
  std::vector<std::string> names;
  for (const auto& bench : bench::benches()) names.emplace_back(bench.name);
  return names;
}

/// "name: value" lines, nested objects indented.
void print_indented(const nlohmann::json& value, std::size_t indent) {
  for (const auto& [key, entry] : value.items()) {
    if (entry.is_structured()) {
      fmt::print("{:{}}{}\n", "", indent, key);
      print_indented(entry, indent + 2);
    } else if (entry.is_number_float()) {
      fmt::print("{:{}}{}: {:.4g}\n", "", indent, key, entry.get<double>());
    } else {
      fmt::print("{:{}}{}: {}\n", "", indent, key,
                 entry.is_string() ? entry.get<std::string>() : entry.dump());
    }
  }
}

void run_benches(const Arguments& arguments) {
  if (!arguments.words.empty()) require_choice(kUsage, "bench", arguments.words[0], bench_names());
  auto results = nlohmann::json::object();
  for (const auto& bench : bench::benches()) {
    if (!arguments.words.empty() && arguments.words[0] != bench.name) continue;
    fmt::print(stderr, "{}: {}\n", bench.name, bench.summary);
    results[bench.name] = bench.run();
    if (!arguments.flag("json")) {
      fmt::print("{}\n", bench.name);
      print_indented(results[bench.name], 2);
    }
  }
  if (arguments.flag("json"))
    fmt::print(
        "{}\n",
        nlohmann::json{{"soret_version", kVersion}, {"git_commit", kGitCommit}, {"benches", results}}.dump(
            2));
}

#else

void run_benches(const Arguments&) {
  throw ConfigError("this soret was built without benches: configure with -DSORET_BUILD_BENCH=ON");
}

#endif

}  // namespace

void bench(const Words& words) {
  po::options_description options;
  options.add_options()("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (arguments) run_benches(*arguments);
}

}  // namespace soret::cli
