#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "bench/device_peak.hpp"
#include "bench/random_walk_bench.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/formula_cuda.hpp"
#include "soret/walk/random_walk_cuda.hpp"

namespace soret::bench {

#if defined(SORET_HAVE_CUDA)
namespace {

using walk::Boundary;
using walk::FieldKind;
using walk::Kick;
using walk::Problem;

constexpr int kRepeats = 5;
constexpr int kWalkers = 1024;  ///< per group
constexpr int kBins = 100;

struct Case {
  const char* name;
  Problem problem;
  int groups;
  std::int64_t steps;  ///< some tenths of a second on a device of the H200 class
  /// Double-precision instructions per step of the sinusoidal walk on a ring, as compiled for sm_90:
  /// reduction 4, polynomial 10, amplitude and length 2, moves 2, ring 4 and the hoisting of one more in
  /// eight steps.
  double instructions = 0;
};

Problem walk_of(FieldKind field, Boundary boundary, Kick kick) {
  Problem p;
  p.field.kind = field;
  p.field.strength = 0.5;
  p.boundary = boundary;
  p.kick = kick;
  return p;
}

std::vector<Case> cases() {
  const Problem ring = walk_of(FieldKind::sinusoidal, Boundary::periodic, Kick::rademacher);
  Problem shared = ring;
  shared.dimensions = 3;
  shared.shares = {0, 0, 1};
  shared.field.coupling = walk::Coupling::product;
  Problem single = ring;
  single.single_precision = true;
  std::vector<Case> all = {
      {"binary, sinusoidal g, ring", ring, 4096, 60000, 23},
      {"binary, sinusoidal g, ring, 65536 walkers", ring, 64, 600000, 23},
      {"binary, sinusoidal g, ring, single precision", single, 4096, 200000},
      {"binary, linear g, mirrors", walk_of(FieldKind::linear, Boundary::reflecting, Kick::rademacher), 4096,
       100000},
      {"gaussian, sinusoidal g, ring", walk_of(FieldKind::sinusoidal, Boundary::periodic, Kick::gaussian),
       4096, 20000},
      {"student_t, sinusoidal g, ring", walk_of(FieldKind::sinusoidal, Boundary::periodic, Kick::student_t),
       4096, 6000},
      {"binary, product of three sinusoidal g, U of 2 + 1", shared, 4096, 6000},
  };
  if (missing_formula_compiler().empty()) {
    Problem formula = ring;
    formula.field.kind = FieldKind::formula;
    formula.formulas = {Formula("1 + 0.5*sin(2*pi*q)", {"q"})};
    all.push_back({"binary, the same g as a formula, ring", formula, 4096, 20000});
  }
  return all;
}

/// Walker-steps per second.
double rate(const Case& c, std::int64_t sample_every) {
  const std::array<std::int64_t, 2> records = {0, c.steps};
  const std::array<walk::Observable, 1> observables = {walk::Observable::density};
  const walk::Request request{.groups = c.groups,
                              .walkers = kWalkers,
                              .record_steps = records,
                              .sample_every = sample_every,
                              .bins = kBins,
                              .observables = observables};
  const auto start = std::chrono::steady_clock::now();
  walk::run_cuda({&c.problem, 1}, {&request, 1});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(c.groups) * kWalkers * static_cast<double>(c.steps) / seconds.count();
}

nlohmann::json measure(const Case& c, double fp64_rate) {
  verify_walk(c.problem, walk::positions_cuda, c.name);
  std::vector<double> rates, sampled, costs;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    rates.push_back(rate(c, 0));
    sampled.push_back(rate(c, 100));
    costs.push_back(rates.back() / sampled.back() - 1);
  }
  for (auto* x : {&rates, &sampled, &costs}) std::ranges::sort(*x);
  const double median = rates[kRepeats / 2];
  nlohmann::json result = {
      {"walk", c.name},
      {"walkers", static_cast<std::int64_t>(c.groups) * kWalkers},
      {"steps", c.steps},
      {"walker_steps_per_second", median},
      {"slowest_and_fastest", {rates.front(), rates.back()}},
      {"with_histogram_every_100_steps", sampled[kRepeats / 2]},
      {"histogram_cost", costs[kRepeats / 2]},
  };
  if (c.instructions > 0) result["fraction_of_fp64_rate"] = median * c.instructions / fp64_rate;
  return result;
}

}  // namespace

nlohmann::json random_walk_cuda() {
  const auto device = find_cuda_device();
  if (!device) return {{"device", nullptr}};
  const double fp64_rate = device_fp64_rate();
  nlohmann::json results = nlohmann::json::array();
  for (const Case& c : cases()) results.push_back(measure(c, fp64_rate));
  return {
      {"device", device->name},
      {"fp64_instructions_per_second", fp64_rate},
      {"instructions_counted", "23 double-precision instructions per step of the sinusoidal walk on a ring"},
      {"formulas", missing_formula_compiler().empty() ? "compiled by NVRTC" : missing_formula_compiler()},
      {"verified",
       "201 steps of 131 walkers of every case against the double-precision oracle, to 1e-12; to 1e-5 in "
       "single "
       "precision"},
      {"cases", results},
  };
}
#else
nlohmann::json random_walk_cuda() {
  return {{"device", nullptr}};
}
#endif

}  // namespace soret::bench
