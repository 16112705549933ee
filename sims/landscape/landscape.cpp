#include "sims/landscape/landscape.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "sims/landscape/known_cells.hpp"
#include "sims/landscape/section.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"

namespace soret::sims {
namespace {

using O = LandscapeObservable;
using Kind = LandscapeOptions::Kind;
using BatchNorm = LandscapeOptions::BatchNorm;

/// Makes sections; those with the same checkpoints share their data.
class Sections {
 public:
  std::shared_ptr<Section> of(const LandscapeOptions& o) {
    auto& section = sections_[o.section()];
    if (section) return section;
    std::vector<std::string> files = {o.from};
    if (o.is_path() || o.kind == Kind::checkpoints) files.push_back(o.to);
    if (o.kind == Kind::checkpoints) files.push_back(o.third);
    std::vector<TrainedNetwork> networks;
    for (const std::string& file : files) networks.push_back(read_(file, o.data));
    note_policy(o, networks[0]);
    section = std::make_shared<Section>(o, networks, data_of(networks[0]));
    return section;
  }
  const Sources& sources() const { return read_.sources(); }

 private:
  Section::Data data_of(const TrainedNetwork& network) {
    auto& data = data_[{network.set.get(), network.head()}];
    if (!data.train)
      data = {std::make_shared<const LandscapeData>(network.set->train, network.head(), network.outputs()),
              std::make_shared<const LandscapeData>(network.set->test, network.head(), network.outputs())};
    return data;
  }
  void note_policy(const LandscapeOptions& o, const TrainedNetwork& network) {
    if (noted_ || o.batch_norm == BatchNorm::interpolate || network.network->state_count() > 0) return;
    noted_ = true;
    fmt::print(stderr,
               "note: the network of {} has no batch normalisation; landscape.batch_norm changes nothing\n",
               o.from);
  }

  TrainedNetworks read_;
  std::map<std::string, std::shared_ptr<Section>> sections_;
  std::map<std::pair<const TrainingSet*, network::HeadKind>, Section::Data> data_;
  bool noted_ = false;
};

class LandscapeExperiment : public Experiment {
 public:
  LandscapeExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(landscape_record(plan)), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda)
      throw ConfigError("--backend cuda: simulation = landscape runs on the CPU");
    Sections sections;
    for (std::size_t i = 0; i < plan.points(); ++i) {
      const LandscapeOptions cell = landscape_cell(plan.at(i));
      cells_.push_back({sections.of(cell), cell.alpha, cell.beta});
      eigenvectors_ = eigenvectors_ || cell.kind == Kind::eigenvectors;
    }
    sources_ = sections.sources();
    const auto all = landscape_observables();
    for (const O o : record_.observables) {
      observables_.push_back(all[static_cast<std::size_t>(o)]);
      observables_.back().drawn_over = !record_.over_beta   ? "alpha"
                                       : record_.over_alpha ? "alpha beta"
                                                            : "beta";
    }
    known_.resize(cells_.size());
    if (const auto& file = plan.common().text("landscape.take_from"); !file.empty())
      known_ = known_cells(file, plan, observables_, sources_);
    for (const DerivedQuantity& quantity : landscape_derived())
      if (quantity.what.name != "eigenvalue" || eigenvectors_) derived_.push_back(quantity);
    coordinates_ = {{.name = "direction",
                     .long_name = "direction that a coordinate runs along",
                     .values = {},
                     .labels = {"alpha", "beta"}},
                    {.name = "checkpoint",
                     .long_name = "checkpoint by its key",
                     .values = {},
                     .labels = {"from", "to", "third"}}};
  }

  std::size_t points() const override { return cells_.size(); }
  std::uint32_t trajectories() const override { return record_.trajectories; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return steps_; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  Sources sources() const override { return sources_; }
  std::string step_name() const override { return "no steps are taken"; }
  std::uint32_t preferred_group(std::size_t /*point*/) const override { return 1; }
  double cost(std::size_t point) const override {
    if (known_[point]) return 1;
    const Section& section = *cells_[point].section;
    const int passes = section.options().batch_norm == BatchNorm::reestimate ? 2 : 1;
    return static_cast<double>(section.network().parameter_count()) *
           (passes * section.train_samples() + (wants_test() ? section.test_samples() : 0));
  }

  void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
               const std::function<void(const WorkUnit&, UnitResult&&)>& done) override {
    try {  // before the cells, for each of which there is one thread
      for (const WorkUnit& unit : units)
        if (!known_[unit.point]) cells_[unit.point].section->find_directions(stop);
    } catch (const Stopped&) {
      return;
    }
    Experiment::run_all(units, stop, done);
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    const Cell& cell = cells_[unit.point];
    UnitResult result{std::vector<double>(record_.observables.size() * unit.count),
                      std::vector<std::int64_t>(unit.count, -1)};
    if (const auto& known = known_[unit.point]) {
      for (std::size_t k = 0; k < record_.observables.size(); ++k)
        for (std::uint32_t t = 0; t < unit.count; ++t)
          result.values[k * unit.count + t] = (*known)[k * record_.trajectories + unit.first + t];
      return result;
    }
    cell.section->find_directions(stop);
    for (std::uint32_t t = 0; t < unit.count; ++t) {
      const std::vector<double> row = measure(cell, unit.first + t, stop);
      for (std::size_t k = 0; k < row.size(); ++k) result.values[k * unit.count + t] = row[k];
    }
    return result;
  }

  std::vector<double> derive(std::size_t point, const PointEnsemble& /*ensemble*/) const override {
    static const std::atomic<bool> never = false;
    Section& section = *cells_[point].section;
    section.find_directions(never);  // where a journal is replayed, no cell has asked for them yet
    std::vector<double> all;
    for (const DerivedQuantity& quantity : derived_)
      std::ranges::copy(section.derived(quantity.what.name), std::back_inserter(all));
    return all;
  }

  std::string backend() const override { return "cpu"; }
  std::string device() const override {
    return fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  struct Cell {
    std::shared_ptr<Section> section;
    double alpha, beta;
  };

  bool wants_train() const { return record_.wants(O::train_loss) || record_.wants(O::train_accuracy); }
  bool wants_test() const { return record_.wants(O::test_loss) || record_.wants(O::test_accuracy); }

  std::vector<double> measure(const Cell& cell, std::uint32_t trajectory,
                              const std::atomic<bool>& stop) const {
    const auto unless_stopped = [&] {
      if (stop) throw Stopped{};
    };
    const Section& section = *cell.section;
    LandscapePoint point = section.at(cell.alpha, cell.beta, trajectory);
    unless_stopped();
    if (wants_train() || wants_test()) point = section.with_statistics(std::move(point));
    unless_stopped();
    const measure::Scores train = wants_train() ? section.train_scores(point) : measure::Scores{};
    unless_stopped();
    const measure::Scores test = wants_test() ? section.test_scores(point) : measure::Scores{};
    std::vector<double> row;
    for (const O o : record_.observables) {
      switch (o) {
        case O::train_loss:
          row.push_back(train.loss);
          break;
        case O::train_accuracy:
          row.push_back(train.accuracy);
          break;
        case O::test_loss:
          row.push_back(test.loss);
          break;
        case O::test_accuracy:
          row.push_back(test.accuracy);
          break;
        case O::parameter_norm:
          row.push_back(section.parameter_norm(point));
          break;
        case O::distance:
          row.push_back(section.distance(point));
          break;
      }
    }
    return row;
  }

  LandscapeRecord record_;
  int threads_;
  std::vector<Cell> cells_;
  std::vector<std::optional<std::vector<double>>> known_;  ///< [cell], from an earlier file
  std::vector<Observable> observables_;
  std::vector<Coordinate> coordinates_;
  std::vector<DerivedQuantity> derived_;
  Sources sources_;
  std::vector<std::int64_t> steps_ = {0};
  bool eigenvectors_ = false;
};

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<LandscapeExperiment>(plan, backend);
}

}  // namespace

const Simulation& landscape_simulation() {
  static const Simulation simulation{
      .name = "landscape",
      .summary =
          "loss and accuracy along lines and planes between and around trained networks (seed 003 Fig. 5)",
      .options = landscape_options(),
      .observables = landscape_observables(),
      .derived = landscape_derived(),
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
