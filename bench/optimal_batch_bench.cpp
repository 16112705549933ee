#include "bench/optimal_batch_bench.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "bench/deep_ensemble_bench.hpp"
#include "bench/machine_peak.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/base/memory.hpp"
#include "soret/ensemble/deep.hpp"
#include "tests/oracles/deep_oracle.hpp"

namespace soret::bench {
namespace {

using deep::Observable;
using deep::Problem;

constexpr int kRepeats = 5;
constexpr int kTraining = 2000, kProbe = 2000;
constexpr std::array kObservables = {Observable::accuracy, Observable::training_gradient_trace,
                                     Observable::training_gradient_square};

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

/// 784-32-10 with softmax on a fixed set of images' size: noise, which costs what images cost.
Problem network(int batch_size) {
  Problem p;
  p.input = {1, 1, 784};
  p.width = 32;
  p.layers = 2;
  p.outputs = 10;
  p.loss = deep::Loss::softmax;
  p.sampling = deep::Sampling::without_replacement;
  p.batch_size = batch_size;
  p.training = std::make_shared<deep::SampleSet>(synthetic_set(sample_problem(p), kTraining, false));
  p.probe = std::make_shared<deep::SampleSet>(synthetic_set(sample_problem(p), kProbe, true));
  return p;
}

/// Sums over thousands of samples and 784 inputs, rounded to float product by product.
void verify_observables(Problem p) {
  constexpr int kFew = 60;
  constexpr double kTolerance = 1e-4;
  const auto training = synthetic_set(sample_problem(p), kFew, false);
  const auto probe = synthetic_set(sample_problem(p), kFew, true);
  p.training = std::make_shared<deep::SampleSet>(training);
  p.probe = std::make_shared<deep::SampleSet>(probe);
  const auto parameters = initial_parameters(p, 0);
  std::array<double, kObservables.size()> got{};
  deep::Observer(p, kObservables).measure(parameters, got);
  const auto net = oracle::in_double(p, parameters);
  const auto of_training = oracle::deep_averages(p, net, oracle::in_double(training));
  const std::array expected = {oracle::deep_averages(p, net, oracle::in_double(probe)).accuracy,
                               of_training.gradient_variance * static_cast<double>(parameters.size()),
                               of_training.gradient_norm * of_training.gradient_norm};
  for (std::size_t k = 0; k < got.size(); ++k)
    if (!(std::abs(got[k] - expected[k]) <= kTolerance * expected[k]))
      throw RunError(fmt::format("bench optimal_batch: {} is {:.7g}, but the oracle's is {:.7g}",
                                 deep::name(kObservables[k]), got[k], expected[k]));
}

nlohmann::json measure(int batch_size, int threads) {
  const Problem p = network(batch_size);
  const auto train = [&](std::uint32_t t, long steps) { return train_cpu(p, t, steps); };
  verify(p, train, "the driver");
  const auto run = [&](std::uint32_t t, long steps) { train_cpu(p, t, steps); };
  const long steps = std::max(100, 40000 / batch_size);
  const double flops = flops_per_step(p);
  std::vector<double> rates, fractions;
  run(0, steps / 10);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const double peak = fma_peak_gflops(threads);
    rates.push_back(network_steps_per_second(threads, 2, steps, run));
    fractions.push_back(rates.back() * 1e-9 * flops / peak);
  }
  return {{"batch_size", batch_size},
          {"network_steps_per_second", median(rates)},
          {"samples_per_second", median(rates) * batch_size},
          {"gflops", median(rates) * 1e-9 * flops},
          {"fraction_of_fma_peak", median(fractions)}};
}

/// Records per second and thread.
double records_per_second(bool in_float) {
  Problem p = network(1);
  p.observe_in_float = in_float;
  verify_observables(p);
  deep::Observer observer(p, kObservables);
  const auto parameters = initial_parameters(p, 0);
  std::array<double, kObservables.size()> out{};
  std::vector<double> rates;
  constexpr int kRecords = 5;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const double start = omp_get_wtime();
    for (int k = 0; k < kRecords; ++k) observer.measure(parameters, out);
    rates.push_back(kRecords / (omp_get_wtime() - start));
  }
  return median(rates);
}

}  // namespace

nlohmann::json optimal_batch() {
  const int threads = omp_get_max_threads();
  nlohmann::json cases = nlohmann::json::array();
  for (const int batch_size : {4, 16, 64, 256}) cases.push_back(measure(batch_size, threads));
  return {
      {"device", cpu_name()},
      {"threads", threads},
      {"network", "784 inputs, one hidden layer of 32, 10 outputs, softmax"},
      {"training_samples", kTraining},
      {"flops_counted",
       "2 per weight and sample for each of forward, backward (not into the inputs), update"},
      {"verified", "20 steps of every batch size, and the observables, against the double-precision oracle"},
      {"cases", cases},
      {"records",
       {{"what",
         fmt::format("accuracy of {} images, tr Sigma and squared gradient of {}", kProbe, kTraining)},
        {"per_second_per_thread_in_float", records_per_second(true)},
        {"per_second_per_thread_in_double", records_per_second(false)}}},
      {"peak_memory_bytes", peak_memory_bytes()},
  };
}

}  // namespace soret::bench
