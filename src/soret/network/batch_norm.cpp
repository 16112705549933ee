#include "soret/network/batch_norm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/network/channels.hpp"
#include "soret/network/elementwise.hpp"

namespace soret::network {
namespace {

/// Numbers per channel, repeated over the width of the rows: [COUNT][width].
template <class T, int COUNT>
struct Repeated {
  explicit Repeated(const Rows& rows)
      : rows_(rows),
        memory_(channel_memory<T, ChannelMemory::repeated>(static_cast<std::size_t>(rows.width()) * COUNT)) {}
  template <class F>
  const T* by(F of_channel) {
    T* const out = memory_ + static_cast<std::ptrdiff_t>(used_++) * rows_.width();
    repeat(rows_, out, of_channel);
    return out;
  }
  const T* of(const T* channels) {
    return by([=](int c) { return channels[c]; });
  }

 private:
  Rows rows_;
  T* memory_;
  int used_ = 0;
};

/// What forward keeps of one group, per channel.
template <class T>
struct Statistics {
  T *mean, *inverse, *variance;  ///< inverse = 1 / sqrt(variance + epsilon)
};
template <class T>
Statistics<T> statistics(const Values<T>& v, int channels, int group) {
  T* const mean = v.kept + 1 + static_cast<std::size_t>(group) * 3 * channels;
  return {mean, mean + channels, mean + 2 * channels};
}

/// 1 / rows with batch statistics; without, mu and sigma do not depend on x.
template <class T>
double share_per_row(const Values<T>& v, const Rows& rows) {
  return v.kept[0] != T{} ? 1.0 / static_cast<double>(rows.count()) : 0.0;
}

/// Means and variances of the channels. Every run of rows is taken about its own mean; the sum of squares
/// about the common one follows in double.
template <class T>
void moments(const Rows& rows, const T* x, T* mean, T* variance) {
  const int width = rows.width();
  const auto size = static_cast<std::size_t>(width);
  const double* const sums = sum_runs<3>(rows, [=](std::size_t first, std::size_t last, double* total) {
    T* const sum = channel_memory<T, ChannelMemory::of_run>(3 * size);
    T* const centre = sum + size;
    T* const square = centre + size;
    sum_run<T, 1>(rows, first, last, sum, [=](std::size_t i, int) { return std::array{x[i]}; });
    // Of the last places of a row that is not whole there are fewer values.
    const auto count = [&, together = static_cast<std::size_t>(rows.together())](int k) {
      const std::size_t place = static_cast<std::size_t>(k / rows.channels);
      const std::size_t whole = (last - first + together - 1 - place) / together;
      return static_cast<double>(whole);
    };
    for (int k = 0; k < width; ++k) centre[k] = count(k) > 0 ? static_cast<T>(sum[k] / count(k)) : T{};
    sum_run<T, 1>(rows, first, last, square, [=](std::size_t i, int k) {
      const T d = x[i] - centre[k];
      return std::array{d * d};
    });
    for (int k = 0; k < width; ++k) {
      const auto s = static_cast<double>(sum[k]);
      total[k] += s;
      total[width + k] += static_cast<double>(square[k]);
      total[2 * width + k] += count(k) > 0 ? s * s / count(k) : 0;
    }
  });
  const auto n = static_cast<double>(rows.count());
  const int channels = rows.channels;
  for (int c = 0; c < channels; ++c) {
    const double between = std::max(0.0, sums[2 * channels + c] - sums[c] * sums[c] / n);
    mean[c] = static_cast<T>(sums[c] / n);
    variance[c] = static_cast<T>((sums[channels + c] + between) / n);
  }
}

}  // namespace

// kept: a flag (1 with batch statistics), then per group its Statistics.
// kept by forward_tangent: per group mean of x'[c] and of xhat x'[c].

template <class T>
BatchNorm<T>::BatchNorm(const Shape& input, int group, double momentum, double epsilon)
    : shape_(input), group_(group), momentum_(momentum), epsilon_(epsilon) {
  if (group < 0)
    throw ConfigError(
        fmt::format("a batch-norm group of {} samples: it must be positive, or 0 for all", group));
}

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
Rows BatchNorm<T>::rows_of(int group_index, int n) const {
  return {first_row(group_index, n), first_row(group_index + 1, n), shape_.c};
}

template <class T>
void BatchNorm<T>::forward(const Values<T>& v, const Mode& mode, const T* state) const {
  const int channels = shape_.c;
  v.kept[0] = mode.batch_statistics ? T{1} : T{};
  for (int group = 0; group < groups(v.n); ++group) {
    const Rows rows = rows_of(group, v.n);
    const Statistics<T> s = statistics(v, channels, group);
    if (mode.batch_statistics) {
      if (rows.count() < 2)
        throw ConfigError(
            "batch normalisation of one value: take larger batches or batch-norm groups, or a size of "
            "the batch that leaves no last group of one sample");
      moments(rows, v.x, s.mean, s.variance);
    } else {
      std::copy_n(state, channels, s.mean);
      std::copy_n(state + channels, channels, s.variance);
    }
    for (int c = 0; c < channels; ++c) s.inverse[c] = 1 / std::sqrt(s.variance[c] + static_cast<T>(epsilon_));
  }
  redo(v);
}

template <class T>
void BatchNorm<T>::redo(const Values<T>& v) const {
  const int channels = shape_.c;
  for (int group = 0; group < groups(v.n); ++group) {
    const Rows rows = rows_of(group, v.n);
    const Statistics<T> s = statistics(v, channels, group);
    Repeated<T, 4> repeated(rows);
    const T* const mean = repeated.of(s.mean);
    const T* const inverse = repeated.of(s.inverse);
    const T* const scale = repeated.of(v.parameters);
    const T* const shift = repeated.of(v.parameters + channels);
    each_value(rows, [=, x = v.x, y = v.y](std::size_t i, int k) {
      y[i] = scale[k] * ((x[i] - mean[k]) * inverse[k]) + shift[k];
    });
  }
}

template <class T>
void BatchNorm<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  const int channels = shape_.c;
  for (int group = 0; group < groups(v.n); ++group) {
    const Rows rows = rows_of(group, v.n);
    const Statistics<T> s = statistics(v, channels, group);
    Repeated<T, 5> repeated(rows);
    const T* const mean = repeated.of(s.mean);
    const T* const inverse = repeated.of(s.inverse);
    const double* const sums = channel_sums<T, 2>(rows, [=, x = v.x, dy = g.y](std::size_t i, int k) {
      return std::array{dy[i], dy[i] * ((x[i] - mean[k]) * inverse[k])};
    });
    for (int c = 0; g.parameters && c < channels; ++c) {
      g.parameters[c] += static_cast<T>(sums[channels + c]);
      g.parameters[channels + c] += static_cast<T>(sums[c]);
    }
    if (!g.x) continue;
    const double share = share_per_row(v, rows);
    const T* const m1 = repeated.by([=](int c) { return static_cast<T>(sums[c] * share); });
    const T* const m2 = repeated.by([=](int c) { return static_cast<T>(sums[channels + c] * share); });
    const T* const factor = repeated.by([&, scale = v.parameters](int c) { return scale[c] * s.inverse[c]; });
    put_values(rows, g.x, g.add, [=, x = v.x, dy = g.y](std::size_t i, int k) {
      const T xhat = (x[i] - mean[k]) * inverse[k];
      return factor[k] * (dy[i] - m1[k] - xhat * m2[k]);
    });
  }
}

template <class T>
void BatchNorm<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  const int channels = shape_.c;
  for (int group = 0; group < groups(v.n); ++group) {
    const Rows rows = rows_of(group, v.n);
    const Statistics<T> s = statistics(v, channels, group);
    T* const mean_t = t.kept + static_cast<std::size_t>(group) * 2 * channels;
    T* const product_t = mean_t + channels;
    if (!t.x) {
      std::fill_n(mean_t, 2 * channels, T{});
      continue;
    }
    Repeated<T, 2> repeated(rows);
    const T* const mean = repeated.of(s.mean);
    const T* const inverse = repeated.of(s.inverse);
    const double* const sums = channel_sums<T, 2>(rows, [=, x = v.x, xt = t.x](std::size_t i, int k) {
      return std::array{xt[i], xt[i] * ((x[i] - mean[k]) * inverse[k])};
    });
    const double share = share_per_row(v, rows);
    for (int c = 0; c < channels; ++c) {
      mean_t[c] = static_cast<T>(sums[c] * share);
      product_t[c] = static_cast<T>(sums[channels + c] * share);
    }
  }
  redo_tangent(v, t);
}

// xhat' = (x' - mean(x') - xhat mean(xhat x')) / sigma
template <class T>
void BatchNorm<T>::redo_tangent(const Values<T>& v, const Tangents<T>& t) const {
  const int channels = shape_.c;
  for (int group = 0; group < groups(v.n); ++group) {
    const Rows rows = rows_of(group, v.n);
    const Statistics<T> s = statistics(v, channels, group);
    const T* const mean_t = t.kept + static_cast<std::size_t>(group) * 2 * channels;
    const T* const product_t = mean_t + channels;
    Repeated<T, 7> repeated(rows);
    const T* const mean = repeated.of(s.mean);
    const T* const inverse = repeated.of(s.inverse);
    const T* const scale_t = repeated.of(t.parameters);
    const T* const shift_t = repeated.of(t.parameters + channels);
    if (!t.x) {
      each_value(rows, [=, x = v.x, yt = t.y](std::size_t i, int k) {
        yt[i] = scale_t[k] * ((x[i] - mean[k]) * inverse[k]) + shift_t[k];
      });
      continue;
    }
    const T* const m1 = repeated.of(mean_t);
    const T* const m2 = repeated.of(product_t);
    const T* const factor = repeated.by([&, scale = v.parameters](int c) { return scale[c] * s.inverse[c]; });
    each_value(rows, [=, x = v.x, xt = t.x, yt = t.y](std::size_t i, int k) {
      const T xhat = (x[i] - mean[k]) * inverse[k];
      yt[i] = scale_t[k] * xhat + factor[k] * (xt[i] - m1[k] - xhat * m2[k]) + shift_t[k];
    });
  }
}

// dx = gamma/sigma (dy - m1 - xhat m2), m1 = mean(dy), m2 = mean(dy xhat), differentiated, with
// (1/sigma)' = -mean(xhat x')/sigma^2.
template <class T>
void BatchNorm<T>::backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                                    const Gradients<T>& gt) const {
  const int channels = shape_.c;
  for (int group = 0; group < groups(v.n); ++group) {
    const Rows rows = rows_of(group, v.n);
    const Statistics<T> s = statistics(v, channels, group);
    const T* const mean_t = t.kept + static_cast<std::size_t>(group) * 2 * channels;
    const T* const product_t = mean_t + channels;
    Repeated<T, 10> repeated(rows);
    const T* const mean = repeated.of(s.mean);
    const T* const inverse = repeated.of(s.inverse);
    const T* const mt1 = repeated.of(mean_t);
    const T* const mt2 = repeated.of(product_t);
    // With no x' the means are 0, and any finite numbers do in its place.
    const T* const moving = t.x ? t.x : v.x;
    const T one = t.x ? T{1} : T{};
    const auto tangent_of_xhat = [=](std::size_t i, int k, T xhat) {
      return (one * moving[i] - mt1[k] - xhat * mt2[k]) * inverse[k];
    };
    const double* const sums =
        channel_sums<T, 4>(rows, [=, x = v.x, dy = g.y, dyt = gt.y](std::size_t i, int k) {
          const T xhat = (x[i] - mean[k]) * inverse[k];
          const T xhat_t = tangent_of_xhat(i, k, xhat);
          return std::array{dy[i], dy[i] * xhat, dyt[i], dyt[i] * xhat + dy[i] * xhat_t};
        });
    for (int c = 0; c < channels; ++c) {
      gt.parameters[c] += static_cast<T>(sums[3 * channels + c]);
      gt.parameters[channels + c] += static_cast<T>(sums[2 * channels + c]);
    }
    if (!gt.x) continue;
    const double share = share_per_row(v, rows);
    const auto mean_of = [&](int which) {
      return repeated.by([=](int c) { return static_cast<T>(sums[which * channels + c] * share); });
    };
    const T* const m1 = mean_of(0);
    const T* const m2 = mean_of(1);
    const T* const m1_t = mean_of(2);
    const T* const m2_t = mean_of(3);
    const auto factor_of = [&, scale = v.parameters](int c) { return scale[c] * s.inverse[c]; };
    const T* const factor = repeated.by(factor_of);
    const T* const factor_t = repeated.by([&, scale_t = t.parameters](int c) {
      return scale_t[c] * s.inverse[c] - factor_of(c) * s.inverse[c] * product_t[c];
    });
    const auto of_gradient = [=, x = v.x, dy = g.y](std::size_t i, int k) {
      return dy[i] - m1[k] - (x[i] - mean[k]) * inverse[k] * m2[k];
    };
    if (g.x)
      put_values(rows, g.x, g.add, [=](std::size_t i, int k) { return factor[k] * of_gradient(i, k); });
    put_values(rows, gt.x, gt.add, [=, x = v.x, dyt = gt.y](std::size_t i, int k) {
      const T xhat = (x[i] - mean[k]) * inverse[k];
      const T xhat_t = tangent_of_xhat(i, k, xhat);
      return factor_t[k] * of_gradient(i, k) +
             factor[k] * (dyt[i] - m1_t[k] - xhat_t * m2[k] - xhat * m2_t[k]);
    });
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
  const Statistics<T> s = statistics(v, channels, 0);  // the same for every group
  const auto places = static_cast<std::size_t>(shape_.h) * shape_.w;
  for (int sample = 0; sample < v.n; ++sample) {
    const Rows rows{sample * places, (sample + 1) * places, channels};
    const double* const sums = channel_sums<T, 2>(rows, [&, x = v.x](std::size_t i, int k) {
      const int c = k % channels;
      return std::array{g[i], g[i] * ((x[i] - s.mean[c]) * s.inverse[c])};
    });
    squares[sample] = sum_of_squares(2 * static_cast<std::size_t>(channels), sums);
  }
}

template <class T>
void BatchNorm<T>::update(const Values<T>& v, T* state) const {
  if (v.kept[0] == T{}) return;
  const int channels = shape_.c;
  const T share = static_cast<T>(momentum_);
  for (int group = 0; group < groups(v.n); ++group) {
    const auto count = static_cast<double>(rows_of(group, v.n).count());
    const T unbiased = static_cast<T>(count / (count - 1));
    const Statistics<T> s = statistics(v, channels, group);
    for (int c = 0; c < channels; ++c) {
      state[c] += share * (s.mean[c] - state[c]);
      state[channels + c] += share * (unbiased * s.variance[c] - state[channels + c]);
    }
  }
}

template <class T>
void BatchNorm<T>::add_statistics(const Values<T>& v, double* sums) const {
  if (v.kept[0] == T{}) return;
  const int channels = shape_.c;
  const double places = static_cast<double>(shape_.h) * shape_.w;
  for (int group = 0; group < groups(v.n); ++group) {
    const auto count = static_cast<double>(rows_of(group, v.n).count());
    const double samples = count / places;
    const double unbiased = count / (count - 1);
    const Statistics<T> s = statistics(v, channels, group);
    for (int c = 0; c < channels; ++c) {
      sums[c] += samples * static_cast<double>(s.mean[c]);
      sums[channels + c] += samples * unbiased * static_cast<double>(s.variance[c]);
    }
  }
}

template class BatchNorm<float>;
template class BatchNorm<double>;

}  // namespace soret::network
