#include "sims/noise_scale/noise_scale.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>

#include "sims/jackknife.hpp"
#include "sims/noise_scale/derived.hpp"
#include "sims/noise_scale/options.hpp"
#include "sims/noise_scale/problem.hpp"
#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/measure/gaussianity.hpp"

namespace soret::sims {
namespace {

using measure::CovarianceLaw;
using measure::kCovarianceLaws;
using measure::NoiseMeasurement;
using measure::Population;
using measure::Sampling;
using measure::Wanted;
using O = NoiseObservable;

/// Cov psi as a matrix is stored for every record: kept to sizes that a file can hold and a reader look at.
constexpr int kMostMatrixParameters = 64;
constexpr int kMostDiagonalParameters = 4096;

/// One scan point.
struct Point {
  NoiseScaleOptions options;
  std::shared_ptr<const Population> population;
  bool enumerated = false;
  double batches = 0;  ///< that there are

  int samples() const { return population->samples(); }
  /// c in Cov psi = c F, F over N.
  double factor(CovarianceLaw law) const {
    return measure::covariance_factor(law, samples(), options.batch_size);
  }
  double exact_factor() const { return factor(measure::exact_law(options.sampling)); }
  /// N / (N - 1): from F over N to F over N - 1.
  double unbiased() const { return samples() / (samples() - 1.0); }
  /// tr F as signal_and_noise() has it.
  double estimated_trace() const {
    return population->trace * (options.sampling == Sampling::with_replacement ? 1 : unbiased());
  }
  /// g of an update noise covariance (learning_rate / N)^2 c F, Eq. 23, F over N - 1.
  double noise_scale(double c) const { return options.learning_rate / samples() * c / unbiased(); }
  /// Squared distance that `batches` updates of noise covariance c F add up to.
  double displacement(double c, double batches_taken) const {
    const double per_gradient = options.learning_rate / samples();
    return per_gradient * per_gradient * batches_taken * c * population->trace;
  }
};

/// Names of the noise scales that are predicted.
const std::vector<std::string> kNoiseScaleLaws = {"eq24", "eq24_large_n", "exact"};

std::vector<double> numbers(std::size_t count) {
  std::vector<double> out(count);
  std::iota(out.begin(), out.end(), 0.0);
  return out;
}

/// psi along the random directions, in standard deviations.
std::vector<std::vector<double>> standardised(const Point& point, const NoiseMeasurement& m) {
  std::vector<std::vector<double>> z;
  for (int d = 1; d <= point.options.directions; ++d) {
    const double deviation = std::sqrt(point.exact_factor() * point.population->variances[d]);
    const auto psi = m.along(d);
    auto& scaled = z.emplace_back(psi.begin(), psi.end());
    for (double& value : scaled) value /= deviation;
  }
  return z;
}

std::size_t tail_count(const Point& point, double batches) {
  return measure::tail_count(static_cast<std::size_t>(batches) * point.options.directions,
                             point.options.tail_fraction);
}

template <class Statistic>
double mean_over(const std::vector<std::vector<double>>& z, const Statistic& statistic) {
  double sum = 0;
  for (const auto& along : z) sum += statistic(along);
  return sum / static_cast<double>(z.size());
}

/// A ratio of two cells' means.
Estimate ratio_of_means(const PointEnsemble& ensemble, std::size_t above, std::size_t below) {
  return jackknife(ensemble, [&](auto at) { return at(above) / at(below); });
}

class NoiseScaleExperiment : public Experiment {
 public:
  NoiseScaleExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(noise_scale_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda) {
      throw ConfigError(
          "--backend cuda: simulation = noise_scale has no CUDA backend and needs none: its gradients are "
          "matrix "
          "products of a small problem, done in seconds; use --backend cpu, or leave it out");
    }
    const auto all = noise_scale_observables();
    for (const O o : record_.observables) observables_.push_back(all[static_cast<std::size_t>(o)]);
    wanted_ = {.vectors = has(O::covariance_trace) || has(O::covariance_ratio) ||
                          has(O::covariance_diagonal) || has(O::noise_scale) || has(O::noise_displacement) ||
                          has(O::gradient_norm_squared) || has(O::gradient_variance),
               .matrix = has(O::covariance),
               .projections = has(O::noise_mean) || has(O::covariance_leading) || has(O::excess_kurtosis) ||
                              has(O::inverse_tail_index) || has(O::ks_distance)};
    NoisePopulations populations;
    for (std::size_t i = 0; i < plan.points(); ++i) {
      Point point;
      point.options = noise_scale_point(plan.at(i));
      point.population = populations.of(point.options);
      check(point);
      choose_method(point);
      points_.push_back(std::move(point));
    }
    enumerations_ = std::vector<Enumeration>(points_.size());
    add_coordinates();
    add_derived();
  }

  std::size_t points() const override { return points_.size(); }
  std::uint32_t trajectories() const override { return record_.trajectories; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return record_.steps; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  std::string step_name() const override { return "mini-batches drawn, at fixed parameters"; }
  std::uint32_t preferred_group(std::size_t) const override { return 1; }
  double cost(std::size_t i) const override {
    const Point& point = points_[i];
    const double per_sample = wanted_.vectors || wanted_.matrix ? point.population->problem->parameters()
                                                                : point.options.directions;
    const double batches =
        point.enumerated ? point.batches / record_.trajectories : static_cast<double>(record_.steps.back());
    return batches * point.options.batch_size * per_sample;
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    const Point& point = points_[unit.point];
    UnitResult result{{}, std::vector<std::int64_t>(unit.count, -1)};
    result.values.resize(cells_per_record() * record_.steps.size() * unit.count);
    for (std::uint32_t t = 0; t < unit.count; ++t) {
      if (point.enumerated) {
        enumerate(unit.point, stop, [&](std::size_t record, const std::vector<double>& row) {
          put(row, record, t, unit.count, result.values);
        });
      } else {
        sample(point, unit.first + t, stop, [&](std::size_t record, const std::vector<double>& row) {
          put(row, record, t, unit.count, result.values);
        });
      }
    }
    return result;
  }

  std::vector<double> derive(std::size_t point, const PointEnsemble& ensemble) const override {
    std::vector<double> all;
    for (const auto& quantity : derive_) {
      const auto values = quantity(points_[point], ensemble);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  std::string backend() const override { return "cpu"; }
  std::string device() const override {
    return fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  using Derive = std::function<std::vector<double>(const Point&, const PointEnsemble&)>;
  using Store = std::function<void(std::size_t record, const std::vector<double>& row)>;

  /// All batches of a point, measured by whichever unit comes first.
  struct Enumeration {
    std::mutex mutex;
    std::optional<NoiseMeasurement> measurement;
    std::vector<double> row;  ///< at one batch
  };

  bool has(O o) const { return std::ranges::find(record_.observables, o) != record_.observables.end(); }

  void check(const Point& point) const {
    const NoiseScaleOptions& o = point.options;
    const int n = point.samples();
    const bool without = o.sampling == Sampling::without_replacement;
    if (without && o.batch_size > n) {
      throw ConfigError(fmt::format(
          "sgd.batch_size = {}, but there are only {} samples to draw without replacement: use at most "
          "{}, or data.sampling = with_replacement",
          o.batch_size, n, n));
    }
    const auto refuse = [&](std::initializer_list<O> divided, const std::string& why) {
      for (const O what : divided) {
        if (!has(what)) continue;
        throw ConfigError(fmt::format("record.observables names {}, {}",
                                      noise_scale_observables()[static_cast<std::size_t>(what)].name, why));
      }
    };
    if (without && o.batch_size == n) {
      refuse({O::covariance_ratio, O::excess_kurtosis, O::inverse_tail_index, O::ks_distance},
             fmt::format(
                 "which divides by the noise, but sgd.batch_size = {} is the whole set: there is none", n));
    }
    if (o.batch_size == 1) {
      refuse(
          {O::gradient_norm_squared, O::gradient_variance},
          "which compares single gradients with those of batches: sgd.batch_size must be at least 2, not 1");
    }
    const int p = point.population->problem->parameters();
    if (p > kMostMatrixParameters)
      refuse({O::covariance}, fmt::format("a {} x {} matrix per record; it is kept for at most {} parameters",
                                          p, p, kMostMatrixParameters));
    if (p > kMostDiagonalParameters)
      refuse({O::covariance_diagonal},
             fmt::format("which is kept for at most {} parameters, not {}", kMostDiagonalParameters, p));
    if (!points_.empty() && points_.front().population->problem->parameters() != p)
      refuse({O::covariance, O::covariance_diagonal},
             "which needs the same number of parameters at all scan points; scan the sizes without it");
  }

  static void choose_method(Point& point) {
    const NoiseScaleOptions& o = point.options;
    point.batches = measure::batch_count(point.samples(), o.batch_size, o.sampling);
    const bool few = point.batches <= o.enumeration_limit;
    if (o.method == NoiseScaleOptions::Method::enumerate && !few) {
      throw ConfigError(
          fmt::format("noise.method = enumerate, but batches of {} from {} samples number {:.3g}, more than "
                      "noise.enumeration_limit = {:.3g}; use noise.method = sample or smaller sets",
                      o.batch_size, point.samples(), point.batches, o.enumeration_limit));
    }
    point.enumerated = few && o.method != NoiseScaleOptions::Method::sample;
  }

  std::size_t cells_per_record() const {
    std::size_t cells = 0;
    for (const Observable& observable : observables_) cells += extent(observable);
    return cells;
  }
  std::size_t extent(const Observable& observable) const {
    std::size_t size = 1;
    for (const std::string& dimension : observable.dimensions)
      size *= std::ranges::find(coordinates_, dimension, &Coordinate::name)->size();
    return size;
  }
  /// The first cell of an observable at a record.
  std::size_t cell(O o, std::size_t record) const {
    std::size_t at = 0;
    for (std::size_t i = 0; record_.observables[i] != o; ++i)
      at += extent(observables_[i]) * record_.steps.size();
    return at + record * extent(noise_scale_observables()[static_cast<std::size_t>(o)]);
  }

  /// Spreads the numbers of one record to their places in a unit's values.
  void put(const std::vector<double>& row, std::size_t record, std::uint32_t trajectory, std::uint32_t count,
           std::vector<double>& values) const {
    std::size_t from = 0;
    std::size_t first = 0;
    for (const Observable& observable : observables_) {
      const std::size_t size = extent(observable);
      for (std::size_t e = 0; e < size; ++e)
        values[(first + record * size + e) * count + trajectory] = row[from++];
      first += size * record_.steps.size();
    }
  }

  void sample(const Point& point, std::uint32_t trajectory, const std::atomic<bool>& stop,
              const Store& store) const {
    const NoiseScaleOptions& o = point.options;
    NoiseMeasurement measurement(*point.population, o.batch_size, wanted_);
    measure::BatchSampler batches(point.samples(), o.batch_size, o.sampling, o.seed, trajectory);
    for (std::size_t record = 0; record < record_.steps.size(); ++record) {
      while (measurement.batches() < record_.steps[record]) {
        if (stop) throw Stopped{};
        measurement.add(batches.next());
      }
      const double per_gradient = o.learning_rate / point.samples();
      store(record, observe(point, measurement, per_gradient * per_gradient * measurement.displacement()));
    }
  }

  /// The expectations over all batches, the same at all records but for the displacement, which adds up.
  void enumerate(std::size_t i, const std::atomic<bool>& stop, const Store& store) {
    const Point& point = points_[i];
    const NoiseScaleOptions& o = point.options;
    Enumeration& done = enumerations_[i];
    const std::lock_guard lock(done.mutex);
    const double per_gradient = o.learning_rate / point.samples();
    if (!done.measurement) {
      NoiseMeasurement measurement(*point.population, o.batch_size, wanted_);
      measure::for_each_batch(point.samples(), o.batch_size, o.sampling, [&](auto batch) {
        if (stop) throw Stopped{};
        measurement.add(batch);
      });
      done.row = observe(point, measurement, 0);
      done.measurement.emplace(std::move(measurement));
    }
    const auto displacement = std::ranges::find(record_.observables, O::noise_displacement);
    for (std::size_t record = 0; record < record_.steps.size(); ++record) {
      std::vector<double> row = done.row;
      if (displacement != record_.observables.end()) {
        std::size_t at = 0;
        for (auto k = record_.observables.begin(); k != displacement; ++k)
          at += extent(noise_scale_observables()[static_cast<std::size_t>(*k)]);
        row[at] = per_gradient * per_gradient * static_cast<double>(record_.steps[record]) *
                  done.measurement->trace();
      }
      store(record, row);
    }
  }

  /// All observables at one record, in order.
  std::vector<double> observe(const Point& point, const NoiseMeasurement& m, double displacement) const {
    const NoiseScaleOptions& o = point.options;
    const Population& population = *point.population;
    std::vector<double> row;
    const auto estimate = measure::signal_and_noise(m.sample_square(), m.batch_square(), o.batch_size,
                                                    point.samples(), o.sampling);
    std::vector<std::vector<double>> z;
    if (has(O::excess_kurtosis) || has(O::inverse_tail_index) || has(O::ks_distance))
      z = standardised(point, m);

    for (const O what : record_.observables) {
      switch (what) {
        case O::noise_mean:
          row.push_back(mean_of(m.along(0), [](double psi) { return psi; }));
          break;
        case O::covariance_trace:
          row.push_back(m.trace());
          break;
        case O::covariance_leading:
          row.push_back(mean_of(m.along(0), [](double psi) { return psi * psi; }));
          break;
        case O::covariance_ratio:
          for (std::size_t law = 0; law < kCovarianceLaws.size(); ++law)
            row.push_back(m.trace() / (point.factor(static_cast<CovarianceLaw>(law)) * population.trace));
          break;
        case O::covariance_diagonal:
          append(m.diagonal(), row);
          break;
        case O::covariance:
          append(m.covariance(), row);
          break;
        case O::noise_scale:
          row.push_back(point.noise_scale(m.trace() / population.trace));
          break;
        case O::noise_displacement:
          row.push_back(displacement);
          break;
        case O::gradient_norm_squared:
          row.push_back(estimate.gradient_square);
          break;
        case O::gradient_variance:
          row.push_back(estimate.trace);
          break;
        case O::excess_kurtosis:
          row.push_back(mean_over(z, [](const auto& along) { return measure::excess_kurtosis(along); }));
          break;
        case O::inverse_tail_index: {
          std::vector<double> pooled;
          for (const auto& along : z) pooled.insert(pooled.end(), along.begin(), along.end());
          row.push_back(measure::hill_estimate(pooled, tail_count(point, static_cast<double>(m.batches()))));
          break;
        }
        case O::ks_distance:
          row.push_back(mean_over(z, [](const auto& along) { return measure::kolmogorov_distance(along); }));
          break;
      }
    }
    return row;
  }

  template <class Function>
  static double mean_of(std::span<const double> values, const Function& function) {
    double sum = 0;
    for (const double value : values) sum += function(value);
    return sum / static_cast<double>(values.size());
  }
  static void append(const measure::Matrix& values, std::vector<double>& row) {
    row.insert(row.end(), values.data(), values.data() + values.size());
  }

  void add_coordinates() {
    const auto add = [&](Coordinate coordinate) { coordinates_.push_back(std::move(coordinate)); };
    if (has(O::covariance_ratio) || has(O::covariance_trace) || has(O::covariance_leading)) {
      add({.name = "covariance_law",
           .unit = "1",
           .long_name = "eq14: N (N/|B| - 1) F; eq15: N^2/|B| F; F over N, or over N - 1 (_unbiased)",
           .labels = {kCovarianceLaws.begin(), kCovarianceLaws.end()}});
    }
    if (has(O::noise_scale)) {
      add({.name = "noise_scale_law",
           .unit = "1",
           .long_name =
               "eq24: learning_rate (N/|B| - 1); eq24_large_n: learning_rate N/|B|; exact: for this sampling",
           .labels = kNoiseScaleLaws});
    }
    const auto p = static_cast<std::size_t>(points_.front().population->problem->parameters());
    if (has(O::covariance) || has(O::covariance_diagonal)) {
      add({.name = "parameter",
           .unit = "1",
           .long_name = "parameter: output * inputs + input, the bias last",
           .values = numbers(p)});
    }
    if (has(O::covariance))
      add({.name = "other_parameter", .unit = "1", .long_name = "the other parameter", .values = numbers(p)});
  }

  void add(const char* name, Derive function) {
    derived_.push_back(derived_named(noise_scale_derived(), name));
    derive_.push_back(std::move(function));
  }
  void add_scalar(const char* name, double (*value)(const Point&)) {
    add(name, [value](const Point& point, const PointEnsemble&) { return std::vector{value(point)}; });
  }
  /// One number per record, from the point, the record and the ensemble.
  template <class Value>
  void add_series(const char* name, Value value) {
    add(name, [this, value](const Point& point, const PointEnsemble& ensemble) {
      std::vector<double> out;
      for (std::size_t record = 0; record < record_.steps.size(); ++record)
        out.push_back(value(point, ensemble, record));
      return out;
    });
  }

  void add_derived();

  std::vector<Point> points_;
  NoiseScaleRecord record_;
  Wanted wanted_;
  std::vector<Observable> observables_;
  std::vector<Coordinate> coordinates_;
  std::vector<DerivedQuantity> derived_;
  std::vector<Derive> derive_;
  std::vector<Enumeration> enumerations_;
  int threads_;
};

void NoiseScaleExperiment::add_derived() {
  add_scalar("enumerated_batches", [](const Point& p) { return p.enumerated ? p.batches : 0.0; });
  add_scalar("batch_ratio",
             [](const Point& p) { return p.samples() / static_cast<double>(p.options.batch_size) - 1; });
  add_scalar("gradient_covariance_trace", [](const Point& p) { return p.population->trace; });

  const auto by_law = [this](const char* name, double (*of_f)(const Population&)) {
    add(name, [of_f](const Point& point, const PointEnsemble&) {
      std::vector<double> out;
      for (std::size_t law = 0; law < kCovarianceLaws.size(); ++law)
        out.push_back(point.factor(static_cast<CovarianceLaw>(law)) * of_f(*point.population));
      return out;
    });
  };
  if (has(O::covariance_trace)) {
    by_law("covariance_trace_predicted", [](const Population& p) { return p.trace; });
  }
  if (has(O::covariance_leading)) {
    by_law("covariance_leading_predicted", [](const Population& p) { return p.variances[0]; });
  }
  if (has(O::covariance_ratio)) {
    add("covariance_deviation", [this](const Point& point, const PointEnsemble& ensemble) {
      constexpr double kRounding = 1e-9;
      std::vector<double> out;
      for (std::size_t k = 0; k < record_.steps.size() * kCovarianceLaws.size(); ++k) {
        const std::size_t at = cell(O::covariance_ratio, 0) + k;
        const double excess = ensemble.mean[at] - 1;
        const double rejected = std::copysign(std::numeric_limits<double>::infinity(), excess);
        const double exact = std::abs(excess) < kRounding ? 0 : rejected;
        out.push_back(point.enumerated ? exact : excess / ensemble.error[at]);
      }
      return out;
    });
  }
  if (has(O::covariance)) {
    add("covariance_predicted", [](const Point& point, const PointEnsemble&) {
      std::vector<double> out;
      append(point.exact_factor() * measure::gradient_covariance(*point.population), out);
      return out;
    });
  }
  if (has(O::noise_scale)) {
    add("noise_scale_predicted", [](const Point& p, const PointEnsemble&) {
      const double ratio = p.samples() / static_cast<double>(p.options.batch_size);
      return std::vector{p.options.learning_rate * (ratio - 1), p.options.learning_rate * ratio,
                         p.noise_scale(p.exact_factor())};
    });
  }
  if (has(O::noise_displacement)) {
    add_series("noise_displacement_predicted",
               [this](const Point& p, const PointEnsemble&, std::size_t record) {
                 return p.displacement(p.exact_factor(), static_cast<double>(record_.steps[record]));
               });
  }

  add_scalar("gradient_norm_squared_exact", [](const Point& p) { return p.population->mean_square; });
  add_scalar("gradient_variance_exact", [](const Point& p) { return p.estimated_trace(); });
  add_scalar("critical_batch_size_exact",
             [](const Point& p) { return p.estimated_trace() / p.population->mean_square; });
  add_scalar("signal_to_noise_exact", [](const Point& p) {
    return p.population->mean_square * p.options.batch_size / p.estimated_trace();
  });
  if (has(O::gradient_norm_squared) && has(O::gradient_variance)) {
    const auto critical = [this](const PointEnsemble& ensemble, std::size_t record) {
      return ratio_of_means(ensemble, cell(O::gradient_variance, record),
                            cell(O::gradient_norm_squared, record));
    };
    add_series("critical_batch_size_estimate", [critical](const Point&, const PointEnsemble& e,
                                                          std::size_t r) { return critical(e, r).value; });
    add_series(
        "critical_batch_size_estimate_stderr",
        [critical](const Point&, const PointEnsemble& e, std::size_t r) { return critical(e, r).error; });
    const auto signal = [this](const Point& p, const PointEnsemble& ensemble, std::size_t record) {
      const Estimate inverse = ratio_of_means(ensemble, cell(O::gradient_norm_squared, record),
                                              cell(O::gradient_variance, record));
      return Estimate{inverse.value * p.options.batch_size, inverse.error * p.options.batch_size};
    };
    add_series("signal_to_noise_estimate", [signal](const Point& p, const PointEnsemble& e, std::size_t r) {
      return signal(p, e, r).value;
    });
    add_series("signal_to_noise_estimate_stderr", [signal](const Point& p, const PointEnsemble& e,
                                                           std::size_t r) { return signal(p, e, r).error; });
  }

  if (has(O::excess_kurtosis)) {
    add_scalar("excess_kurtosis_exact", [](const Point& p) {
      return measure::exact_excess_kurtosis(*p.population, p.options.batch_size, p.options.sampling)
          .tail(p.options.directions)
          .mean();
    });
  }
  if (has(O::inverse_tail_index)) {
    add_scalar("inverse_tail_index_gaussian",
               [](const Point& p) { return measure::gaussian_hill(p.options.tail_fraction); });
    add_series("tail_samples", [this](const Point& p, const PointEnsemble&, std::size_t r) {
      return static_cast<double>(
          tail_count(p, p.enumerated ? p.batches : static_cast<double>(record_.steps[r])));
    });
    add_series("tail_index", [this](const Point&, const PointEnsemble& e, std::size_t r) {
      return 1 / e.mean[cell(O::inverse_tail_index, r)];
    });
    add_series("tail_index_stderr", [this](const Point&, const PointEnsemble& e, std::size_t r) {
      const std::size_t at = cell(O::inverse_tail_index, r);
      return e.error[at] / (e.mean[at] * e.mean[at]);
    });
  }
  if (has(O::ks_distance)) {
    add_series("ks_distance_gaussian", [this](const Point& p, const PointEnsemble&, std::size_t r) {
      return p.enumerated ? 0.0
                          : measure::gaussian_kolmogorov_distance(static_cast<double>(record_.steps[r]));
    });
  }
}

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<NoiseScaleExperiment>(plan, backend);
}

}  // namespace

const Simulation& noise_scale_simulation() {
  static const Simulation simulation{
      .name = "noise_scale",
      .summary =
          "mini-batch gradient noise of regression problems: covariance, noise scale, Gaussianity (seed 003)",
      .options = noise_scale_options(),
      .observables = noise_scale_observables(),
      .derived = noise_scale_derived(),
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
