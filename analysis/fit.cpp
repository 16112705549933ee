#include "analysis/fit.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/bootstrap.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

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

/// What the power law is fitted to; nullopt, with the reason in `notes`, where the rates differ in sign.
std::optional<LawData> law_data(const Curves& curves, const RateFit& fit, std::vector<double> reference,
                                const std::vector<std::vector<double>>& samples,
                                std::vector<std::string>& notes) {
  LawData data{.keys = curves.keys, .reference = std::move(reference)};
  std::vector<std::size_t> used;
  std::size_t positive = 0;
  for (std::size_t i = 0; i < fit.rates.size(); ++i) {
    const Rate& rate = fit.rates[i];
    if (!rate.significant) {
      notes.push_back(fmt::format("{}: the rate is consistent with zero and takes no part in the power law",
                                  rate.label.empty() ? "the only curve" : rate.label));
      continue;
    }
    used.push_back(i);
    positive += rate.value > 0;
    data.key_values.push_back(rate.keys);
    data.values.push_back(rate.value);
    data.relative_errors.push_back(rate.standard_error / std::abs(rate.value));
  }
  if (!curves.keys.empty() && positive != 0 && positive != used.size()) {
    notes.push_back(fmt::format("no power law: the rate is positive at {} scan points and negative at {}",
                                positive, used.size() - positive));
    return std::nullopt;
  }
  for (const auto& sample : samples) {
    data.samples.emplace_back();
    for (const std::size_t i : used) data.samples.back().push_back(sample[i]);
  }
  return data;
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
  if (const auto data = law_data(curves, fit, reference, samples, fit.notes))
    fit.law = fit_power_law(*data, "significant rates", fit.notes);
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
  report["power_law"] = power_law_json(fit.law, "rate");
  report["bootstrap"] = {{"resamples", fit.options.resamples},
                         {"seed", fit.options.seed},
                         {"over", "blocks of trajectories, the same at all scan points"}};
  report["notes"] = fit.notes;
  report["skipped"] = curves.skipped;
  return report;
}

}  // namespace soret::analysis
