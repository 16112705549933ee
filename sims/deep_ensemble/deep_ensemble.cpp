#include "sims/deep_ensemble/deep_ensemble.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "sims/deep_ensemble/options.hpp"
#include "sims/jackknife.hpp"
#include "sims/option_table.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/ensemble/deep_cuda.hpp"

namespace soret::sims {
namespace {

using deep::Architecture;
using deep::Inputs;
using deep::Loss;
using deep::Problem;
using two_layer::SampleSet;

/// Images as the layers take them: [row][column][channel].
std::shared_ptr<const SampleSet> channels_last(const std::shared_ptr<const SampleSet>& set, int channels,
                                               int pixels) {
  if (!set || channels == 1) return set;
  auto turned = std::make_shared<SampleSet>(*set);
  const auto size = static_cast<std::size_t>(channels) * pixels;
  for (std::size_t s = 0; s < static_cast<std::size_t>(set->size); ++s) {
    for (int c = 0; c < channels; ++c) {
      for (int k = 0; k < pixels; ++k)
        turned->inputs[s * size + static_cast<std::size_t>(k) * channels + c] =
            set->inputs[s * size + static_cast<std::size_t>(c) * pixels + k];
    }
  }
  return turned;
}

/// Gives the problem its samples and, for convolutions, the shape of its images.
void attach(SampleSets& sets, const DataChoice& choice, Problem& p) {
  const auto& found = sets.of(choice, sample_problem(p));
  p.training = found.training;
  p.probe = found.probe;
  if (p.architecture != Architecture::convolutional) return;
  if (p.input_kind == Inputs::dataset) {
    p.input = {found.height, found.width, found.channels};
    p.training = channels_last(found.training, found.channels, found.height * found.width);
    p.probe = channels_last(found.probe, found.channels, found.height * found.width);
  } else {
    const int side = static_cast<int>(std::lround(std::sqrt(p.inputs())));
    if (side * side != p.inputs()) {
      throw ConfigError(
          fmt::format("network.inputs = {} are no square image, as network.architecture = convolutional "
                      "needs; use {} or a "
                      "dataset",
                      p.inputs(), side * side));
    }
    p.input = {side, side, 1};
  }
  try {
    make_network(p);
  } catch (const ConfigError& error) {
    throw ConfigError(
        fmt::format("network.layers = {} with network.pad = {}: {}", p.layers, p.pad, error.what()));
  }
}

/// A batch drawn without replacement is part of the training set.
void check_batch(const Problem& p) {
  if (p.sampling != deep::Sampling::without_replacement || p.batch_size <= p.training->size) return;
  throw ConfigError(
      fmt::format("sgd.batch_size = {} is more than the {} training samples that data.sampling = "
                  "without_replacement draws it from; at most {} are allowed",
                  p.batch_size, p.training->size, p.training->size));
}

/// The updates at which a point is recorded. Epoch e ends with the update that is nearest to e N / |B|: with
/// |B| <= N they ascend as the epochs do.
std::vector<std::int64_t> record_updates(const Problem& p, const DeepEnsembleRecord& record) {
  if (!record.counts_epochs) return record.steps;
  if (p.sampling == deep::Sampling::fresh)
    throw ConfigError(
        "sgd.epochs counts passes over a fixed training set, which data.sampling = fresh does not have; "
        "set sgd.steps, or data.training_samples");
  if (p.batch_size > p.training->size)
    throw ConfigError(fmt::format(
        "sgd.batch_size = {} is more than the {} training samples that an epoch of sgd.epochs has; at most "
        "{} are allowed",
        p.batch_size, p.training->size, p.training->size));
  std::vector<std::int64_t> updates;
  for (const std::int64_t epoch : record.steps)
    updates.push_back((2 * epoch * p.training->size + p.batch_size) / (2 * p.batch_size));
  return updates;
}

/// How much a CUDA run takes on at a time: enough networks to fill a large device several times over, little
/// enough work that what is finished reaches the journal within about a minute. Our choice.
constexpr std::uint32_t kCudaNetworks = 1U << 12;
constexpr double kCudaCost = 1e14;  // weights of the hidden layers times samples

class DeepEnsembleExperiment : public Experiment {
 public:
  DeepEnsembleExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(deep_ensemble_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda) cuda_ = require_cuda_device();
    if (backend.kind == Backend::Kind::automatic) cuda_ = find_cuda_device();
    const auto all = deep_ensemble_observables();
    for (const auto o : record_.observables) {
      observables_.push_back(all[static_cast<std::size_t>(o)]);
      if (o != deep::Observable::gradient_variance_layer) continue;
      Coordinate layer{.name = "layer", .long_name = "layer with weights, from the input"};
      for (int l = 1; l <= record_.layers; ++l) layer.values.push_back(l);
      coordinates_.push_back(layer);
    }
    SampleSets sets;
    problems_.reserve(plan.points());
    for (std::size_t i = 0; i < plan.points(); ++i) {
      DeepEnsembleOptions options = deep_ensemble_point(plan.at(i));
      check_observables(options.problem);
      attach(sets, options.data, options.problem);
      check_batch(options.problem);
      check_variance(options.problem);
      updates_.push_back(record_updates(options.problem, record_));
      problems_.push_back(std::move(options.problem));
    }
    choose_derived();
    // The architecture is one for the whole scan.
    if (problems_.front().architecture == Architecture::convolutional) {
      if (backend.kind == Backend::Kind::cuda) {
        throw ConfigError(
            "network.architecture = convolutional runs on the CPU only; use --backend cpu or auto");
      }
      cuda_.reset();
    }
  }

  std::size_t points() const override { return problems_.size(); }
  std::uint32_t trajectories() const override { return record_.trajectories; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return record_.steps; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  std::string step_name() const override { return record_.counts_epochs ? "epoch" : Experiment::step_name(); }
  std::uint32_t preferred_group(std::size_t) const override { return 1; }
  double cost(std::size_t point) const override {
    const Problem& p = problems_[point];
    return static_cast<double>(updates_[point].back()) * p.batch_size * p.width * p.width;
  }

  std::vector<double> derive(std::size_t point, const PointEnsemble& ensemble) const override {
    std::vector<double> out;
    if (fixed_sets_) {
      const Problem& p = problems_[point];
      out.push_back(static_cast<double>(p.learning_rate) *
                    (static_cast<double>(p.training->size) / p.batch_size - 1));
    }
    if (!trace_ || !square_) return out;
    std::vector<double> errors;
    for (std::size_t record = 0; record < record_.steps.size(); ++record) {
      const Estimate ratio =
          jackknife(ensemble, [&](const auto& at) { return at(*trace_ + record) / at(*square_ + record); });
      out.push_back(ratio.value);
      errors.push_back(ratio.error);
    }
    out.insert(out.end(), errors.begin(), errors.end());
    return out;
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    try {
      return result_of(unit, deep::run_cpu(problems_[unit.point], request(unit, stop)));
    } catch (const deep::Stopped&) {
      throw Stopped{};
    }
  }

  void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
               const std::function<void(const WorkUnit&, UnitResult&&)>& done) override {
    if (!cuda_) return Experiment::run_all(units, stop, done);
    while (!units.empty() && !stop) {
      std::size_t size = 0;
      std::uint32_t networks = 0;
      double total = 0;
      std::vector<Problem> problems;
      std::vector<deep::Request> requests;
      while (size < units.size() && (size == 0 || (networks < kCudaNetworks && total < kCudaCost))) {
        const WorkUnit& unit = units[size++];
        networks += unit.count;
        total += cost(unit.point) * unit.count;
        problems.push_back(problems_[unit.point]);
        requests.push_back(request(unit, stop));
      }
      try {
        auto results = deep::run_cuda(problems, requests);
        for (std::size_t i = 0; i < size; ++i) done(units[i], result_of(units[i], std::move(results[i])));
      } catch (const deep::Stopped&) {
        return;
      }
      units = units.subspan(size);
    }
  }

  std::string backend() const override { return cuda_ ? "cuda" : "cpu"; }
  std::string device() const override {
    return cuda_ ? cuda_->name
                 : fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  deep::Request request(const WorkUnit& unit, const std::atomic<bool>& stop) const {
    return {.first_trajectory = unit.first,
            .trajectories = static_cast<int>(unit.count),
            .record_steps = updates_[unit.point],
            .observables = record_.observables,
            .stop = &stop};
  }
  /// Divergence is told in the steps of the file.
  UnitResult result_of(const WorkUnit& unit, deep::Records&& records) const {
    const auto& updates = updates_[unit.point];
    for (std::int64_t& step : records.diverged_at)
      if (step >= 0) step = record_.steps[std::ranges::lower_bound(updates, step) - updates.begin()];
    return {std::move(records.values), std::move(records.diverged_at)};
  }

  /// What the file holds beside the observables.
  void choose_derived() {
    const auto& table = deep_ensemble_derived();
    fixed_sets_ =
        std::ranges::all_of(problems_, [](const Problem& p) { return p.sampling != deep::Sampling::fresh; });
    if (fixed_sets_) derived_.push_back(derived_named(table, "noise_scale"));
    std::size_t offset = 0;
    for (const auto o : record_.observables) {
      if (o == deep::Observable::training_gradient_trace) trace_ = offset;
      if (o == deep::Observable::training_gradient_square) square_ = offset;
      offset += record_.steps.size() * static_cast<std::size_t>(cells(problems_.front(), o));
    }
    if (!trace_ || !square_) return;
    derived_.push_back(derived_named(table, "critical_batch_size"));
    derived_.push_back(derived_named(table, "critical_batch_size_stderr"));
  }

  void check_variance(const Problem& problem) const {
    constexpr auto kTrace = deep::Observable::training_gradient_trace;
    if (std::ranges::find(record_.observables, kTrace) != record_.observables.end() &&
        problem.training->size < 2)
      throw ConfigError(
          "record.observables names training_gradient_trace, a variance over the training set, which has one "
          "sample; set data.training_samples = 2 or more");
  }

  void check_observables(const Problem& problem) const {
    for (const auto o : record_.observables) {
      const bool is_accuracy = o == deep::Observable::accuracy || o == deep::Observable::training_accuracy;
      if (problem.loss == Loss::squared && is_accuracy) {
        throw ConfigError(fmt::format(
            "record.observables names {}, which network.loss = squared does not have; leave it out",
            deep::name(o)));
      }
      if (!of_training_set(o)) continue;
      if (problem.sampling == deep::Sampling::fresh) {
        throw ConfigError(
            fmt::format("record.observables names {}, which needs a fixed training set; set "
                        "data.training_samples, or leave it out",
                        deep::name(o)));
      }
      if (problem.architecture == Architecture::convolutional) {
        throw ConfigError(
            fmt::format("record.observables names {}, which network.architecture = convolutional does not "
                        "have; leave it out",
                        deep::name(o)));
      }
    }
    if (problem.observe_in_float && problem.architecture == Architecture::convolutional) {
      throw ConfigError(
          "record.precision = float, but the gradients of network.architecture = convolutional are in float "
          "always; leave it out");
    }
  }

  std::vector<Problem> problems_;
  std::vector<std::vector<std::int64_t>> updates_;  ///< [point][record]
  DeepEnsembleRecord record_;
  std::vector<DerivedQuantity> derived_;
  bool fixed_sets_ = false;                    ///< every point has a training set
  std::optional<std::size_t> trace_, square_;  ///< first cells of tr Sigma and of the squared gradient
  std::vector<Observable> observables_;
  std::vector<Coordinate> coordinates_;
  int threads_;
  std::optional<CudaDevice> cuda_;  ///< the device, where this runs on one
};

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<DeepEnsembleExperiment>(plan, backend);
}

}  // namespace

const Simulation& deep_ensemble_simulation() {
  static const Simulation simulation{
      .name = "deep_ensemble",
      .summary = "ensembles of deep dense or convolutional networks trained by SGD (seed 002 Fig. 2)",
      .options = deep_ensemble_options(),
      .observables = deep_ensemble_observables(),
      .derived = deep_ensemble_derived(),
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
