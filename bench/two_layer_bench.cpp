#include "bench/two_layer_bench.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "bench/machine_peak.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/base/memory.hpp"
#include "soret/ensemble/two_layer.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "soret/random/fill.hpp"
#include "tests/oracles/two_layer_oracle.hpp"

namespace soret::bench {
namespace {

using two_layer::Parameters;
using two_layer::Problem;

constexpr int kRepeats = 5;

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

/// Samples drawn ahead, so that the plain loop is not charged for its random numbers.
struct DrawnSamples {
  DrawnSamples(const Problem& p, std::uint32_t trajectory, int steps)
      : batches(steps),
        x(static_cast<std::size_t>(steps) * p.batch_size * p.inputs),
        y(static_cast<std::size_t>(steps) * p.batch_size) {
    const Parameters no_teacher;
    two_layer::SampleStream(p, no_teacher, trajectory)
        .rows(0, steps * p.batch_size, x.data(), p.inputs, y.data());
  }
  int batches;
  std::vector<float> x;  ///< [step][batch][M]
  std::vector<float> y;  ///< [step][batch]
};

/// SGD as anybody would write it: forward, backward and update as float loops, one step at a time, with the
/// same compiler flags. The samples are used again from the start when they are through.
void plain_steps(const Problem& p, const DrawnSamples& samples, long steps, Parameters& net) {
  const int m = p.inputs;
  const int n = p.hidden;
  const int batch = p.batch_size;
  std::vector<float> h(n), u(n);
  std::vector<float> gw(net.w.size()), gb(net.b.size()), gv(net.v.size());
  for (long step = 0; step < steps; ++step) {
    const std::size_t first = static_cast<std::size_t>(step % samples.batches) * batch;
    if (batch > 1) {
      std::ranges::fill(gw, 0.0F);
      std::ranges::fill(gb, 0.0F);
      std::ranges::fill(gv, 0.0F);
    }
    for (int s = 0; s < batch; ++s) {
      const float* xs = &samples.x[(first + s) * m];
      float f = 0;
      for (int i = 0; i < n; ++i) {
        float sum = net.b[i];
        for (int j = 0; j < m; ++j) sum += net.w[static_cast<std::size_t>(i) * m + j] * xs[j];
        u[i] = sum;
        h[i] = sum > 0 ? sum : 0;
        f += net.v[i] * h[i];
      }
      const float d = (1 / (1 + std::exp(-f)) - samples.y[first + s]) / static_cast<float>(batch);
      if (batch == 1) {  // update in place: no gradient arrays
        for (int i = 0; i < n; ++i) {
          const float a = u[i] > 0 ? p.learning_rate * d * net.v[i] : 0;
          for (int j = 0; j < m; ++j) net.w[static_cast<std::size_t>(i) * m + j] -= a * xs[j];
          net.b[i] -= a;
          net.v[i] -= p.learning_rate * d * h[i];
        }
      } else {
        for (int i = 0; i < n; ++i) {
          const float a = u[i] > 0 ? d * net.v[i] : 0;
          for (int j = 0; j < m; ++j) gw[static_cast<std::size_t>(i) * m + j] += a * xs[j];
          gb[i] += a;
          gv[i] += d * h[i];
        }
      }
    }
    if (batch > 1) {
      for (std::size_t k = 0; k < gw.size(); ++k) net.w[k] -= p.learning_rate * gw[k];
      for (std::size_t k = 0; k < gb.size(); ++k) net.b[k] -= p.learning_rate * gb[k];
      for (std::size_t k = 0; k < gv.size(); ++k) net.v[k] -= p.learning_rate * gv[k];
    }
  }
}

}  // namespace

void verify(const Problem& p, const std::function<Parameters(std::uint32_t, long)>& train, const char* what) {
  constexpr long kSteps = 20;
  const Parameters start = initial_parameters(p, 0);
  oracle::Network net = oracle::in_double(start);
  oracle::Network velocity = oracle::zeros(p);
  const Parameters no_teacher;
  two_layer::SampleStream samples(p, no_teacher, 0);
  std::vector<float> x(static_cast<std::size_t>(p.batch_size) * p.inputs), y(p.batch_size);
  for (long step = 0; step < kSteps; ++step) {
    samples.rows(static_cast<std::uint64_t>(step) * p.batch_size, p.batch_size, x.data(), p.inputs, y.data());
    const std::vector<double> xd(x.begin(), x.end());
    const std::vector<double> yd(y.begin(), y.end());
    oracle::sgd_step(p, net, velocity, xd.data(), yd.data());
  }
  const Parameters got = train(0, kSteps);
  const auto worst = [](const std::vector<float>& a, const std::vector<double>& b) {
    double w = 0;
    for (std::size_t k = 0; k < a.size(); ++k) w = std::max(w, std::abs(a[k] - b[k]));
    return w;
  };
  const double error = std::max({worst(got.w, net.w), worst(got.b, net.b), worst(got.v, net.v)});
  // Every step adds a few roundings of pre-activations of order 1 to each parameter.
  const double tolerance = 1.2e-7 * 4 * kSteps;
  if (!(error <= tolerance)) {
    throw RunError(
        fmt::format("bench two_layer: {} differs from the oracle by {:.2g} after {} steps (allowed {:.2g})",
                    what, error, kSteps, tolerance));
  }
}

namespace {

/// Network-steps per second of all threads together.
double rate(int threads, int trajectories_per_thread, long steps,
            const std::function<void(std::uint32_t, int, long)>& run) {
  const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads)
  run(static_cast<std::uint32_t>(omp_get_thread_num() * trajectories_per_thread), trajectories_per_thread,
      steps);
  return static_cast<double>(threads) * trajectories_per_thread * static_cast<double>(steps) /
         (omp_get_wtime() - start);
}

struct Case {
  int inputs;
  int hidden;
  int batch_size;
  int trajectories;  ///< per thread
  long steps;
};

nlohmann::json measure(const Case& c, int threads) {
  Problem p;
  p.inputs = c.inputs;
  p.hidden = c.hidden;
  p.batch_size = c.batch_size;
  const auto driver = choose_driver(p);
  verify(
      p, [&](std::uint32_t t, long steps) { return train_cpu(p, t, steps); }, "the driver");
  verify(
      p,
      [&](std::uint32_t t, long steps) {
        Parameters net = initial_parameters(p, t);
        plain_steps(p, DrawnSamples(p, t, static_cast<int>(steps)), steps, net);
        return net;
      },
      "the plain loop");

  const auto run_driver = [&](std::uint32_t first, int count, long steps) {
    const std::array<std::int64_t, 1> records = {steps};
    const std::array<two_layer::Observable, 1> observables = {two_layer::Observable::v_norm};
    run_cpu(p, {.first_trajectory = first,
                .trajectories = count,
                .record_steps = records,
                .observables = observables});
  };
  const DrawnSamples drawn(p, 0, std::max(1, 4096 / p.batch_size));
  const auto run_plain = [&](std::uint32_t first, int count, long steps) {
    for (int t = 0; t < count; ++t) {
      Parameters net = initial_parameters(p, first + static_cast<std::uint32_t>(t));
      plain_steps(p, drawn, steps, net);
    }
  };
  // Peak, driver and plain loop in turn, so that drifts of the machine's speed meet all three.
  std::vector<double> peaks, rates, plain_rates, fractions, speedups;
  run_driver(0, 1, c.steps / 10);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    peaks.push_back(fma_peak_gflops(threads));
    rates.push_back(rate(threads, c.trajectories, c.steps, run_driver));
    plain_rates.push_back(rate(threads, 1, std::max(1L, c.steps / 8), run_plain));
    fractions.push_back(rates.back() * 4e-9 * c.inputs * c.hidden * c.batch_size / peaks.back());
    speedups.push_back(rates.back() / plain_rates.back());
  }
  return {
      {"network", fmt::format("{}-{}-1", c.inputs, c.hidden)},
      {"batch_size", c.batch_size},
      {"driver", driver == two_layer::Driver::lanes ? "lanes" : "blocked"},
      {"network_steps_per_second", median(rates)},
      {"network_steps_per_second_per_thread", median(rates) / threads},
      {"gflops", median(rates) * 4e-9 * c.inputs * c.hidden * c.batch_size},
      {"fma_peak_gflops", median(peaks)},
      {"fraction_of_fma_peak", median(fractions)},
      {"plain_loop_network_steps_per_second", median(plain_rates)},
      {"speedup_over_plain_loop", median(speedups)},
  };
}

}  // namespace

nlohmann::json two_layer() {
  const int threads = omp_get_max_threads();
  nlohmann::json cases = nlohmann::json::array();
  for (const Case& c :
       {Case{10, 10, 1, 64, 20000}, Case{100, 100, 1, 8, 4000}, Case{30, 30, 1, 32, 6000},
        Case{10, 10, 16, 32, 4000}, Case{100, 100, 16, 4, 1000}, Case{784, 300, 100, 1, 100}}) {
    cases.push_back(measure(c, threads));
  }
  std::vector<float> normals(1 << 16);
  std::vector<double> normal_rates;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const double start = omp_get_wtime();
    for (std::uint64_t k = 0; k < 100; ++k) fill_normal({1, Purpose::inputs, 0}, k << 20, normals);
    normal_rates.push_back(100.0 * static_cast<double>(normals.size()) / (omp_get_wtime() - start));
  }
  return {
      {"device", cpu_name()},
      {"threads", threads},
      {"flops_counted", "4 * inputs * hidden * batch_size per step"},
      {"verified", "20 steps of every case against the double-precision oracle"},
      {"cases", cases},
      {"normals_per_second_per_thread", median(normal_rates)},
      {"peak_memory_bytes", peak_memory_bytes()},
  };
}

}  // namespace soret::bench
