#include "sims/random_walk/random_walk.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sims/random_walk/analysis.hpp"
#include "sims/random_walk/options.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"

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

class RandomWalkExperiment : public Experiment {
 public:
  RandomWalkExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(random_walk_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda)
      throw ConfigError("random_walk has no CUDA backend yet; use --backend cpu");
    const auto all = random_walk_observables();
    for (const auto o : record_.observables) observables_.push_back(all[static_cast<std::size_t>(o)]);
    if (plan.common().integer("walk.dimensions") == 1)
      for (Observable& o : observables_) std::erase(o.dimensions, "axis");
    for (std::size_t i = 0; i < plan.points(); ++i) problems_.push_back(random_walk_point(plan.at(i)));
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
  std::uint32_t preferred_group(std::size_t) const override { return 1; }
  double cost(std::size_t point) const override {
    return static_cast<double>(record_.steps.back()) * record_.walkers * problems_[point].dimensions;
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    try {
      walk::Records records = walk::run_cpu(problems_[unit.point], {.first_group = unit.first,
                                                                    .groups = static_cast<int>(unit.count),
                                                                    .walkers = record_.walkers,
                                                                    .record_steps = record_.steps,
                                                                    .sample_every = record_.sample_every,
                                                                    .bins = record_.bins,
                                                                    .observables = record_.observables,
                                                                    .stop = &stop});
      return {std::move(records.values), std::move(records.diverged_at)};
    } catch (const walk::Stopped&) {
      throw Stopped{};
    }
  }

  std::string backend() const override { return "cpu"; }
  std::string device() const override {
    return fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  RandomWalkRecord record_;
  std::vector<walk::Problem> problems_;
  std::vector<Observable> observables_;
  std::vector<DerivedQuantity> derived_;
  std::vector<Coordinate> coordinates_;
  int threads_;
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
