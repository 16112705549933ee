#include "bench/network_bench.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "bench/machine_peak.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/base/memory.hpp"
#include "soret/network/initialise.hpp"
#include "soret/network/models.hpp"
#include "soret/random/fill.hpp"

namespace soret::bench {
namespace {

using network::Network;
using network::Parameter;
using network::Pass;
using network::Shape;

struct Case {
  std::string name;
  Network<float> in_float;
  Network<double> in_double;
  int batch_size;
  int verified;  ///< samples of the batch that are computed in double, too
  int repeats;
};

/// The same model in both precisions.
template <class Make>
Case make(std::string name, Make model, int batch_size, int verified, int repeats) {
  return {std::move(name), model(float{}), model(double{}), batch_size, verified, repeats};
}

std::vector<Case> cases() {
  using network::ActivationKind;
  std::vector<Case> all;
  const auto mlp = [](auto t) {
    constexpr std::array widths = {512, 256, 128, 64, 10};
    return network::multilayer_perceptron<decltype(t)>({1, 1, 784}, widths, ActivationKind::relu);
  };
  const auto conv = [](auto t) {
    return network::convolutional<decltype(t)>({28, 28, 1}, 6, 10, 2, 10, ActivationKind::relu);
  };
  const auto f2 = [](auto t) { return network::f2<decltype(t)>({1, 1, 360}, 1973, 0); };
  const auto c1 = [](auto t) { return network::c1<decltype(t)>({32, 32, 3}, 10, 0); };
  const auto resnet = [](int width) {
    return [width](auto t) { return network::resnet18<decltype(t)>({32, 32, 3}, 10, width, 0); };
  };
  all.push_back(make("MLP-5 784-512-256-128-64-10", mlp, 64, 64, 300));
  all.push_back(make("6-conv 28x28x1, 10 channels 5x5", conv, 1, 1, 300));
  all.push_back(make("6-conv 28x28x1, 10 channels 5x5", conv, 64, 16, 30));
  all.push_back(make("F2 360-7x512-1973, batch norm", f2, 256, 64, 30));
  all.push_back(make("C1 32x32x3", c1, 128, 16, 30));
  all.push_back(make("ResNet-18 width 16", resnet(16), 32, 4, 15));
  all.push_back(make("ResNet-18 width 64", resnet(64), 32, 4, 5));
  return all;
}

/// A loss: the mean cross entropy of one batch at fixed dropout masks.
template <class T>
struct Problem {
  Problem(const Network<T>& net, int samples, const std::vector<float>& data)
      : network(net),
        n(samples),
        x(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n * net.input().size())),
        state(net.initial_state()),
        pass(net, samples) {
    const int classes = static_cast<int>(net.output().size());
    for (int i = 0; i < n; ++i) labels.push_back((5 * i + 1) % classes);
  }
  network::Targets<T> targets() const { return {labels.data(), nullptr, false}; }
  void gradient(const std::vector<T>& w, std::vector<T>& g) {
    std::ranges::fill(g, T{});
    network::gradient(network, network::HeadKind::softmax, pass, n, x.data(), targets(), 1.0 / n, w.data(),
                      state.data(), {.seed = 1}, g.data());
  }
  /// After gradient().
  void hessian_vector(const std::vector<T>& w, const std::vector<T>& v, std::vector<T>& product) {
    std::ranges::fill(product, T{});
    network::hessian_vector(network, network::HeadKind::softmax, pass, targets(), 1.0 / n, w.data(), v.data(),
                            product.data());
  }

  const Network<T>& network;
  int n;
  std::vector<T> x, state;
  std::vector<std::int32_t> labels{};
  Pass<T> pass;
};

double norm(const std::vector<double>& a) {
  return std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0));
}

/// |a - b| / |b|
template <class A>
double distance(const std::vector<A>& a, const std::vector<double>& b) {
  std::vector<double> difference(b);
  for (std::size_t i = 0; i < b.size(); ++i) difference[i] -= static_cast<double>(a[i]);
  return norm(difference) / norm(b);
}

struct Errors {
  double gradient, product;  ///< of single against double precision
  double differences;        ///< of the product against differences of gradients, both in double
};

/// Throws RunError if they are too large. Kinks of relu and of max-pooling that lie between two computations
/// count as errors of both comparisons: pre-activations that differ by rounding, or by the step, have
/// different signs in about that share of the units, and move the result by the root of the share.
Errors verify(const Case& c, const std::vector<float>& x, const std::vector<float>& w,
              const std::vector<float>& v) {
  Problem<float> single(c.in_float, c.verified, x);
  Problem<double> exact(c.in_double, c.verified, x);
  const std::vector<double> wd(w.begin(), w.end());
  const std::vector<double> vd(v.begin(), v.end());
  std::vector<float> g(w.size()), product(w.size());
  std::vector<double> gd(w.size()), product_d(w.size());
  single.gradient(w, g);
  single.hessian_vector(w, v, product);
  exact.gradient(wd, gd);
  exact.hessian_vector(wd, vd, product_d);
  Errors errors{distance(g, gd), distance(product, product_d), 0};
  const double step = 1e-8 * norm(wd) / norm(vd);
  std::vector<double> ahead(w.size()), behind(w.size());
  const auto moved = [&](double by) {
    std::vector<double> to = wd;
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += by * vd[i];
    return to;
  };
  exact.gradient(moved(step), ahead);
  exact.gradient(moved(-step), behind);
  for (std::size_t i = 0; i < ahead.size(); ++i) ahead[i] = (ahead[i] - behind[i]) / (2 * step);
  errors.differences = distance(ahead, product_d);
  constexpr double kAllowed = 1e-2;
  if (!(std::max({errors.gradient, errors.product, errors.differences}) < kAllowed)) {
    throw RunError(
        fmt::format("bench network: {}: relative error of the gradient {:.2g}, of the Hessian-vector product "
                    "{:.2g}, of that against differences of gradients {:.2g}; allowed {:.2g}",
                    c.name, errors.gradient, errors.product, errors.differences, kAllowed));
  }
  return errors;
}

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

double seconds(const std::function<void()>& f) {
  const double start = omp_get_wtime();
  f();
  return omp_get_wtime() - start;
}

/// Multiplications of weights with inputs of one sample's forward map, in all layers and in the first.
std::pair<double, double> products_per_sample(const Network<float>& net) {
  double total = 0;
  double first = 0;
  for (int node = 1; node <= net.last(); ++node) {
    for (const network::View& view : net.parameters()) {
      if (view.what.kind != Parameter::Kind::weight || view.name != net.name(node) + ".weight") continue;
      const Shape& shape = net.shape(node);
      const double here = static_cast<double>(view.what.size()) * shape.h * shape.w;
      if (total == 0) first = here;
      total += here;
    }
  }
  return {total, first};
}

nlohmann::json measure(const Case& c, int threads) {
  std::vector<float> x(c.batch_size * c.in_float.input().size());
  fill_normal({1, Purpose::inputs, 0}, 0, x);
  const auto w = network::initial_parameters(c.in_float, network::Initialisation::he_normal, 1);
  std::vector<float> v(w.size());
  fill_normal({1, Purpose::curvature, 0}, 0, v);
  const Errors errors = verify(c, x, w, v);

  Problem<float> problem(c.in_float, c.batch_size, x);
  std::vector<float> g(w.size()), product(w.size());
  problem.gradient(w, g);
  const std::size_t pass_bytes = problem.pass.bytes();
  problem.hessian_vector(w, v, product);
  // In turn, so that drifts of the machine's speed meet all three.
  std::vector<double> peaks, gradients, products, ratios;
  for (int repeat = 0; repeat < c.repeats; ++repeat) {
    if (repeat % (1 + c.repeats / 5) == 0) peaks.push_back(fma_peak_gflops(threads));
    gradients.push_back(seconds([&] { problem.gradient(w, g); }));
    products.push_back(seconds([&] { problem.hessian_vector(w, v, product); }));
    ratios.push_back(products.back() / gradients.back());
  }
  const auto [all, first] = products_per_sample(c.in_float);
  // Forward, and backward to inputs and weights; nobody asks for the gradient of the first inputs, nor do
  // they move. A tangent of each of the three is two products.
  const double gradient_flops = 2e-9 * c.batch_size * (3 * all - first);
  const double product_flops = 2e-9 * c.batch_size * (6 * all - 4 * first);
  const double peak = median(peaks);
  return {
      {"network", c.name},
      {"batch_size", c.batch_size},
      {"parameters", w.size()},
      {"gradient_ms", 1e3 * median(gradients)},
      {"hessian_vector_ms", 1e3 * median(products)},
      {"hessian_vector_over_gradient", median(ratios)},
      {"gradient_gflops", gradient_flops / median(gradients)},
      {"gradient_fraction_of_fma_peak", gradient_flops / median(gradients) / peak},
      {"hessian_vector_gflops", product_flops / median(products)},
      {"hessian_vector_fraction_of_fma_peak", product_flops / median(products) / peak},
      {"fma_peak_gflops", peak},
      {"pass_bytes_gradient", pass_bytes},
      {"pass_bytes_hessian_vector", problem.pass.bytes()},
      {"relative_error_gradient", errors.gradient},
      {"relative_error_hessian_vector", errors.product},
      {"relative_error_differences", errors.differences},
  };
}

}  // namespace

nlohmann::json network() {
  const int threads = omp_get_max_threads();
  nlohmann::json results = nlohmann::json::array();
  for (const Case& c : cases()) results.push_back(measure(c, threads));
  return {
      {"device", cpu_name()},
      {"threads", threads},
      {"flops_counted", "multiply-adds of convolutions and dense layers, 2 each"},
      {"verified",
       "single against double precision, Hessian-vector products against differences of gradients"},
      {"cases", results},
      {"peak_memory_bytes", peak_memory_bytes()},
  };
}

}  // namespace soret::bench
