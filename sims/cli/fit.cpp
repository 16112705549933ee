#include "analysis/fit.hpp"

#include <fmt/format.h>

#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using namespace analysis;

constexpr Usage kUsage{
    .synopsis = "soret fit FILE.h5 --observable NAME [options]",
    .about =
        "Fits the initial rate of change of an observable at every scan point, and the power law of that\n"
        "rate in the scanned keys, with errors by bootstrap over trajectories.",
    .examples =
        "  soret fit results/quickstart.h5 --observable activation_rate\n"
        "  soret fit scan.h5 --observable v_norm --window 0:500 --json",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1};

void print_fit(const Curves& curves, const RateFit& fit) {
  fmt::print("{}{}{}: initial rate of change, per step\n", curves.observable,
             curves.group.empty() ? "" : ", ", curves.group);
  for (const auto& rate : fit.rates)
    fmt::print("  {}: {}, steps {:.6g} to {:.6g}{}\n", rate.label,
               estimate_text(rate.value, rate.standard_error, rate.low, rate.high), rate.window.begin,
               rate.window.end, rate.significant ? "" : " (not distinguishable from 0)");
  if (fit.law) {
    fmt::print("\n  power law of the rate, over {} points, reduced chi2 {:.3g}\n", fit.law->points,
               fit.law->reduced_chi2);
    for (const auto& exponent : fit.law->exponents)
      fmt::print("    exponent of {} / {:.4g}: {}\n", exponent.key, exponent.reference,
                 estimate_text(exponent.value, exponent.standard_error, exponent.low, exponent.high));
    fmt::print("    rate at the reference: {}\n",
               estimate_text(fit.law->amplitude, fit.law->amplitude_error, fit.law->amplitude_low,
                             fit.law->amplitude_high));
  }
  for (const auto& note : fit.notes) fmt::print("  note: {}\n", note);
  for (const auto& skipped : curves.skipped) fmt::print("  left out: {}\n", skipped);
}

}  // namespace

void fit(const Words& words) {
  po::options_description options;
  options.add_options()                                                                               //
      ("observable", po::value<std::string>()->value_name("NAME"), "what to fit (soret info lists)")  //
      ("window", po::value<std::string>()->value_name("A:B"),
       "range of steps, the same for all curves; default up to where each curve has moved by the same "
       "amount")  //
      ("reference", po::value<std::string>()->value_name("KEY=VALUE,..."),
       "where the power law states its amplitude; default the median of the key's values")       //
      ("resamples", po::value<std::string>()->value_name("N"), "of the bootstrap; default 400")  //
      ("seed", po::value<std::string>()->value_name("N"), "of the bootstrap; default 1")         //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (!arguments->has("observable")) usage_error(kUsage, "--observable NAME is missing");

  RateOptions request;
  if (arguments->has("window")) request.window = parse_window(arguments->get("window"));
  if (arguments->has("reference"))
    request.reference = parse_assignments(arguments->get("reference"), "--reference");
  request.resamples = natural(kUsage, *arguments, "resamples", request.resamples);
  request.seed = natural(kUsage, *arguments, "seed", request.seed);

  auto groups = nlohmann::json::array();
  for (const auto& curves : extract_curves(store::read(arguments->words[0]), arguments->get("observable"))) {
    const RateFit result = fit_rates(curves, request);
    groups.push_back(fit_json(curves, result));
    if (!arguments->flag("json")) print_fit(curves, result);
  }
  if (arguments->flag("json")) print_json({{"file", arguments->words[0]}, {"groups", groups}});
}

}  // namespace soret::cli
