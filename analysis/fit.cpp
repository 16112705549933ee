#include "analysis/fit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "analysis/bootstrap.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kTerms = 3;                ///< of the parabola
constexpr std::size_t kMinRecords = kTerms + 1;  ///< one more than the parabola needs
constexpr double kSignificance = 5;              ///< an excursion of fewer standard errors may be noise

/// The largest distance of a curve from its first record; 0 if it does not stand out of the errors.
double excursion(const Series& series) {
  double largest = 0;
  for (std::size_t t = 1; t < series.time.size(); ++t) {
    const double distance = std::abs(series.value[t] - series.value[0]);
    const double error = std::sqrt(series.variance[t] + series.variance[0]);
    if (distance > kSignificance * error) largest = std::max(largest, distance);
  }
  return largest;
}

/// [curve], see fit_rates.
std::vector<Window> initial_windows(const Curves& curves, const std::vector<Series>& series,
                                    const RateOptions& options, std::vector<std::string>& notes) {
  if (options.window) return std::vector<Window>(series.size(), *options.window);
  double smallest = std::numeric_limits<double>::infinity();
  for (const auto& one : series) {
    const double moved = excursion(one);
    if (moved > 0) smallest = std::min(smallest, moved);
  }
  std::vector<Window> windows;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const Series& one = series[i];
    std::size_t end = 0;
    while (end + 1 < one.time.size() && std::abs(one.value[end] - one.value[0]) < options.change * smallest)
      ++end;
    if (end + 1 < kMinRecords && one.time.size() >= kMinRecords) {
      end = kMinRecords - 1;
      notes.push_back(fmt::format(
          "{}: recorded too coarsely, it moves faster than its first {} records show; the rate "
          "is a mean over steps {} to {}",
          curves.curves[i].label, kMinRecords, shortest(one.time.front()), shortest(one.time[end])));
    }
    windows.push_back({one.time.front(), one.time[end]});
  }
  return windows;
}

/// A linear functional of a curve: records[i] and the coefficient of its value.
struct Functional {
  std::vector<double> time;
  Eigen::VectorXd coefficients;
};

/// The slope at the window's start of the weighted least-squares parabola.
Functional slope(const Series& series, Window window) {
  std::vector<std::size_t> in;
  for (std::size_t t = 0; t < series.time.size(); ++t)
    if (series.time[t] >= window.begin && series.time[t] <= window.end) in.push_back(t);
  Functional functional;
  if (in.size() < kMinRecords) return functional;
  const auto rows = static_cast<Eigen::Index>(in.size());
  const double length = series.time[in.back()] - series.time[in.front()];
  Eigen::MatrixXd design(rows, static_cast<Eigen::Index>(kTerms));
  Eigen::VectorXd root_weight(rows);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const std::size_t t = in[static_cast<std::size_t>(i)];
    const double u = (series.time[t] - series.time[in.front()]) / length;
    root_weight[i] = 1 / std::sqrt(series.variance[t]);
    design.row(i) << 1, u, u * u;
    functional.time.push_back(series.time[t]);
  }
  const Eigen::MatrixXd weighted = root_weight.asDiagonal() * design;
  const Eigen::MatrixXd inverse = weighted.completeOrthogonalDecomposition().pseudoInverse();
  functional.coefficients = inverse.row(1).transpose().cwiseProduct(root_weight) / length;
  return functional;
}

/// The functional of a curve given at all steps.
double apply(const Functional& functional, const std::vector<double>& steps,
             const std::vector<double>& values) {
  double sum = 0;
  std::size_t step = 0;
  for (std::size_t i = 0; i < functional.time.size(); ++i) {
    while (steps[step] != functional.time[i]) ++step;
    sum += functional.coefficients[static_cast<Eigen::Index>(i)] * values[step];
  }
  return sum;
}

/// The weighted fit of log |rate| as (K^-1) logs: row 0 gives log amplitude, row 1 + k the exponent of key k.
struct LogFit {
  std::vector<std::size_t> used;  ///< curves
  Eigen::MatrixXd design;         ///< [used][1 + key]
  Eigen::VectorXd root_weight;    ///< [used]
  Eigen::MatrixXd solution;       ///< [1 + key][used]

  Eigen::VectorXd logs(const std::vector<double>& rates) const {
    Eigen::VectorXd result(static_cast<Eigen::Index>(used.size()));
    for (std::size_t i = 0; i < used.size(); ++i)
      result[static_cast<Eigen::Index>(i)] = std::log(std::abs(rates[used[i]]));
    return result;
  }
  bool one_sign(const std::vector<double>& rates) const {
    return std::all_of(used.begin(), used.end(),
                       [&](std::size_t i) { return rates[i] * rates[used.front()] > 0; });
  }
};

/// Prepares the fit; returns nullopt and says why in `notes` if there is no power law to fit.
std::optional<LogFit> log_fit(const Curves& curves, const RateFit& fit, std::span<const double> reference,
                              std::vector<std::string>& notes) {
  LogFit result;
  std::size_t positive = 0;
  for (std::size_t i = 0; i < fit.rates.size(); ++i) {
    const Rate& rate = fit.rates[i];
    if (!rate.significant) {
      notes.push_back(fmt::format("{}: the rate is consistent with zero and takes no part in the power law",
                                  rate.label.empty() ? "the only curve" : rate.label));
      continue;
    }
    result.used.push_back(i);
    positive += rate.value > 0;
  }
  const std::size_t keys = curves.keys.size();
  if (keys == 0) return std::nullopt;
  if (positive != 0 && positive != result.used.size()) {
    notes.push_back(fmt::format("no power law: the rate is positive at {} scan points and negative at {}",
                                positive, result.used.size() - positive));
    return std::nullopt;
  }
  for (std::size_t k = 0; k < keys; ++k)
    for (const std::size_t i : result.used)
      if (!(curves.curves[i].keys[k] > 0)) {
        notes.push_back(fmt::format("no power law: {} = {} has no power", curves.keys[k],
                                    shortest(curves.curves[i].keys[k])));
        return std::nullopt;
      }
  const auto rows = static_cast<Eigen::Index>(result.used.size()),
             columns = static_cast<Eigen::Index>(keys) + 1;
  result.design.resize(rows, columns);
  result.root_weight.resize(rows);
  for (Eigen::Index r = 0; r < rows; ++r) {
    const std::size_t i = result.used[static_cast<std::size_t>(r)];
    result.design(r, 0) = 1;
    for (std::size_t k = 0; k < keys; ++k)
      result.design(r, static_cast<Eigen::Index>(k) + 1) = std::log(curves.curves[i].keys[k] / reference[k]);
    result.root_weight[r] = std::abs(fit.rates[i].value) / fit.rates[i].standard_error;
  }
  auto decomposition =
      (result.root_weight.asDiagonal() * result.design).eval().completeOrthogonalDecomposition();
  decomposition.setThreshold(1e-9);
  if (rows < columns || decomposition.rank() < columns) {
    notes.push_back(fmt::format("no power law: {} significant rates do not determine the exponents of {}",
                                result.used.size(), fmt::join(curves.keys, " and ")));
    return std::nullopt;
  }
  result.solution = decomposition.pseudoInverse() * result.root_weight.asDiagonal();
  return result;
}

PowerLaw power_law(const Curves& curves, const LogFit& fit, std::span<const double> reference,
                   const std::vector<double>& rates, const std::vector<std::vector<double>>& samples) {
  const Eigen::VectorXd best = fit.solution * fit.logs(rates);
  std::vector<std::vector<double>> parameters(static_cast<std::size_t>(best.size()));
  for (const auto& sample : samples) {
    if (!fit.one_sign(sample)) continue;
    const Eigen::VectorXd one = fit.solution * fit.logs(sample);
    for (std::size_t p = 0; p < parameters.size(); ++p)
      parameters[p].push_back(one[static_cast<Eigen::Index>(p)]);
  }
  const double sign = rates[fit.used.front()] > 0 ? 1 : -1;
  PowerLaw law;
  const auto amplitude = spread_of(parameters[0]);
  law.amplitude = sign * std::exp(best[0]);
  law.amplitude_error = std::abs(law.amplitude) * amplitude.standard_error;
  std::tie(law.amplitude_low, law.amplitude_high) =
      std::minmax(sign * std::exp(amplitude.low), sign * std::exp(amplitude.high));
  for (std::size_t k = 0; k < curves.keys.size(); ++k) {
    const auto spread = spread_of(parameters[k + 1]);
    law.exponents.push_back({curves.keys[k], reference[k], true, false,
                             best[static_cast<Eigen::Index>(k) + 1], spread.standard_error, spread.low,
                             spread.high});
  }
  law.points = fit.used.size();
  const double freedom = static_cast<double>(fit.used.size()) - static_cast<double>(best.size());
  const Eigen::VectorXd residual = fit.root_weight.cwiseProduct(fit.logs(rates) - fit.design * best);
  law.reduced_chi2 = freedom > 0 ? residual.squaredNorm() / freedom : kNaN;
  return law;
}

}  // namespace

RateFit fit_rates(const Curves& curves, const RateOptions& options) {
  if (options.resamples < 200)
    throw ConfigError(fmt::format("{} bootstrap resamples are too few for a 95% interval; use at least 200",
                                  options.resamples));
  if (curves.block_count < 2)
    throw InputError(fmt::format(
        "'{}' is kept in a single block of trajectories; a bootstrap needs at least two", curves.observable));
  const auto reference = reference_values(curves, options.reference);
  const auto series = curve_series(curves);

  RateFit fit;
  fit.options = options;
  const auto windows = initial_windows(curves, series, options, fit.notes);
  std::vector<Functional> slopes;
  std::vector<double> values;
  for (std::size_t i = 0; i < series.size(); ++i) {
    slopes.push_back(slope(series[i], windows[i]));
    if (slopes.back().time.empty())
      throw InputError(
          fmt::format("the window {}:{} of steps holds fewer than {} records of '{}'{}{}; widen it",
                      shortest(windows[i].begin), shortest(windows[i].end), kMinRecords, curves.observable,
                      curves.curves[i].label.empty() ? "" : " at ", curves.curves[i].label));
    values.push_back(apply(slopes.back(), curves.steps, curves.curves[i].mean));
  }

  // samples[resample][curve]; a resample in which a curve lost all its trajectories is left out.
  std::vector<std::vector<double>> samples;
  for (std::size_t r = 0; r < options.resamples; ++r) {
    const auto draws = draw_blocks(curves.block_count, options.seed, r);
    std::vector<double> sample;
    for (std::size_t i = 0; i < series.size(); ++i)
      if (const auto mean = resampled_mean(curves.curves[i], draws))
        sample.push_back(apply(slopes[i], curves.steps, *mean));
    if (sample.size() == series.size()) samples.push_back(std::move(sample));
  }
  if (samples.size() < options.resamples)
    fit.notes.push_back(fmt::format("{} of {} bootstrap resamples held no surviving trajectory of some curve",
                                    options.resamples - samples.size(), options.resamples));

  for (std::size_t i = 0; i < series.size(); ++i) {
    std::vector<double> slopes_of_curve;
    for (const auto& sample : samples) slopes_of_curve.push_back(sample[i]);
    const auto spread = spread_of(std::move(slopes_of_curve));
    fit.rates.push_back({curves.curves[i].label, curves.curves[i].keys, windows[i], slopes[i].time.size(),
                         values[i], spread.standard_error, spread.low, spread.high,
                         spread.low > 0 || spread.high < 0});
  }
  if (const auto logs = log_fit(curves, fit, reference, fit.notes))
    fit.law = power_law(curves, *logs, reference, values, samples);
  return fit;
}

nlohmann::json fit_json(const Curves& curves, const RateFit& fit) {
  const auto unit = curves.unit == "1" ? std::string("1/step") : curves.unit + "/step";
  nlohmann::json report = {{"observable", curves.observable}, {"group", curves.group}, {"unit", unit}};
  report["rates"] = nlohmann::json::array();
  for (const auto& rate : fit.rates) {
    nlohmann::json one = {{"label", rate.label},
                          {"rate", finite_json(rate.value)},
                          {"standard_error", finite_json(rate.standard_error)},
                          {"interval_95", {finite_json(rate.low), finite_json(rate.high)}},
                          {"window", {{"begin", rate.window.begin}, {"end", rate.window.end}}},
                          {"records", rate.records},
                          {"significant", rate.significant}};
    for (std::size_t k = 0; k < curves.keys.size(); ++k) one["keys"][curves.keys[k]] = rate.keys[k];
    report["rates"].push_back(std::move(one));
  }
  report["power_law"] = nullptr;
  if (fit.law) {
    report["power_law"] = {{"form", "rate = amplitude * product of (key / reference)^exponent"},
                           {"amplitude", finite_json(fit.law->amplitude)},
                           {"amplitude_standard_error", finite_json(fit.law->amplitude_error)},
                           {"amplitude_interval_95",
                            {finite_json(fit.law->amplitude_low), finite_json(fit.law->amplitude_high)}},
                           {"exponents", exponents_json(fit.law->exponents)},
                           {"points", fit.law->points},
                           {"reduced_chi2", finite_json(fit.law->reduced_chi2)}};
  }
  report["bootstrap"] = {{"resamples", fit.options.resamples},
                         {"seed", fit.options.seed},
                         {"over", "blocks of trajectories, the same at all scan points"}};
  report["notes"] = fit.notes;
  report["skipped"] = curves.skipped;
  return report;
}

}  // namespace soret::analysis
