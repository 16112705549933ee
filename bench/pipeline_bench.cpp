#include "bench/pipeline_bench.hpp"

#include <fmt/format.h>
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "bench/machine_peak.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/network/initialise.hpp"
#include "soret/network/models.hpp"
#include "soret/random/fill.hpp"
#include "soret/training/trainer.hpp"

namespace soret::bench {
namespace {

using network::HeadKind;
using network::Network;
using network::put;

constexpr int kWidth = 64;
constexpr int kBatch = 32;
constexpr int kClasses = 10;
constexpr double kStrength = 0.01;  ///< lambda

template <class T>
Network<T> resnet() {
  return network::resnet18<T>({32, 32, 3}, kClasses, kWidth, 0);
}

enum class Method {
  gradient,             ///< of L, the mean cross entropy of one micro-batch
  gradient_norm,        ///< of L + lambda |grad L|^2
  gradient_difference,  ///< the same with H grad L from gradients at two places
  fisher_trace,         ///< of L + lambda |grad s|^2, s: L with labels drawn from the model
};
constexpr std::array kMethods = {Method::gradient, Method::gradient_norm, Method::gradient_difference,
                                 Method::fisher_trace};
constexpr std::array kMethodNames = {"gradient", "gradient_norm", "gradient_norm_by_differences",
                                     "fisher_trace"};

training::PenaltyTerm term_of(Method method) {
  training::PenaltyTerm term{.strength = method == Method::gradient ? 0 : kStrength};
  term.penalty.kind = method == Method::gradient       ? training::PenaltyKind::none
                      : method == Method::fisher_trace ? training::PenaltyKind::fisher_trace
                                                       : training::PenaltyKind::gradient_norm;
  term.penalty.finite_difference = method == Method::gradient_difference;
  return term;
}

/// A micro-batch, or a batch of several of the same size, and what its gradients need.
template <class T>
class MicroBatches {
 public:
  MicroBatches(const Network<T>& net, Method method, int samples, const std::vector<float>& data,
               int count = 1)
      : n_(samples * count),
        term_(term_of(method)),
        x_(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n_ * net.input().size())),
        state_(net.initial_state()),
        labels_(n_),
        gradient_(net, HeadKind::softmax, samples) {
    for (int i = 0; i < n_; ++i) labels_[i] = (5 * i + 1) % kClasses;
  }

  /// total = the method's gradient at w; the loss L.
  double operator()(const std::vector<T>& w, std::vector<T>& total) {
    return gradient_({n_, x_.data(), {labels_.data(), nullptr, false}, w, state_, {.seed = 1}}, total, term_)
        .loss;
  }

 private:
  int n_;
  training::PenaltyTerm term_;
  std::vector<T> x_, state_;
  std::vector<std::int32_t> labels_;
  training::BatchGradient<T> gradient_;
};

template <class A, class B>
double dot(const std::vector<A>& a, const std::vector<B>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// |a - b| / |b|
template <class A>
double distance(const std::vector<A>& a, const std::vector<double>& b) {
  std::vector<double> difference(b);
  for (std::size_t i = 0; i < b.size(); ++i) difference[i] -= static_cast<double>(a[i]);
  return std::sqrt(dot(difference, difference) / dot(b, b));
}

/// Single against double precision, the gradient along one direction against differences of the penalised
/// loss in double, and products from two gradients against exact ones.
nlohmann::json verify(const std::vector<float>& x, const std::vector<float>& w) {
  constexpr int kSamples = 4;
  const Network<float> in_float = resnet<float>();
  const Network<double> in_double = resnet<double>();
  const std::vector<double> wd(w.begin(), w.end());
  nlohmann::json errors;
  double worst = 0;
  const auto record = [&](const std::string& what, double error) {
    errors[what] = error;
    worst = std::max(worst, error);
  };
  std::vector<float> single(w.size());
  std::vector<double> exact(w.size());
  for (const Method method : {Method::gradient_norm, Method::fisher_trace}) {
    MicroBatches<float>(in_float, method, kSamples, x)(w, single);
    MicroBatches<double>(in_double, method, kSamples, x)(wd, exact);
    record(fmt::format("{}_single_precision", kMethodNames[static_cast<std::size_t>(method)]),
           distance(single, exact));
  }
  MicroBatches<double>(in_double, Method::gradient_norm, kSamples, x)(wd, exact);
  MicroBatches<float>(in_float, Method::gradient_difference, kSamples, x)(w, single);
  errors["gradient_norm_by_differences"] = distance(single, exact);  // a property of the method
  // The penalised loss along its own gradient, which the step moves by about 1e-7 of it.
  MicroBatches<double> plain(in_double, Method::gradient, kSamples, x);
  std::vector<double> g(w.size());
  const double step = 1e-9 * std::sqrt(dot(wd, wd) / dot(exact, exact));
  const auto penalised = [&](double by) {
    std::vector<double> to = wd;
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += by * exact[i];
    const double loss = plain(to, g);
    return loss + kStrength * dot(g, g);
  };
  const double slope = (penalised(step) - penalised(-step)) / (2 * step);
  record("gradient_norm_against_differences", std::abs(slope / dot(exact, exact) - 1));
  constexpr double kAllowed = 1e-2;  // kinks of relu between two computations: see network_bench.cpp
  if (!(worst < kAllowed))
    throw RunError(fmt::format("bench pipeline: a relative error is above {}: {}", kAllowed, errors.dump()));
  return errors;
}

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

template <class F>
double seconds(const F& f) {
  const double start = omp_get_wtime();
  f();
  return omp_get_wtime() - start;
}

/// A line of /proc/self/status, in bytes.
double status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return 1024 * std::stod(line.substr(key.size() + 1));
  return 0;
}

/// By how much the resident memory grows at most over that with network, parameters and images: in a process
/// of its own, on a new thread there, for which OpenMP has no threads yet that the fork left behind.
double peak_growth(Method method, int batches, const std::vector<float>& x, const std::vector<float>& w) {
  const auto measure = [&](int threads) {
    omp_set_num_threads(threads);
    const Network<float> net = resnet<float>();
    std::ofstream("/proc/self/clear_refs") << "5";  // forgets the peak so far
    const double before = status_bytes("VmRSS");
    std::vector<float> total(w.size()), batch_total(batches > 1 ? w.size() : 0);
    MicroBatches<float> batch(net, method, kBatch, x);
    for (int k = 0; k < batches; ++k) {
      batch(w, total);
      if (batches > 1)
        put(w.size(), batch_total.data(), true, [t = total.data()](std::size_t i) { return t[i]; });
    }
    return status_bytes("VmHWM") - before;
  };
  int ends[2];
  if (pipe(ends) != 0) throw RunError("bench pipeline: no pipe to a process that measures memory");
  const int threads = omp_get_max_threads();
  const pid_t child = fork();
  double growth = 0;
  if (child == 0) {
    std::thread([&] { growth = measure(threads); }).join();
    _exit(write(ends[1], &growth, sizeof growth) == sizeof growth ? 0 : 1);
  }
  close(ends[1]);
  const bool told = child > 0 && read(ends[0], &growth, sizeof growth) == sizeof growth;
  close(ends[0]);
  if (child > 0) waitpid(child, nullptr, 0);
  if (!told) throw RunError("bench pipeline: the process that measures memory failed");
  return growth;
}

nlohmann::json memory(const std::vector<float>& x, const std::vector<float>& w) {
  nlohmann::json bytes;
  for (const Method method : kMethods)
    bytes[kMethodNames[static_cast<std::size_t>(method)]] = peak_growth(method, 1, x, w);
  bytes["gradient_norm_4_micro_batches"] = peak_growth(Method::gradient_norm, 4, x, w);
  return bytes;
}

/// Multiply-adds of one sample's forward map: all, and of the first layer.
std::pair<double, double> products_per_sample(const Network<float>& net) {
  double total = 0;
  double first = 0;
  for (int node = 1; node <= net.last(); ++node) {
    for (const network::View& view : net.parameters()) {
      if (view.what.kind != network::Parameter::Kind::weight || view.name != net.name(node) + ".weight")
        continue;
      const double here = static_cast<double>(view.what.size()) * net.shape(node).h * net.shape(node).w;
      if (total == 0) first = here;
      total += here;
    }
  }
  return {total, first};
}

nlohmann::json speed(const std::vector<float>& x, const std::vector<float>& w, int threads) {
  constexpr int kRepeats = 7;
  const Network<float> net = resnet<float>();
  std::vector<MicroBatches<float>> batches, large;
  batches.reserve(kMethods.size());
  large.reserve(kMethods.size());
  std::vector<float> images;  // of a batch with a micro-batch per thread
  for (int k = 0; k < threads; ++k) images.insert(images.end(), x.begin(), x.end());
  for (const Method method : kMethods) {
    batches.emplace_back(net, method, kBatch, x);
    large.emplace_back(net, method, kBatch, images, threads);
  }
  std::vector<float> total(w.size());
  for (auto* all : {&batches, &large})
    for (auto& batch : *all) batch(w, total);
  // In turn, so that drifts of the machine's speed meet all.
  std::vector<double> peaks;
  std::array<std::vector<double>, kMethods.size()> times, ratios, shares;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    if (repeat % 2 == 0) peaks.push_back(fma_peak_gflops(threads));
    for (std::size_t m = 0; m < batches.size(); ++m) {
      times[m].push_back(seconds([&] { batches[m](w, total); }));
      ratios[m].push_back(times[m].back() / times[0].back());
      shares[m].push_back(seconds([&] { large[m](w, total); }) / threads);
    }
  }
  // Forward, and backward to inputs and weights, without the gradient of the first inputs, which do not move,
  // either. A tangent of each of the three is two products.
  const auto [all, first] = products_per_sample(net);
  const double gradient_flops = 2e-9 * kBatch * (3 * all - first);
  const double product_flops = 2e-9 * kBatch * (6 * all - 4 * first);
  const double peak = median(peaks);
  nlohmann::json result{{"fma_peak_gflops", peak}};
  for (std::size_t m = 0; m < batches.size(); ++m) {
    const double flops = kMethods[m] == Method::gradient              ? gradient_flops
                         : kMethods[m] == Method::gradient_difference ? 2 * gradient_flops
                                                                      : gradient_flops + product_flops;
    result[kMethodNames[m]] = {{"ms", 1e3 * median(times[m])},
                               {"ms_each_of_one_per_thread", 1e3 * median(shares[m])},
                               {"over_gradient", median(ratios[m])},
                               {"gflops", flops / median(times[m])},
                               {"fraction_of_fma_peak", flops / median(times[m]) / peak}};
  }
  return result;
}

/// Updates of small-batch SGD on images with crops and flips, assembled ahead on a thread of their own.
nlohmann::json loading(const std::vector<float>& w) {
  constexpr int kImages = 512;
  constexpr int kUpdates = 12;
  const Network<float> net = resnet<float>();
  data::Dataset images{.name = "noise",
                       .channels = 3,
                       .height = 32,
                       .width = 32,
                       .classes = kClasses,
                       .images = std::vector<float>(kImages * net.input().size()),
                       .labels = std::vector<std::int32_t>(kImages)};
  fill_normal({1, Purpose::dataset_inputs, 0}, 0, images.images);
  for (int i = 0; i < kImages; ++i) images.labels[i] = i % kClasses;
  const data::Augmentation augmentation{.padding = 4, .flip = true};
  std::vector<double> steps, waits, assemblies;
  {
    std::vector<std::uint32_t> chosen(kBatch);
    std::iota(chosen.begin(), chosen.end(), 0U);
    data::Loader<float> loader(
        images,
        [&](std::int64_t) {
          return data::Selection{chosen, 0};
        },
        0, augmentation, 1);
    training::BatchGradient<float> gradient(net, HeadKind::softmax, kBatch);
    std::vector<float> parameters = w, g(w.size()), statistics = net.initial_state();
    for (int update = 0; update < kUpdates; ++update) {
      const double start = omp_get_wtime();
      const data::Batch<float>& batch = loader.next();
      waits.push_back(omp_get_wtime() - start);
      gradient({kBatch, batch.x.data(), {batch.labels.data(), nullptr, false}, parameters, statistics, {}},
               g);
      put(g.size(), parameters.data(), true, [&](std::size_t i) { return -1e-4F * g[i]; });
      steps.push_back(omp_get_wtime() - start);
    }
    data::Batch<float> batch;
    for (int repeat = 0; repeat < kUpdates; ++repeat)
      assemblies.push_back(seconds([&] { assemble(images, chosen, augmentation, 1, 0, batch); }));
  }
  const double step = median(steps);
  return {{"update_ms", 1e3 * step},
          {"waiting_share_of_update", median(waits) / step},
          {"longest_wait_after_the_first_ms", 1e3 * *std::max_element(waits.begin() + 1, waits.end())},
          {"assembly_ms", 1e3 * median(assemblies)},
          {"assembly_over_update", median(assemblies) / step}};
}

}  // namespace

nlohmann::json pipeline() {
  const int threads = omp_get_max_threads();
  const Network<float> net = resnet<float>();
  std::vector<float> x(kBatch * net.input().size());
  fill_normal({1, Purpose::inputs, 0}, 0, x);
  const auto w = network::initial_parameters(net, network::Initialisation::he_normal, 1);
  const auto bytes = memory(x, w);  // first: later processes would inherit what the rest leaves behind
  return {
      {"device", cpu_name()},
      {"threads", threads},
      {"network", fmt::format("ResNet-18 width {}", kWidth)},
      {"micro_batch_size", kBatch},
      {"verified",
       "penalty gradients against differences of the penalised loss in double, single against double "
       "precision"},
      {"relative_errors", verify(x, w)},
      {"speed", speed(x, w, threads)},
      {"peak_memory_growth_bytes", bytes},
      {"loading", loading(w)},
  };
}

}  // namespace soret::bench
