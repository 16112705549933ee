#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "analysis/collapse.hpp"
#include "soret/base/error.hpp"

namespace soret::analysis {
namespace {

using nlohmann::json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kMasterPoints = 200;

json quality_json(const Quality& quality) {
  return {{"quality", finite_json(quality.reduced_chi2)},
          {"points", quality.compared},
          {"points_in_window", quality.in_window},
          {"spread_percent", finite_json(quality.spread_percent())}};
}

json window_fit_json(const WindowFit& fit) {
  json report = quality_json(fit.quality);
  report["window"] = {
      {"begin", fit.window.begin}, {"end", fit.window.end}, {"eta2_t_over_b", finite_json(fit.noise_time)}};
  report["exponents"] = exponents_json(fit.exponents);
  report["collapses"] = fit.collapses;
  report["notes"] = fit.notes;
  return report;
}

/// One family, ready to be tabulated under every rescaling.
struct View {
  const Curves* family;
  const CollapseResult* result;
  std::vector<Hypothesis> rescalings;       ///< the stated ones, then the best
  std::vector<std::vector<double>> scales;  ///< [rescaling][curve]
  std::vector<Series> series;               ///< [curve]

  View(const Curves& curves, const CollapseResult& collapse)
      : family(&curves), result(&collapse), rescalings(collapse.hypotheses), series(curve_series(curves)) {
    Hypothesis best{"best", {}, collapse.best.quality};
    for (const auto& exponent : collapse.best.exponents) best.exponents.push_back(exponent.value);
    rescalings.push_back(std::move(best));
    for (const auto& rescaling : rescalings)
      scales.push_back(time_scales(curves, collapse, rescaling.exponents));
  }

  double grid_time(std::size_t point) const {
    const Window window = result->best.window;
    return window.begin + (window.end - window.begin) * static_cast<double>(point) / (kMasterPoints - 1);
  }
  /// The master curve of all curves but `without` (none: series.size()); NaN where there is none.
  Estimate master(std::size_t rescaling, double time, std::size_t without) const {
    return master_curve(series, scales[rescaling], time, without, kMasterDegree, abscissa_of(*family))
        .value_or(Estimate{kNaN, kNaN});
  }
};

store::Attributes described(const std::string& units, const std::string& long_name) {
  return {{"units", units}, {"long_name", long_name}};
}

}  // namespace

json finite_json(double value) {
  return std::isfinite(value) ? json(value) : json(nullptr);
}

json exponents_json(const std::vector<Exponent>& exponents) {
  json all = json::object();
  for (const auto& exponent : exponents) {
    json one = {{"exponent", finite_json(exponent.value)},
                {"fitted", exponent.fitted},
                {"bound", exponent.bound},
                {"reference", exponent.reference}};
    if (exponent.fitted) {
      one["standard_error"] = finite_json(exponent.standard_error);
      one["interval_95"] = {finite_json(exponent.low), finite_json(exponent.high)};
    }
    all[exponent.key] = std::move(one);
  }
  return all;
}

json collapse_json(const Curves& curves, const CollapseResult& result) {
  json report = window_fit_json(result.best);
  report["observable"] = curves.observable;
  report["unit"] = curves.unit;
  report["group"] = curves.group;
  if (curves.over.empty()) {
    report["rescaled_time"] = "t' = t * product of (key / reference)^exponent";
  } else {
    report["over"] = curves.over;
    report["rescaled_key"] = fmt::format("{0}' = {0} * product of (key / reference)^exponent", curves.over);
    report["noise_scale"] = result.noise_scale ? quality_json(*result.noise_scale) : json(nullptr);
  }
  report["curves"] = json::array();
  for (const auto& curve : curves.curves)
    report["curves"].push_back({{"label", curve.label}, {"diverged", curve.diverged}});
  report["hypotheses"] = json::array();
  for (const auto& hypothesis : result.hypotheses) {
    json one = quality_json(hypothesis.quality);
    one["name"] = hypothesis.name;
    for (std::size_t k = 0; k < result.keys.size(); ++k)
      one["exponents"][result.keys[k]] = hypothesis.exponents[k];
    report["hypotheses"].push_back(std::move(one));
  }
  report["ladder"] = json::array();
  for (const auto& rung : result.ladder) report["ladder"].push_back(window_fit_json(rung));
  report["bootstrap"] = {{"resamples", result.options.resamples},
                         {"used", result.samples.size()},
                         {"seed", result.options.seed},
                         {"over", "blocks of trajectories, the same at all scan points"}};
  report["skipped"] = curves.skipped;
  return report;
}

store::Dataset collapse_dataset(std::span<const Curves> families, std::span<const CollapseResult> results) {
  if (families.empty() || families.size() != results.size())
    throw InputError("a collapse dataset needs as many results as families of curves, and at least one");
  const Curves& first = families.front();
  std::vector<View> views;
  std::size_t curve_count = 0;
  for (std::size_t f = 0; f < families.size(); ++f) {
    if (families[f].observable != first.observable || families[f].steps != first.steps ||
        families[f].keys != first.keys)
      throw InputError("a collapse dataset holds families of one observable with the same keys and steps");
    views.emplace_back(families[f], results[f]);
    curve_count += families[f].curves.size();
  }
  const std::size_t steps = first.steps.size(), keys = first.keys.size();
  const std::size_t rescalings = views.front().rescalings.size();

  // Tables in the order of their dimensions; curves of all groups stand one after the other.
  const auto over_curves = [&](auto value) {
    std::vector<double> table;
    for (const auto& view : views)
      for (const auto& curve : view.family->curves) table.push_back(value(curve));
    return table;
  };
  const auto over_steps = [&](auto member) {
    std::vector<double> table;
    for (const auto& view : views)
      for (const auto& curve : view.family->curves)
        table.insert(table.end(), (curve.*member).begin(), (curve.*member).end());
    return table;
  };
  const auto over_rescaled = [&](auto value) {  // (rescaling, curve, step)
    std::vector<double> table;
    for (std::size_t r = 0; r < rescalings; ++r)
      for (const auto& view : views)
        for (std::size_t c = 0; c < view.series.size(); ++c)
          for (std::size_t t = 0; t < steps; ++t)
            table.push_back(value(view, r, c, t, first.steps[t] * view.scales[r][c]));
    return table;
  };
  const auto over_groups = [&](std::size_t count, auto value) {  // (group, ...)
    std::vector<double> table;
    for (const auto& view : views)
      for (std::size_t i = 0; i < count; ++i) table.push_back(value(view, i));
    return table;
  };
  const auto over_master = [&](auto member) {  // (group, rescaling, grid)
    return over_groups(rescalings * kMasterPoints, [&](const View& view, std::size_t i) {
      return view.master(i / kMasterPoints, view.grid_time(i % kMasterPoints), view.series.size()).*member;
    });
  };
  const auto over_keys = [&](auto member) {  // (group, key)
    return over_groups(
        keys, [&](const View& view, std::size_t k) { return view.result->best.exponents[k].*member; });
  };

  const std::string &name = first.observable, &unit = first.unit, &long_name = first.long_name;
  store::Dataset out;
  out.attributes = first.source;
  out.attributes["title"] = fmt::format("{}{}", kCollapseTitle, name);
  out.attributes["analysis"] = "collapse";
  out.attributes["observable"] = name;
  out.attributes["bootstrap_resamples"] = static_cast<std::int64_t>(results.front().options.resamples);
  out.attributes["bootstrap_seed"] = static_cast<std::int64_t>(results.front().options.seed);
  out.dimensions = {{"group", families.size()}, {"rescaling", rescalings}, {"key", keys},
                    {"curve", curve_count},     {"step", steps},           {"grid", kMasterPoints}};
  const auto add = [&](std::string variable, std::vector<std::string> dimensions, auto data,
                       store::Attributes about) {
    out.variables.push_back({std::move(variable), std::move(dimensions), std::move(data), std::move(about)});
  };

  std::vector<std::string> groups, rescaling_names, labels;
  std::vector<std::int64_t> group_of_curve;
  for (const auto& rescaling : views.front().rescalings) rescaling_names.push_back(rescaling.name);
  for (const auto& family : families) {
    for (const auto& curve : family.curves) {
      labels.push_back(curve.label);
      group_of_curve.push_back(static_cast<std::int64_t>(groups.size()));
    }
    groups.push_back(family.group.empty() ? "all" : family.group);
  }
  std::vector<std::int64_t> grid(kMasterPoints);
  std::iota(grid.begin(), grid.end(), 0);
  add("group", {"group"}, groups, described("1", "values of the text axes"));
  add("rescaling", {"rescaling"}, rescaling_names, described("1", "rescaling of time"));
  add("key", {"key"}, first.keys, described("1", "scanned key"));
  add("curve", {"curve"}, labels, described("1", "scan point"));
  if (first.over.empty())
    add("step", {"step"}, std::vector<std::int64_t>(first.steps.begin(), first.steps.end()),
        described("1", "SGD step"));
  else
    add("step", {"step"}, first.steps, described("1", first.over));
  add("grid", {"grid"}, grid, described("1", "point of the master curve"));
  add("curve_group", {"curve"}, group_of_curve, described("1", "index of the curve's group"));
  for (std::size_t k = 0; k < keys; ++k)
    add(first.keys[k], {"curve"}, over_curves([&](const Curve& curve) { return curve.keys[k]; }),
        described(first.key_units[k], first.keys[k]));

  auto about_mean = described(unit, long_name);
  if (!first.reference.empty()) about_mean["reference"] = first.reference;
  add(name, {"curve", "step"}, over_steps(&Curve::mean), about_mean);
  add(name + "_stderr", {"curve", "step"}, over_steps(&Curve::error),
      described(unit, "standard error of " + long_name));
  add("rescaled_step", {"rescaling", "curve", "step"},
      over_rescaled([](const View&, std::size_t, std::size_t, std::size_t, double time) { return time; }),
      described("1", "rescaled time t' = t prod (key/reference)^exponent"));
  add(name + "_residual", {"rescaling", "curve", "step"},
      over_rescaled([](const View& view, std::size_t r, std::size_t c, std::size_t t, double time) {
        return view.family->curves[c].mean[t] - view.master(r, time, c).value;
      }),
      described(unit, long_name + " minus the master curve of the other curves"));
  add(name + "_residual_stderr", {"rescaling", "curve", "step"},
      over_rescaled([](const View& view, std::size_t r, std::size_t c, std::size_t t, double time) {
        return std::hypot(view.family->curves[c].error[t], view.master(r, time, c).error);
      }),
      described(unit, "standard error of the residual, errors of the curves taken as independent"));

  add("master_step", {"group", "grid"},
      over_groups(kMasterPoints, [](const View& view, std::size_t g) { return view.grid_time(g); }),
      described("1", "rescaled time of the master curve"));
  add(name + "_master", {"group", "rescaling", "grid"}, over_master(&Estimate::value),
      described(unit, "master curve of " + long_name));
  add(name + "_master_stderr", {"group", "rescaling", "grid"}, over_master(&Estimate::error),
      described(unit, "standard error of the master curve, errors of the curves taken as independent"));

  add("exponent", {"group", "rescaling", "key"},
      over_groups(
          rescalings * keys,
          [&](const View& view, std::size_t i) { return view.rescalings[i / keys].exponents[i % keys]; }),
      described("1", "exponent of the key in t'"));
  add("reference_value", {"group", "key"}, over_keys(&Exponent::reference),
      described("1", "value of the key at which t' = t"));
  add("best_exponent_stderr", {"group", "key"}, over_keys(&Exponent::standard_error),
      described("1", "bootstrap standard error of the fitted exponent"));
  add("best_exponent_low", {"group", "key"}, over_keys(&Exponent::low),
      described("1", "2.5% point of the fitted exponent"));
  add("best_exponent_high", {"group", "key"}, over_keys(&Exponent::high),
      described("1", "97.5% point of the fitted exponent"));
  add("quality", {"group", "rescaling"},
      over_groups(rescalings,
                  [](const View& view, std::size_t r) { return view.rescalings[r].quality.reduced_chi2; }),
      described("1", "Houdayer-Hartmann quality (reduced chi squared) in the window of the fit"));
  add("spread_percent", {"group", "rescaling"},
      over_groups(rescalings, [](const View& view,
                                 std::size_t r) { return view.rescalings[r].quality.spread_percent(); }),
      described("percent", "RMS distance between the curves over their range, in the window of the fit"));
  return out;
}

}  // namespace soret::analysis
