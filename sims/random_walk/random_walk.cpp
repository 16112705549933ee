#include "sims/random_walk/random_walk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "sims/random_walk/analysis.hpp"
#include "sims/random_walk/options.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/base/formula_cuda.hpp"
#include "soret/base/machine.hpp"
#include "soret/walk/random_walk_cuda.hpp"

namespace soret::sims {
namespace {

std::vector<Coordinate> coordinates_of(const walk::Problem& p, int bins) {
  Coordinate axis{.name = "axis", .long_name = "coordinate, counted from 1"};
  for (int i = 1; i <= p.dimensions; ++i) axis.values.push_back(i);
  Coordinate position{.name = "position", .long_name = "centre of the bin of the first coordinate"};
  Coordinate second{.name = "position_2", .long_name = "centre of the bin of the second coordinate"};
  Coordinate edge{.name = "edge", .long_name = "edge between bins of the first coordinate"};
  const double width = p.width() / bins;
  for (int b = 0; b < bins; ++b) position.values.push_back(p.lower + (b + 0.5) * width);
  second.values = position.values;
  for (int b = 0; b <= bins; ++b) edge.values.push_back(b == bins ? p.upper : p.lower + b * width);
  return {axis, convention_coordinate(), position, second, edge};
}

/// How much goes to CUDA at a time: walkers enough to fill a large device, and beyond them as much as it is
/// through with in tens of seconds, so that what is finished reaches the journal. Our choice.
constexpr double kCudaFilling = 1U << 18;
constexpr double kCudaWalkers = 1U << 22;
constexpr double kCudaCost = 5e12;        // walkers times steps times coordinates
constexpr double kCudaValues = 1U << 27;  // numbers that come out: 1 GiB
/// Walkers of a unit at least: the groups of a unit share thread blocks.
constexpr int kCudaUnit = 1024;

class RandomWalkExperiment : public Experiment {
 public:
  RandomWalkExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(random_walk_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda) cuda_ = require_cuda_device();
    if (backend.kind == Backend::Kind::automatic) cuda_ = find_cuda_device();
    const auto all = random_walk_observables();
    for (const auto o : record_.observables) observables_.push_back(all[static_cast<std::size_t>(o)]);
    if (plan.common().integer("walk.dimensions") == 1)
      for (Observable& o : observables_) std::erase(o.dimensions, "axis");
    for (std::size_t i = 0; i < plan.points(); ++i) problems_.push_back(random_walk_point(plan.at(i)));
    if (cuda_ && !problems_[0].formulas.empty() && !missing_formula_compiler().empty()) {
      if (backend.kind == Backend::Kind::cuda) throw ConfigError(missing_formula_compiler());
      cuda_.reset();
    }
    derived_ = random_walk_derived(record_, problems_[0].dimensions);
    const auto used = [this](const Coordinate& coordinate) {
      const auto has = [&](const Observable& o) {
        return std::ranges::find(o.dimensions, coordinate.name) != o.dimensions.end();
      };
      return std::ranges::any_of(observables_, has) ||
             std::ranges::any_of(derived_, has, &DerivedQuantity::what);
    };
    for (Coordinate& coordinate : coordinates_of(problems_[0], record_.bins))
      if (used(coordinate)) coordinates_.push_back(std::move(coordinate));
  }

  std::size_t points() const override { return problems_.size(); }
  std::uint32_t trajectories() const override { return record_.groups; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return record_.steps; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  std::vector<double> derive(std::size_t point, const PointEnsemble& ensemble) const override {
    return random_walk_derive(problems_[point], record_, ensemble);
  }
  std::string step_name() const override { return "step of the walk"; }
  std::uint32_t preferred_group(std::size_t) const override {
    return cuda_ ? static_cast<std::uint32_t>((kCudaUnit + record_.walkers - 1) / record_.walkers) : 1;
  }
  double cost(std::size_t point) const override {
    return static_cast<double>(record_.steps.back()) * record_.walkers * problems_[point].dimensions;
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    try {
      return result_of(walk::run_cpu(problems_[unit.point], request(unit, stop)));
    } catch (const walk::Stopped&) {
      throw Stopped{};
    }
  }

  void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
               const std::function<void(const WorkUnit&, UnitResult&&)>& done) override {
    if (!cuda_) return Experiment::run_all(units, stop, done);
    while (!units.empty() && !stop) {
      const auto batch = units.first(cuda_batch(units));
      units = units.subspan(batch.size());
      std::vector<walk::Problem> problems;
      std::vector<walk::Request> requests;
      for (const WorkUnit& unit : batch) {
        problems.push_back(problems_[unit.point]);
        requests.push_back(request(unit, stop));
      }
      try {
        auto results = walk::run_cuda(problems, requests);
        for (std::size_t i = 0; i < batch.size(); ++i) done(batch[i], result_of(std::move(results[i])));
      } catch (const walk::Stopped&) {
        return;
      }
    }
  }

  std::string backend() const override { return cuda_ ? "cuda" : "cpu"; }
  std::string device() const override {
    return cuda_ ? cuda_->name
                 : fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  walk::Request request(const WorkUnit& unit, const std::atomic<bool>& stop) const {
    return {.first_group = unit.first,
            .groups = static_cast<int>(unit.count),
            .walkers = record_.walkers,
            .record_steps = record_.steps,
            .sample_every = record_.sample_every,
            .bins = record_.bins,
            .observables = record_.observables,
            .stop = &stop};
  }
  static UnitResult result_of(walk::Records&& records) {
    return {std::move(records.values), std::move(records.diverged_at)};
  }

  /// How many of the first units make one launch, at least one.
  std::size_t cuda_batch(std::span<const WorkUnit> units) const {
    std::size_t size = 0;
    double walkers = 0;
    double total = 0;
    double values = 0;
    const auto more = [&] { return walkers < kCudaFilling || (walkers < kCudaWalkers && total < kCudaCost); };
    while (size < units.size() && values < kCudaValues && more()) {
      const WorkUnit& unit = units[size++];
      walkers += static_cast<double>(unit.count) * record_.walkers;
      total += cost(unit.point) * unit.count;
      for (const walk::Observable o : record_.observables)
        values += static_cast<double>(walk::cells(o, problems_[unit.point], record_.bins)) * unit.count *
                  static_cast<double>(record_.steps.size());
    }
    return size;
  }

  RandomWalkRecord record_;
  std::vector<walk::Problem> problems_;
  std::vector<Observable> observables_;
  std::vector<DerivedQuantity> derived_;
  std::vector<Coordinate> coordinates_;
  int threads_;
  std::optional<CudaDevice> cuda_;  ///< the device, where this runs on one
};

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<RandomWalkExperiment>(plan, backend);
}

}  // namespace

const Simulation& random_walk_simulation() {
  static const Simulation simulation{
      .name = "random_walk",
      .summary =
          "inhomogeneous random walks q <- q - eta gamma g(q) against Fokker-Planck (seed 002 section 3)",
      .options = random_walk_options(),
      .observables = random_walk_observables(),
      .derived = random_walk_all_derived(),
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
