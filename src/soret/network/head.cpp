#include "soret/network/head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "soret/base/error.hpp"
#include "soret/base/math.hpp"
#include "soret/network/parallel.hpp"

namespace soret::network {
namespace {

/// e^x for x <= 0; single precision eight or sixteen at a time, and 0 below e^-87.
double exponential(double x) {
  return std::exp(x);
}
float exponential(float x) {
  return x < -87.0F ? 0.0F : soret::exp(x);
}

/// The sum of f(k), k < size: of every sixteenth first, which makes vectors of them.
template <class T, class F>
T sum_of(int size, F f) {
  constexpr int kLanes = 16;
  T lanes[kLanes] = {};
  int k = 0;
  for (; k + kLanes <= size; k += kLanes)
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += f(k + lane);
  for (int lane = 0; k < size; ++k, ++lane) lanes[lane] += f(k);
  T sum{};
  for (const T lane : lanes) sum += lane;
  return sum;
}

/// softmax(z) = e^(z - most) / sum of one sample.
template <class T>
struct Softmax {
  Softmax(int classes, const T* z) : most(*std::max_element(z, z + classes)) {
    sum = sum_of<T>(classes, [=, this](int k) { return exponential(z[k] - most); });
  }
  T most, sum{};
};

template <class T>
const T* values(const Targets<T>& targets, int sample, int classes) {
  return targets.values + (targets.shared ? 0 : static_cast<std::ptrdiff_t>(sample) * classes);
}

/// 1 / (1 + e^-z), and its derivative.
template <class T>
struct Logistic {
  explicit Logistic(T z) {
    const T decay = std::exp(-std::abs(z));
    value = (z < 0 ? decay : T{1}) / (1 + decay);
    slope = decay / ((1 + decay) * (1 + decay));
  }
  T value, slope;
};

/// Of one sample.
template <class T>
double evaluate_sample(HeadKind head, int i, int classes, const T* z, const Targets<T>& targets, T w, T* dz) {
  double sum = 0;
  switch (head) {
    case HeadKind::softmax: {
      const Softmax<T> s(classes, z);
      const std::int32_t label = targets.labels[i];
      sum = static_cast<double>(s.most + std::log(s.sum) - z[label]);
      if (!dz) break;
      const T scale = w / s.sum;
#pragma GCC ivdep
      for (int k = 0; k < classes; ++k) dz[k] = scale * exponential(z[k] - s.most);
      dz[label] -= w;
      break;
    }
    case HeadKind::logistic: {
      const T margin = targets.labels[i] == 1 ? z[0] : -z[0];
      sum = static_cast<double>(std::log1p(std::exp(-std::abs(margin))) - std::min(margin, T{}));
      if (dz) dz[0] = w * (Logistic<T>(z[0]).value - static_cast<T>(targets.labels[i]));
      break;
    }
    case HeadKind::squared: {
      const T* const target = values(targets, i, classes);
      for (int k = 0; k < classes; ++k) {
        const T d = z[k] - target[k];
        sum += static_cast<double>(d * d) / 2;
        if (dz) dz[k] = w * d;
      }
      break;
    }
    case HeadKind::linear: {
      const T* const u = values(targets, i, classes);
      for (int k = 0; k < classes; ++k) {
        sum += static_cast<double>(z[k] * u[k]);
        if (dz) dz[k] = w * u[k];
      }
      break;
    }
  }
  return sum;
}

template <class T>
void evaluate_sample_tangent(HeadKind head, int classes, const T* z, T w, const T* zt, T* dzt) {
  switch (head) {
    case HeadKind::softmax: {
      const Softmax<T> s(classes, z);
      const T mean =
          sum_of<T>(classes, [=, &s](int k) { return exponential(z[k] - s.most) * zt[k]; }) / s.sum;
      const T scale = w / s.sum;
#pragma GCC ivdep
      for (int k = 0; k < classes; ++k) dzt[k] = scale * exponential(z[k] - s.most) * (zt[k] - mean);
      break;
    }
    case HeadKind::logistic:
      dzt[0] = w * Logistic<T>(z[0]).slope * zt[0];
      break;
    case HeadKind::squared:
      for (int k = 0; k < classes; ++k) dzt[k] = w * zt[k];
      break;
    case HeadKind::linear:
      std::fill_n(dzt, classes, T{});
      break;
  }
}

/// About what one class of one sample costs, most of it exponentials.
constexpr double kWorkPerClass = 4;

}  // namespace

void check_labels(HeadKind head, int classes, std::span<const std::int32_t> labels) {
  if (head != HeadKind::softmax && head != HeadKind::logistic) return;
  const std::int32_t count = head == HeadKind::softmax ? classes : 2;
  const auto wrong =
      std::ranges::find_if(labels, [=](std::int32_t label) { return label < 0 || label >= count; });
  if (wrong == labels.end()) return;
  throw ConfigError(fmt::format("sample {} has label {}, but the network tells {} classes apart: 0 to {}",
                                wrong - labels.begin(), *wrong, count, count - 1));
}

template <class T>
double evaluate(HeadKind head, int n, int classes, const T* z, const Targets<T>& targets, double weight,
                T* dz) {
  constexpr int kTasks = 32;
  double sums[kTasks] = {};
  const int tasks = std::clamp(n, 1, kTasks);
  each_task(tasks, kWorkPerClass * n * classes, [&](int task) {
    const std::size_t last = first_of(task + 1, tasks, static_cast<std::size_t>(n));
    for (std::size_t i = first_of(task, tasks, static_cast<std::size_t>(n)); i < last; ++i) {
      const std::size_t at = i * static_cast<std::size_t>(classes);
      sums[task] += evaluate_sample(head, static_cast<int>(i), classes, z + at, targets,
                                    static_cast<T>(weight), dz ? dz + at : nullptr);
    }
  });
  return weight * std::accumulate(sums, sums + kTasks, 0.0);
}

template <class T>
void evaluate_tangent(HeadKind head, int n, int classes, const T* z, const Targets<T>& /*targets*/,
                      double weight, const T* zt, T* dzt) {
  each_run(static_cast<std::size_t>(n), kWorkPerClass * classes, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      const std::size_t at = i * static_cast<std::size_t>(classes);
      evaluate_sample_tangent(head, classes, z + at, static_cast<T>(weight), zt + at, dzt + at);
    }
  });
}

template <class T>
int correct(HeadKind head, int n, int classes, const T* z, const std::int32_t* labels) {
  int count = 0;
  for (int i = 0; i < n; ++i, z += classes) {
    const auto guess = head == HeadKind::logistic
                           ? static_cast<std::int32_t>(z[0] > 0)
                           : static_cast<std::int32_t>(std::max_element(z, z + classes) - z);
    count += guess == labels[i] ? 1 : 0;
  }
  return count;
}

// T is a type: it needs no parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
#define SORET_INSTANTIATE(T)                                                                                \
  template double evaluate<T>(HeadKind, int, int, const T*, const Targets<T>&, double, T*);                 \
  template void evaluate_tangent<T>(HeadKind, int, int, const T*, const Targets<T>&, double, const T*, T*); \
  template int correct<T>(HeadKind, int, int, const T*, const std::int32_t*);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace soret::network
