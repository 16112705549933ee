#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace soret {

struct CudaDevice {
  std::string name;  ///< "NVIDIA H200"
  int multiprocessors = 0;
  std::size_t shared_memory = 0;  ///< bytes that one block may use
  double fp32_peak = 0;           ///< operations per second, counting a fused multiply-add as two
};

/// The CUDA device that the cuda backend uses (the first visible one); nothing where there is none, or where
/// this build has no CUDA.
std::optional<CudaDevice> find_cuda_device();

/// find_cuda_device(), or a RunError that says what is missing.
CudaDevice require_cuda_device();

}  // namespace soret
