#pragma once

/// The bias of dense and convolutional layers: one number per channel.
namespace soret::network {

/// y[r][k] += b[k]
template <class T>
void add_bias(int rows, int channels, const T* b, T* y) {
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < channels; ++k) y[static_cast<std::ptrdiff_t>(r) * channels + k] += b[k];
}

/// db[k] += sum_r dy[r][k]
template <class T>
void add_bias_gradient(int rows, int channels, const T* dy, T* db) {
  for (int r = 0; r < rows; ++r)
    for (int k = 0; k < channels; ++k) db[k] += dy[static_cast<std::ptrdiff_t>(r) * channels + k];
}

}  // namespace soret::network
