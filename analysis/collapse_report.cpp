#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

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
  report["notes"] = fit.notes;
  return report;
}

/// The rescalings that the dataset shows: the stated ones, then the best.
std::vector<Hypothesis> rescalings(const CollapseResult& result) {
  auto all = result.hypotheses;
  Hypothesis best{"best", {}, result.best.quality};
  for (const auto& exponent : result.best.exponents) best.exponents.push_back(exponent.value);
  all.push_back(std::move(best));
  return all;
}

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
  report["rescaled_time"] = "t' = t * product of (key / reference)^exponent";
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
  const auto names = rescalings(results.front());
  const std::size_t steps = first.steps.size(), scalings = names.size();
  std::size_t curve_count = 0;
  for (const auto& family : families) {
    if (family.observable != first.observable || family.steps != first.steps || family.keys != first.keys)
      throw InputError("a collapse dataset holds families of one observable with the same keys and steps");
    curve_count += family.curves.size();
  }
  const std::size_t keys = first.keys.size();

  // Names and coordinates.
  std::vector<std::string> groups, labels, rescaling_names;
  std::vector<std::int64_t> group_of, step_numbers, grid_numbers;
  for (const auto& rescaling : names) rescaling_names.push_back(rescaling.name);
  for (const double step : first.steps) step_numbers.push_back(static_cast<std::int64_t>(step));
  for (std::size_t g = 0; g < kMasterPoints; ++g) grid_numbers.push_back(static_cast<std::int64_t>(g));

  const auto table = [](std::size_t size) { return std::vector<double>(size, kNaN); };
  auto key_values = std::vector<std::vector<double>>(keys);
  auto mean = table(curve_count * steps), error = mean;
  auto rescaled = table(scalings * curve_count * steps), residual = rescaled, residual_error = rescaled;
  auto exponents = table(families.size() * scalings * keys);
  auto exponent_errors = table(families.size() * keys), lows = exponent_errors, highs = exponent_errors;
  auto references = exponent_errors;
  auto qualities = table(families.size() * scalings), spreads = qualities;
  auto grid = table(families.size() * kMasterPoints);
  auto master = table(families.size() * scalings * kMasterPoints), master_error = master;

  std::size_t curve_index = 0;
  for (std::size_t f = 0; f < families.size(); ++f) {
    const Curves& family = families[f];
    const WindowFit& best = results[f].best;
    const auto all = rescalings(results[f]);
    const auto series = curve_series(family);
    groups.push_back(family.group.empty() ? "all" : family.group);
    for (std::size_t g = 0; g < kMasterPoints; ++g)
      grid[f * kMasterPoints + g] = best.window.begin + (best.window.end - best.window.begin) *
                                                            static_cast<double>(g) / (kMasterPoints - 1);
    for (std::size_t k = 0; k < keys; ++k) {
      const Exponent& exponent = best.exponents[k];
      exponent_errors[f * keys + k] = exponent.standard_error;
      lows[f * keys + k] = exponent.low;
      highs[f * keys + k] = exponent.high;
      references[f * keys + k] = exponent.reference;
    }
    for (std::size_t s = 0; s < scalings; ++s) {
      std::copy(all[s].exponents.begin(), all[s].exponents.end(),
                exponents.begin() + static_cast<std::ptrdiff_t>((f * scalings + s) * keys));
      qualities[f * scalings + s] = all[s].quality.reduced_chi2;
      spreads[f * scalings + s] = all[s].quality.spread_percent();
      const auto scales = time_scales(family, results[f], all[s].exponents);
      for (std::size_t g = 0; g < kMasterPoints; ++g) {
        const auto at = master_curve(series, scales, grid[f * kMasterPoints + g], series.size());
        if (!at) continue;
        master[(f * scalings + s) * kMasterPoints + g] = at->value;
        master_error[(f * scalings + s) * kMasterPoints + g] = at->error;
      }
      for (std::size_t c = 0; c < family.curves.size(); ++c) {
        for (std::size_t t = 0; t < steps; ++t) {
          const std::size_t cell = (s * curve_count + curve_index + c) * steps + t;
          rescaled[cell] = family.steps[t] * scales[c];
          const auto at = master_curve(series, scales, rescaled[cell], c);
          if (!at) continue;
          residual[cell] = family.curves[c].mean[t] - at->value;
          residual_error[cell] = std::hypot(family.curves[c].error[t], at->error);
        }
      }
    }
    for (const auto& curve : family.curves) {
      labels.push_back(curve.label);
      group_of.push_back(static_cast<std::int64_t>(f));
      for (std::size_t k = 0; k < keys; ++k) key_values[k].push_back(curve.keys[k]);
      std::copy(curve.mean.begin(), curve.mean.end(),
                mean.begin() + static_cast<std::ptrdiff_t>(curve_index * steps));
      std::copy(curve.error.begin(), curve.error.end(),
                error.begin() + static_cast<std::ptrdiff_t>(curve_index * steps));
      ++curve_index;
    }
  }

  const std::string& name = first.observable;
  const std::string& unit = first.unit;
  store::Dataset out;
  out.attributes = first.source;
  out.attributes["title"] = fmt::format("Collapse of {}", name);
  out.attributes["analysis"] = "collapse";
  out.attributes["observable"] = name;
  out.attributes["bootstrap_resamples"] = static_cast<std::int64_t>(results.front().options.resamples);
  out.attributes["bootstrap_seed"] = static_cast<std::int64_t>(results.front().options.seed);
  out.dimensions = {{"group", families.size()}, {"rescaling", scalings}, {"key", keys},
                    {"curve", curve_count},     {"step", steps},         {"grid", kMasterPoints}};
  const auto add = [&](std::string variable, std::vector<std::string> dimensions, auto data,
                       store::Attributes attributes) {
    out.variables.push_back(
        {std::move(variable), std::move(dimensions), std::move(data), std::move(attributes)});
  };
  add("group", {"group"}, groups, described("1", "values of the text axes"));
  add("rescaling", {"rescaling"}, rescaling_names, described("1", "rescaling of time"));
  add("key", {"key"}, first.keys, described("1", "scanned key"));
  add("curve", {"curve"}, labels, described("1", "scan point"));
  add("step", {"step"}, step_numbers, described("1", "SGD step"));
  add("grid", {"grid"}, grid_numbers, described("1", "point of the master curve"));
  add("curve_group", {"curve"}, group_of, described("1", "index of the curve's group"));
  for (std::size_t k = 0; k < keys; ++k)
    add(first.keys[k], {"curve"}, key_values[k], described(first.key_units[k], first.keys[k]));
  auto described_mean = described(unit, first.long_name);
  if (!first.reference.empty()) described_mean["reference"] = first.reference;
  add(name, {"curve", "step"}, mean, described_mean);
  add(name + "_stderr", {"curve", "step"}, error, described(unit, "standard error of " + first.long_name));
  add("rescaled_step", {"rescaling", "curve", "step"}, rescaled,
      described("1", "rescaled time t' = t prod (key/reference)^exponent"));
  add(name + "_residual", {"rescaling", "curve", "step"}, residual,
      described(unit, first.long_name + " minus the master curve of the other curves"));
  add(name + "_residual_stderr", {"rescaling", "curve", "step"}, residual_error,
      described(unit, "standard error of the residual, errors of the curves taken as independent"));
  add("master_step", {"group", "grid"}, grid, described("1", "rescaled time of the master curve"));
  add(name + "_master", {"group", "rescaling", "grid"}, master,
      described(unit, "master curve of " + first.long_name));
  add(name + "_master_stderr", {"group", "rescaling", "grid"}, master_error,
      described(unit, "standard error of the master curve, errors of the curves taken as independent"));
  add("exponent", {"group", "rescaling", "key"}, exponents, described("1", "exponent of the key in t'"));
  add("reference_value", {"group", "key"}, references, described("1", "value of the key at which t' = t"));
  add("best_exponent_stderr", {"group", "key"}, exponent_errors,
      described("1", "bootstrap standard error of the fitted exponent"));
  add("best_exponent_low", {"group", "key"}, lows, described("1", "2.5% point of the fitted exponent"));
  add("best_exponent_high", {"group", "key"}, highs, described("1", "97.5% point of the fitted exponent"));
  add("quality", {"group", "rescaling"}, qualities,
      described("1", "Houdayer-Hartmann quality (reduced chi squared) in the window of the fit"));
  add("spread_percent", {"group", "rescaling"}, spreads,
      described("percent", "RMS distance between the curves over their range, in the window of the fit"));
  return out;
}

}  // namespace soret::analysis
