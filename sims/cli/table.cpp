#include "analysis/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>

#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "sims/simulation.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/replace_file.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using namespace analysis;

constexpr Usage kUsage{
    .synopsis = "soret table FILE.h5... [options]",
    .about =
        "A table of one or several observables at every scan point, as papers print them: mean and interval\n"
        "over trajectories, beside published values where the config has some (section [table]; "
        "docs/tables.md).\n"
        "Diverged ones are left out and counted.",
    .examples =
        "  soret table results/table1.h5\n"
        "  soret table results/table1.h5 --observable test_error --scale accuracy --format latex -o "
        "table1.tex\n"
        "  soret table c10.h5 c100.h5 --rows file --columns label\n"
        "  soret table scan.h5 --observable test_error --rows learning_rate --columns batch_size --step 300\n"
        "  soret table scan.h5 --set \"table.labels=SB LB GN\" --set \"table.reference=92.3+-0.1 90.0 -\"",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1000};

template <std::size_t N>
std::size_t choice_of(const Arguments& arguments, const char* option, const std::string_view (&words)[N]) {
  const std::vector<std::string> all(std::begin(words), std::end(words));
  const auto word = arguments.get(option, all[0]);
  require_choice(kUsage, fmt::format("--{}", option), word, all);
  return static_cast<std::size_t>(std::ranges::find(all, word) - all.begin());
}

/// Words of an option that may stand several times, each a list with commas.
std::vector<std::string> names(const Arguments& arguments, const char* option) {
  std::vector<std::string> all;
  for (const auto& text : arguments.get<std::vector<std::string>>(option))
    for (auto& name : split_words(text)) all.push_back(std::move(name));
  return all;
}

std::pair<std::string, std::string> assignment(const std::string& option, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    usage_error(kUsage, fmt::format("{} {}: write KEY=VALUE", option, text));
  return {std::string(trim(std::string_view(text).substr(0, equals))),
          std::string(trim(std::string_view(text).substr(equals + 1)))};
}

/// --set takes the keys of [table] only: all others would make another run.
Annotations annotations(const Arguments& arguments) {
  Annotations all;
  std::vector<std::string> known;
  for (const auto& option : table_options()) known.push_back(option.key);
  for (const auto& text : arguments.get<std::vector<std::string>>("set")) {
    const auto [key, value] = assignment("--set", text);
    if (std::ranges::find(known, key) == known.end())
      throw ConfigError(
          fmt::format("--set {}: is no key of the section [table]{}", key, did_you_mean(key, known)));
    all[key] = value;
  }
  return all;
}

TableRequest read_request(const Arguments& arguments) {
  TableRequest request;
  request.observables = names(arguments, "observable");
  if (arguments.has("step")) request.step = static_cast<std::int64_t>(natural(kUsage, arguments, "step", 0));
  for (const auto& text : names(arguments, "at")) request.chosen.insert(assignment("--at", text));
  request.interval = static_cast<IntervalKind>(choice_of(arguments, "interval", kIntervals));
  if (arguments.has("scale"))
    request.scale = static_cast<TableScale>(choice_of(arguments, "scale", kTableScales));
  request.annotations = annotations(arguments);
  request.seed = natural(kUsage, arguments, "seed", request.seed);
  request.resamples = natural(kUsage, arguments, "resamples", request.resamples);
  return request;
}

nlohmann::json table_json(const Table& table, const std::vector<std::string>& files) {
  auto numbers = nlohmann::json::array();
  for (const auto& number : table.numbers) {
    nlohmann::json one;
    for (const auto& [name, text] : number.place)
      if (const auto value = parse_real(text); value && name != "file" && name != "label")
        one["at"][name] = *value;
      else
        one["at"][name] = text;
    one["mean"] = number.value;
    one["stderr"] = number.standard_error;
    one["interval"] = {number.low, number.high};
    one["trajectories"] = number.trajectories;
    one["diverged"] = number.diverged;
    one["finished"] = number.finished;
    const auto& reference = number.reference;
    one["reference"] = reference ? nlohmann::json(reference->value) : nlohmann::json();
    one["reference_error"] =
        reference && reference->error ? nlohmann::json(*reference->error) : nlohmann::json();
    one["deviation"] = number.deviation;
    numbers.push_back(std::move(one));
  }
  return {{"files", files},
          {"interval", kIntervals[static_cast<std::size_t>(table.interval)]},
          {"records", table.steps},
          {"source", table.source()},
          {"numbers", numbers}};
}

}  // namespace

void table(const Words& words) {
  using Several = std::vector<std::string>;
  po::options_description options;
  options.add_options()  //
      ("observable", po::value<Several>()->composing()->value_name("NAME,..."),
       "an observable or a derived quantity; may be repeated; default what the config's table.observable "
       "says, else the first of the file")  //
      ("scale", po::value<std::string>()->value_name("S"),
       "of classification errors (test_error and others): value, percent, or accuracy, 100 (1 - error); "
       "default what "
       "table.scale says, else value")                                                                   //
      ("step", po::value<std::string>()->value_name("N"), "the record that is shown; default the last")  //
      ("at", po::value<Several>()->composing()->value_name("KEY=VALUE,..."),
       "only this value of a scan axis, of the label, or of a dimension")  //
      ("interval", po::value<std::string>()->value_name("I"),
       "t95: 95% by Student's t over trajectories (the default); stderr: the standard error; bootstrap: "
       "central 95% "
       "of "
       "means resampled over blocks of trajectories")  //
      ("rows", po::value<Several>()->composing()->value_name("AXIS,..."),
       "scan axes, label, file, observable, further dimensions; default all that vary, or the label alone")  //
      ("columns", po::value<Several>()->composing()->value_name("AXIS,..."),
       "the same; default the observable")                                                           //
      ("decimals", po::value<std::string>()->value_name("N"), "default two digits of the interval")  //
      ("format", po::value<std::string>()->value_name("F"),
       "text (the default), csv (a line per number), latex or markdown")  //
      ("set", po::value<Several>()->composing()->value_name("KEY=VALUE"),
       "a key of the config's section [table], in place of what the file says; may be repeated")        //
      ("resamples", po::value<std::string>()->value_name("N"), "of the bootstrap; default 2000")        //
      ("seed", po::value<std::string>()->value_name("N"), "of the bootstrap; default 1")                //
      ("output,o", po::value<std::string>()->value_name("FILE"), "where the table goes; default here")  //
      ("json", po::bool_switch(), "one JSON object in place of the table");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  TableLayout layout{
      .rows = names(*arguments, "rows"), .columns = names(*arguments, "columns"), .decimals = {}};
  constexpr std::uint64_t kMostDecimals = 15;
  if (arguments->has("decimals"))
    layout.decimals = static_cast<int>(std::min(natural(kUsage, *arguments, "decimals", 0), kMostDecimals));
  const auto format = static_cast<TableFormat>(choice_of(*arguments, "format", kTableFormats));
  const TableRequest request = read_request(*arguments);

  std::vector<NamedDataset> files;
  for (const auto& name : arguments->words)
    files.push_back({std::filesystem::path(name).stem().string(), store::read(name)});
  const Table result = make_table(files, request);
  const std::string text = table_text(result, format, layout);
  for (const auto& note : result.notes) fmt::print(stderr, "note: {}\n", note);
  if (arguments->has("output")) store::replace_file(arguments->get("output"), std::as_bytes(std::span(text)));
  if (arguments->flag("json"))
    print_json(table_json(result, arguments->words));
  else
    fmt::print("{}", arguments->has("output") ? arguments->get("output") + "\n" : text);
}

}  // namespace soret::cli
