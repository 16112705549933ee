#include "analysis/optimum.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <tuple>

#include "analysis/bootstrap.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kTerms = 3;            ///< of the parabola
constexpr std::size_t kFewest = kTerms + 1;  ///< points in a window
constexpr double kTail = 0.025;              ///< of the resamples that an interval leaves out at an end

/// The points of one curve that have numbers, in the logarithm of the key.
struct Points {
  std::vector<std::size_t> places;  ///< among the values of the key
  std::vector<double> log_x;
  std::vector<double> root_weight;  ///< 1 / standard error

  std::size_t size() const { return places.size(); }
};

/// One curve's optimum from one set of means.
struct Vertex {
  int edge = 0;  ///< -1, +1: the best point is the first, the last one
  double log_x = 0;
  double best = 0;
  std::size_t measured = 0;         ///< the best measured point
  std::size_t first = 0, last = 0;  ///< of the window, both included
  double reduced_chi2 = kNaN;
  std::array<double, kTerms> parabola{};
};

Points points_of(const Curves& curves, std::size_t c) {
  const Curve& curve = curves.curves[c];
  Points points;
  const auto series = curve_series(curves)[c];  // with a floor under the errors
  std::size_t at = 0;
  for (std::size_t x = 0; x < curves.steps.size(); ++x) {
    if (!std::isfinite(curve.mean[x]) || !std::isfinite(curve.error[x])) continue;
    points.places.push_back(x);
    points.log_x.push_back(std::log(curves.steps[x]));
    points.root_weight.push_back(1 / std::sqrt(series.variance[at++]));
  }
  if (points.size() < kFewest)
    throw InputError(fmt::format("{}: {} values of {} have numbers with errors; a parabola needs at least {}",
                                 curve.label.empty() ? curves.observable : curve.label, points.size(),
                                 curves.step_name, kFewest));
  return points;
}

/// Grows from the best point m as far as values lie within the share of the smaller fall.
std::pair<std::size_t, std::size_t> window(std::span<const double> y, std::size_t m, double share) {
  const double fall = y[m] - std::max(y.front(), y.back());
  const double floor = y[m] - share * fall;
  std::size_t first = m, last = m;
  while (first > 0 && y[first - 1] >= floor) --first;
  while (last + 1 < y.size() && y[last + 1] >= floor) ++last;
  while (last - first + 1 < kFewest) {
    const bool down = last + 1 == y.size() || (first > 0 && y[first - 1] >= y[last + 1]);
    if (down)
      --first;
    else
      ++last;
  }
  return {first, last};
}

/// `y` are the points' values, turned so that the best is the highest.
Vertex vertex(const Points& points, std::span<const double> y, double share) {
  Vertex result;
  const auto m = static_cast<std::size_t>(std::ranges::max_element(y) - y.begin());
  result.measured = m;
  result.log_x = points.log_x[m];
  result.best = y[m];
  result.first = result.last = m;
  result.edge = m == 0 ? -1 : m + 1 == y.size() ? 1 : 0;
  if (result.edge != 0) return result;
  std::tie(result.first, result.last) = window(y, m, share);

  const auto rows = static_cast<Eigen::Index>(result.last - result.first + 1);
  Eigen::MatrixXd design(rows, static_cast<Eigen::Index>(kTerms));
  Eigen::VectorXd target(rows);
  for (Eigen::Index r = 0; r < rows; ++r) {
    const std::size_t i = result.first + static_cast<std::size_t>(r);
    const double u = points.log_x[i] - points.log_x[m];
    design.row(r) << points.root_weight[i], points.root_weight[i] * u, points.root_weight[i] * u * u;
    target[r] = points.root_weight[i] * y[i];
  }
  const Eigen::Vector3d c = design.colPivHouseholderQr().solve(target);
  result.parabola = {c[0], c[1], c[2]};
  if (rows > static_cast<Eigen::Index>(kTerms))
    result.reduced_chi2 = (design * c - target).squaredNorm() / static_cast<double>(rows - 3);
  // A parabola that opens upwards says nothing of the best place beyond the measured one.
  double u = 0;
  if (c[2] < 0)
    u = std::clamp(-c[1] / (2 * c[2]), points.log_x[result.first] - points.log_x[m],
                   points.log_x[result.last] - points.log_x[m]);
  result.log_x += u;
  result.best = c[0] + u * (c[1] + u * c[2]);
  return result;
}

std::vector<double> values_at(const Points& points, const std::vector<double>& all, double sign) {
  std::vector<double> y;
  for (const std::size_t place : points.places) y.push_back(sign * all[place]);
  return y;
}

/// log(trace / square) between the values of the key; nullopt if there is none around `log_x`.
std::optional<double> critical_at(const std::vector<double>& x, const std::vector<double>& trace,
                                  const std::vector<double>& square, double log_x) {
  constexpr double kRounding = 1e-9;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(trace[i] > 0 && square[i] > 0)) continue;
    const double at = std::log(x[i]), here = std::log(trace[i] / square[i]);
    if (std::abs(at - log_x) < kRounding) return here;
    if (i + 1 == x.size() || at > log_x || !(trace[i + 1] > 0 && square[i + 1] > 0)) continue;
    const double next = std::log(x[i + 1]);
    if (next < log_x) continue;
    const double there = std::log(trace[i + 1] / square[i + 1]);
    return here + (there - here) * (log_x - at) / (next - at);
  }
  return std::nullopt;
}

/// A place that is a value of the key to rounding is that value.
double snapped(double x, const std::vector<double>& values) {
  constexpr double kRounding = 1e-12;
  const auto same =
      std::ranges::find_if(values, [&](double value) { return std::abs(x / value - 1) < kRounding; });
  return same == values.end() ? x : *same;
}

/// From a logarithm and its resamples.
Spreading spreading(double log_value, std::vector<double> log_samples) {
  const auto spread = spread_of(std::move(log_samples));
  const double value = std::exp(log_value);
  return {value, value * spread.standard_error, std::exp(spread.low), std::exp(spread.high)};
}

OptimumKind kind_of(const Vertex& data, const std::vector<Vertex>& resamples) {
  const auto share = [&](int edge) {
    return static_cast<double>(std::ranges::count(resamples, edge, &Vertex::edge)) /
           static_cast<double>(resamples.size());
  };
  const bool low_end = data.edge < 0 || share(-1) > kTail;
  const bool high_end = data.edge > 0 || share(1) > kTail;
  if (low_end && high_end) return OptimumKind::undetermined;
  if (low_end) return OptimumKind::upper_bound;
  return high_end ? OptimumKind::lower_bound : OptimumKind::value;
}

/// A law of the optima that are values; `pick` gives a point's estimate.
template <class Pick>
std::optional<PowerLaw> law_of(const Curves& curves, OptimumFit& fit, const std::vector<double>& reference,
                               const std::vector<std::vector<double>>& log_samples, const Pick& pick) {
  LawData data{.keys = curves.keys, .reference = reference};
  data.samples.resize(log_samples.front().size());
  for (std::size_t c = 0; c < fit.optima.size(); ++c) {
    const Spreading* estimate = pick(fit.optima[c]);
    if (!estimate) continue;
    data.key_values.push_back(fit.optima[c].keys);
    data.values.push_back(estimate->value);
    data.relative_errors.push_back(estimate->standard_error / estimate->value);
    for (std::size_t r = 0; r < data.samples.size(); ++r)
      data.samples[r].push_back(std::exp(log_samples[c][r]));
  }
  // Optima that no resample moves have no weight to compare by.
  if (std::ranges::all_of(data.relative_errors, [](double e) { return e == 0; }))
    std::ranges::fill(data.relative_errors, 1.0);
  const auto smallest = std::ranges::min(
      data.relative_errors, {}, [](double e) { return e > 0 ? e : std::numeric_limits<double>::infinity(); });
  for (double& error : data.relative_errors) error = error > 0 ? error : smallest;
  return fit_power_law(data, "optima that are no bounds", fit.notes);
}

/// Says of every bound whether the law agrees with it.
void compare_bounds(OptimumFit& fit) {
  for (const auto& optimum : fit.optima) {
    if (optimum.kind == OptimumKind::value) continue;
    const auto who = optimum.label.empty() ? "the only curve" : optimum.label;
    std::string text;
    if (optimum.kind == OptimumKind::undetermined)
      text = fmt::format("{}: no optimum inside of the scan can be told", who);
    else if (optimum.kind == OptimumKind::lower_bound)
      text = fmt::format("{}: a bound, {} >= {:.4g}: the scan's upper end is not excluded", who, fit.over,
                         optimum.place.low);
    else
      text = fmt::format("{}: a bound, {} <= {:.4g}: the scan's lower end is not excluded", who, fit.over,
                         optimum.place.high);
    if (fit.law) {
      const double law = fit.law->at(optimum.keys);
      const bool agrees = (optimum.kind != OptimumKind::lower_bound || law >= optimum.place.low) &&
                          (optimum.kind != OptimumKind::upper_bound || law <= optimum.place.high);
      text += fmt::format("; not in the power law, which gives {:.4g}: {}", law,
                          agrees ? "they agree" : "they disagree");
    }
    fit.notes.push_back(std::move(text));
  }
}

void check(const Curves& curves, const OptimumOptions& options) {
  if (options.resamples < 200)
    throw ConfigError(fmt::format("{} bootstrap resamples are too few for a 95% interval; use at least 200",
                                  options.resamples));
  if (!(options.share > 0 && options.share <= 1))
    throw ConfigError(
        fmt::format("the window's share of the fall is {}; it lies above 0 and is at most 1", options.share));
  if (curves.block_count < 2)
    throw InputError(fmt::format(
        "'{}' is kept in a single block of trajectories; a bootstrap needs at least two", curves.observable));
  if (!(curves.steps.front() > 0))
    throw ConfigError(fmt::format("{} = {} has no logarithm; the optimum is sought in the logarithm of {}",
                                  curves.step_name, shortest(curves.steps.front()), curves.step_name));
}

}  // namespace

std::string_view name(OptimumKind kind) {
  switch (kind) {
    case OptimumKind::value:
      return "value";
    case OptimumKind::lower_bound:
      return "lower_bound";
    case OptimumKind::upper_bound:
      return "upper_bound";
    case OptimumKind::undetermined:
      break;
  }
  return "undetermined";
}

OptimumFit fit_optimum(const Curves& curves, const OptimumOptions& options,
                       const std::optional<GradientNoise>& noise) {
  check(curves, options);
  const auto reference = reference_values(curves, options.reference);
  const double sign = options.lowest ? -1 : 1;
  OptimumFit fit{
      .over = curves.step_name, .optima = {}, .law = {}, .critical_law = {}, .notes = {}, .options = options};

  std::vector<std::vector<int>> draws;
  for (std::size_t r = 0; r < options.resamples; ++r)
    draws.push_back(draw_blocks(curves.block_count, options.seed, r));

  // [curve][resample], logarithms.
  std::vector<std::vector<double>> places, criticals;
  for (std::size_t c = 0; c < curves.curves.size(); ++c) {
    const Curve& curve = curves.curves[c];
    const Points points = points_of(curves, c);
    const Vertex data = vertex(points, values_at(points, curve.mean, sign), options.share);
    const auto critical = [&](const std::vector<double>& trace, const std::vector<double>& square,
                              double log_x) { return critical_at(curves.steps, trace, square, log_x); };

    std::vector<Vertex> resamples;
    places.emplace_back();
    criticals.emplace_back();
    for (const auto& draw : draws) {
      // Every block has survivors: over_key() leaves other points out.
      const auto mean = resampled_mean(curve, draw).value();
      resamples.push_back(vertex(points, values_at(points, mean, sign), options.share));
      places.back().push_back(resamples.back().log_x);
      if (!noise) continue;
      const auto trace = resampled_mean(noise->trace.curves[c], draw).value();
      const auto square = resampled_mean(noise->square.curves[c], draw).value();
      criticals.back().push_back(critical(trace, square, resamples.back().log_x).value_or(kNaN));
    }

    Optimum optimum{.label = curve.label, .keys = curve.keys, .kind = kind_of(data, resamples)};
    optimum.place = spreading(data.log_x, places.back());
    const bool is_value = optimum.kind == OptimumKind::value;
    if (!is_value) optimum.place.value = optimum.place.standard_error = kNaN;
    if (optimum.kind == OptimumKind::lower_bound || optimum.kind == OptimumKind::undetermined)
      optimum.place.high = kNaN;
    if (optimum.kind == OptimumKind::upper_bound || optimum.kind == OptimumKind::undetermined)
      optimum.place.low = kNaN;
    optimum.best = is_value ? sign * data.best : curve.mean[points.places[data.measured]];
    for (double* place : {&optimum.place.value, &optimum.place.low, &optimum.place.high})
      *place = snapped(*place, curves.steps);
    optimum.measured_best = curves.steps[points.places[data.measured]];
    optimum.window_begin = curves.steps[points.places[data.first]];
    optimum.window_end = curves.steps[points.places[data.last]];
    optimum.points = data.last - data.first + 1;
    optimum.reduced_chi2 = data.reduced_chi2;
    for (std::size_t k = 0; k < kTerms; ++k) optimum.parabola[k] = sign * data.parabola[k];
    if (noise && is_value) {
      const auto here = critical(noise->trace.curves[c].mean, noise->square.curves[c].mean, data.log_x);
      const bool complete = std::ranges::all_of(criticals.back(), [](double x) { return std::isfinite(x); });
      if (here && complete) optimum.critical = spreading(*here, criticals.back());
    }
    fit.optima.push_back(std::move(optimum));
  }

  const auto values = std::ranges::count(fit.optima, OptimumKind::value, &Optimum::kind);
  if (!curves.keys.empty() && values > 0) {
    fit.law = law_of(curves, fit, reference, places, [](const Optimum& optimum) {
      return optimum.kind == OptimumKind::value ? &optimum.place : nullptr;
    });
    if (fit.law && std::ranges::any_of(fit.optima, [](const Optimum& o) { return o.critical.has_value(); }))
      fit.critical_law = law_of(curves, fit, reference, criticals, [](const Optimum& optimum) {
        return optimum.critical ? &*optimum.critical : nullptr;
      });
  } else if (!curves.keys.empty()) {
    fit.notes.emplace_back("no power law: every optimum is a bound");
  }
  compare_bounds(fit);
  return fit;
}

nlohmann::json optimum_json(const Curves& curves, const OptimumFit& fit) {
  const auto spreading_json = [](const Spreading& s) {
    return nlohmann::json{{"value", finite_json(s.value)},
                          {"standard_error", finite_json(s.standard_error)},
                          {"interval_95", {finite_json(s.low), finite_json(s.high)}}};
  };
  nlohmann::json report = {{"observable", curves.observable},
                           {"group", curves.group},
                           {"over", fit.over},
                           {"best", fit.options.lowest ? "lowest" : "highest"},
                           {"optima", nlohmann::json::array()}};
  for (const auto& optimum : fit.optima) {
    nlohmann::json one = {
        {"label", optimum.label},
        {"kind", name(optimum.kind)},
        {"best_value", optimum.best},
        {"best_measured_at", optimum.measured_best},
        {"window",
         {{"begin", optimum.window_begin}, {"end", optimum.window_end}, {"points", optimum.points}}},
        {"reduced_chi2", finite_json(optimum.reduced_chi2)},
        {"critical_batch_size",
         optimum.critical ? spreading_json(*optimum.critical) : nlohmann::json(nullptr)}};
    one.update(spreading_json(optimum.place));
    for (std::size_t k = 0; k < curves.keys.size(); ++k) one["keys"][curves.keys[k]] = optimum.keys[k];
    report["optima"].push_back(std::move(one));
  }
  report["power_law"] = power_law_json(fit.law, fit.over);
  report["critical_power_law"] = power_law_json(fit.critical_law, "critical_batch_size");
  report["bootstrap"] = {{"resamples", fit.options.resamples},
                         {"seed", fit.options.seed},
                         {"over", "blocks of trajectories, the same at all scan points"}};
  report["window_share"] = fit.options.share;
  report["notes"] = fit.notes;
  report["skipped"] = curves.skipped;
  return report;
}

}  // namespace soret::analysis
