#include "bench/sharpness_bench.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

#include "bench/machine_peak.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/base/memory.hpp"
#include "soret/measure/curvature.hpp"
#include "soret/measure/hessian.hpp"
#include "soret/measure/parts.hpp"
#include "soret/network/initialise.hpp"
#include "soret/network/models.hpp"
#include "soret/random/fill.hpp"

namespace soret::bench {
namespace {

using measure::LossAt;
using measure::SymmetricOperator;
using network::Network;

struct Case {
  std::string name;
  Network<float> in_float;
  Network<double> in_double;
  int samples;
  int chunk;
  int verified;  ///< samples whose product is computed in double, too
  int repeats;
};

/// The same model in both precisions.
template <class Make>
Case make(std::string name, Make model, int samples, int chunk, int verified, int repeats) {
  return {std::move(name), model(float{}), model(double{}), samples, chunk, verified, repeats};
}

auto resnet() {
  return [](auto t) { return network::resnet18<decltype(t)>({32, 32, 3}, 10, 16, 0); };
}

std::vector<Case> cases() {
  const auto mlp = [](auto t) {
    constexpr std::array widths = {512, 256, 128, 64, 10};
    return network::multilayer_perceptron<decltype(t)>({1, 1, 784}, widths, network::ActivationKind::relu);
  };
  const auto c1 = [](auto t) { return network::c1<decltype(t)>({32, 32, 3}, 10, 0); };
  std::vector<Case> all;
  all.push_back(make("MLP-5 784-512-256-128-64-10", mlp, 1000, 500, 64, 60));
  all.push_back(make("C1 32x32x3", c1, 500, 50, 16, 9));
  all.push_back(make("ResNet-18 width 16", resnet(), 100, 25, 4, 7));
  return all;
}

/// A mean loss in evaluation mode, at an initialisation, on normal inputs and labels that go round.
template <class T>
struct Problem {
  Problem(const Network<T>& net, int n, int chunk_size)
      : network(net), samples(n), chunk(chunk_size), state(net.initial_state()) {
    std::vector<float> inputs(static_cast<std::size_t>(n) * net.input().size());
    fill_normal({1, Purpose::inputs, 0}, 0, inputs);
    x.assign(inputs.begin(), inputs.end());
    const int classes = static_cast<int>(net.output().size());
    for (int i = 0; i < n; ++i) labels.push_back((5 * i + 1) % classes);
    parameters = network::initial_parameters(net, network::Initialisation::he_normal, 1);
  }
  LossAt<T> at() const {
    return {.network = network,
            .samples = samples,
            .x = x.data(),
            .targets = {labels.data(), nullptr, false},
            .parameters = parameters,
            .state = state,
            .chunk = chunk};
  }
  const Network<T>& network;
  int samples, chunk;
  std::vector<T> x{}, state, parameters{};
  std::vector<std::int32_t> labels{};
};

double norm(const std::vector<double>& a) {
  return std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0));
}

std::vector<double> direction(std::size_t n) {
  std::vector<float> draws(n);
  fill_normal({1, Purpose::curvature, 0}, 0, draws);
  return {draws.begin(), draws.end()};
}

std::vector<double> times(const SymmetricOperator& a, const std::vector<double>& v) {
  std::vector<double> product(v.size());
  a.apply(v, product);
  return product;
}

/// Relative error of a product in single against double precision. Kinks of relu and max-pooling that
/// rounding moves count; see network_bench.cpp. Throws RunError if it is too large.
double verify(const Case& c) {
  const Problem<float> single(c.in_float, c.verified, c.chunk);
  Problem<double> exact(c.in_double, c.verified, c.chunk);
  exact.parameters.assign(single.parameters.begin(), single.parameters.end());
  const auto v = direction(single.parameters.size());
  const SymmetricOperator kept = measure::fixed_hessian(single.at(), available_memory() / 4);
  auto difference = times(kept, v);
  difference = times(kept, v);  // from what the first product kept
  const auto reference = times(measure::hessian(exact.at()), v);
  for (std::size_t i = 0; i < v.size(); ++i) difference[i] -= reference[i];
  const double error = norm(difference) / norm(reference);
  constexpr double kAllowed = 1e-2;
  if (!(error < kAllowed))
    throw RunError(
        fmt::format("bench sharpness: {}: relative error of the Hessian-vector product {:.2g}; "
                    "allowed {:.2g}",
                    c.name, error, kAllowed));
  return error;
}

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

nlohmann::json time_products(const Case& c, int threads) {
  const double error = verify(c);
  const Problem<float> problem(c.in_float, c.samples, c.chunk);
  const SymmetricOperator h = measure::fixed_hessian(problem.at(), available_memory() / 4);
  const auto v = direction(problem.parameters.size());
  std::vector<double> product(v.size());
  h.apply(v, product);
  std::vector<double> seconds, peaks, processor;
  for (int repeat = 0; repeat < c.repeats; ++repeat) {
    if (repeat % (1 + c.repeats / 3) == 0) peaks.push_back(fma_peak_gflops(threads));
    const std::clock_t clock = std::clock();
    const double start = omp_get_wtime();
    h.apply(v, product);
    seconds.push_back(omp_get_wtime() - start);
    processor.push_back(static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC);
  }
  return {
      {"network", c.name},
      {"samples", c.samples},
      {"chunk", c.chunk},
      {"parameters", v.size()},
      {"product_ms", 1e3 * median(seconds)},
      {"product_processor_ms", 1e3 * median(processor)},  // of all threads, on a machine that others use too
      {"product_us_per_sample", 1e6 * median(seconds) / c.samples},
      {"fma_peak_gflops", median(peaks)},
      {"relative_error", error}};
}

/// Top five of a ResNet-18 on 1,000 images. Verified by what an eigenpair is, |H v - lambda v| against
/// lambda.
nlohmann::json time_eigenvalues() {
  const auto model = resnet();
  const Network<float> network = model(float{});
  const Problem<float> problem(network, 1000, 25);
  const SymmetricOperator h = measure::fixed_hessian(problem.at(), available_memory() / 4);
  constexpr double kTolerance = 1e-2;  // of the residual: eigenvalues are good to its square over the gap
  const std::clock_t clock = std::clock();
  const double start = omp_get_wtime();
  const measure::Eigenpairs found = measure::largest_eigenpairs(h, 5, kTolerance, 300, 1);
  const double seconds = omp_get_wtime() - start;
  const double processor = static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC;
  double residual = 0;
  for (std::size_t k = 0; k < found.vectors.size(); ++k) {
    auto r = times(h, found.vectors[k]);
    for (std::size_t i = 0; i < r.size(); ++i) r[i] -= found.values[k] * found.vectors[k][i];
    residual = std::max(residual, norm(r) / std::abs(found.values[k]));
  }
  if (!found.converged || !(residual < 10 * kTolerance))
    throw RunError(fmt::format("bench sharpness: {} of 5 eigenpairs converged, with residuals up to {:.2g}",
                               found.vectors.size(), residual));
  return {{"network", "ResNet-18 width 16"}, {"samples", problem.samples},  {"eigenvalues", found.values},
          {"tolerance", kTolerance},         {"products", found.products},  {"seconds", seconds},
          {"processor_seconds", processor},  {"largest_residual", residual}};
}

}  // namespace

nlohmann::json sharpness() {
  const int threads = omp_get_max_threads();
  nlohmann::json results = nlohmann::json::array();
  for (const Case& c : cases()) results.push_back(time_products(c, threads));
  return {
      {"device", cpu_name()},
      {"threads", threads},
      {"verified", "products in single against double precision; eigenpairs by their residuals"},
      {"products", results},
      {"eigenvalues", time_eigenvalues()},
      {"peak_memory_bytes", peak_memory_bytes()},
  };
}

}  // namespace soret::bench
