#include "analysis/collapse.hpp"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <variant>

#include "analysis/over_key.hpp"
#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "soret/base/error.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using namespace analysis;

constexpr Usage kUsage{
    .synopsis = "soret collapse FILE.h5 --observable NAME [options]",
    .about =
        "Finds the exponents a in t' = t * product of (key / reference)^a that bring the curves of a scan\n"
        "onto one another (Houdayer-Hartmann quality), with errors by bootstrap over trajectories. The\n"
        "exponents depend on the window of t': a ladder of windows is reported too. With --over KEY the\n"
        "curves run over a scanned key instead of the step: over batch_size, eta N/|B| predicts -1 for\n"
        "learning_rate and training_samples.",
    .examples =
        "  soret collapse results/quickstart.h5 --observable activation_rate\n"
        "  soret collapse scan.h5 --observable v_norm --window 10:5000 --json\n"
        "  soret collapse scan.h5 --observable v_norm --rescale learning_rate=2,batch_size=auto\n"
        "  soret collapse scan.h5 --observable v_norm -o collapsed.h5\n"
        "  soret collapse scan.h5 --observable accuracy --over batch_size",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1};

std::string exponent_text(const Exponent& exponent) {
  if (!exponent.fitted) return fmt::format("{:.4g} (given)", exponent.value);
  return estimate_text(exponent.value, exponent.standard_error, exponent.low, exponent.high);
}

std::string quality_text(const Quality& quality) {
  return fmt::format("quality S = {:.3g}, spread {:.3g}% of the range", quality.reduced_chi2,
                     quality.spread_percent());
}

std::string window_text(const Curves& curves, const WindowFit& fit) {
  return fmt::format("{}' from {:.6g} to {:.6g}{}", curves.over.empty() ? "t" : curves.over, fit.window.begin,
                     fit.window.end,
                     std::isfinite(fit.noise_time)
                         ? fmt::format(" (eta^2 t/|B| up to {:.3g})", fit.noise_time)
                         : std::string());
}

void print_notes(const std::vector<std::string>& notes, std::string_view indent) {
  for (const auto& note : notes) fmt::print("{}note: {}\n", indent, note);
}

void print_result(const Curves& curves, const CollapseResult& result) {
  fmt::print("{}{}{}: {} curves\n", curves.observable, curves.group.empty() ? "" : ", ", curves.group,
             curves.curves.size());
  fmt::print("  {}\n", window_text(curves, result.best));
  for (const auto& exponent : result.best.exponents)
    fmt::print("  exponent of {} / {:.4g}: {}\n", exponent.key, exponent.reference, exponent_text(exponent));
  fmt::print("  {}\n", quality_text(result.best.quality));
  print_notes(result.best.notes, "  ");

  fmt::print("\n  other rescalings in this window\n");
  for (const auto& hypothesis : result.hypotheses)
    fmt::print("    {:<12}{}\n", hypothesis.name, quality_text(hypothesis.quality));
  if (result.noise_scale) fmt::print("    {:<12}{}\n", "1/g", quality_text(*result.noise_scale));
  fmt::print("\n  other windows\n");
  for (const auto& rung : result.ladder) {
    fmt::print("    {}\n", window_text(curves, rung));
    for (const auto& exponent : rung.exponents)
      fmt::print("      {}: {}\n", exponent.key, exponent_text(exponent));
    print_notes(rung.notes, "      ");
  }
  for (const auto& skipped : curves.skipped) fmt::print("  left out: {}\n", skipped);
}

}  // namespace

namespace {

/// A collapse may replace an earlier collapse, nothing else.
void check_output(const std::filesystem::path& output) {
  if (!std::filesystem::exists(output)) return;
  if (!std::filesystem::is_directory(output) && store::is_hdf5(output)) {
    const auto attributes = store::read_attributes(output);
    const auto title = attributes.find("title");
    if (title != attributes.end() && std::holds_alternative<std::string>(title->second) &&
        std::get<std::string>(title->second).starts_with(kCollapseTitle))
      return;
  }
  throw ConfigError(
      fmt::format("output {} exists and is not a collapse; choose another output", output.string()));
}

}  // namespace

void collapse(const Words& words) {
  po::options_description options;
  options.add_options()                                                                                    //
      ("observable", po::value<std::string>()->value_name("NAME"), "what to collapse (soret info lists)")  //
      ("window", po::value<std::string>()->value_name("A:B"),
       "range of t' that counts, either end may be left out; default all that the curves share")  //
      ("over", po::value<std::string>()->value_name("KEY"),
       "a scanned key over which the curves run instead of the step")  //
      ("step", po::value<std::string>()->value_name("N"),
       "with --over, the record that counts; default the last")  //
      ("rescale", po::value<std::string>()->value_name("KEY=EXP,..."),
       "give exponents, the others are fitted; default auto: all are fitted")  //
      ("reference", po::value<std::string>()->value_name("KEY=VALUE,..."),
       "where t' = t; default the median of the key's values")                                   //
      ("resamples", po::value<std::string>()->value_name("N"), "of the bootstrap; default 400")  //
      ("seed", po::value<std::string>()->value_name("N"), "of the bootstrap; default 1")         //
      ("output,o", po::value<std::string>()->value_name("OUT.h5"),
       "write raw and rescaled curves, master curves and residuals")  //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (!arguments->has("observable")) usage_error(kUsage, "--observable NAME is missing");

  if (arguments->has("output")) check_output(arguments->get("output"));

  CollapseOptions request;
  if (arguments->has("window")) request.window = parse_window(arguments->get("window"));
  if (arguments->has("rescale")) request.fixed = parse_assignments(arguments->get("rescale"), "--rescale");
  if (arguments->has("reference"))
    request.reference = parse_assignments(arguments->get("reference"), "--reference");
  request.resamples = natural(kUsage, *arguments, "resamples", request.resamples);
  request.seed = natural(kUsage, *arguments, "seed", request.seed);

  if (arguments->has("step") && !arguments->has("over")) usage_error(kUsage, "--step needs --over KEY");
  std::optional<double> step;
  if (arguments->has("step")) step = static_cast<double>(natural(kUsage, *arguments, "step", 0));

  auto families = extract_curves(store::read(arguments->words[0]), arguments->get("observable"));
  if (arguments->has("over"))
    for (auto& family : families) family = over_key(family, arguments->get("over"), step);
  std::vector<CollapseResult> results;
  for (const auto& family : families) results.push_back(analysis::collapse(family, request));

  if (arguments->flag("json")) {
    auto groups = nlohmann::json::array();
    for (std::size_t i = 0; i < families.size(); ++i)
      groups.push_back(collapse_json(families[i], results[i]));
    print_json({{"file", arguments->words[0]}, {"groups", groups}});
  } else {
    for (std::size_t i = 0; i < families.size(); ++i) print_result(families[i], results[i]);
  }
  if (arguments->has("output")) store::write(collapse_dataset(families, results), arguments->get("output"));
}

}  // namespace soret::cli
