#include "sims/two_layer/two_layer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "sims/two_layer/options.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/ensemble/two_layer.hpp"
#include "soret/ensemble/two_layer_cuda.hpp"

namespace soret::sims {
namespace {

using two_layer::Loss;
using two_layer::Problem;

/// How much a CUDA launch takes on at a time: enough networks to fill the device, little enough work to be
/// through in tens of seconds, so that what is finished reaches the journal. Our choice.
constexpr std::uint32_t kCudaNetworks = 1U << 17;
constexpr double kCudaCost = 5e13;  // parameters times samples

class TwoLayerExperiment : public Experiment {
 public:
  TwoLayerExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(two_layer_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda) cuda_ = require_cuda_device();
    if (backend.kind == Backend::Kind::automatic) cuda_ = find_cuda_device();
    const auto all = two_layer_observables();
    for (const auto o : record_.observables) observables_.push_back(all[static_cast<std::size_t>(o)]);
    SampleSets sets;
    problems_.reserve(plan.points());
    for (std::size_t i = 0; i < plan.points(); ++i) {
      TwoLayerOptions options = two_layer_point(plan.at(i));
      check_observables(options.problem);
      const auto& found = sets.of(options.data, options.problem);
      options.problem.training = found.training;
      options.problem.probe = found.probe;
      problems_.push_back(std::move(options.problem));
    }
  }

  std::size_t points() const override { return problems_.size(); }
  std::uint32_t trajectories() const override { return record_.trajectories; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return record_.steps; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  std::uint32_t preferred_group(std::size_t point) const override {
    return static_cast<std::uint32_t>(two_layer::preferred_group(problems_[point]));
  }
  double cost(std::size_t point) const override {
    const Problem& p = problems_[point];
    return static_cast<double>(record_.steps.back()) * p.batch_size * p.parameters();
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    try {
      return result_of(two_layer::run_cpu(problems_[unit.point], request(unit, stop)));
    } catch (const two_layer::Stopped&) {
      throw Stopped{};
    }
  }

  void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
               const std::function<void(const WorkUnit&, UnitResult&&)>& done) override {
    if (!cuda_) return Experiment::run_all(units, stop, done);
    while (!units.empty() && !stop) {
      const auto batch = units.first(cuda_batch(units));
      units = units.subspan(batch.size());
      std::vector<Problem> problems;
      std::vector<two_layer::Request> requests;
      for (const WorkUnit& unit : batch) {
        problems.push_back(problems_[unit.point]);
        requests.push_back(request(unit, stop));
      }
      try {
        auto results = two_layer::run_cuda(problems, requests);
        for (std::size_t i = 0; i < batch.size(); ++i) done(batch[i], result_of(std::move(results[i])));
      } catch (const two_layer::Stopped&) {
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
  two_layer::Request request(const WorkUnit& unit, const std::atomic<bool>& stop) const {
    return {.first_trajectory = unit.first,
            .trajectories = static_cast<int>(unit.count),
            .record_steps = record_.steps,
            .observables = record_.observables,
            .stop = &stop};
  }
  static UnitResult result_of(two_layer::Records&& records) {
    return {std::move(records.values), std::move(records.diverged_at)};
  }

  /// How many of the first units make one launch, at least one.
  std::size_t cuda_batch(std::span<const WorkUnit> units) const {
    std::size_t size = 0;
    std::uint32_t networks = 0;
    double total = 0;
    while (size < units.size() && (size == 0 || (networks < kCudaNetworks && total < kCudaCost))) {
      networks += units[size].count;
      total += cost(units[size].point) * units[size].count;
      ++size;
    }
    return size;
  }

  void check_observables(const Problem& problem) const {
    if (problem.loss == Loss::squared &&
        std::ranges::count(record_.observables, two_layer::Observable::accuracy) > 0) {
      throw ConfigError(
          "record.observables names accuracy, which network.loss = squared does not have; leave it out");
    }
  }

  std::vector<Problem> problems_;
  TwoLayerRecord record_;
  std::vector<Observable> observables_;
  std::vector<Coordinate> coordinates_;
  int threads_;
  std::optional<CudaDevice> cuda_;  ///< the device, where this runs on one
};

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<TwoLayerExperiment>(plan, backend);
}

}  // namespace

const Simulation& two_layer_simulation() {
  static const Simulation simulation{
      .name = "two_layer",
      .summary = "ensembles of two-layer networks f(x) = V sigma(W x + b) trained by SGD (seed 002)",
      .options = two_layer_options(),
      .observables = two_layer_observables(),
      .derived = {},
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
