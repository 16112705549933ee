#include "soret/network/batch_norm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/network/elementwise.hpp"

namespace soret::network {
namespace {

/// Per-channel sums are kept in double: a group has up to 10^6 values.
using Sums = std::vector<double>;

Sums& scratch(int which, int channels) {
  thread_local Sums memory[4];
  memory[which].assign(static_cast<std::size_t>(channels), 0.0);
  return memory[which];
}

}  // namespace

// kept: a flag (1 with batch statistics), then per group mean[c], 1/sqrt(variance + epsilon)[c], variance[c].
// kept by forward_tangent: per group mean of x'[c] and of xhat x'[c].

template <class T>
BatchNorm<T>::BatchNorm(const Shape& input, int group, double momentum, double epsilon)
    : shape_(input), group_(group), momentum_(momentum), epsilon_(epsilon) {}

template <class T>
std::vector<Parameter> BatchNorm<T>::parameters() const {
  return {{"scale", {shape_.c}, Parameter::Kind::scale}, {"shift", {shape_.c}, Parameter::Kind::shift}};
}

template <class T>
std::vector<Parameter> BatchNorm<T>::state() const {
  return {{"running_mean", {shape_.c}, Parameter::Kind::shift},
          {"running_variance", {shape_.c}, Parameter::Kind::scale}};
}

template <class T>
int BatchNorm<T>::groups(int n) const {
  return group_ == 0 ? 1 : (n + group_ - 1) / group_;
}

template <class T>
std::size_t BatchNorm<T>::first_row(int index, int n) const {
  const int sample = group_ == 0 ? (index == 0 ? 0 : n) : std::min(n, index * group_);
  return static_cast<std::size_t>(sample) * shape_.h * shape_.w;
}

template <class T>
std::size_t BatchNorm<T>::kept(int n) const {
  return 1 + static_cast<std::size_t>(groups(n)) * 3 * shape_.c;
}

template <class T>
void BatchNorm<T>::forward(const Values<T>& v, const Mode& mode, const T* state) const {
  const int channels = shape_.c;
  const T* const scale = v.parameters;
  const T* const shift = v.parameters + channels;
  v.kept[0] = mode.batch_statistics ? T{1} : T{};
  for (int group = 0; group < groups(v.n); ++group) {
    const std::size_t first = first_row(group, v.n);
    const std::size_t last = first_row(group + 1, v.n);
    T* const mean = v.kept + 1 + static_cast<std::size_t>(group) * 3 * channels;
    T* const inverse = mean + channels;
    T* const variance = inverse + channels;
    if (mode.batch_statistics) {
      const auto rows = static_cast<double>(last - first);
      if (last - first < 2)
        throw ConfigError("batch normalisation of one value: take larger batches or batch-norm groups");
      Sums& sum = scratch(0, channels);
      for (std::size_t r = first; r < last; ++r)
#pragma GCC ivdep
        for (int k = 0; k < channels; ++k) sum[k] += static_cast<double>(v.x[r * channels + k]);
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) mean[k] = static_cast<T>(sum[k] / rows);
      Sums& square = scratch(1, channels);
      for (std::size_t r = first; r < last; ++r) {
#pragma GCC ivdep
        for (int k = 0; k < channels; ++k) {
          const T d = v.x[r * channels + k] - mean[k];
          square[k] += static_cast<double>(d * d);
        }
      }
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) variance[k] = static_cast<T>(square[k] / rows);
    } else {
      std::copy_n(state, channels, mean);
      std::copy_n(state + channels, channels, variance);
    }
#pragma GCC ivdep
    for (int k = 0; k < channels; ++k) inverse[k] = 1 / std::sqrt(variance[k] + static_cast<T>(epsilon_));
    for (std::size_t r = first; r < last; ++r)
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k)
        v.y[r * channels + k] = scale[k] * ((v.x[r * channels + k] - mean[k]) * inverse[k]) + shift[k];
  }
}

template <class T>
void BatchNorm<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  const int channels = shape_.c;
  const T* const scale = v.parameters;
  for (int group = 0; group < groups(v.n); ++group) {
    const std::size_t first = first_row(group, v.n);
    const std::size_t last = first_row(group + 1, v.n);
    const T* const mean = v.kept + 1 + static_cast<std::size_t>(group) * 3 * channels;
    const T* const inverse = mean + channels;
    Sums& dy = scratch(0, channels);
    Sums& dy_xhat = scratch(1, channels);
    for (std::size_t r = first; r < last; ++r) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        const T xhat = (v.x[r * channels + k] - mean[k]) * inverse[k];
        dy[k] += static_cast<double>(g.y[r * channels + k]);
        dy_xhat[k] += static_cast<double>(g.y[r * channels + k] * xhat);
      }
    }
    if (g.parameters) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        g.parameters[k] += static_cast<T>(dy_xhat[k]);
        g.parameters[channels + k] += static_cast<T>(dy[k]);
      }
    }
    if (!g.x) continue;
    // Without batch statistics mu and sigma do not depend on x.
    const double per_row = v.kept[0] != T{} ? 1.0 / static_cast<double>(last - first) : 0.0;
    for (std::size_t r = first; r < last; ++r) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        const std::size_t i = r * channels + k;
        const T xhat = (v.x[i] - mean[k]) * inverse[k];
        const T inner =
            g.y[i] - static_cast<T>(dy[k] * per_row) - xhat * static_cast<T>(dy_xhat[k] * per_row);
        g.x[i] = (g.add ? g.x[i] : T{}) + scale[k] * inverse[k] * inner;
      }
    }
  }
}

// xhat' = (x' - mean(x') - xhat mean(xhat x')) / sigma
template <class T>
void BatchNorm<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  const int channels = shape_.c;
  const T* const scale = v.parameters;
  const T* const scale_t = t.parameters;
  const T* const shift_t = t.parameters + channels;
  for (int group = 0; group < groups(v.n); ++group) {
    const std::size_t first = first_row(group, v.n);
    const std::size_t last = first_row(group + 1, v.n);
    const T* const mean = v.kept + 1 + static_cast<std::size_t>(group) * 3 * channels;
    const T* const inverse = mean + channels;
    T* const mean_t = t.kept + static_cast<std::size_t>(group) * 2 * channels;
    T* const product_t = mean_t + channels;
    std::fill_n(mean_t, 2 * channels, T{});
    if (t.x && v.kept[0] != T{}) {
      Sums& sum = scratch(0, channels);
      Sums& product = scratch(1, channels);
      for (std::size_t r = first; r < last; ++r) {
#pragma GCC ivdep
        for (int k = 0; k < channels; ++k) {
          const std::size_t i = r * channels + k;
          sum[k] += static_cast<double>(t.x[i]);
          product[k] += static_cast<double>(t.x[i] * ((v.x[i] - mean[k]) * inverse[k]));
        }
      }
      const auto rows = static_cast<double>(last - first);
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) mean_t[k] = static_cast<T>(sum[k] / rows);
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) product_t[k] = static_cast<T>(product[k] / rows);
    }
    for (std::size_t r = first; r < last; ++r) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        const std::size_t i = r * channels + k;
        const T xhat = (v.x[i] - mean[k]) * inverse[k];
        const T xhat_t = t.x ? (t.x[i] - mean_t[k] - xhat * product_t[k]) * inverse[k] : T{};
        t.y[i] = scale_t[k] * xhat + scale[k] * xhat_t + shift_t[k];
      }
    }
  }
}

// dx = gamma/sigma (dy - m1 - xhat m2), m1 = mean(dy), m2 = mean(dy xhat), differentiated, with
// (1/sigma)' = -mean(xhat x')/sigma^2.
template <class T>
void BatchNorm<T>::backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                                    const Gradients<T>& gt) const {
  const int channels = shape_.c;
  const T* const scale = v.parameters;
  const T* const scale_t = t.parameters;
  for (int group = 0; group < groups(v.n); ++group) {
    const std::size_t first = first_row(group, v.n);
    const std::size_t last = first_row(group + 1, v.n);
    const T* const mean = v.kept + 1 + static_cast<std::size_t>(group) * 3 * channels;
    const T* const inverse = mean + channels;
    const T* const mean_t = t.kept + static_cast<std::size_t>(group) * 2 * channels;
    const T* const product_t = mean_t + channels;
    const auto xhat_of = [&](std::size_t i, int k) { return (v.x[i] - mean[k]) * inverse[k]; };
    const auto xhat_t_of = [&](std::size_t i, int k, T xhat) {
      return t.x ? (t.x[i] - mean_t[k] - xhat * product_t[k]) * inverse[k] : T{};
    };
    Sums& dy = scratch(0, channels);
    Sums& dy_xhat = scratch(1, channels);
    Sums& dy_t = scratch(2, channels);
    Sums& dy_xhat_t = scratch(3, channels);
    for (std::size_t r = first; r < last; ++r) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        const std::size_t i = r * channels + k;
        const T xhat = xhat_of(i, k);
        dy[k] += static_cast<double>(g.y[i]);
        dy_xhat[k] += static_cast<double>(g.y[i] * xhat);
        dy_t[k] += static_cast<double>(gt.y[i]);
        dy_xhat_t[k] += static_cast<double>(gt.y[i] * xhat + g.y[i] * xhat_t_of(i, k, xhat));
      }
    }
#pragma GCC ivdep
    for (int k = 0; k < channels; ++k) {
      gt.parameters[k] += static_cast<T>(dy_xhat_t[k]);
      gt.parameters[channels + k] += static_cast<T>(dy_t[k]);
    }
    if (!gt.x) continue;
    const double per_row = v.kept[0] != T{} ? 1.0 / static_cast<double>(last - first) : 0.0;
    for (std::size_t r = first; r < last; ++r) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        const std::size_t i = r * channels + k;
        const T xhat = xhat_of(i, k);
        const T xhat_t = xhat_t_of(i, k, xhat);
        const T m1 = static_cast<T>(dy[k] * per_row);
        const T m2 = static_cast<T>(dy_xhat[k] * per_row);
        const T inner = g.y[i] - m1 - xhat * m2;
        const T inner_t = gt.y[i] - static_cast<T>(dy_t[k] * per_row) - xhat_t * m2 -
                          xhat * static_cast<T>(dy_xhat_t[k] * per_row);
        const T factor = scale[k] * inverse[k];
        const T factor_t = scale_t[k] * inverse[k] - factor * inverse[k] * product_t[k];
        gt.x[i] = (gt.add ? gt.x[i] : T{}) + factor_t * inner + factor * inner_t;
      }
    }
  }
}

template <class T>
void BatchNorm<T>::sample_squares(const Values<T>& v, const T* g, double* squares) const {
  if (v.kept[0] != T{}) {
    throw ConfigError(
        "batch normalisation by batch statistics: a sample's loss depends on the others, and it has no "
        "gradient of its own; take running statistics");
  }
  const int channels = shape_.c;
  const T* const mean = v.kept + 1;  // of every group, the same
  const T* const inverse = mean + channels;
  const auto places = static_cast<std::size_t>(shape_.h) * shape_.w;
  for (int sample = 0; sample < v.n; ++sample) {
    Sums& dy = scratch(0, channels);
    Sums& dy_xhat = scratch(1, channels);
    for (std::size_t r = sample * places; r < (sample + 1) * places; ++r) {
#pragma GCC ivdep
      for (int k = 0; k < channels; ++k) {
        const std::size_t i = r * channels + k;
        dy[k] += static_cast<double>(g[i]);
        dy_xhat[k] += static_cast<double>(g[i] * ((v.x[i] - mean[k]) * inverse[k]));
      }
    }
    squares[sample] = sum_of_squares(dy.size(), dy.data()) + sum_of_squares(dy.size(), dy_xhat.data());
  }
}

template <class T>
void BatchNorm<T>::update(const Values<T>& v, T* state) const {
  if (v.kept[0] == T{}) return;
  const int channels = shape_.c;
  const T share = static_cast<T>(momentum_);
  for (int group = 0; group < groups(v.n); ++group) {
    const auto rows = static_cast<double>(first_row(group + 1, v.n) - first_row(group, v.n));
    const T unbiased = static_cast<T>(rows / (rows - 1));
    const T* const mean = v.kept + 1 + static_cast<std::size_t>(group) * 3 * channels;
    const T* const variance = mean + 2 * channels;
#pragma GCC ivdep
    for (int k = 0; k < channels; ++k) {
      state[k] += share * (mean[k] - state[k]);
      state[channels + k] += share * (unbiased * variance[k] - state[channels + k]);
    }
  }
}

template class BatchNorm<float>;
template class BatchNorm<double>;

}  // namespace soret::network
