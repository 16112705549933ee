#include "soret/network/head.hpp"

#include <algorithm>
#include <cmath>

namespace soret::network {
namespace {

/// log sum exp(z) of one sample.
template <class T>
T log_sum(int classes, const T* z) {
  const T most = *std::max_element(z, z + classes);
  T sum{};
  for (int k = 0; k < classes; ++k) sum += std::exp(z[k] - most);
  return most + std::log(sum);
}

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

}  // namespace

template <class T>
double evaluate(HeadKind head, int n, int classes, const T* z, const Targets<T>& targets, double weight,
                T* dz) {
  const T w = static_cast<T>(weight);
  double sum = 0;
  for (int i = 0; i < n; ++i, z += classes, dz += dz ? classes : 0) {
    switch (head) {
      case HeadKind::softmax: {
        const T log_total = log_sum(classes, z);
        const std::int32_t label = targets.labels[i];
        sum += static_cast<double>(log_total - z[label]);
        if (!dz) break;
        for (int k = 0; k < classes; ++k) dz[k] = w * std::exp(z[k] - log_total);
        dz[label] -= w;
        break;
      }
      case HeadKind::logistic: {
        const T margin = targets.labels[i] == 1 ? z[0] : -z[0];
        sum += static_cast<double>(std::log1p(std::exp(-std::abs(margin))) - std::min(margin, T{}));
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
  }
  return weight * sum;
}

template <class T>
void evaluate_tangent(HeadKind head, int n, int classes, const T* z, const Targets<T>& /*targets*/,
                      double weight, const T* zt, T* dzt) {
  const T w = static_cast<T>(weight);
  for (int i = 0; i < n; ++i, z += classes, zt += classes, dzt += classes) {
    switch (head) {
      case HeadKind::softmax: {
        const T log_total = log_sum(classes, z);
        T mean{};
        for (int k = 0; k < classes; ++k) mean += std::exp(z[k] - log_total) * zt[k];
        for (int k = 0; k < classes; ++k) dzt[k] = w * std::exp(z[k] - log_total) * (zt[k] - mean);
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

#define SORET_INSTANTIATE(T)                                                                                \
  template double evaluate<T>(HeadKind, int, int, const T*, const Targets<T>&, double, T*);                 \
  template void evaluate_tangent<T>(HeadKind, int, int, const T*, const Targets<T>&, double, const T*, T*); \
  template int correct<T>(HeadKind, int, int, const T*, const std::int32_t*);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE

}  // namespace soret::network
