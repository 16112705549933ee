#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "analysis/collapse.hpp"
#include "analysis/collapse_figure.hpp"
#include "analysis/comparison.hpp"
#include "analysis/comparison_figure.hpp"
#include "analysis/curves.hpp"
#include "analysis/over_key.hpp"
#include "analysis/scan_axes.hpp"
#include "sims/cli/arguments.hpp"
#include "sims/cli/output.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/store/result_file.hpp"

namespace soret::cli {
namespace {

using namespace analysis;

constexpr Usage kUsage{
    .synopsis = "soret plot FILE.h5... -o FIG.{png,svg,pdf} [options]",
    .about =
        "Draws what was measured beside what is predicted: points with error bars, a line per law with its\n"
        "chi-square per degree of freedom, residuals in standard errors below. A quantity is drawn over its\n"
        "own further dimension (position, basin: a panel per scan point), or over the step, or over a scan\n"
        "axis; two dimensions, or two scan axes (--x, --y), make a map. Curves over the step that no law "
        "predicts are drawn against the\n"
        "step, against time rescaled by the learning rate, and against time rescaled by the best exponents\n"
        "(see soret collapse), which stand in the title with their 95% intervals. Several files are drawn\n"
        "over one another where they share quantity and axis.",
    .examples =
        "  soret plot results/conventions_reflecting.h5 -o conventions.png\n"
        "  soret plot results/relaxation.h5 --observable flux --step 150,600,3000 -o flux.png\n"
        "  soret plot results/langevin_escape.h5 --x 1/temperature --log y -o escape.pdf\n"
        "  soret plot results/noise_scale.h5 --observable covariance_trace \\\n"
        "      --x data.training_samples/sgd.batch_size --at learning_rate=0.05 -o covariance.png\n"
        "  soret plot scan.h5 --observable accuracy --over batch_size -o collapse.png\n"
        "  soret plot a.h5 b.h5 --observable v_norm --x step -o v_norm.pdf\n"
        "  soret plot line.h5 --observable train_loss --right train_accuracy -o line.png\n"
        "  soret plot plane.h5 --observable test_loss --surface -o plane.png",
    .word = "FILE.h5",
    .fewest = 1,
    .most = 1000};

struct Request {
  std::vector<std::string> quantities;  ///< empty: first_quantities()
  std::vector<std::string> right;       ///< drawn in the panels of the others, with an axis at the right
  bool surface = false;
  ComparisonRequest comparison;  ///< without a quantity
  LogScales scales;
  CollapseOptions collapse;
  std::string over;  ///< the key over which collapsed curves run; empty for the step

  /// Panels of the collapse, which knows nothing of the other options.
  bool allows_collapse() const {
    return comparison.chosen.empty() && comparison.steps.empty() && comparison.y.empty() && !scales.x &&
           !scales.y && !surface;
  }
};

/// A file and how the figure calls it.
struct NamedFile {
  std::string name;
  store::Dataset data;
};

struct Drawing {
  std::vector<Part> parts;
  nlohmann::json report = nlohmann::json::array();
};

std::map<std::string, std::string> parse_choices(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> choices;
  for (const auto& text : texts)
    for (const auto& word : split_words(text, ",")) {
      const auto equals = word.find('=');
      const std::string key(trim(word.substr(0, equals)));
      if (equals == std::string::npos || key.empty())
        usage_error(kUsage,
                    fmt::format("--at {}: write KEY=VALUE, for example --at learning_rate=0.05", word));
      choices[key] = trim(word.substr(equals + 1));
    }
  return choices;
}

std::vector<std::int64_t> parse_steps(const std::string& text) {
  std::vector<std::int64_t> steps;
  for (const auto& word : split_words(text)) {
    const auto step = parse_integer(word);
    if (!step)
      usage_error(kUsage,
                  fmt::format("--step {}: '{}' is no step; write --step 100 or --step 100,500", text, word));
    if (std::ranges::find(steps, *step) == steps.end()) steps.push_back(*step);
  }
  return steps;
}

LogScales parse_scales(const std::string& text) {
  LogScales scales{.x = false, .y = false};
  for (const auto& word : split_words(text)) {
    require_choice(kUsage, "--log", word, {"x", "y", "none"});
    if (word == "x") scales.x = true;
    if (word == "y") scales.y = true;
  }
  return scales;
}

Request read_request(const Arguments& arguments) {
  Request request;
  request.quantities = arguments.get<std::vector<std::string>>("observable");
  request.right = arguments.get<std::vector<std::string>>("right");
  request.surface = arguments.flag("surface");
  if (!request.right.empty() && request.quantities.empty())
    usage_error(kUsage, "--right draws beside others: name these with --observable");
  if (!request.right.empty() && request.surface) usage_error(kUsage, "--right draws lines, --surface a map");
  request.comparison.x = arguments.get("x");
  request.comparison.y = arguments.get("y");
  if (!request.comparison.y.empty() && request.comparison.x.empty())
    usage_error(kUsage, "--y is the second axis of a map: name the first with --x");
  request.comparison.chosen = parse_choices(arguments.get<std::vector<std::string>>("at"));
  request.comparison.steps = parse_steps(arguments.get("step"));
  if (arguments.has("log")) request.scales = parse_scales(arguments.get("log"));
  if (arguments.has("window")) request.collapse.window = parse_window(arguments.get("window"));
  request.over = arguments.get("over");
  if (!request.over.empty() && (!request.comparison.x.empty() || !request.comparison.chosen.empty() ||
                                request.comparison.steps.size() > 1 || arguments.has("log")))
    usage_error(
        kUsage,
        "--over draws raw and collapsed curves; it goes with one --step, --window and --rescale only");
  if (!request.over.empty() && (request.surface || !request.right.empty()))
    usage_error(kUsage, "--over draws raw and collapsed curves, which have no --surface and no --right axis");
  if (arguments.has("rescale"))
    request.collapse.fixed = parse_assignments(arguments.get("rescale"), "--rescale");
  return request;
}

void note(const std::string& quantity, const std::vector<std::string>& notes) {
  for (const auto& text : notes) fmt::print(stderr, "{}: {}\n", quantity, text);
}

// ---- Curves over the step, collapsed ----

/// Whether a quantity is drawn as curves over the step in raw and rescaled time.
bool is_collapse(const NamedFile& file, const std::string& quantity, const Request& request) {
  if (request.comparison.x == "rescaled" || !request.over.empty()) return true;
  if (!request.allows_collapse() || (!request.comparison.x.empty() && request.comparison.x != "step"))
    return false;
  if (label_axis(file.data)) return false;  // methods rather than settings
  const auto curves = curve_observables(file.data);
  if (std::ranges::find(curves, quantity) == curves.end() || !predictions_of(file.data, quantity).empty())
    return false;
  // Where no family has two curves there is nothing to collapse: they are drawn together.
  const auto families = extract_curves(file.data, quantity);
  return families.size() == 1 ||
         std::ranges::any_of(families, [](const Curves& family) { return family.curves.size() > 1; });
}

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

/// A row per group.
void draw_collapse(const NamedFile& file, const std::string& quantity, bool label_file,
                   const Request& request, Drawing& drawing) {
  const auto& x = request.comparison.x;
  const Panels panels = x.empty() ? Panels::all : x == "step" ? Panels::step : Panels::rescaled;
  for (auto& curves : extract_curves(file.data, quantity)) {
    std::optional<double> step;
    if (!request.comparison.steps.empty()) step = static_cast<double>(request.comparison.steps.front());
    if (!request.over.empty()) curves = over_key(curves, request.over, step);
    std::string label = label_file ? file.name : "";
    if (!curves.group.empty()) label.append(label.empty() ? "" : ", ").append(curves.group);
    for (const auto& skipped : curves.skipped) note(quantity, {"left out: " + skipped});
    const auto result = try_collapse(curves, request.collapse, panels);
    nlohmann::json one{{"quantity", quantity},
                       {"over", !request.over.empty()        ? request.over
                                : panels == Panels::rescaled ? "rescaled step"
                                                             : "step"}};
    if (!label.empty()) one["label"] = label;
    one["curves"] = curves.curves.size();
    if (result) one["exponents"] = exponents_json(result->best.exponents);
    drawing.report.push_back(std::move(one));
    drawing.parts.push_back(collapse_part({std::move(curves), result, std::move(label)}, panels));
  }
}

// ---- Measured beside predicted ----

void draw_comparisons(std::span<const NamedFile> files, const std::string& quantity, const Request& request,
                      Drawing& drawing) {
  ComparisonRequest wanted = request.comparison;
  wanted.quantity = quantity;
  std::vector<std::vector<Comparison>> together;
  std::vector<std::vector<std::string>> names;
  for (const auto& file : files) {
    auto comparison = compare(file.data, wanted);
    const auto fits = std::ranges::find_if(
        together, [&](const auto& group) { return overlayable(group.front(), comparison); });
    const auto group = static_cast<std::size_t>(fits - together.begin());
    if (fits == together.end()) {
      together.emplace_back();
      names.emplace_back();
    }
    together[group].push_back(std::move(comparison));
    names[group].push_back(file.name);
  }
  for (std::size_t group = 0; group < together.size(); ++group) {
    const Comparison shown = files.size() == 1 ? together[group][0] : overlay(together[group], names[group]);
    note(quantity, shown.notes);
    drawing.parts.push_back(request.surface ? surface_part(shown, request.scales)
                                            : comparison_part(shown, request.scales));
    drawing.report.push_back(comparison_json(shown));
  }
}

// ---- Two axes ----

/// What of a file is drawn left and right in the same panels: what is asked for, else what the file says, and
/// that only as lines.
struct Twins {
  std::vector<std::string> left, right;
};
Twins twins_of(const NamedFile& file, const Request& request) {
  if (!request.right.empty()) return {request.quantities, request.right};
  Twins twins;
  if (!request.quantities.empty() || request.surface || !request.comparison.y.empty()) return twins;
  for (auto& [left, right] : companions(file.data)) {
    ComparisonRequest wanted = request.comparison;
    wanted.quantity = left;
    if (compare(file.data, wanted).kind != ComparisonKind::lines) return {};
    twins.left.push_back(left);
    twins.right.push_back(right);
  }
  return twins;
}

void draw_twins(const NamedFile& file, const Twins& twins, const Request& request, Drawing& drawing) {
  const auto compared = [&](const std::vector<std::string>& quantities) {
    std::vector<Comparison> all;
    for (const auto& quantity : quantities) {
      ComparisonRequest wanted = request.comparison;
      wanted.quantity = quantity;
      all.push_back(compare(file.data, wanted));
      note(quantity, all.back().notes);
      drawing.report.push_back(comparison_json(all.back()));
    }
    return all;
  };
  const auto left = compared(twins.left);
  const auto right = compared(twins.right);
  drawing.parts.push_back(twin_part(left, right, request.scales));
}

// ---- All ----

std::vector<NamedFile> read_files(const std::vector<std::string>& names) {
  std::vector<NamedFile> files;
  for (const auto& name : names) {
    files.push_back({std::filesystem::path(name).stem().string(), store::read(name)});
    if (!files.back().data.find("finished"))
      throw InputError(fmt::format("{}: not the result of `soret run`: it has no variable 'finished'", name));
  }
  return files;
}

/// Of all files, in the order of their first appearance.
std::vector<std::string> wanted_quantities(const std::vector<NamedFile>& files, const Request& request) {
  if (!request.quantities.empty()) return request.quantities;
  std::vector<std::string> wanted;
  for (const auto& file : files) {
    auto candidates = first_quantities(file.data);
    if (request.comparison.x == "rescaled") candidates = curve_observables(file.data);
    for (auto& quantity : candidates)
      if (std::ranges::find(wanted, quantity) == wanted.end()) wanted.push_back(std::move(quantity));
  }
  return wanted;
}

/// Those that hold a quantity; all if none does, so that the first one says what there is.
std::vector<NamedFile> holders(const std::vector<NamedFile>& files, const std::string& quantity) {
  std::vector<NamedFile> some;
  for (const auto& file : files)
    if (file.data.find(quantity)) some.push_back(file);
  return some.empty() ? files : some;
}

}  // namespace

void plot(const Words& words) {
  po::options_description options;
  options.add_options()  //
      ("observable", po::value<std::vector<std::string>>()->composing()->value_name("NAME"),
       "what to draw, an observable or a derived quantity; may be repeated; default what is predicted, else "
       "all curves over the step")  //
      ("x", po::value<std::string>()->value_name("X"),
       "draw over this: step, rescaled (see soret collapse), a dimension of the quantity, a scan axis, or a "
       "formula of axes, numbers of the config and quantities, as 1/temperature, or another quantity that is "
       "recorded at the same steps, as wall_seconds")  //
      ("y", po::value<std::string>()->value_name("AXIS"),
       "a second numeric scan axis: with --x it makes a map")  //
      ("right", po::value<std::vector<std::string>>()->composing()->value_name("NAME"),
       "drawn in the panels of the others, with an axis at the right; may be repeated")   //
      ("surface", po::bool_switch(), "maps as surfaces; --log y: on a logarithmic axis")  //
      ("step", po::value<std::string>()->value_name("N,..."),
       "the records that are drawn over anything but the step; default the last")  //
      ("at", po::value<std::vector<std::string>>()->composing()->value_name("KEY=VALUE,..."),
       "only this value of a scan axis or of a dimension")  //
      ("over", po::value<std::string>()->value_name("KEY"),
       "collapse the observable's curves over this scanned key, as soret collapse --over")  //
      ("log", po::value<std::string>()->value_name("x,y|none"),
       "the logarithmic axes; zeros are left out; default by the span of the numbers")             //
      ("window", po::value<std::string>()->value_name("A:B"), "as for soret collapse")             //
      ("rescale", po::value<std::string>()->value_name("KEY=EXP,..."), "as for soret collapse")    //
      ("output,o", po::value<std::string>()->value_name("FIG"), "the figure; .png, .svg or .pdf")  //
      ("json", po::bool_switch(), "report what was drawn, with chi-squares, as one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  if (!arguments->has("output")) usage_error(kUsage, "-o FIG.{png,svg,pdf} is missing");
  const std::filesystem::path output = arguments->get("output");
  check_figure_format(output.extension().string());

  const Request request = read_request(*arguments);
  const auto files = read_files(arguments->words);
  Drawing drawing;
  std::vector<NamedFile> rest;
  for (const auto& file : files) {
    const Twins twins = twins_of(file, request);
    if (twins.right.empty())
      rest.push_back(file);
    else
      draw_twins(file, twins, request, drawing);
  }
  for (const auto& quantity : rest.empty() ? std::vector<std::string>() : wanted_quantities(rest, request)) {
    const auto with = holders(rest, quantity);
    // Collapses of several files are fits of their own, below one another.
    if (is_collapse(with[0], quantity, request) &&
        (with.size() == 1 || request.comparison.x == "rescaled" || !request.over.empty()))
      for (const auto& file : with) draw_collapse(file, quantity, rest.size() > 1, request, drawing);
    else
      draw_comparisons(with, quantity, request, drawing);
  }
  draw(drawing.parts, output);
  if (arguments->flag("json"))
    print_json({{"figure", output.string()}, {"files", arguments->words}, {"parts", drawing.report}});
  else
    fmt::print("{}\n", output.string());
}

}  // namespace soret::cli
