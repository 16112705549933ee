#pragma once

#include "soret/network/channels.hpp"

/// The bias of dense and convolutional layers: one number per channel.
namespace soret::network {

/// y[r][k] += b[k]
template <class T>
void add_bias(int rows, int channels, const T* b, T* y) {
  const Rows all{0, static_cast<std::size_t>(rows), channels};
  T* const repeated = channel_memory<T, ChannelMemory::repeated>(static_cast<std::size_t>(all.width()));
  repeat(all, repeated, [=](int c) { return b[c]; });
  put_values(all, y, true, [=](std::size_t, int k) { return repeated[k]; });
}

/// db[k] += sum_r dy[r][k]
template <class T>
void add_bias_gradient(int rows, int channels, const T* dy, T* db) {
  const double* const sums = channel_sums<T, 1>({0, static_cast<std::size_t>(rows), channels},
                                                [=](std::size_t i, int) { return std::array{dy[i]}; });
  for (int c = 0; c < channels; ++c) db[c] += static_cast<T>(sums[c]);
}

}  // namespace soret::network
