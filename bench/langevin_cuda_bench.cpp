#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/langevin_bench.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/langevin/langevin_cuda.hpp"

namespace soret::bench {
namespace {

constexpr int kRepeats = 5;
/// A million walkers, four waves of them on a device of the H200 class.
constexpr std::uint32_t kWalkers = 1U << 14;
constexpr std::uint32_t kGroups = 64;
/// The device takes about this many times the CPU's steps, with 256 times its walkers, in half a second.
constexpr std::int64_t kLonger = 4;

/// Issue slots of a warp in one step of Euler-Maruyama in the double well, from the instructions of the
/// kernel: a quarter of a Philox block and half of a pair of normals (46), the step (10), and as much again
/// as those that issue at half rate take (5 of 20 wide multiplications, 9 in double precision and
/// conversions).
constexpr double kSlots = 70;

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

/// Walker-steps per second with `looks` looks of an observable.
double rate(langevin::Problem p, std::int64_t steps, std::int64_t looks, langevin::Observable observable) {
  p.walkers = kWalkers;
  langevin::Plan plan;
  plan.records = {steps};
  plan.snapshots = looks;
  plan.observables = {observable};
  plan.histogram.box = {{-2, -2}, {2, 2}};
  const langevin::Request request{&p, nullptr, 0, kGroups};
  const auto start = std::chrono::steady_clock::now();
  langevin::observe_cuda(plan, {&request, 1});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(kWalkers) * kGroups * static_cast<double>(steps) / seconds.count();
}

}  // namespace

nlohmann::json langevin_cuda() {
  const auto device = find_cuda_device();
  if (!device) return {{"device", nullptr}};
  // One lane of every multiprocessor's fp32 units issues one instruction of one walker a clock.
  const double bound = device->fp32_peak / 2 / kSlots;
  nlohmann::json cases = nlohmann::json::array();
  const std::vector<LangevinCase> all = langevin_cases();
  for (const LangevinCase& c : all) {
    verify(
        c.problem,
        [](const langevin::Problem& p, std::uint32_t group, std::int64_t steps) {
          return langevin::walk_cuda(p, group, steps).w;
        },
        c.name + " on CUDA");
    const std::int64_t steps = c.steps * kLonger;
    std::vector<double> rates, watched, shares;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      rates.push_back(rate(c.problem, steps, 1, langevin::Observable::mean));
      watched.push_back(rate(c.problem, steps, steps / 100, langevin::Observable::density));
      shares.push_back(rates.back() / watched.back() - 1);
    }
    nlohmann::json row = {
        {"case", c.name},
        {"walker_steps_per_second", median(rates)},
        {"slowest_and_fastest", {*std::ranges::min_element(rates), *std::ranges::max_element(rates)}},
        {"with_a_histogram_every_100_steps", median(watched)},
        {"cost_of_histograms", median(shares)},
    };
    if (&c == &all[0]) row["fraction_of_issue_bound"] = median(rates) / bound;
    cases.push_back(std::move(row));
  }
  return {
      {"device", device->name},
      {"walkers", static_cast<double>(kWalkers) * kGroups},
      {"verified", "37 walkers, 50 steps of every case against the double-precision oracle"},
      {"cases", cases},
  };
}

}  // namespace soret::bench
