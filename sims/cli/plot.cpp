#include <fmt/core.h>

#include <filesystem>

#include "analysis/collapse.hpp"
#include "analysis/curves.hpp"
#include "analysis/figure.hpp"
#include "sims/cli/arguments.hpp"
#include "soret/base/error.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using namespace analysis;

constexpr Usage kUsage{
    .synopsis = "soret plot FILE.h5... -o FIG.{png,svg,pdf} [options]",
    .about =
        "Draws curves with error bands, a row per observable: against the step, against time rescaled by\n"
        "the learning rate, and against time rescaled by the best exponents (see soret collapse), which\n"
        "stand in the title with their 95% intervals.",
    .examples =
        "  soret plot results/quickstart.h5 --observable activation_rate -o activation_rate.png\n"
        "  soret plot a.h5 b.h5 --observable v_norm --x step -o v_norm.pdf",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1000};

/// The best collapse; nullopt, with a note, where the curves cannot be collapsed but raw ones can be drawn.
std::optional<CollapseResult> try_collapse(const Curves& curves, const CollapseOptions& options,
                                           Panels panels) {
  if (panels == Panels::step) return std::nullopt;
  try {
    return analysis::collapse(curves, options);
  } catch (const InputError& error) {
    if (panels == Panels::rescaled) throw;
    fmt::print(stderr, "{} is drawn against the step only: {}\n", curves.observable, error.what());
    return std::nullopt;
  }
}

/// One row per observable and group of a file.
void append_rows(const std::string& name, const Arguments& arguments, const CollapseOptions& options,
                 Panels panels, std::vector<FigureRow>& rows) {
  const store::Dataset file = store::read(name);
  if (!file.find("finished"))
    throw InputError(fmt::format("{}: not the result of `soret run`: it has no variable 'finished'", name));
  auto wanted = arguments.get<std::vector<std::string>>("observable");
  if (wanted.empty()) wanted = curve_observables(file);
  for (const auto& observable : wanted) {
    for (auto& curves : extract_curves(file, observable)) {
      std::string label = arguments.words.size() > 1 ? std::filesystem::path(name).stem().string() : "";
      if (!curves.group.empty()) label.append(label.empty() ? "" : ", ").append(curves.group);
      for (const auto& skipped : curves.skipped)
        fmt::print(stderr, "{}: left out: {}\n", curves.observable, skipped);
      auto result = try_collapse(curves, options, panels);
      rows.push_back({std::move(curves), std::move(result), std::move(label)});
    }
  }
}

}  // namespace

void plot(const Words& words) {
  po::options_description options;
  options.add_options()  //
      ("observable", po::value<std::vector<std::string>>()->composing()->value_name("NAME"),
       "what to draw; may be repeated; default all curves over the step")  //
      ("x", po::value<std::string>()->value_name("step|rescaled"),
       "draw against one of them only; default both, and time rescaled by the learning rate")    //
      ("window", po::value<std::string>()->value_name("A:B"), "as for soret collapse")           //
      ("rescale", po::value<std::string>()->value_name("KEY=EXP,..."), "as for soret collapse")  //
      ("output,o", po::value<std::string>()->value_name("FIG"), "the figure; .png, .svg or .pdf");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (!arguments->has("output")) usage_error(kUsage, "-o FIG.{png,svg,pdf} is missing");

  Panels panels = Panels::all;
  if (arguments->has("x")) {
    require_choice(kUsage, "--x", arguments->get("x"), {"step", "rescaled"});
    panels = arguments->get("x") == "step" ? Panels::step : Panels::rescaled;
  }
  CollapseOptions request;
  if (arguments->has("window")) request.window = parse_window(arguments->get("window"));
  if (arguments->has("rescale")) request.fixed = parse_assignments(arguments->get("rescale"), "--rescale");

  std::vector<FigureRow> rows;
  for (const auto& name : arguments->words) append_rows(name, *arguments, request, panels, rows);
  draw(rows, panels, arguments->get("output"));
  fmt::print("{}\n", arguments->get("output"));
}

}  // namespace soret::cli
