#include <fmt/format.h>

#include <cmath>

#include "analysis/correlation_figure.hpp"
#include "analysis/rank_correlation.hpp"
#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using namespace analysis;

constexpr Usage kUsage{
    .synopsis = "soret correlate FILE.h5 QUANTITY QUANTITY... [options]",
    .about =
        "Which quantities go together over the points of a scan: rank correlations of every two, with\n"
        "intervals. A quantity is an observable, at its last record, or a formula of keys.",
    .examples =
        "  soret correlate scan.h5 \"learning_rate/batch_size\" lambda_max test_error\n"
        "  soret correlate scan.h5 lambda_max hessian_trace test_error --step 20 -o correlations.png",
    .word = "FILE.h5 QUANTITY...",
    .fewest = 3,
    .most = 1000};

std::string spread_text(const Spread& s) {
  return std::isfinite(s.low) ? fmt::format("{:+.2f} to {:+.2f}", s.low, s.high) : "none";
}

void print_coefficients(const RankCorrelations& all) {
  std::size_t width = 0;
  for (const auto& q : all.quantities) width = std::max(width, q.name.size());
  fmt::print("rank correlations over {} scan points (95% intervals over trajectories; over points)\n",
             all.quantities[0].mean.size());
  for (const auto& pair : all.pairs) {
    fmt::print("  {:<{}}  {:<{}}  Spearman {:+.2f} ({}; {})  Kendall {:+.2f} ({}; {})\n",
               all.quantities[pair.a].name, width, all.quantities[pair.b].name, width, pair.spearman.value,
               spread_text(pair.spearman.over_trajectories), spread_text(pair.spearman.over_points),
               pair.kendall.value, spread_text(pair.kendall.over_trajectories),
               spread_text(pair.kendall.over_points));
    if (all.axes.size() < 2) continue;
    std::string within;
    for (std::size_t a = 0; a < all.axes.size(); ++a)
      within += fmt::format("  {} {:+.2f}", all.axes[a], pair.kendall_within[a]);
    fmt::print("  {:<{}}  Kendall where one setting alone differs:{}\n", "", 2 * width + 2, within);
  }
  for (const auto& note : all.notes) fmt::print("  note: {}\n", note);
}

}  // namespace

void correlate(const Words& words) {
  po::options_description options;
  options.add_options()                                                                              //
      ("step", po::value<std::string>()->value_name("N"), "record; default each observable's last")  //
      ("resamples", po::value<std::string>()->value_name("N"), "of each bootstrap; default 1000")    //
      ("seed", po::value<std::string>()->value_name("N"), "of the bootstraps; default 1")            //
      ("output,o", po::value<std::string>()->value_name("FIG"),
       "a figure of every quantity over every other (.png, .svg, .pdf)")  //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (arguments->has("output"))
    check_figure_format(std::filesystem::path(arguments->get("output")).extension());

  CorrelationRequest request;
  request.quantities.assign(arguments->words.begin() + 1, arguments->words.end());
  if (arguments->has("step"))
    request.step = static_cast<std::int64_t>(natural(kUsage, *arguments, "step", 0));
  request.resamples = natural(kUsage, *arguments, "resamples", request.resamples);
  request.seed = natural(kUsage, *arguments, "seed", request.seed);
  const auto all = rank_correlations(store::read(arguments->words[0]), request);
  if (arguments->has("output")) {
    const Part part = correlation_part(all);
    draw({&part, 1}, arguments->get("output"));
  }
  if (arguments->flag("json")) {
    auto out = correlations_json(all);
    out["file"] = arguments->words[0];
    return print_json(out);
  }
  print_coefficients(all);
}

}  // namespace soret::cli
