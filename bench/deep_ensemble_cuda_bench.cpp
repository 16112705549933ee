#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "bench/deep_ensemble_bench.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/ensemble/deep_cuda.hpp"

namespace soret::bench {
namespace {

constexpr int kRepeats = 5;

struct Case {
  int width, layers, batch_size;
  int trajectories;  ///< several waves of blocks on a large device
  std::int64_t steps;
};

nlohmann::json measure(const Case& c, const CudaDevice& device) {
  deep::Problem p;
  p.input = {1, 1, c.width};
  p.width = c.width;
  p.layers = c.layers;
  p.batch_size = c.batch_size;
  verify(
      p, [&](std::uint32_t t, long steps) { return train_cuda(p, t, steps); }, "the CUDA driver");
  const std::array<std::int64_t, 1> records = {c.steps};
  const std::array<deep::Observable, 1> observables = {deep::Observable::parameter_norm};
  const deep::Request request{
      .trajectories = c.trajectories, .record_steps = records, .observables = observables};
  std::vector<double> rates;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    deep::run_cuda({&p, 1}, {&request, 1});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(c.trajectories) * static_cast<double>(c.steps) / seconds.count());
  }
  std::ranges::sort(rates);
  const double rate = rates[kRepeats / 2];
  const double flops = rate * flops_per_step(p);
  return {
      {"network", fmt::format("{} inputs, {} layers of {}, 1 output", c.width, c.layers - 1, c.width)},
      {"batch_size", c.batch_size},
      {"trajectories", c.trajectories},
      {"steps", c.steps},
      {"network_steps_per_second", rate},
      {"slowest_and_fastest", {rates.front(), rates.back()}},
      {"tflops", 1e-12 * flops},
      {"fraction_of_fp32_peak", flops / device.fp32_peak},
  };
}

}  // namespace

nlohmann::json deep_ensemble_cuda() {
  const auto device = find_cuda_device();
  if (!device) return {{"device", nullptr}};
  nlohmann::json cases = nlohmann::json::array();
  // Blocks that fit a device of the H200 class at once, times four; around a second each.
  for (const Case& c : {Case{100, 6, 1, 528, 40000}, Case{100, 6, 4, 528, 4000}, Case{30, 6, 1, 2112, 40000},
                        Case{200, 4, 1, 528, 8000}})
    cases.push_back(measure(c, *device));
  return {
      {"device", device->name},
      {"fp32_peak_tflops", 1e-12 * device->fp32_peak},
      {"flops_counted", "2 per weight and sample for each of forward, backward and update; all units on"},
      {"verified", "20 steps of every case against the double-precision oracle"},
      {"cases", cases},
  };
}

}  // namespace soret::bench
