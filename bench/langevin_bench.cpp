#include "bench/langevin_bench.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/langevin/langevin.hpp"
#include "soret/random/fill.hpp"
#include "tests/oracles/langevin_oracle.hpp"

namespace soret::bench {
namespace {

using langevin::Landscape;
using langevin::Problem;
using langevin::Scheme;

constexpr int kRepeats = 5;

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

Problem problem(Landscape landscape, Scheme scheme) {
  Problem p;
  p.landscape = std::move(landscape);
  p.noise.factor.assign(p.landscape.dimension, 1.0);
  p.start.centre.assign(p.landscape.dimension, 0.1);
  p.learning_rate = 0.01;
  p.batch_size = 0.02;  // T = 1/4
  p.scheme = scheme;
  return p;
}

/// Coordinate 0 of walker `walker` after `steps` steps, by the oracle.
double oracle_walk(const Problem& p, std::uint32_t walker, std::int64_t steps) {
  const auto d = static_cast<std::size_t>(p.landscape.dimension);
  const double h = p.learning_rate / p.substeps;
  const double kick = std::sqrt(p.learning_rate / p.batch_size);
  oracle::LangevinWalker steps_of{
      .gradient = [&](const oracle::Vector& w) { return langevin::gradient(p.landscape, w); },
      .amplitude = {},
      .factor = std::vector<oracle::Vector>(d, oracle::Vector(d, 0.0)),
      .h = h};
  for (std::size_t k = 0; k < d; ++k) steps_of.factor[k][k] = kick * p.noise.factor[k];
  oracle::Vector w = p.start.centre, dw(d);
  for (std::int64_t s = 0; s < steps * p.substeps; ++s) {
    for (std::size_t k = 0; k < d; ++k)
      dw[k] = std::sqrt(h) * oracle::walker_normal(p.seed, Purpose::langevin_noise, walker,
                                                   static_cast<std::uint64_t>(s) * d + k);
    w = p.scheme == Scheme::euler_maruyama ? steps_of.euler(w, dw) : steps_of.heun(w, dw);
  }
  return w[0];
}

/// Coordinate 0 of every walker, by the CPU's driver.
std::vector<double> walk_cpu(const Problem& p, std::uint32_t group, std::int64_t steps) {
  std::vector<double> w(p.walkers);
  const std::array<std::int64_t, 1> when = {steps};
  langevin::run_group(p, group, when,
                      [&](const langevin::Sample& s) { std::copy_n(s.w, s.count, w.begin() + s.first); });
  return w;
}

/// Walker-steps per second of all threads together; each runs one group.
double rate(const Problem& problem, int threads, std::uint32_t walkers, std::int64_t steps) {
  Problem p = problem;
  p.walkers = walkers;
  const std::array<std::int64_t, 1> when = {steps};
  const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads)
  langevin::run_group(p, static_cast<std::uint32_t>(omp_get_thread_num()), when,
                      [](const langevin::Sample&) {});
  return static_cast<double>(threads) * walkers * static_cast<double>(steps) / (omp_get_wtime() - start);
}

/// Euler-Maruyama in the double well as anybody would write it, the normals drawn in bulk ahead of the steps.
double plain_rate(int threads, std::uint32_t walkers, std::int64_t steps) {
  const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads)
  {
    std::vector<double> w(walkers, 0.1);
    std::vector<float> z(walkers);
    const auto thread = static_cast<std::uint32_t>(omp_get_thread_num());
    for (std::int64_t s = 0; s < steps; ++s) {
      fill_normal({1, Purpose::langevin_noise, thread}, static_cast<std::uint64_t>(s) * walkers / 4, z);
      for (std::uint32_t i = 0; i < walkers; ++i)
        w[i] += -0.01 * 4 * (w[i] * w[i] - 1) * w[i] + 0.0707 * static_cast<double>(z[i]);
    }
    volatile double sink = w[0];
    static_cast<void>(sink);
  }
  return static_cast<double>(threads) * walkers * static_cast<double>(steps) / (omp_get_wtime() - start);
}

double normals_rate(int threads) {
  constexpr int kFills = 20'000;
  const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> z(1 << 12);
    for (int k = 0; k < kFills; ++k)
      fill_normal({1, Purpose::langevin_noise, static_cast<std::uint32_t>(omp_get_thread_num())},
                  static_cast<std::uint64_t>(k) << 20, z);
  }
  return static_cast<double>(threads) * kFills * (1 << 12) / (omp_get_wtime() - start);
}

Landscape double_well() {
  Landscape l;
  l.kind = Landscape::Kind::double_well;
  return l;
}
Landscape mueller_brown() {
  Landscape l;
  l.kind = Landscape::Kind::mueller_brown;
  l.dimension = 2;
  l.scale = 0.01;
  return l;
}
Landscape quadratic(int dimension) {
  Landscape l;
  l.dimension = dimension;
  l.hessian.assign(dimension, 1.0);
  return l;
}
Landscape wells() {
  Landscape l;
  l.kind = Landscape::Kind::wells;
  l.wells = {{{-1, 0}, 0, 8}, {{1, 0}, -1, 32}};
  return l;
}

}  // namespace

std::vector<LangevinCase> langevin_cases() {
  return {
      {"double_well euler_maruyama", problem(double_well(), Scheme::euler_maruyama), 50'000},
      {"double_well heun", problem(double_well(), Scheme::heun), 50'000},
      {"wells heun", problem(wells(), Scheme::heun), 10'000},
      {"mueller_brown heun", problem(mueller_brown(), Scheme::heun), 5'000},
      {"quadratic 16 euler_maruyama", problem(quadratic(16), Scheme::euler_maruyama), 2'000},
  };
}

void verify(Problem p, const CoordinateOfWalkers& walk, const std::string& what) {
  constexpr std::int64_t kSteps = 50;
  p.walkers = 37;
  const std::vector<double> w = walk(p, 1, kSteps);
  for (std::uint32_t i = 0; i < p.walkers; ++i) {
    const double truth = oracle_walk(p, p.walkers + i, kSteps);
    // Roundings of order 1e-16 per step grow at most as exp(|curvature| t) = e^4 here.
    if (!(std::abs(w[i] - truth) <= 1e-12))
      throw RunError(fmt::format("bench langevin: {}: walker {} is at {} instead of {} after {} steps", what,
                                 i, w[i], truth, kSteps));
  }
}

nlohmann::json langevin() {
  const int threads = omp_get_max_threads();
  const std::vector<LangevinCase> all = langevin_cases();
  constexpr std::uint32_t kWalkers = 2048;
  nlohmann::json cases = nlohmann::json::array();
  for (const LangevinCase& c : all) {
    const Problem& p = c.problem;
    verify(p, walk_cpu, c.name);
    std::vector<double> rates, plain, normals, speedups;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      rates.push_back(rate(p, threads, kWalkers, c.steps));
      normals.push_back(normals_rate(threads));
      if (&c == &all[0]) {
        plain.push_back(plain_rate(threads, kWalkers, c.steps / 8));
        speedups.push_back(rates.back() / plain.back());
      }
    }
    nlohmann::json row = {
        {"case", c.name},
        {"walker_steps_per_second", median(rates)},
        {"walker_steps_per_second_per_thread", median(rates) / threads},
        {"fraction_of_normals_rate", median(rates) * p.landscape.dimension / median(normals)},
    };
    if (!plain.empty()) {
      row["plain_loop_walker_steps_per_second"] = median(plain);
      row["speedup_over_plain_loop"] = median(speedups);
    }
    cases.push_back(std::move(row));
  }
  return {
      {"device", cpu_name()},
      {"threads", threads},
      {"verified", "37 walkers, 50 steps of every case against the double-precision oracle"},
      {"cases", cases},
      {"peers", "bench/peers/langevin_peers.py runs the first case in NumPy and PyTorch"},
  };
}

}  // namespace soret::bench
