#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "bench/two_layer_bench.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/ensemble/two_layer_cuda.hpp"

namespace soret::bench {
namespace {

constexpr int kRepeats = 5;

struct Case {
  int inputs;
  int hidden;
  int batch_size;
  int trajectories;  ///< several waves of teams on a large device
  std::int64_t steps;
};

nlohmann::json measure(const Case& c, const CudaDevice& device) {
  two_layer::Problem p;
  p.inputs = c.inputs;
  p.hidden = c.hidden;
  p.batch_size = c.batch_size;
  verify(
      p, [&](std::uint32_t t, long steps) { return train_cuda(p, t, steps); }, "the CUDA driver");
  const std::array<std::int64_t, 1> records = {c.steps};
  const std::array<two_layer::Observable, 1> observables = {two_layer::Observable::v_norm};
  const two_layer::Request request{
      .trajectories = c.trajectories, .record_steps = records, .observables = observables};
  std::vector<double> rates;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    two_layer::run_cuda({&p, 1}, {&request, 1});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(c.trajectories) * static_cast<double>(c.steps) / seconds.count());
  }
  std::ranges::sort(rates);
  const double rate = rates[kRepeats / 2];
  const double flops = rate * 4 * c.inputs * c.hidden * c.batch_size;
  return {
      {"network", fmt::format("{}-{}-1", c.inputs, c.hidden)},
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

nlohmann::json two_layer_cuda() {
  const auto device = find_cuda_device();
  if (!device) return {{"device", nullptr}};
  nlohmann::json cases = nlohmann::json::array();
  // Teams that fit a device of the H200 class at once, times four; some tenths of a second each.
  for (const Case& c :
       {Case{100, 100, 1, 1584, 60000}, Case{10, 10, 1, 21120, 60000}, Case{30, 30, 1, 10560, 40000},
        Case{10, 10, 16, 21120, 4000}, Case{100, 100, 16, 528, 8000}, Case{784, 300, 100, 264, 20}}) {
    cases.push_back(measure(c, *device));
  }
  return {
      {"device", device->name},
      {"fp32_peak_tflops", 1e-12 * device->fp32_peak},
      {"flops_counted", "4 * inputs * hidden * batch_size per step"},
      {"verified", "20 steps of every case against the double-precision oracle"},
      {"cases", cases},
  };
}

}  // namespace soret::bench
