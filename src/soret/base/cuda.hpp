#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "soret/base/error.hpp"

/// Checked CUDA calls and device memory that frees itself; for .cu files.
namespace soret::cuda {

/// Throws RunError with the call's text unless it succeeded.
inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  throw RunError(std::string("CUDA: ") + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) +
                 ") in " + call);
}

#define SORET_CUDA_CHECK(call) ::soret::cuda::check((call), #call)

/// An array in device memory.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size > 0) SORET_CUDA_CHECK(cudaMalloc(&data_, size * sizeof(T)));
  }
  explicit Buffer(std::span<const T> from) : Buffer(from.size()) {
    if (size_ > 0)
      SORET_CUDA_CHECK(cudaMemcpy(data_, from.data(), from.size_bytes(), cudaMemcpyHostToDevice));
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() { cudaFree(data_); }

  T* data() const { return static_cast<T*>(data_); }
  std::size_t size() const { return size_; }

  /// The first `count` elements, when all work before has finished.
  std::vector<T> download(std::size_t count) const {
    std::vector<T> out(count);
    if (count > 0) {
      SORET_CUDA_CHECK(cudaMemcpy(out.data(), data_, count * sizeof(T), cudaMemcpyDeviceToHost));
    }
    return out;
  }
  /// Sets every byte.
  void fill_bytes(int byte) {
    if (size_ > 0) SORET_CUDA_CHECK(cudaMemset(data_, byte, size_ * sizeof(T)));
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Bytes of device memory that are free now.
inline std::size_t free_memory() {
  std::size_t free = 0;
  std::size_t all = 0;
  SORET_CUDA_CHECK(cudaMemGetInfo(&free, &all));
  return free;
}

}  // namespace soret::cuda
