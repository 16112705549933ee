#include <fmt/core.h>

#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "soret/scan/merge.hpp"

namespace soret::cli {
namespace {

constexpr Usage kUsage{
    .synopsis = "soret merge SHARD.h5... -o OUT.h5 [--json]",
    .about =
        "Joins the result files of all shards of one scan. The data are bit for bit those of the run\n"
        "without shards.",
    .examples =
        "  soret run fig.cfg --shard 1/2 -o part1.h5\n"
        "  soret run fig.cfg --shard 2/2 -o part2.h5   # on another machine\n"
        "  soret merge part1.h5 part2.h5 -o fig.h5",
    .word = "SHARD.h5",
    .fewest = 1,
    .most = 1'000'000};

}  // namespace

void merge(const Words& words) {
  po::options_description options;
  options.add_options()                                                                       //
      ("output,o", po::value<std::string>()->value_name("OUT.h5"), "the joined result file")  //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (!arguments->has("output")) usage_error(kUsage, "-o OUT.h5 is missing");

  const std::vector<std::filesystem::path> shards(arguments->words.begin(), arguments->words.end());
  merge_shards(shards, arguments->get("output"));
  if (arguments->flag("json"))
    print_json({{"file", arguments->get("output")}, {"shards", arguments->words}});
  else
    fmt::print("{}: {} shards joined\n", arguments->get("output"), shards.size());
}

}  // namespace soret::cli
