#include "sims/train/train.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sims/side_by_side.hpp"
#include "sims/train/derived.hpp"
#include "sims/train/options.hpp"
#include "sims/train/recorder.hpp"
#include "sims/train/run.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/store/checkpoint.hpp"

namespace soret::sims {
namespace {

namespace fs = std::filesystem;
using O = TrainObservable;

constexpr O kOverLayers[] = {O::parameter_norm_layer, O::gradient_variance_layer, O::fisher_trace_layer,
                             O::lambda_max_layer, O::hessian_trace_layer};

/// What a scan point lacks for what is to be recorded.
void check(const TrainProblem& p, const TrainRecord& record) {
  const auto observables = train_observables();
  const auto wants = [&](std::initializer_list<O> all) -> std::string {
    for (const O o : all)
      if (record.wants(o)) return observables[static_cast<std::size_t>(o)].name;
    return {};
  };
  if (p.options.data.validation_samples == 0) {
    const auto name =
        wants({O::validation_loss, O::validation_error, O::selected_step, O::selected_validation_error,
               O::selected_validation_loss, O::selected_test_error, O::selected_test_loss});
    if (!name.empty())
      throw ConfigError(fmt::format(
          "record.observables names {}, which needs a held-out slice: set data.validation_samples", name));
  }
  const auto monitored = wants({O::micro_batch_norm, O::micro_batch_square, O::sampled_micro_batch_square});
  if (!monitored.empty() && p.options.model.has_batch_norm()) {
    const int size = std::min(record.monitored_size, static_cast<int>(p.set->train.size()));
    const int group = p.options.model.batch_norm_group == 0 ? size : p.options.model.batch_norm_group;
    if (size == 1 || group == 1 || size % group == 1)
      throw ConfigError(fmt::format(
          "record.observables names {}, and micro-batches of {} samples (record.monitored_size) leave a "
          "batch-normalisation group of one",
          monitored, size));
  }
  if (const auto name = wants({O::gauss_newton_trace, O::trace_bound, O::trace_bound_printed});
      !name.empty()) {
    const Model& m = p.options.model;
    if (m.kind != Model::Kind::mlp || m.activation != network::ActivationKind::relu ||
        m.head != network::HeadKind::softmax)
      throw ConfigError(fmt::format(
          "record.observables names {}, which is of network.kind = mlp with activation = relu and loss = "
          "softmax",
          name));
  }
}

/// Bytes: ten pairs of the quasi-Newton model twice, and what is held of points and gradients, in double.
double memory_of_flatness(const TrainProblem& p, const TrainRecord& record) {
  constexpr double kVectors = 60;
  const bool wanted =
      record.wants(O::sharpness) || record.wants(O::sharpness_half) || record.wants(O::sam_sharpness);
  return wanted ? kVectors * sizeof(double) * static_cast<double>(p.network->parameter_count()) : 0;
}

/// Bytes of the passes over the micro-batches whose norms are recorded.
double memory_of_monitoring(const TrainProblem& p, const TrainRecord& record, int threads) {
  if (!record.wants(O::micro_batch_norm) && !record.wants(O::micro_batch_square) &&
      !record.wants(O::sampled_micro_batch_square))
    return 0;
  const auto size = std::min(p.set->train.size(), static_cast<std::size_t>(record.monitored_size));
  const network::Pass<float> pass(*p.network, static_cast<int>(size), network::After::nothing);
  const auto parameters = sizeof(float) * static_cast<double>(p.network->parameter_count());
  const auto images = static_cast<double>(size * p.network->input().size()) * sizeof(float);
  return std::min(threads, record.monitored_batches) *
             (static_cast<double>(pass.planned_bytes(false)) + parameters) +
         record.monitored_batches * images;
}

/// Throws ConfigError where runs of a point would need more memory than there is.
void check_memory(const TrainProblem& p, const TrainRecord& record, std::size_t runs, int threads) {
  const auto together = static_cast<int>(std::min(runs, static_cast<std::size_t>(threads)));
  const int inside = std::max(1, threads / together);
  const double run =
      memory_of_run(p, inside) + memory_of_flatness(p, record) + memory_of_monitoring(p, record, inside);
  const double available = available_memory();
  if (available == 0 || together * run < available) return;
  constexpr double kGiB = 1 << 30;
  throw ConfigError(fmt::format(
      "a run of {} parameters in chunks of {} samples takes about {:.1f} GiB, {} at a time {:.1f} GiB, and "
      "{:.1f} GiB "
      "are free; take a smaller sgd.chunk (or sgd.micro_batch_size, which it follows), "
      "record.monitored_size, network.width or --threads",
      p.network->parameter_count(), p.chunk, run / kGiB, together, together * run / kGiB, available / kGiB));
}

class TrainExperiment : public Experiment {
 public:
  TrainExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(train_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda)
      throw ConfigError("--backend cuda: simulation = train runs on the CPU");
    TrainProblems make;
    for (std::size_t i = 0; i < plan.points(); ++i) {
      problems_.push_back(make(plan.at(i), record_));
      check(problems_.back(), record_);
      check_memory(problems_.back(), record_, plan.points() * record_.trajectories, threads_);
      // Points of other lengths take other norms of one file.
      for (const auto& [file, digest] : sources_of(problems_.back())) {
        std::string& all = sources_[file];
        if (all.find(digest) == std::string::npos) all += (all.empty() ? "" : ",") + digest;
      }
    }
    const auto all = train_observables();
    bool layers = false;
    for (const O o : record_.observables) {
      observables_.push_back(all[static_cast<std::size_t>(o)]);
      layers = layers || std::ranges::count(kOverLayers, o) > 0;
      offsets_.push_back(cells_);
      cells_ += cells_of(o);
    }
    if (layers) add_layers();
    if (record_.wants(O::eigenvalues)) {
      Coordinate rank{.name = "rank", .long_name = "rank of the eigenvalue, 1 for the largest"};
      for (int k = 1; k <= record_.eigenvalues; ++k) rank.values.push_back(k);
      coordinates_.push_back(std::move(rank));
    }
    if (record_.wants(O::spectral_density))
      coordinates_.push_back(
          {.name = "curvature", .long_name = "curvature", .values = record_.density_places});
    if (record_.wants(O::wall_seconds_phase))
      coordinates_.push_back({.name = "phase",
                              .long_name = "what the time was spent on",
                              .values = {},
                              .labels = {std::begin(kPhases), std::end(kPhases)}});
    derived_ = derived_of(record_);
    if (!derived_.empty())
      coordinates_.push_back(
          {.name = "matched_loss", .long_name = "training loss", .values = record_.matched_losses});
    const auto records_over = [&](const std::string& dimension) {
      return std::ranges::any_of(observables_, [&](const auto& o) { return o.recorded_over == dimension; });
    };
    if (records_over("gradient_step")) schedules_.push_back({"gradient_step", record_.gradient_steps});
    if (records_over("curvature_step")) schedules_.push_back({"curvature_step", record_.curvature_steps});
  }

  std::size_t points() const override { return problems_.size(); }
  std::uint32_t trajectories() const override { return record_.trajectories; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return record_.steps; }
  const std::vector<RecordSchedule>& further_schedules() const override { return schedules_; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  std::vector<double> derive(std::size_t /*point*/, const PointEnsemble& ensemble) const override {
    return derive_train(record_, derived_, offsets_, ensemble);
  }
  Sources sources() const override { return sources_; }
  std::string step_name() const override { return record_.counts_epochs ? "epoch" : "update"; }
  std::uint32_t preferred_group(std::size_t /*point*/) const override { return 1; }
  double cost(std::size_t point) const override {
    const TrainProblem& p = problems_[point];
    return static_cast<double>(p.updates) * update_cost(p);
  }
  void keep_in(const fs::path& folder, bool fresh) override {
    folder_ = folder;
    if (fresh) fs::remove_all(folder);
  }
  bool report_to(const std::function<void(double)>& progress) override {
    progress_ = progress;
    return true;
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    UnitResult result{std::vector<double>(cells_ * unit.count), std::vector<std::int64_t>(unit.count, -1)};
    const TrainProblem& p = problems_[unit.point];
    for (std::uint32_t t = 0; t < unit.count; ++t) {
      const RunFiles files{checkpoint(unit.point, unit.first + t), note};
      const TrainRun one = run_training(p, record_, unit.first + t, files, stop, [&](double updates) {
        if (progress_) progress_(updates * update_cost(p));
      });
      result.diverged_at[t] = one.diverged_at;
      for (std::size_t cell = 0; cell < cells_; ++cell)
        result.values[cell * unit.count + t] = one.values[cell];
    }
    return result;
  }

  void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
               const std::function<void(const WorkUnit&, UnitResult&&)>& done) override {
    if (units.empty()) return;
    run_side_by_side(
        units, threads_, stop, [&](const WorkUnit& unit) { return run(unit, stop); },
        [&](const WorkUnit& unit, UnitResult&& result) {
          done(unit, std::move(result));
          if (!record_.keep_checkpoints) forget(unit);
        });
    if (!stop && !record_.keep_checkpoints && !folder_.empty()) fs::remove_all(folder_);
  }

  std::string backend() const override { return "cpu"; }
  std::string device() const override {
    return fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  /// Proportional to the operations of an update.
  static double update_cost(const TrainProblem& p) {
    return static_cast<double>(p.options.recipe.batch_size) *
           static_cast<double>(p.network->parameter_count());
  }

  std::size_t cells_of(O o) const {
    const auto* steps = steps_of(o, record_);
    return (steps ? steps->size() : 1) * extent(o, record_, problems_[0].parts.size() - 1);
  }

  void add_layers() {
    Coordinate layer{.name = "layer", .long_name = "layer of the network"};
    for (std::size_t k = 1; k < problems_[0].parts.size(); ++k)
      layer.labels.push_back(problems_[0].parts[k].name);
    for (const TrainProblem& p : problems_) {
      const bool same =
          p.parts.size() == problems_[0].parts.size() &&
          std::ranges::equal(p.parts, problems_[0].parts, {}, &measure::Part::name, &measure::Part::name);
      if (!same)
        throw ConfigError(
            "record.observables names quantities per layer, but the networks of the scan have "
            "different layers; leave them out, or scan the networks one by one");
    }
    coordinates_.push_back(std::move(layer));
  }

  fs::path checkpoint(std::size_t point, std::uint32_t trajectory) const {
    if (folder_.empty()) return {};
    return folder_ / fmt::format("point{}-run{}.h5", point, trajectory);
  }
  void forget(const WorkUnit& unit) const {
    for (std::uint32_t t = 0; t < unit.count; ++t)
      store::remove_checkpoint(checkpoint(unit.point, unit.first + t));
  }
  static void note(const std::string& text) { fmt::print(stderr, "note: {}\n", text); }

  TrainRecord record_;
  int threads_;
  std::vector<TrainProblem> problems_;
  Sources sources_;
  std::vector<Observable> observables_;
  std::vector<RecordSchedule> schedules_;
  std::vector<Coordinate> coordinates_;
  std::vector<DerivedQuantity> derived_;
  std::vector<std::size_t> offsets_;
  std::size_t cells_ = 0;
  fs::path folder_;
  std::function<void(double)> progress_;
};

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<TrainExperiment>(plan, backend);
}

}  // namespace

const Simulation& train_simulation() {
  static const Simulation simulation{
      .name = "train",
      .summary =
          "training of networks on data sets, with what can be measured on the way (seeds 000, 001, 003)",
      .options = train_options(),
      .observables = train_observables(),
      .derived = train_derived(),
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
