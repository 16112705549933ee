#include "soret/base/cuda_device.hpp"

#include "soret/base/error.hpp"

#if defined(SORET_HAVE_CUDA)
#include <cuda_runtime_api.h>
#endif

namespace soret {

#if defined(SORET_HAVE_CUDA)
namespace {

/// FP32 multiply-add units of one multiprocessor (CUDA programming guide, table of arithmetic throughput).
int fp32_lanes(int major, int minor) {
  return major == 8 && minor == 0 ? 64 : 128;
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, which, device) == cudaSuccess ? value : 0;
}

}  // namespace

std::optional<CudaDevice> find_cuda_device() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    cudaGetLastError();  // "no device" is an answer here, not an error for the next call to report
    return std::nullopt;
  }
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess) return std::nullopt;
  CudaDevice device;
  device.name = properties.name;
  device.multiprocessors = properties.multiProcessorCount;
  device.shared_memory = properties.sharedMemPerBlockOptin;
  device.fp32_peak = 2.0 * fp32_lanes(properties.major, properties.minor) * properties.multiProcessorCount *
                     1e3 * attribute(cudaDevAttrClockRate, 0);
  return device;
}
#else
std::optional<CudaDevice> find_cuda_device() {
  return std::nullopt;
}
#endif

CudaDevice require_cuda_device() {
  if (const auto device = find_cuda_device()) return *device;
#if defined(SORET_HAVE_CUDA)
  throw RunError(
      "backend cuda: no usable CUDA device; check that nvidia-smi lists one, or use --backend cpu or auto");
#else
  throw RunError(
      "backend cuda: this build of soret has no CUDA; configure with -DSORET_CUDA=ON on a machine "
      "with nvcc, or use --backend cpu or auto");
#endif
}

}  // namespace soret
