#include "bench/random_walk_bench.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "bench/machine_peak.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/walk/random_walk.hpp"
#include "tests/oracles/random_walk_oracle.hpp"

namespace soret::bench {
namespace {

using walk::Boundary;
using walk::FieldKind;
using walk::Kick;
using walk::Problem;

constexpr int kRepeats = 5;
constexpr int kWalkers = 8192;  ///< per thread
constexpr int kBins = 100;

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

/// Walker-steps per second of all threads together.
double driver_rate(const Problem& p, int threads, std::int64_t steps, std::int64_t sample_every) {
  const std::array<std::int64_t, 2> records = {0, steps};
  const std::array<walk::Observable, 1> observables = {walk::Observable::density};
  const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads)
  walk::run_cpu(p, {.first_group = static_cast<std::uint32_t>(omp_get_thread_num()),
                    .groups = 1,
                    .walkers = kWalkers,
                    .record_steps = records,
                    .sample_every = sample_every,
                    .bins = kBins,
                    .observables = observables});
  return static_cast<double>(threads) * kWalkers * static_cast<double>(steps) / (omp_get_wtime() - start);
}

/// The walk as anybody would write it in C++: a double loop over walkers and steps, a bit of a 64-bit
/// generator per step, the C library's sine, with the same compiler flags.
double plain_rate(const Problem& p, int threads, std::int64_t steps) {
  constexpr int kPlainWalkers = 64;
  double total = 0;  // used, so that nothing is optimised away
  const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads) reduction(+ : total)
  for (int w = 0; w < kPlainWalkers; ++w) {
    std::uint64_t state = 0x9E3779B97F4A7C15ULL * (static_cast<std::uint64_t>(w) + 1);
    double q = 0.5;
    for (std::int64_t s = 0; s < steps; ++s) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      const double step = p.learning_rate * (p.field.level + p.field.strength * std::sin(2 * M_PI * q));
      q += (state & 1) != 0 ? step : -step;
      if (q < 0) q += 1;
      if (q >= 1) q -= 1;
    }
    total += q;
  }
  const double seconds = omp_get_wtime() - start;
  return total >= 0 ? static_cast<double>(threads) * kPlainWalkers * static_cast<double>(steps) / seconds : 0;
}

struct Case {
  const char* name;
  Problem problem;
  std::int64_t steps;
};

std::vector<Case> cases() {
  const auto of = [](FieldKind field, Boundary boundary, Kick kick) {
    Problem p;
    p.field.kind = field;
    p.field.strength = 0.5;
    p.boundary = boundary;
    p.kick = kick;
    return p;
  };
  Problem shared = of(FieldKind::sinusoidal, Boundary::periodic, Kick::rademacher);
  shared.dimensions = 3;
  shared.shares = {0, 0, 1};
  shared.field.coupling = walk::Coupling::product;
  const auto single = [](Problem p) {
    p.single_precision = true;
    return p;
  };
  return {
      {"binary, sinusoidal g, ring, single precision",
       single(of(FieldKind::sinusoidal, Boundary::periodic, Kick::rademacher)), 80000},
      {"binary, sinusoidal g, ring", of(FieldKind::sinusoidal, Boundary::periodic, Kick::rademacher), 20000},
      {"binary, linear g, mirrors, single precision",
       single(of(FieldKind::linear, Boundary::reflecting, Kick::rademacher)), 80000},
      {"binary, linear g, mirrors", of(FieldKind::linear, Boundary::reflecting, Kick::rademacher), 40000},
      {"gaussian, sinusoidal g, ring", of(FieldKind::sinusoidal, Boundary::periodic, Kick::gaussian), 8000},
      {"student_t, sinusoidal g, ring", of(FieldKind::sinusoidal, Boundary::periodic, Kick::student_t), 4000},
      {"binary, product of three sinusoidal g, U of 2 + 1", shared, 4000},
  };
}

}  // namespace

void verify_walk(const Problem& p, WalkPositions* positions, const std::string& what) {
  constexpr int kChecked = 131;
  constexpr std::int64_t kSteps = 201;
  const auto start = positions(p, 0, kChecked, 0);
  const auto end = positions(p, 0, kChecked, kSteps);
  for (int w = 0; w < kChecked; ++w) {
    std::vector<double> q;
    for (const auto& row : start) q.push_back(row[w]);
    q = oracle::walked(p, static_cast<std::uint32_t>(w), q, kSteps);
    for (std::size_t i = 0; i < q.size(); ++i) {
      double error = std::abs(q[i] - end[i][w]);
      if (p.boundary == Boundary::periodic) error = std::min(error, p.width() - error);
      // A few roundings of positions of order 1 per step; in single precision, of steps of 0.03.
      if (!(error < (p.single_precision ? 1e-5 : 1e-12))) {
        throw RunError(fmt::format("bench {}: walker {} differs from the oracle by {:.2g}", what, w, error));
      }
    }
  }
}

nlohmann::json random_walk() {
  const int threads = omp_get_max_threads();
  // Of the sinusoidal walk on a ring. In double precision: reduction 4, polynomial 18, amplitude and step 5,
  // ring 3. In single precision: scale 1, polynomial 9, amplitude 2; the rest is integers.
  constexpr double kFlops = 30;
  constexpr double kSingleFlops = 12;
  nlohmann::json results = nlohmann::json::array();
  for (const Case& c : cases()) {
    verify_walk(c.problem, walk::positions_cpu, c.name);
    const bool compared = results.size() < 2;
    // The peak is measured with floats, of which a vector holds twice as many.
    const double flops = c.problem.single_precision ? kSingleFlops : 2 * kFlops;
    driver_rate(c.problem, threads, c.steps / 10, 0);
    // In turn, so that drifts of the machine's speed meet all of them.
    std::vector<double> rates, sampled, costs, plain, speedups, fractions;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      rates.push_back(driver_rate(c.problem, threads, c.steps, 0));
      sampled.push_back(driver_rate(c.problem, threads, c.steps, 100));
      costs.push_back(rates.back() / sampled.back() - 1);
      if (!compared) continue;
      plain.push_back(plain_rate(c.problem, threads, c.steps));
      speedups.push_back(rates.back() / plain.back());
      fractions.push_back(rates.back() * flops * 1e-9 / fma_peak_gflops(threads));
    }
    nlohmann::json result = {
        {"walk", c.name},
        {"walker_steps_per_second", median(rates)},
        {"walker_steps_per_second_per_thread", median(rates) / threads},
        {"with_histogram_every_100_steps", median(sampled)},
        {"histogram_cost", median(costs)},
    };
    if (compared) {
      result["fraction_of_fma_peak"] = median(fractions);
      result["plain_loop_walker_steps_per_second"] = median(plain);
      result["speedup_over_plain_loop"] = median(speedups);
    }
    results.push_back(result);
  }
  return {
      {"cpu", cpu_name()},
      {"threads", threads},
      {"walkers_per_thread", kWalkers},
      {"flops_counted",
       fmt::format(
           "{} per step of the first walk against the float FMA peak, {} of the second against half of it",
           kSingleFlops, kFlops)},
      {"verified",
       "201 steps of 131 walkers of every case against the double-precision oracle, to 1e-12; to 1e-5 in "
       "single precision"},
      {"peers", "bench/peers/random_walk_numpy.py, bench/peers/random_walk_torch.py"},
      {"cases", results},
  };
}

}  // namespace soret::bench
