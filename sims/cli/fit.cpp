#include "analysis/fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "analysis/optimum.hpp"
#include "analysis/optimum_figure.hpp"
#include "analysis/over_key.hpp"
#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using namespace analysis;

constexpr Usage kUsage{
    .synopsis = "soret fit FILE.h5 --observable NAME [options]",
    .about =
        "Fits the initial rate of change of an observable at every scan point, and the power law of that\n"
        "rate in the scanned keys, with errors by bootstrap over trajectories. With --optimum KEY it looks\n"
        "for the value of a scanned key at which the observable is best, and for the power law of that "
        "value\n"
        "in the other keys; a best value that may lie beyond the scan is reported as a bound.",
    .examples =
        "  soret fit results/quickstart.h5 --observable activation_rate\n"
        "  soret fit scan.h5 --observable v_norm --window 0:500 --json\n"
        "  soret fit scan.h5 --observable accuracy --optimum batch_size -o optimum.png\n"
        "  soret fit scan.h5 --observable loss --optimum batch_size --step 2000",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1};

void print_law(const PowerLaw& law, std::string_view noun) {
  fmt::print("\n  power law of the {}, over {} points, reduced chi2 {:.3g}\n", noun, law.points,
             law.reduced_chi2);
  for (const auto& exponent : law.exponents)
    fmt::print("    exponent of {} / {:.4g}: {}\n", exponent.key, exponent.reference,
               estimate_text(exponent.value, exponent.standard_error, exponent.low, exponent.high));
  fmt::print("    {} at the reference: {}\n", noun,
             estimate_text(law.amplitude, law.amplitude_error, law.amplitude_low, law.amplitude_high));
}

void print_remarks(const Curves& curves, const std::vector<std::string>& notes) {
  for (const auto& note : notes) fmt::print("  note: {}\n", note);
  for (const auto& skipped : curves.skipped) fmt::print("  left out: {}\n", skipped);
}

void print_fit(const Curves& curves, const RateFit& fit) {
  fmt::print("{}{}{}: initial rate of change, per step\n", curves.observable,
             curves.group.empty() ? "" : ", ", curves.group);
  for (const auto& rate : fit.rates)
    fmt::print("  {}: {}, steps {:.6g} to {:.6g}{}\n", rate.label,
               estimate_text(rate.value, rate.standard_error, rate.low, rate.high), rate.window.begin,
               rate.window.end, rate.significant ? "" : " (not distinguishable from 0)");
  if (fit.law) print_law(*fit.law, "rate");
  print_remarks(curves, fit.notes);
}

std::string spreading_text(const Spreading& s) {
  return estimate_text(s.value, s.standard_error, s.low, s.high);
}

std::string place_text(const Optimum& optimum) {
  switch (optimum.kind) {
    case OptimumKind::value:
      return spreading_text(optimum.place);
    case OptimumKind::lower_bound:
      return fmt::format("at least {:.4g} (a bound)", optimum.place.low);
    case OptimumKind::upper_bound:
      return fmt::format("at most {:.4g} (a bound)", optimum.place.high);
    case OptimumKind::undetermined:
      break;
  }
  return "not determined by this scan";
}

void print_optimum(const Curves& curves, const OptimumFit& fit) {
  fmt::print("{}{}{}: {} of the {} value\n", curves.observable, curves.group.empty() ? "" : ", ",
             curves.group, fit.over, fit.options.lowest ? "lowest" : "highest");
  for (const auto& optimum : fit.optima) {
    fmt::print("  {}{}{}\n", optimum.label, optimum.label.empty() ? "" : ": ", place_text(optimum));
    if (optimum.kind != OptimumKind::value) continue;
    fmt::print("    {:.5g} there; parabola through {} points, {:.6g} to {:.6g}, reduced chi2 {:.3g}\n",
               optimum.best, optimum.points, optimum.window_begin, optimum.window_end, optimum.reduced_chi2);
    if (optimum.critical)
      fmt::print("    critical batch size there: {}\n", spreading_text(*optimum.critical));
  }
  if (fit.law) print_law(*fit.law, fit.over);
  if (fit.critical_law) print_law(*fit.critical_law, "critical batch size there");
  print_remarks(curves, fit.notes);
}

/// tr Sigma and the squared gradient of the same scan points, where the file holds them.
std::optional<GradientNoise> gradient_noise(const store::Dataset& file, std::size_t family,
                                            const std::string& key, std::optional<double> step) {
  constexpr const char *kTrace = "training_gradient_trace", *kSquare = "training_gradient_square";
  if (key != "batch_size" || !file.find(kTrace) || !file.find(kSquare)) return std::nullopt;
  return GradientNoise{over_key(extract_curves(file, kTrace)[family], key, step),
                       over_key(extract_curves(file, kSquare)[family], key, step)};
}

void fit_optima(const Arguments& arguments) {
  const auto& name = arguments.words[0];
  const auto key = arguments.get("optimum");
  OptimumOptions request;
  if (arguments.has("best")) require_choice(kUsage, "--best", arguments.get("best"), {"highest", "lowest"});
  const std::string observable = arguments.get("observable");
  const bool is_cost =
      observable.find("loss") != std::string::npos || observable.find("error") != std::string::npos;
  request.lowest = arguments.has("best") ? arguments.get("best") == "lowest" : is_cost;
  if (arguments.has("share")) {
    const auto share = parse_real(arguments.get("share"));
    if (!share) usage_error(kUsage, fmt::format("--share {}: is no number", arguments.get("share")));
    request.share = *share;
  }
  if (arguments.has("reference"))
    request.reference = parse_assignments(arguments.get("reference"), "--reference");
  request.resamples = natural(kUsage, arguments, "resamples", request.resamples);
  request.seed = natural(kUsage, arguments, "seed", request.seed);
  std::optional<double> step;
  if (arguments.has("step")) step = static_cast<double>(natural(kUsage, arguments, "step", 0));
  const std::filesystem::path output = arguments.get("output");
  if (arguments.has("output")) check_figure_format(output.extension().string());

  const auto file = store::read(name);
  const auto families = extract_curves(file, arguments.get("observable"));
  auto groups = nlohmann::json::array();
  std::vector<Part> parts;
  for (std::size_t i = 0; i < families.size(); ++i) {
    const Curves curves = over_key(families[i], key, step);
    const OptimumFit result = fit_optimum(curves, request, gradient_noise(file, i, key, step));
    groups.push_back(optimum_json(curves, result));
    if (!arguments.flag("json")) print_optimum(curves, result);
    if (arguments.has("output"))
      for (auto& part : optimum_parts(curves, result)) parts.push_back(std::move(part));
  }
  if (arguments.has("output")) draw(parts, output);
  if (!arguments.flag("json")) return;
  nlohmann::json report{{"file", name}, {"groups", groups}};
  if (arguments.has("output")) report["figure"] = output.string();
  print_json(report);
}

void fit_initial_rates(const Arguments& arguments) {
  RateOptions request;
  if (arguments.has("window")) request.window = parse_window(arguments.get("window"));
  if (arguments.has("reference"))
    request.reference = parse_assignments(arguments.get("reference"), "--reference");
  request.resamples = natural(kUsage, arguments, "resamples", request.resamples);
  request.seed = natural(kUsage, arguments, "seed", request.seed);

  auto groups = nlohmann::json::array();
  for (const auto& curves : extract_curves(store::read(arguments.words[0]), arguments.get("observable"))) {
    const RateFit result = fit_rates(curves, request);
    groups.push_back(fit_json(curves, result));
    if (!arguments.flag("json")) print_fit(curves, result);
  }
  if (arguments.flag("json")) print_json({{"file", arguments.words[0]}, {"groups", groups}});
}

}  // namespace

void fit(const Words& words) {
  po::options_description options;
  options.add_options()                                                                               //
      ("observable", po::value<std::string>()->value_name("NAME"), "what to fit (soret info lists)")  //
      ("window", po::value<std::string>()->value_name("A:B"),
       "range of steps of the initial rate, the same for all curves; default up to where each curve has "
       "moved "
       "by the same amount")  //
      ("optimum", po::value<std::string>()->value_name("KEY"),
       "instead of the initial rate, the value of this scanned key at which the observable is best: vertex "
       "of a "
       "parabola in its logarithm")  //
      ("best", po::value<std::string>()->value_name("highest|lowest"),
       "which value is the best; default lowest of a loss or an error, else highest")  //
      ("share", po::value<std::string>()->value_name("S"),
       "the parabola goes through the points that lie within this share of the smaller fall from the best "
       "point to an end of the curve; default 0.5")  //
      ("step", po::value<std::string>()->value_name("N"),
       "the record in which the optimum is sought; default the last")  //
      ("output,o", po::value<std::string>()->value_name("FIG"),
       "draw the optima; .png, .svg or .pdf")  //
      ("reference", po::value<std::string>()->value_name("KEY=VALUE,..."),
       "where the power law states its amplitude; default the median of the key's values")       //
      ("resamples", po::value<std::string>()->value_name("N"), "of the bootstrap; default 400")  //
      ("seed", po::value<std::string>()->value_name("N"), "of the bootstrap; default 1")         //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (!arguments->has("observable")) usage_error(kUsage, "--observable NAME is missing");
  const bool optimum = arguments->has("optimum");
  const auto stray = [&](std::initializer_list<const char*> names, const char* instruction) {
    for (const char* name : names)
      if (arguments->has(name)) usage_error(kUsage, fmt::format("--{} {}", name, instruction));
  };
  if (optimum)
    stray({"window"}, "is for initial rates; with --optimum, --share says which points are fitted");
  else
    stray({"best", "share", "step", "output"}, "needs --optimum KEY");
  if (optimum)
    fit_optima(*arguments);
  else
    fit_initial_rates(*arguments);
}

}  // namespace soret::cli
