#include "sims/cli/cli.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <new>

#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/base/version_info.hpp"

namespace soret::cli {
namespace {

constexpr Command kCommands[] = {
    {"run", "run a config: one simulation, or a scan over its axes, into one result file", run},
    {"list", "the simulations, one line each", list},
    {"describe", "every key and observable of a simulation", describe},
    {"info", "what is in a result file", info},
    {"collapse", "the exponents that collapse the curves of a scan, with errors", collapse},
    {"fit", "the rate of change of an observable and its power law in the scanned keys", fit},
    {"correlate", "rank correlations of quantities over a scan, with intervals", correlate},
    {"plot", "a figure: raw, rescaled and fitted curves (PNG, SVG, PDF)", plot},
    {"table", "means with intervals beside published values (text, CSV, LaTeX, Markdown)", table},
    {"export", "a result file as tidy CSV tables", export_csv},
    {"merge", "join the result files of all shards", merge},
    {"update", "the next update of a checkpoint, with all that it takes to redo it by hand", update},
    {"gradient", "loss, gradient and Hessian-vector product of a checkpoint", gradient},
    {"bench", "verified timings", bench},
};

void print_help(std::FILE* stream) {
  fmt::print(stream,
             "soret {}: simulates the dynamics of SGD and measures them against theory\n\n"
             "usage: soret COMMAND [ARGUMENTS]\n\ncommands:\n",
             kVersion);
  for (const auto& command : kCommands) fmt::print(stream, "  {:<10}{}\n", command.name, command.summary);
  fmt::print(stream,
             "\nsoret COMMAND --help shows a command's options and examples; soret --version the version.\n\n"
             "example:\n"
             "  soret run configs/quickstart.cfg\n"
             "  soret plot results/quickstart.h5 --observable activation_rate -o activation_rate.png\n\n"
             "exit codes: 0 done, 2 usage or config error, 3 unreadable or invalid input file,\n"
             "4 the run failed, 130 interrupted (the same command resumes)\n");
}

void dispatch(const Words& words) {
  if (words.empty()) {
    print_help(stderr);
    throw ConfigError("a command is missing");
  }
  std::string name = words[0];
  Words rest(words.begin() + 1, words.end());
  if (name == "help" && !rest.empty()) {  // soret help run
    name = rest[0];
    rest = {"--help"};
  }
  if (name == "help" || name == "--help" || name == "-h") return print_help(stdout);
  if (name == "--version") {
    fmt::print("soret {} ({})\n", kVersion, kGitCommit);
    return;
  }
  const auto command = std::ranges::find(kCommands, name, &Command::name);
  if (command == std::end(kCommands)) {
    std::vector<std::string> names;
    for (const auto& known : kCommands) names.emplace_back(known.name);
    throw ConfigError(fmt::format("unknown command '{}'{}\nsoret --help lists the commands", name,
                                  did_you_mean(name, names)));
  }
  command->run(rest);
}

int fail(int code, const char* message) {
  fmt::print(stderr, "soret: {}\n", message);
  return code;
}

}  // namespace

int main(const Words& words) {
  try {
    dispatch(words);
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
      throw RunError("cannot write to the standard output");
    return 0;
  } catch (const ConfigError& error) {
    return fail(2, error.what());
  } catch (const InputError& error) {
    return fail(3, error.what());
  } catch (const RunError& error) {
    return fail(4, error.what());
  } catch (const Interrupted& error) {
    return fail(130, error.what());
  } catch (const std::bad_alloc&) {
    return fail(4, "out of memory");
  } catch (const std::exception& error) {
    return fail(4, fmt::format("internal error: {}", error.what()).c_str());
  }
}

}  // namespace soret::cli
