#pragma once

#include <array>
#include <cstddef>

#include "soret/network/parallel.hpp"
#include "soret/network/scratch.hpp"

/// Loops over values [row][channel] with numbers per channel: bias and batch normalisation. Where channels
/// are few, several rows are taken together, so that inner loops have the length of some vectors.
namespace soret::network {

struct Rows {
  std::size_t first, last;
  int channels;

  std::size_t count() const { return last - first; }
  /// Rows that are taken together, and the numbers in them.
  int together() const { return std::max(1, 64 / channels); }
  int width() const { return together() * channels; }
};

/// Calls f(i, k) for every value i = row * channels + channel; k runs through width() and channel = k %
/// channels. Turns do not depend on each other.
template <class F>
void each_value(const Rows& rows, F f) {
  const auto together = static_cast<std::size_t>(rows.together());
  const auto channels = static_cast<std::size_t>(rows.channels);
  const std::size_t blocks = (rows.count() + together - 1) / together;
  each_run(blocks, rows.width(), [=](std::size_t first, std::size_t last) {
    for (std::size_t b = first; b < last; ++b) {
      const std::size_t row = rows.first + b * together;
      const auto width = static_cast<int>(std::min(together, rows.last - row) * channels);
      const std::size_t at = row * channels;
#pragma GCC ivdep
      for (int k = 0; k < width; ++k) f(at + static_cast<std::size_t>(k), k);
    }
  });
}

/// The same, for out[i] = f(i, k), or out[i] += f(i, k) if `add`.
template <class T, class F>
void put_values(const Rows& rows, T* out, bool add, F f) {
  if (add) {
    each_value(rows, [=](std::size_t i, int k) { out[i] = out[i] + f(i, k); });
  } else {
    each_value(rows, [=](std::size_t i, int k) { out[i] = f(i, k); });
  }
}

/// Sets out[k] = of_channel(k % channels) over width().
template <class T, class F>
void repeat(const Rows& rows, T* out, F of_channel) {
  for (int r = 0, k = 0; r < rows.together(); ++r)
    for (int c = 0; c < rows.channels; ++c, ++k) out[k] = of_channel(c);
}

/// A run of rows whose sums are taken in the precision of the values; sums of runs are added in double, in
/// order.
inline constexpr std::size_t kRunOfRows = 32;

/// Memory that a thread keeps, one piece for each use.
enum class ChannelMemory { of_run, of_group, repeated };
template <class T, ChannelMemory USE>
T* channel_memory(std::size_t size) {
  thread_local Scratch<T> memory;
  return memory.get(size);
}

/// Calls per_run(first, last, width, sums) for runs of kRunOfRows times together() rows; it adds to
/// sums[J][width]. Returns the sums of all, [J][channels], valid until the next call on this thread.
template <int J, class PerRun>
const double* sum_runs(const Rows& rows, const PerRun& per_run) {
  const auto width = static_cast<std::size_t>(rows.width());
  const std::size_t length = kRunOfRows * static_cast<std::size_t>(rows.together());
  const std::size_t runs = (rows.count() + length - 1) / length;
  const int tasks = static_cast<int>(std::min<std::size_t>(runs, 16));
  double* const memory = channel_memory<double, ChannelMemory::of_group>(
      (static_cast<std::size_t>(tasks) * width + static_cast<std::size_t>(rows.channels)) * J);
  std::fill_n(memory, static_cast<std::size_t>(tasks) * width * J, 0.0);
  each_task(tasks, static_cast<double>(rows.count()) * rows.channels * J, [&](int task) {
    for (std::size_t run = first_of(task, tasks, runs); run < first_of(task + 1, tasks, runs); ++run) {
      const std::size_t first = rows.first + run * length;
      per_run(first, std::min(first + length, rows.last),
              memory + static_cast<std::size_t>(task) * width * J);
    }
  });
  double* const total = memory + static_cast<std::size_t>(tasks) * width * J;
  std::fill_n(total, static_cast<std::size_t>(rows.channels) * J, 0.0);
  for (int task = 0; task < tasks; ++task)
    for (int j = 0; j < J; ++j)
      for (std::size_t k = 0; k < width; ++k)
        total[static_cast<std::size_t>(j) * rows.channels + k % rows.channels] +=
            memory[(static_cast<std::size_t>(task) * J + j) * width + k];
  return total;
}

/// Adds up f(i, k)[j], j < J, over one run in the precision of the values: run_sums[J][width].
template <class T, int J, class F>
void sum_run(const Rows& rows, std::size_t first, std::size_t last, T* run_sums, const F& f) {
  const auto together = static_cast<std::size_t>(rows.together());
  const auto channels = static_cast<std::size_t>(rows.channels);
  const int width = rows.width();
  std::fill_n(run_sums, static_cast<std::size_t>(width) * J, T{});
  for (std::size_t row = first; row < last; row += together) {
    const auto here = static_cast<int>(std::min(together, last - row) * channels);
    const std::size_t at = row * channels;
#pragma GCC ivdep
    for (int k = 0; k < here; ++k) {
      const std::array<T, J> terms = f(at + static_cast<std::size_t>(k), k);
      for (int j = 0; j < J; ++j) run_sums[j * width + k] += terms[static_cast<std::size_t>(j)];
    }
  }
}

/// sum over rows of f(i, k)[j] per channel: [J][channels], valid until the next call on this thread.
template <class T, int J, class F>
const double* channel_sums(const Rows& rows, const F& f) {
  const std::size_t size = static_cast<std::size_t>(rows.width()) * J;
  return sum_runs<J>(rows, [&](std::size_t first, std::size_t last, double* sums) {
    T* const of_run = channel_memory<T, ChannelMemory::of_run>(size);
    sum_run<T, J>(rows, first, last, of_run, f);
    for (std::size_t k = 0; k < size; ++k) sums[k] += static_cast<double>(of_run[k]);
  });
}

}  // namespace soret::network
