#include "sims/langevin/langevin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "sims/jackknife.hpp"
#include "sims/langevin/derived.hpp"
#include "sims/langevin/options.hpp"
#include "sims/option_table.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/base/formula_cuda.hpp"
#include "soret/base/machine.hpp"
#include "soret/langevin/equilibrium.hpp"
#include "soret/langevin/langevin_cuda.hpp"

namespace soret::sims {
namespace {

using langevin::Basins;
using langevin::Box;
using langevin::CovarianceLaw;
using langevin::DensityLaw;
using langevin::OccupancyLaw;
using langevin::Problem;
using O = langevin::Observable;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

constexpr std::array kCovarianceLaws = {CovarianceLaw::scheme, CovarianceLaw::continuous};
constexpr std::array kDensityLaws = {DensityLaw::eq25, DensityLaw::fokker_planck, DensityLaw::scheme};
constexpr std::array kOccupancyLaws = {OccupancyLaw::eq26, OccupancyLaw::eq26_printed,
                                       OccupancyLaw::integral};

Coordinate labelled(std::string name, std::string meaning, std::vector<std::string> labels) {
  return {.name = std::move(name), .long_name = std::move(meaning), .labels = std::move(labels)};
}
Coordinate numbered(std::string name, std::string meaning, std::size_t count) {
  Coordinate c{.name = std::move(name), .long_name = std::move(meaning)};
  for (std::size_t k = 0; k < count; ++k) c.values.push_back(static_cast<double>(k));
  return c;
}
Coordinate centres(std::string name, std::string meaning, double low, double high, std::size_t bins) {
  Coordinate c{.name = std::move(name), .long_name = std::move(meaning)};
  for (std::size_t k = 0; k < bins; ++k)
    c.values.push_back(low + (high - low) * (static_cast<double>(k) + 0.5) / static_cast<double>(bins));
  return c;
}

/// 25 independent walkers in a bin. Our choice.
constexpr double kLargestBinError = 0.2;

/// The measured cells of one observable at one record, and how many groups stand behind them.
struct Measured {
  std::span<const double> mean, error;
  double groups;
};

/// Mean over cells of (measured - predicted)^2 / error^2, times (G - 3) / (G - 1): 1 is expected where the
/// prediction is right, the errors being estimated from G groups. Cells whose error is above `most` times
/// their value are left out: a bin with few walkers in it has neither a Gaussian error nor a known one.
double mean_square_deviation(const Measured& m, std::span<const double> predicted, double most) {
  double sum = 0;
  double cells = 0;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    if (!(m.error[i] > 0) || m.error[i] > most * std::max(std::abs(predicted[i]), std::abs(m.mean[i])))
      continue;
    const double z = (m.mean[i] - predicted[i]) / m.error[i];
    sum += z * z;
    cells += 1;
  }
  return cells > 0 && m.groups > 3 ? sum / cells * (m.groups - 3) / (m.groups - 1) : kNan;
}

/// How much a CUDA launch takes on at a time: enough walkers to fill the device many times over, little
/// enough work to be through in tens of seconds, so that what is finished reaches the journal. Our choice.
constexpr double kCudaCoordinates = 1U << 22;
constexpr double kCudaCost = 5e12;  // coordinates times substeps

class LangevinExperiment : public Experiment {
 public:
  LangevinExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(langevin_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda) cuda_ = require_cuda_device();
    if (backend.kind == Backend::Kind::automatic) cuda_ = find_cuda_device();
    check_langevin(plan);
    Box& box = record_.plan.histogram.box;
    for (std::size_t i = 0; i < plan.points(); ++i) {
      const Box own = langevin_point(plan.at(i)).box;
      for (int k = 0; k < 2; ++k) {
        box.low[k] = i == 0 ? own.low[k] : std::min(box.low[k], own.low[k]);
        box.high[k] = i == 0 ? own.high[k] : std::max(box.high[k], own.high[k]);
      }
    }
    for (std::size_t i = 0; i < plan.points(); ++i) {
      LangevinPoint point = langevin_point(plan.at(i), &box);
      problems_.push_back(std::move(point.problem));
    }
    const bool formulas = std::ranges::any_of(
        problems_, [](const Problem& p) { return p.landscape.kind == langevin::Landscape::Kind::formula; });
    if (backend.kind == Backend::Kind::automatic && formulas && !missing_formula_compiler().empty())
      cuda_.reset();
    dimension_ = static_cast<std::size_t>(problems_[0].landscape.dimension);
    for (const Problem& p : problems_) check(p);
    if (dimension_ <= 2)
      for (const Problem& p : problems_) basins_.emplace_back(p.landscape, box);
    if (records(O::occupancy)) check_basins();
    declare();
  }

  std::size_t points() const override { return problems_.size(); }
  std::uint32_t trajectories() const override { return record_.groups; }
  const std::vector<soret::Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return record_.plan.records; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  std::uint32_t preferred_group(std::size_t) const override { return 1; }
  double cost(std::size_t i) const override {
    const Problem& p = problems_[i];
    return static_cast<double>(record_.plan.records.back() + p.burn_in) * p.substeps * p.walkers *
           p.landscape.dimension;
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    const langevin::Plan plan = plan_of(unit.point);
    std::vector<std::vector<double>> groups;
    try {
      for (std::uint32_t g = 0; g < unit.count; ++g)
        groups.push_back(langevin::observe_group(problems_[unit.point], plan, unit.first + g, &stop));
    } catch (const langevin::Stopped&) {
      throw Stopped{};
    }
    return result_of(groups);
  }

  void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
               const std::function<void(const WorkUnit&, UnitResult&&)>& done) override {
    if (!cuda_) return Experiment::run_all(units, stop, done);
    while (!units.empty() && !stop) {
      const auto batch = units.first(cuda_batch(units));
      units = units.subspan(batch.size());
      std::vector<langevin::Request> requests;
      for (const WorkUnit& unit : batch)
        requests.push_back({&problems_[unit.point], records(O::occupancy) ? &basins_[unit.point] : nullptr,
                            unit.first, unit.count});
      try {
        const auto results = langevin::observe_cuda(record_.plan, requests, &stop);
        for (std::size_t i = 0; i < batch.size(); ++i) done(batch[i], result_of(results[i]));
      } catch (const langevin::Stopped&) {
        return;
      }
    }
  }

  std::vector<double> derive(std::size_t i, const PointEnsemble& ensemble) const override {
    std::vector<double> out = {langevin::temperature(problems_[i])};
    if (dimension_ <= 2) derive_minima(i, out);
    if (quadratic_ && records(O::covariance)) derive_covariance(i, ensemble, out);
    if (records(O::density)) derive_density(i, ensemble, false, out);
    if (records(O::density_2d)) derive_density(i, ensemble, true, out);
    if (records(O::occupancy)) derive_occupancy(i, ensemble, out);
    if (records(O::autocovariance)) derive_autocorrelation(i, ensemble, out);
    if (escapes_) derive_escape(i, ensemble, out);
    return out;
  }

  std::string backend() const override { return cuda_ ? "cuda" : "cpu"; }
  std::string device() const override {
    return cuda_ ? cuda_->name
                 : fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  /// groups[trajectory] are what observe_group() gives.
  static UnitResult result_of(const std::vector<std::vector<double>>& groups) {
    UnitResult result;
    result.diverged_at.assign(groups.size(), -1);
    result.values.resize(groups.size() * groups[0].size());
    for (std::size_t g = 0; g < groups.size(); ++g)
      for (std::size_t i = 0; i < groups[g].size(); ++i) result.values[i * groups.size() + g] = groups[g][i];
    return result;
  }

  /// How many of the first units make one launch, at least one.
  std::size_t cuda_batch(std::span<const WorkUnit> units) const {
    std::size_t size = 0;
    double coordinates = 0, total = 0;
    while (size < units.size() && (size == 0 || (coordinates < kCudaCoordinates && total < kCudaCost))) {
      const Problem& p = problems_[units[size].point];
      coordinates += static_cast<double>(units[size].count) * p.walkers * p.landscape.dimension;
      total += cost(units[size].point) * units[size].count;
      ++size;
    }
    return size;
  }

  bool records(O o) const { return std::ranges::count(record_.plan.observables, o) > 0; }

  langevin::Plan plan_of(std::size_t point) const {
    langevin::Plan plan = record_.plan;
    if (!basins_.empty()) plan.basins = &basins_[point];
    return plan;
  }

  void check(const Problem& p) const {
    if (p.landscape.dimension != problems_[0].landscape.dimension)
      throw ConfigError("landscape.kind: all scan points must have landscapes of the same dimension");
    if (p.landscape.dimension < 2 && records(O::density_2d))
      throw ConfigError(
          "record.observables names density_2d, but the landscape has one dimension; use density");
    if (p.landscape.dimension > 2 && records(O::occupancy))
      throw ConfigError(
          "record.observables names occupancy, which needs a landscape of one or two dimensions");
    if (record_.plan.records.size() > 0 && records(O::autocovariance) && record_.plan.records.size() < 3)
      throw ConfigError(
          "record.observables names autocovariance: lower record.every so that it is recorded at "
          "three steps or more");
  }

  void check_basins() const {
    for (const Basins& b : basins_) {
      if (b.count() < 2)
        throw ConfigError(
            fmt::format("record.observables names occupancy, but the landscape has {} within "
                        "record.range; it needs two minima",
                        b.count() == 1 ? "one minimum" : "no minimum"));
      if (b.count() != basins_[0].count())
        throw ConfigError(
            fmt::format("record.observables names occupancy, but the scan points' landscapes have "
                        "{} and {} minima: scan them in separate files",
                        basins_[0].count(), b.count()));
    }
  }

  /// Coordinates, observables and derived quantities of the file.
  void declare() {
    const auto all = langevin_observables();
    for (const O o : record_.plan.observables) observables_.push_back(all[static_cast<std::size_t>(o)]);
    quadratic_ = std::ranges::all_of(
        problems_, [](const Problem& p) { return p.landscape.kind == langevin::Landscape::Kind::quadratic; });
    escapes_ = records(O::escaped) && records(O::survival_time);
    const std::size_t basins = basins_.empty() ? 0 : basins_[0].count();
    same_basins_ =
        basins > 0 && std::ranges::all_of(basins_, [&](const Basins& b) { return b.count() == basins; });
    const langevin::Histogram& h = record_.plan.histogram;

    if (records(O::mean) || (dimension_ <= 2 && same_basins_))
      coordinates_.push_back(numbered("coordinate", "index of the coordinate", dimension_));
    if (records(O::covariance)) {
      coordinates_.push_back(numbered("row", "index of the coordinate", dimension_));
      coordinates_.push_back(numbered("column", "index of the coordinate", dimension_));
    }
    const bool densities = records(O::density) || records(O::density_2d);
    if (records(O::density))
      coordinates_.push_back(centres("position", "centre of the bin of the first coordinate", h.box.low[0],
                                     h.box.high[0], h.bins));
    if (records(O::density_2d)) {
      if (records(O::density) && h.bins != h.bins_2d)
        throw ConfigError(
            "record.bins and record.bins_2d must agree where both density and density_2d are recorded");
      if (!records(O::density))
        coordinates_.push_back(centres("position", "centre of the bin of the first coordinate", h.box.low[0],
                                       h.box.high[0], h.bins_2d));
      coordinates_.push_back(centres("position_y", "centre of the bin of the second coordinate", h.box.low[1],
                                     h.box.high[1], h.bins_2d));
    }
    if (same_basins_ && dimension_ <= 2)
      coordinates_.push_back(numbered("basin", "minimum, counted along the first coordinate", basins));

    const auto add = [&](const char* name) { derived_.push_back(derived_named(langevin_derived(), name)); };
    add("temperature");
    if (dimension_ <= 2 && same_basins_) {
      add("minimum");
      add("minimum_loss");
      add("minimum_determinant");
    }
    if (quadratic_ && records(O::covariance)) {
      coordinates_.push_back(labelled("covariance_law",
                                      "scheme: exact for the recursion that was run; continuous: "
                                      "its limit of small steps",
                                      {"scheme", "continuous"}));
      add("covariance_predicted");
      add("covariance_chi2");
    }
    if (densities)
      coordinates_.push_back(
          labelled("density_law",
                   "eq25: exp(-l/T); fokker_planck: exact for the SDE; scheme: exact for the "
                   "recursion (quadratic landscapes)",
                   {"eq25", "fokker_planck", "scheme"}));
    if (records(O::density)) {
      add("density_predicted");
      add("density_chi2");
    }
    if (records(O::density_2d)) {
      add("density_2d_predicted");
      add("density_2d_chi2");
    }
    if (records(O::occupancy)) {
      coordinates_.push_back(
          labelled("occupancy_law",
                   "eq26: with the factor 2 of Eq. 25; eq26_printed: without it; integral: "
                   "the stationary density over the basin",
                   {"eq26", "eq26_printed", "integral"}));
      add("occupancy_predicted");
      add("occupancy_chi2");
    }
    if (records(O::autocovariance)) {
      add("autocorrelation_time");
      add("autocorrelation_time_stderr");
      add("autocorrelation_time_predicted");
    }
    if (escapes_) {
      coordinates_.push_back(
          labelled("escape_law",
                   "first_passage: exact for the SDE in one dimension; kramers: its limit for "
                   "high barriers",
                   {"first_passage", "kramers"}));
      add("escape_time");
      add("escape_time_stderr");
      add("escape_time_predicted");
      add("escape_time_z");
    }
  }

  /// First cell of an observable in the ensemble, and its cells per record.
  std::pair<std::size_t, std::size_t> place(O wanted) const {
    std::size_t first = 0;
    const langevin::Plan plan = plan_of(0);
    for (const O o : plan.observables) {
      const std::size_t cells = plan.cells(o, static_cast<int>(dimension_));
      if (o == wanted) return {first, cells};
      first += cells * plan.records.size();
    }
    return {first, 0};
  }

  Measured measured(const PointEnsemble& e, O o, std::size_t record) const {
    const auto [first, cells] = place(o);
    double groups = 0;
    for (const std::int64_t n : e.survivors) groups += static_cast<double>(n);
    return {e.mean.subspan(first + record * cells, cells), e.error.subspan(first + record * cells, cells),
            groups};
  }

  std::size_t record_count() const { return record_.plan.records.size(); }

  /// Appends the predictions of every law, NaN where a law has none, then the deviation of each at every
  /// record.
  void compare(const PointEnsemble& e, O o, const std::vector<std::vector<double>>& laws,
               std::vector<double>& out) const {
    const double most = o == O::covariance ? std::numeric_limits<double>::infinity() : kLargestBinError;
    const std::size_t cells = place(o).second;
    for (const auto& law : laws) {
      if (law.empty())
        out.insert(out.end(), cells, kNan);
      else
        out.insert(out.end(), law.begin(), law.end());
    }
    for (std::size_t record = 0; record < record_count(); ++record)
      for (const auto& law : laws)
        out.push_back(law.empty() ? kNan : mean_square_deviation(measured(e, o, record), law, most));
  }

  void derive_minima(std::size_t i, std::vector<double>& out) const {
    if (!same_basins_) return;
    const auto& minima = basins_[i].minima();
    for (const auto& m : minima) out.insert(out.end(), m.position.begin(), m.position.end());
    for (const auto& m : minima) out.push_back(m.loss);
    for (const auto& m : minima) out.push_back(m.determinant);
  }

  void derive_covariance(std::size_t i, const PointEnsemble& e, std::vector<double>& out) const {
    std::vector<std::vector<double>> laws;
    for (const auto law : kCovarianceLaws) laws.push_back(langevin::stationary_covariance(problems_[i], law));
    compare(e, O::covariance, laws, out);
  }

  void derive_density(std::size_t i, const PointEnsemble& e, bool plane, std::vector<double>& out) const {
    const auto& histogram = record_.plan.histogram;
    std::vector<std::vector<double>> laws;
    for (const auto law : kDensityLaws)
      laws.push_back(plane ? langevin::stationary_density_2d(problems_[i], law, histogram)
                           : langevin::stationary_density(problems_[i], law, histogram));
    compare(e, plane ? O::density_2d : O::density, laws, out);
  }

  void derive_occupancy(std::size_t i, const PointEnsemble& e, std::vector<double>& out) const {
    std::vector<std::vector<double>> laws;
    for (const auto law : kOccupancyLaws)
      laws.push_back(langevin::occupancy(problems_[i], law, basins_[i], record_.plan.histogram.box));
    compare(e, O::occupancy, laws, out);
  }

  /// The trapezoidal sum of correlation[record], in t.
  double correlation_time(std::size_t i, std::span<const double> correlation) const {
    double time = 0;
    for (std::size_t r = 1; r < record_count(); ++r)
      time += 0.5 * (correlation[r] + correlation[r - 1]) *
              static_cast<double>(record_.plan.records[r] - record_.plan.records[r - 1]);
    return time * problems_[i].learning_rate / correlation[0];
  }

  void derive_autocorrelation(std::size_t i, const PointEnsemble& e, std::vector<double>& out) const {
    const std::size_t first = place(O::autocovariance).first;
    const Estimate time = jackknife(e, [&](auto at) {
      std::vector<double> correlation;
      for (std::size_t r = 0; r < record_count(); ++r) correlation.push_back(at(first + r));
      return correlation_time(i, correlation);
    });
    out.push_back(time.value);
    out.push_back(time.error);
    const Problem& p = problems_[i];
    const bool known =
        quadratic_ && p.landscape.diagonal &&
        (p.scheme == langevin::Scheme::euler_maruyama || p.noise.kind != langevin::Noise::Kind::state);
    std::vector<double> exact;
    const double x = p.landscape.kind == langevin::Landscape::Kind::quadratic
                         ? p.learning_rate / p.substeps * p.landscape.hessian[0]
                         : kNan;
    const bool second = p.scheme == langevin::Scheme::heun || p.scheme == langevin::Scheme::weak2;
    const double multiplier = second ? 1 - x + 0.5 * x * x : 1 - x;
    for (const std::int64_t step : record_.plan.records)
      exact.push_back(std::pow(multiplier, static_cast<double>(step) * p.substeps));
    out.push_back(known ? correlation_time(i, exact) : kNan);
  }

  void derive_escape(std::size_t i, const PointEnsemble& e, std::vector<double>& out) const {
    std::vector<double> times, errors;
    for (std::size_t r = 0; r < record_count(); ++r) {
      const Estimate time = jackknife(e, [&](auto at) {
        const double escaped = at(place(O::escaped).first + r);
        return escaped > 0 ? at(place(O::survival_time).first + r) / escaped : kNan;
      });
      times.push_back(time.value);
      errors.push_back(time.error);
    }
    const double laws[2] = {
        langevin::mean_first_passage_time(problems_[i], record_.plan.histogram.box),
        basins_.empty() ? kNan : langevin::kramers_time(problems_[i], basins_[i]),
    };
    out.insert(out.end(), times.begin(), times.end());
    out.insert(out.end(), errors.begin(), errors.end());
    out.insert(out.end(), std::begin(laws), std::end(laws));
    for (std::size_t r = 0; r < record_count(); ++r)
      for (const double law : laws) out.push_back((times[r] - law) / errors[r]);
  }

  LangevinRecord record_;
  int threads_;
  std::optional<CudaDevice> cuda_;  ///< the device, where this runs on one
  std::vector<Problem> problems_;
  std::vector<Basins> basins_;  ///< one per point; none in more than two dimensions
  std::size_t dimension_ = 1;
  bool quadratic_ = false;
  bool escapes_ = false;
  bool same_basins_ = false;
  std::vector<soret::Observable> observables_;
  std::vector<Coordinate> coordinates_;
  std::vector<DerivedQuantity> derived_;
};

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<LangevinExperiment>(plan, backend);
}

}  // namespace

const Simulation& langevin_simulation() {
  static const Simulation simulation{
      .name = "langevin",
      .summary = "SGD with Gaussian gradient noise and its SDE on named landscapes (seed 003 section 5)",
      .options = langevin_options(),
      .observables = langevin_observables(),
      .derived = langevin_derived(),
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
