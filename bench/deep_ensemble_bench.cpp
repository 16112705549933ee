#include "bench/deep_ensemble_bench.hpp"

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
#include "soret/ensemble/deep.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "tests/oracles/deep_oracle.hpp"

namespace soret::bench {
namespace {

using deep::Problem;

constexpr int kRepeats = 5;

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

/// Samples drawn ahead, so that the plain loop is not charged for its random numbers.
struct DrawnSamples {
  DrawnSamples(const Problem& p, std::uint32_t trajectory, int steps)
      : count(steps * p.batch_size), x(static_cast<std::size_t>(count) * p.inputs()), y(count) {
    const two_layer::Problem sample = sample_problem(p);
    const two_layer::Parameters no_teacher;
    two_layer::SampleStream(sample, no_teacher, trajectory).rows(0, count, x.data(), p.inputs(), y.data());
  }
  int count;
  std::vector<float> x;  ///< [sample][inputs]
  std::vector<float> y;  ///< [sample]
};

/// SGD at batch 1 as anybody would write it: forwards, backwards and update as float loops, layer by layer,
/// with the same compiler flags. The samples are used again from the start when they are through.
void plain_steps(const Problem& p, const DrawnSamples& samples, long steps, std::vector<float>& net) {
  std::vector<std::vector<float>> h(p.layers + 1);
  std::vector<float> delta, below;
  for (long step = 0; step < steps; ++step) {
    const std::size_t s = static_cast<std::size_t>(step % samples.count);
    h[0].assign(&samples.x[s * p.inputs()], &samples.x[s * p.inputs()] + p.inputs());
    std::size_t at = 0;
    for (int l = 0; l < p.layers; ++l) {
      const int in = p.layer_inputs(l);
      const int out = p.layer_outputs(l);
      h[l + 1].resize(out);
      for (int i = 0; i < out; ++i) {
        float u = net[at + static_cast<std::size_t>(out) * in + i];
        for (int j = 0; j < in; ++j) u += net[at + static_cast<std::size_t>(i) * in + j] * h[l][j];
        h[l + 1][i] = l + 1 < p.layers ? std::max(u, 0.0F) : u;
      }
      at += static_cast<std::size_t>(out) * (in + 1);
    }
    delta.assign(1, 1 / (1 + std::exp(-h[p.layers][0])) - samples.y[s]);
    for (int l = p.layers - 1; l >= 0; --l) {
      const int in = p.layer_inputs(l);
      const int out = p.layer_outputs(l);
      at -= static_cast<std::size_t>(out) * (in + 1);
      below.assign(in, 0.0F);
      for (int i = 0; i < out; ++i) {
        float* w = &net[at + static_cast<std::size_t>(i) * in];
        const float move = p.learning_rate * delta[i];
        for (int j = 0; j < in; ++j) {
          below[j] += w[j] * delta[i];
          w[j] -= move * h[l][j];
        }
        net[at + static_cast<std::size_t>(out) * in + i] -= move;
      }
      for (int j = 0; j < in; ++j) below[j] = h[l][j] > 0 ? below[j] : 0.0F;
      delta = below;
    }
  }
}

}  // namespace

double flops_per_step(const Problem& p) {
  double weights = 0;
  for (int l = 0; l < p.layers; ++l) weights += static_cast<double>(p.layer_inputs(l)) * p.layer_outputs(l);
  return p.batch_size * (6 * weights - 2.0 * p.inputs() * p.width);
}

void verify(const Problem& p, const std::function<std::vector<float>(std::uint32_t, long)>& train,
            const char* what) {
  constexpr long kSteps = 20;
  const two_layer::Problem sample = sample_problem(p);
  const two_layer::Parameters no_teacher;
  two_layer::SampleStream samples(sample, no_teacher, 0);
  oracle::DeepNetwork net = oracle::in_double(p, initial_parameters(p, 0));
  oracle::DeepNetwork velocity = oracle::deep_zeros(p);
  std::vector<float> x(static_cast<std::size_t>(p.batch_size) * p.inputs());
  std::vector<float> y(static_cast<std::size_t>(p.batch_size) * p.outputs);
  for (long step = 0; step < kSteps; ++step) {
    samples.rows(static_cast<std::uint64_t>(step) * p.batch_size, p.batch_size, x.data(), p.inputs(),
                 y.data());
    const std::vector<double> xd(x.begin(), x.end());
    const std::vector<double> yd(y.begin(), y.end());
    oracle::deep_sgd_step(p, net, velocity, xd.data(), yd.data());
  }
  const std::vector<double> expected = oracle::flat(net);
  const std::vector<float> got = train(0, kSteps);
  double error = 0;
  for (std::size_t k = 0; k < expected.size(); ++k) error = std::max(error, std::abs(expected[k] - got[k]));
  // Every step adds a few roundings of pre-activations of order 1 to each parameter.
  const double tolerance = 1.2e-7 * 4 * kSteps;
  if (!(error <= tolerance)) {
    throw RunError(fmt::format(
        "{} of the deep ensemble differs from the oracle by {:.2g} after {} steps (allowed {:.2g})", what,
        error, kSteps, tolerance));
  }
}

double network_steps_per_second(int threads, int trajectories_per_thread, long steps,
                                const std::function<void(std::uint32_t, long)>& run) {
  const double start = omp_get_wtime();
#pragma omp parallel num_threads(threads)
  for (int t = 0; t < trajectories_per_thread; ++t)
    run(static_cast<std::uint32_t>(omp_get_thread_num() * trajectories_per_thread + t), steps);
  return static_cast<double>(threads) * trajectories_per_thread * static_cast<double>(steps) /
         (omp_get_wtime() - start);
}

namespace {

struct Case {
  int inputs, width, layers, batch_size;
  long steps;
};

nlohmann::json measure(const Case& c, int threads) {
  Problem p;
  p.input = {1, 1, c.inputs};
  p.width = c.width;
  p.layers = c.layers;
  p.batch_size = c.batch_size;
  verify(
      p, [&](std::uint32_t t, long steps) { return train_cpu(p, t, steps); }, "the driver");
  const auto run_driver = [&](std::uint32_t t, long steps) { train_cpu(p, t, steps); };
  const DrawnSamples drawn(p, 0, 1024);
  const auto run_plain = [&](std::uint32_t t, long steps) {
    std::vector<float> net = initial_parameters(p, t);
    plain_steps(p, drawn, steps, net);
  };
  const bool plain = c.batch_size == 1;
  if (plain) {
    verify(
        p,
        [&](std::uint32_t t, long steps) {
          std::vector<float> net = initial_parameters(p, t);
          plain_steps(p, DrawnSamples(p, t, static_cast<int>(steps)), steps, net);
          return net;
        },
        "the plain loop");
  }
  const double flops = flops_per_step(p);
  // Peak, driver and plain loop in turn, so that drifts of the machine's speed meet all three.
  std::vector<double> peaks, rates, plain_rates, fractions, speedups;
  run_driver(0, c.steps / 10);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    peaks.push_back(fma_peak_gflops(threads));
    rates.push_back(network_steps_per_second(threads, 2, c.steps, run_driver));
    fractions.push_back(rates.back() * 1e-9 * flops / peaks.back());
    if (!plain) continue;
    plain_rates.push_back(network_steps_per_second(threads, 1, std::max(1L, c.steps / 8), run_plain));
    speedups.push_back(rates.back() / plain_rates.back());
  }
  nlohmann::json out = {
      {"network", fmt::format("{} inputs, {} layers of {}, 1 output", c.inputs, c.layers - 1, c.width)},
      {"batch_size", c.batch_size},
      {"network_steps_per_second", median(rates)},
      {"network_steps_per_second_per_thread", median(rates) / threads},
      {"gflops", median(rates) * 1e-9 * flops},
      {"fma_peak_gflops", median(peaks)},
      {"fraction_of_fma_peak", median(fractions)},
  };
  if (!plain) return out;
  const double first = static_cast<double>(c.inputs) * c.width;
  const double weights = (flops + 2 * first) / 6;
  // With half of the units on: W_1 read and written once, half of the other weights read twice, written once.
  const double bytes = 4 * (2 * first + 1.5 * (weights - first));
  out["bytes_touched_per_step"] = bytes;
  out["gigabytes_per_second_per_thread"] = median(rates) / threads * bytes * 1e-9;
  const double stream = stream_gigabytes_per_thread(threads, 4 * weights);
  out["stream_gigabytes_per_second_per_thread"] = stream;
  out["fraction_of_stream"] = median(rates) / threads * bytes * 1e-9 / stream;
  out["plain_loop_network_steps_per_second"] = median(plain_rates);
  out["speedup_over_plain_loop"] = median(speedups);
  return out;
}

/// The convolutional network of seed 002 Fig. 2 on noise of the size of Fashion-MNIST; verified by the tests.
nlohmann::json measure_convolutional(int threads) {
  Problem p;
  p.architecture = deep::Architecture::convolutional;
  p.input = {28, 28, 1};
  p.width = 10;
  p.outputs = 10;
  p.loss = deep::Loss::softmax;
  std::vector<double> rates;
  const auto run = [&](std::uint32_t t, long steps) { train_cpu(p, t, steps); };
  for (int repeat = 0; repeat < kRepeats; ++repeat)
    rates.push_back(network_steps_per_second(threads, 1, 400, run));
  double flops = 0;
  int side = 28;
  int channels = 1;
  for (int l = 1; l < p.layers; ++l, channels = p.width) {
    side -= 4;
    flops += (l == 1 ? 4.0 : 6.0) * side * side * 25 * channels * p.width;
  }
  flops += 6.0 * side * side * p.width * p.outputs;
  const double peak = fma_peak_gflops(threads);
  return {
      {"network", "28 x 28, 5 convolutions of 10 channels, 5 x 5, dense 10"},
      {"batch_size", 1},
      {"network_steps_per_second", median(rates)},
      {"gflops", median(rates) * 1e-9 * flops},
      {"fraction_of_fma_peak", median(rates) * 1e-9 * flops / peak},
  };
}

}  // namespace

nlohmann::json deep_ensemble() {
  const int threads = omp_get_max_threads();
  nlohmann::json cases = nlohmann::json::array();
  for (const Case& c : {Case{100, 100, 6, 1, 40000}, Case{100, 100, 6, 8, 2000}, Case{100, 100, 6, 64, 300},
                        Case{30, 30, 6, 1, 100000}, Case{784, 300, 4, 1, 2000}})
    cases.push_back(measure(c, threads));
  cases.push_back(measure_convolutional(threads));
  return {
      {"device", cpu_name()},
      {"threads", threads},
      {"flops_counted", "2 per weight and sample for each of forward, backward and update; all units on"},
      {"verified", "20 steps of every dense case against the double-precision oracle"},
      {"cases", cases},
      {"peak_memory_bytes", peak_memory_bytes()},
  };
}

}  // namespace soret::bench
