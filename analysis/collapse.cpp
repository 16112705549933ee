#include "analysis/collapse.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multimin.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "analysis/bootstrap.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Stands for "not considered" where the minimiser needs a finite number.
constexpr double kForbidden = 1e100;

/// Above this S the curves are, on average, two of their errors apart: they do not collapse. Common random
/// streams only lower S.
constexpr double kNoCollapse = 4;
/// Small errors resolve small departures: a spread of this share of the range, in percent, still is a
/// collapse for practical purposes. Our choice.
constexpr double kCloseSpread = 3;

/// What the search needs of a family: its series, the logarithms of key/reference, and which keys are free.
struct Problem {
  std::vector<Series> series;                   ///< [curve]
  std::vector<std::vector<double>> log_ratios;  ///< [curve][key]
  std::vector<double> given;                    ///< [key], the exponents of keys that are not free
  std::vector<std::size_t> free;                ///< keys to fit
  Abscissa abscissa = Abscissa::linear;

  std::vector<double> exponents(std::span<const double> free_values) const {
    auto all = given;
    for (std::size_t f = 0; f < free.size(); ++f) all[free[f]] = free_values[f];
    return all;
  }
  Quality quality(std::span<const double> exponents, Window window) const {
    return houdayer_hartmann(series, scales(exponents), window, kMasterDegree, abscissa);
  }
  std::vector<double> scales(std::span<const double> exponents) const {
    std::vector<double> scales;
    for (const auto& ratios : log_ratios) {
      double log_scale = 0;
      for (std::size_t k = 0; k < exponents.size(); ++k)
        if (exponents[k] != 0) log_scale += exponents[k] * ratios[k];
      scales.push_back(std::exp(log_scale));
    }
    return scales;
  }
};

bool usable(const Quality& quality, const CollapseOptions& options) {
  return quality.fewest >= options.min_points &&
         static_cast<double>(quality.compared) >= options.min_share * static_cast<double>(quality.in_window);
}

/// The function to minimise.
double objective(const Problem& problem, Window window, const CollapseOptions& options,
                 std::span<const double> free_values) {
  for (const double exponent : free_values)
    if (exponent < options.exponent_min || exponent > options.exponent_max) return kForbidden;
  const Quality quality = problem.quality(problem.exponents(free_values), window);
  return usable(quality, options) ? quality.reduced_chi2 : kForbidden;
}

struct Minimum {
  std::vector<double> at;
  double value = kForbidden;
};

using Function = std::function<double(std::span<const double>)>;

/// Nelder-Mead (GSL's nmsimplex2) from one start.
Minimum simplex(const Function& function, const std::vector<double>& start, double step, double tolerance) {
  // By default GSL ends the process on any error.
  [[maybe_unused]] static const auto previous_handler = gsl_set_error_handler_off();
  using Vector = std::unique_ptr<gsl_vector, decltype(&gsl_vector_free)>;
  const std::size_t n = start.size();
  const Vector x(gsl_vector_alloc(n), gsl_vector_free), steps(gsl_vector_alloc(n), gsl_vector_free);
  for (std::size_t i = 0; i < n; ++i) gsl_vector_set(x.get(), i, start[i]);
  gsl_vector_set_all(steps.get(), step);

  gsl_multimin_function target{};
  target.n = n;
  target.params = const_cast<Function*>(&function);
  target.f = [](const gsl_vector* at, void* parameters) {
    return (*static_cast<const Function*>(parameters))({at->data, at->size});
  };
  const std::unique_ptr<gsl_multimin_fminimizer, decltype(&gsl_multimin_fminimizer_free)> minimiser(
      gsl_multimin_fminimizer_alloc(gsl_multimin_fminimizer_nmsimplex2, n), gsl_multimin_fminimizer_free);
  gsl_multimin_fminimizer_set(minimiser.get(), &target, x.get(), steps.get());
  constexpr int kIterations = 500;
  for (int i = 0; i < kIterations; ++i) {
    if (gsl_multimin_fminimizer_iterate(minimiser.get()) != GSL_SUCCESS) break;
    if (gsl_multimin_fminimizer_size(minimiser.get()) < tolerance) break;
  }
  const gsl_vector* best = gsl_multimin_fminimizer_x(minimiser.get());
  return {{best->data, best->data + n}, gsl_multimin_fminimizer_minimum(minimiser.get())};
}

/// The local minima of a function on a regular grid over [low, high]^n, best first.
std::vector<Minimum> grid_minima(const Function& function, std::size_t n, double low, double high,
                                 std::size_t per_side) {
  std::size_t cells = 1;
  for (std::size_t d = 0; d < n; ++d) cells *= per_side;
  const double step = (high - low) / static_cast<double>(per_side - 1);
  const auto place = [&](std::size_t cell) {
    std::vector<double> at(n);
    for (std::size_t d = 0; d < n; ++d, cell /= per_side)
      at[d] = low + step * static_cast<double>(cell % per_side);
    return at;
  };
  std::vector<double> values(cells);
#pragma omp parallel for schedule(dynamic)
  for (std::size_t cell = 0; cell < cells; ++cell) values[cell] = function(place(cell));

  std::vector<Minimum> minima;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    bool lowest = values[cell] < kForbidden;
    std::size_t stride = 1;
    for (std::size_t d = 0; d < n && lowest; ++d, stride *= per_side) {
      const std::size_t along = cell / stride % per_side;
      if (along > 0) lowest = lowest && values[cell] <= values[cell - stride];
      if (along + 1 < per_side) lowest = lowest && values[cell] < values[cell + stride];
    }
    if (lowest) minima.push_back({place(cell), values[cell]});
  }
  std::stable_sort(minima.begin(), minima.end(),
                   [](const Minimum& a, const Minimum& b) { return a.value < b.value; });
  return minima;
}

/// The best minima of the objective over the whole range of the search, best first; empty if the curves
/// overlap for no exponents. Several, because a resample may prefer another basin than the data.
std::vector<Minimum> search(const Problem& problem, Window window, const CollapseOptions& options) {
  constexpr std::size_t kStarts = 3;
  const Function function = [&](std::span<const double> at) {
    return objective(problem, window, options, at);
  };
  const std::size_t n = problem.free.size();
  if (n == 0) {
    const double value = function({});
    return value < kForbidden ? std::vector<Minimum>{{{}, value}} : std::vector<Minimum>{};
  }
  // 81 grid points for one key, 25 x 25 for two, at least 5 a side.
  const std::size_t per_side =
      n == 1
          ? 81
          : std::max<std::size_t>(5, static_cast<std::size_t>(std::pow(625.0, 1.0 / static_cast<double>(n))));
  auto minima = grid_minima(function, n, options.exponent_min, options.exponent_max, per_side);
  if (minima.size() > kStarts) minima.resize(kStarts);
  const double step = (options.exponent_max - options.exponent_min) / static_cast<double>(per_side - 1);
  for (auto& minimum : minima) minimum = simplex(function, minimum.at, step / 2, 1e-6);
  std::stable_sort(minima.begin(), minima.end(),
                   [](const Minimum& a, const Minimum& b) { return a.value < b.value; });
  return minima;
}

/// The best of the minima reached from given starts; value kForbidden if there is none.
Minimum refine(const Problem& problem, Window window, const CollapseOptions& options,
               const std::vector<Minimum>& starts) {
  const Function function = [&](std::span<const double> at) {
    return objective(problem, window, options, at);
  };
  Minimum best;
  for (const auto& start : starts) {
    const Minimum found = simplex(function, start.at, 0.1, 1e-4);
    if (found.value < best.value) best = found;
  }
  return best;
}

/// The rescaled time that all curves reach.
double common_end(const std::vector<Series>& series, std::span<const double> scales) {
  double end = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < series.size(); ++i) end = std::min(end, series[i].time.back() * scales[i]);
  return end;
}

bool comparable(const Curve& curve, std::size_t step) {
  return std::isfinite(curve.mean[step]) && std::isfinite(curve.error[step]);
}

/// The values of one curve family at the resampled blocks; nullopt if a curve lost all its trajectories.
std::optional<Problem> resampled(const Problem& problem, const Curves& curves, std::span<const int> draws) {
  Problem result = problem;
  for (std::size_t i = 0; i < curves.curves.size(); ++i) {
    const Curve& curve = curves.curves[i];
    const auto mean = resampled_mean(curve, draws);
    if (!mean) return std::nullopt;
    auto value = result.series[i].value.begin();
    for (std::size_t t = 0; t < curves.steps.size(); ++t)
      if (comparable(curve, t)) *value++ = (*mean)[t];
  }
  return result;
}

void check_options(const Curves& curves, const CollapseOptions& options) {
  if (curves.keys.empty() || curves.curves.size() < 2)
    throw InputError(
        fmt::format("a collapse of '{}' needs at least two curves that differ in a numeric key; there "
                    "is {}{}{}",
                    curves.observable, curves.curves.size(),
                    curves.skipped.empty() ? "" : "; left out: ", fmt::join(curves.skipped, "; ")));
  if (curves.block_count < 2)
    throw InputError(fmt::format(
        "'{}' is kept in a single block of trajectories; a bootstrap needs at least two", curves.observable));
  check_keys(curves, options.fixed, "rescale");
  if (options.resamples < 200)
    throw ConfigError(fmt::format("{} bootstrap resamples are too few for a 95% interval; use at least 200",
                                  options.resamples));
  if (options.window && !(options.window->begin >= 0 && options.window->end > options.window->begin))
    throw ConfigError(fmt::format("the window {}:{} of rescaled time is empty; give 0 <= a < b",
                                  shortest(options.window->begin), shortest(options.window->end)));
}

/// The exponents of keys whose logarithms are linearly dependent over the scan are not defined.
void check_independent(const Curves& curves, const Problem& problem) {
  const auto rows = static_cast<Eigen::Index>(curves.curves.size());
  const auto columns = static_cast<Eigen::Index>(problem.free.size());
  if (columns == 0) return;
  Eigen::MatrixXd logs(rows, columns);
  for (Eigen::Index i = 0; i < rows; ++i)
    for (Eigen::Index f = 0; f < columns; ++f)
      logs(i, f) = problem.log_ratios[static_cast<std::size_t>(i)][problem.free[static_cast<std::size_t>(f)]];
  logs.rowwise() -= logs.colwise().mean().eval();
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(logs);
  qr.setThreshold(1e-9);
  if (qr.rank() == columns) return;
  std::vector<std::string> names;
  for (const std::size_t k : problem.free) names.push_back(curves.keys[k]);
  throw InputError(
      fmt::format("the keys {} vary together in this scan, so their exponents cannot be told apart; "
                  "give all but one of them with --rescale key=exponent",
                  fmt::join(names, " and ")));
}

Problem make_problem(const Curves& curves, const CollapseOptions& options,
                     std::span<const double> reference) {
  Problem problem;
  problem.given.assign(curves.keys.size(), 0.0);
  for (std::size_t k = 0; k < curves.keys.size(); ++k) {
    const auto given = options.fixed.find(curves.keys[k]);
    if (given != options.fixed.end())
      problem.given[k] = given->second;
    else
      problem.free.push_back(k);
    const bool moves_time = given == options.fixed.end() || given->second != 0;
    for (const auto& curve : curves.curves)
      if (moves_time && !(curve.keys[k] > 0))
        throw InputError(
            fmt::format("{} = {}: a power of it is not defined; give it the exponent 0 with --rescale {}=0",
                        curves.keys[k], shortest(curve.keys[k]), curves.keys[k]));
  }
  problem.series = curve_series(curves);
  problem.abscissa = abscissa_of(curves);
  for (const auto& curve : curves.curves) {
    problem.log_ratios.emplace_back();
    for (std::size_t k = 0; k < curves.keys.size(); ++k)
      problem.log_ratios.back().push_back(std::log(curve.keys[k] / reference[k]));
  }
  check_independent(curves, problem);
  return problem;
}

[[noreturn]] void throw_no_overlap(const Curves& curves, Window window, const CollapseOptions& options) {
  throw InputError(fmt::format(
      "no exponents between {} and {} let the curves of '{}' overlap in the window {}:{} of rescaled time: "
      "every curve "
      "needs at least {} records there that lie between records of another one, and {}% of all records must; "
      "widen "
      "the window, record more often, or bring the scan values closer together",
      shortest(options.exponent_min), shortest(options.exponent_max), curves.observable,
      shortest(window.begin), shortest(window.end), options.min_points, shortest(100 * options.min_share)));
}

/// The window of the fit and the minima in it.
std::pair<Window, std::vector<Minimum>> settle_window(const Curves& curves, const Problem& problem,
                                                      const CollapseOptions& options) {
  Window window = options.window.value_or(Window{});
  auto minima = search(problem, window, options);
  if (minima.empty()) throw_no_overlap(curves, window, options);
  if (options.window && std::isfinite(options.window->end)) return {window, minima};
  // The range that all curves cover depends on the exponents, and they on it. A handful of rounds settles
  // this; where it would go round in a circle, the last window is as good as any.
  constexpr int kRounds = 8;
  for (int round = 0; round < kRounds; ++round) {
    const Window next{window.begin,
                      common_end(problem.series, problem.scales(problem.exponents(minima.front().at)))};
    auto found = search(problem, next, options);
    if (found.empty()) {
      if (round == 0) throw_no_overlap(curves, next, options);
      break;
    }
    const bool settled = std::abs(next.end / window.end - 1) < 1e-3;
    window = next;
    minima = std::move(found);
    if (settled) break;
  }
  return {window, minima};
}

/// One of the values of the keys, or a setting that does not vary; NaN where the file does not say.
double setting(const Curves& curves, std::span<const double> key_values, const std::string& name) {
  const auto key = std::find(curves.keys.begin(), curves.keys.end(), name);
  if (key != curves.keys.end()) return key_values[static_cast<std::size_t>(key - curves.keys.begin())];
  const auto constant = curves.constants.find(name);
  return constant == curves.constants.end() ? kNaN : constant->second;
}

/// eta^2 t / |B| at rescaled time t' = `end`, the variable of seed 002 Eq. 28.
double noise_time(const Curves& curves, std::span<const double> reference, double end) {
  if (!curves.over.empty()) return kNaN;  // the end is no time
  const double learning_rate = setting(curves, reference, "learning_rate");
  return learning_rate * learning_rate * end / setting(curves, reference, "batch_size");
}

/// Series over eta_0 N_0 / g with the noise scale g = eta (N/|B| - 1) of seed 003 Eq. 24, as far as g > 0;
/// nullopt unless the curves run over the batch size and a fixed training set has a size.
std::optional<std::vector<Series>> over_noise_scale(const Curves& curves, const std::vector<Series>& series,
                                                    std::span<const double> reference) {
  if (curves.over != "batch_size") return std::nullopt;
  const double unit =
      setting(curves, reference, "learning_rate") * setting(curves, reference, "training_samples");
  std::vector<Series> turned;
  for (std::size_t c = 0; c < series.size(); ++c) {
    const double learning_rate = setting(curves, curves.curves[c].keys, "learning_rate");
    const double samples = setting(curves, curves.curves[c].keys, "training_samples");
    if (!(learning_rate > 0 && samples > 0 && unit > 0)) return std::nullopt;
    Series one;
    for (std::size_t i = 0; i < series[c].time.size() && series[c].time[i] < samples; ++i) {
      one.time.push_back(unit / (learning_rate * (samples / series[c].time[i] - 1)));
      one.value.push_back(series[c].value[i]);
      one.variance.push_back(series[c].variance[i]);
    }
    if (one.time.empty()) return std::nullopt;
    turned.push_back(std::move(one));
  }
  return turned;
}

/// True if an exponent a little off the minimum, in any direction, is not considered.
bool at_edge(const Problem& problem, Window window, const CollapseOptions& options,
             const std::vector<double>& minimum) {
  constexpr double kNearby = 0.05;
  int directions = 1;
  for (std::size_t f = 0; f < minimum.size(); ++f) directions *= 3;
  for (int direction = 0; direction < directions; ++direction) {
    auto nearby = minimum;
    int digits = direction;
    for (double& exponent : nearby) {
      exponent += kNearby * (digits % 3 - 1);
      digits /= 3;
    }
    if (objective(problem, window, options, nearby) == kForbidden) return true;
  }
  return false;
}

WindowFit window_fit(const Curves& curves, const Problem& problem, const CollapseOptions& options,
                     std::span<const double> reference, Window window, const Minimum& minimum) {
  const auto exponents = problem.exponents(minimum.at);
  WindowFit fit{window, noise_time(curves, reference, window.end), {}, problem.quality(exponents, window)};
  for (std::size_t k = 0; k < curves.keys.size(); ++k) {
    const bool fitted = std::find(problem.free.begin(), problem.free.end(), k) != problem.free.end();
    fit.exponents.push_back(
        {curves.keys[k], reference[k], fitted, false, exponents[k], 0, exponents[k], exponents[k]});
  }
  // Next to a minimum inside the search, all exponents are considered, in every direction. At an edge no
  // exponent is an estimate: the ones that could still move follow the one that could not.
  if (at_edge(problem, window, options, minimum.at)) {
    std::vector<std::string> names;
    for (const std::size_t k : problem.free) {
      fit.exponents[k].bound = true;
      names.push_back(curves.keys[k]);
    }
    fit.notes.push_back(fmt::format(
        "the best exponent{} of {} lie{} at the edge of the search ({} to {}) or of where the curves have "
        "enough comparable "
        "records in this window: a bound, not an estimate; record more often or change the window",
        names.size() > 1 ? "s" : "", fmt::join(names, " and "), names.size() > 1 ? "" : "s",
        shortest(options.exponent_min), shortest(options.exponent_max)));
  }
  const bool bounded = !fit.notes.empty();
  const double spread = fit.quality.spread_percent();
  const bool within_errors = fit.quality.reduced_chi2 <= kNoCollapse;
  fit.collapses = !bounded && (within_errors || spread <= kCloseSpread);
  if (!bounded && !within_errors)
    fit.notes.push_back(fmt::format(
        "no exponents bring the curves together within their errors (S = {:.3g}, spread {:.2g}% of the "
        "range): {}",
        fit.quality.reduced_chi2, spread,
        fit.collapses ? "the collapse is close but not exact" : "the best compromise is no scaling law"));
  return fit;
}

/// Over the batch size: raw, the ratio eta/|B| alone, and with the size of the training set, eta N/|B|.
/// Over another key raw only.
std::vector<Hypothesis> key_hypotheses(const Curves& curves) {
  std::vector<Hypothesis> all;
  const auto add = [&](const char* name, std::initializer_list<const char*> inverse) {
    Hypothesis hypothesis{name, std::vector<double>(curves.keys.size(), 0.0), {}};
    for (std::size_t k = 0; k < curves.keys.size(); ++k)
      if (std::ranges::find(inverse, curves.keys[k]) != inverse.end()) hypothesis.exponents[k] = -1;
    const bool moves = std::ranges::any_of(hypothesis.exponents, [](double a) { return a != 0; });
    const bool known = std::ranges::any_of(
        all, [&](const Hypothesis& other) { return other.exponents == hypothesis.exponents; });
    if (all.empty() || (moves && !known)) all.push_back(std::move(hypothesis));
  };
  add("raw", {});
  if (curves.over != "batch_size") return all;
  add("1/eta", {"learning_rate"});
  const bool varies = std::ranges::find(curves.keys, "learning_rate") != curves.keys.end();
  add(varies ? "1/(eta N)" : "1/N", {"learning_rate", "training_samples"});
  return all;
}

/// Raw time, gradient-flow time (eta), and the time of the noise-driven drift (eta^2/|B|, seed 002 Eq. 28),
/// as far as the scan has their keys.
std::vector<Hypothesis> hypotheses(const Curves& curves) {
  if (!curves.over.empty()) return key_hypotheses(curves);
  const auto has = [&](const char* name) {
    return std::find(curves.keys.begin(), curves.keys.end(), name) != curves.keys.end();
  };
  const bool learning_rate = has("learning_rate"), batch_size = has("batch_size");
  const auto make = [&](const char* name, double learning_rate_exponent, double batch_size_exponent) {
    Hypothesis hypothesis{name, std::vector<double>(curves.keys.size(), 0.0), {}};
    for (std::size_t k = 0; k < curves.keys.size(); ++k) {
      if (curves.keys[k] == "learning_rate") hypothesis.exponents[k] = learning_rate_exponent;
      if (curves.keys[k] == "batch_size") hypothesis.exponents[k] = batch_size_exponent;
    }
    return hypothesis;
  };
  std::vector<Hypothesis> all{make("raw", 0, 0)};
  if (learning_rate) all.push_back(make("eta", 1, 0));
  if (learning_rate || batch_size)
    all.push_back(make(!batch_size ? "eta^2" : !learning_rate ? "1/|B|" : "eta^2/|B|", 2, -1));
  return all;
}

void set_errors(WindowFit& fit, const Problem& problem, const std::vector<std::vector<double>>& samples) {
  for (std::size_t f = 0; f < problem.free.size(); ++f) {
    std::vector<double> values;
    for (const auto& sample : samples) values.push_back(sample[f]);
    const Spread spread = spread_of(values);
    Exponent& exponent = fit.exponents[problem.free[f]];
    // Where nothing collapses, resamples that all end at the same exponent sit on a cusp of the comparison.
    constexpr double kCusp = 1e-6;
    if (!fit.collapses && !exponent.bound && spread.high - spread.low < kCusp) {
      exponent.bound = true;
      fit.notes.push_back(fmt::format(
          "the best exponent of {} does not move with the sample: a cusp of the comparison, not an estimate",
          exponent.key));
    }
    if (exponent.bound) {
      exponent.standard_error = exponent.low = exponent.high = kNaN;
      continue;
    }
    exponent.standard_error = spread.standard_error;
    exponent.low = spread.low;
    exponent.high = spread.high;
  }
}

}  // namespace

CollapseResult collapse(const Curves& curves, const CollapseOptions& options) {
  check_options(curves, options);
  const auto reference = reference_values(curves, options.reference);
  const Problem problem = make_problem(curves, options, reference);

  const auto [window, minima] = settle_window(curves, problem, options);
  std::vector<WindowFit> fits{window_fit(curves, problem, options, reference, window, minima.front())};
  std::vector<std::vector<Minimum>> starts{minima};
  Window rung = window;
  for (std::size_t r = 0; r < options.rungs; ++r) {
    rung.end /= 2;
    if (rung.end <= rung.begin) break;
    auto found = search(problem, rung, options);
    if (found.empty()) break;
    fits.push_back(window_fit(curves, problem, options, reference, rung, found.front()));
    starts.push_back(std::move(found));
  }

  // samples[fit][resample]; a resample without a usable minimum stays empty.
  std::vector<std::vector<std::vector<double>>> samples(
      fits.size(), std::vector<std::vector<double>>(problem.free.empty() ? 0 : options.resamples));
#pragma omp parallel for schedule(dynamic)
  for (std::size_t r = 0; r < samples.front().size(); ++r) {
    const auto sample = resampled(problem, curves, draw_blocks(curves.block_count, options.seed, r));
    if (!sample) continue;
    for (std::size_t f = 0; f < fits.size(); ++f) {
      const Minimum found = refine(*sample, fits[f].window, options, starts[f]);
      if (found.value < kForbidden) samples[f][r] = found.at;
    }
  }
  for (std::size_t f = 0; f < fits.size(); ++f) {
    const auto lost = std::erase_if(samples[f], [](const auto& sample) { return sample.empty(); });
    if (lost > 0)
      fits[f].notes.push_back(
          fmt::format("{} of {} bootstrap resamples had no usable minimum", lost, options.resamples));
    set_errors(fits[f], problem, samples[f]);
  }

  CollapseResult result;
  result.keys = curves.keys;
  result.best = fits.front();
  result.ladder.assign(fits.begin() + 1, fits.end());
  result.options = options;
  for (const auto& sample : samples.front()) result.samples.push_back(problem.exponents(sample));
  for (auto& hypothesis : hypotheses(curves)) {
    hypothesis.quality = problem.quality(hypothesis.exponents, window);
    if (!usable(hypothesis.quality, options))
      hypothesis.quality.reduced_chi2 = hypothesis.quality.distance = kNaN;
    result.hypotheses.push_back(std::move(hypothesis));
  }
  if (const auto turned = over_noise_scale(curves, problem.series, reference)) {
    result.noise_scale = houdayer_hartmann(*turned, std::vector<double>(turned->size(), 1.0), window,
                                           kMasterDegree, problem.abscissa);
    if (!usable(*result.noise_scale, options))
      result.noise_scale->reduced_chi2 = result.noise_scale->distance = kNaN;
  }
  return result;
}

std::vector<Series> curve_series(const Curves& curves) {
  constexpr double kErrorFloor = 1e-2;
  std::vector<Series> all;
  for (const auto& curve : curves.curves) {
    Series series;
    std::vector<double> positive;
    for (std::size_t t = 0; t < curves.steps.size(); ++t) {
      if (!comparable(curve, t)) continue;
      series.time.push_back(curves.steps[t]);
      series.value.push_back(curve.mean[t]);
      series.variance.push_back(curve.error[t] * curve.error[t]);
      if (curve.error[t] > 0) positive.push_back(curve.error[t]);
    }
    if (positive.empty())
      throw InputError(
          fmt::format("'{}' has no standard errors at {}: it needs at least two surviving trajectories "
                      "at every scan point",
                      curves.observable, curve.label));
    const double floor = kErrorFloor * median(positive);
    for (double& variance : series.variance) variance = std::max(variance, floor * floor);
    all.push_back(std::move(series));
  }
  return all;
}

Abscissa abscissa_of(const Curves& curves) {
  if (curves.over.empty()) return Abscissa::linear;
  if (!(curves.steps.front() > 0))
    throw InputError(fmt::format("{} = {}: a rescaled {} must be positive", curves.over,
                                 shortest(curves.steps.front()), curves.over));
  return Abscissa::logarithmic;
}

std::vector<double> time_scales(const Curves& curves, const CollapseResult& result,
                                std::span<const double> exponents) {
  std::vector<double> scales;
  for (const auto& curve : curves.curves) {
    double scale = 1;
    for (std::size_t k = 0; k < exponents.size(); ++k)
      if (exponents[k] != 0)
        scale *= std::pow(curve.keys[k] / result.best.exponents[k].reference, exponents[k]);
    scales.push_back(scale);
  }
  return scales;
}

Window parse_window(std::string_view text) {
  const auto colon = text.find(':');
  const auto bad = [&] {
    return ConfigError(
        fmt::format("window '{}' is not a range a:b of rescaled steps; either end may be empty, as in "
                    "':2000'",
                    text));
  };
  if (colon == std::string_view::npos) throw bad();
  Window window;
  const auto begin = trim(text.substr(0, colon)), end = trim(text.substr(colon + 1));
  const auto read = [&](std::string_view part, double& into) {
    if (part.empty()) return;
    const auto value = parse_real(part);
    if (!value) throw bad();
    into = *value;
  };
  read(begin, window.begin);
  read(end, window.end);
  if (!(window.begin >= 0 && window.end > window.begin)) throw bad();
  return window;
}

std::map<std::string, double> parse_assignments(std::string_view text, std::string_view option) {
  std::map<std::string, double> assignments;
  if (trim(text) == "auto") return assignments;
  for (const auto& word : split_words(text)) {
    const auto equals = word.find('=');
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    const auto number = parse_real(value);
    if (equals == std::string::npos || equals == 0 || (!number && value != "auto"))
      throw ConfigError(
          fmt::format("{}: '{}' is not key=number; several are separated by commas", option, word));
    if (number) assignments[word.substr(0, equals)] = *number;
  }
  return assignments;
}

}  // namespace soret::analysis
