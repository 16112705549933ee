#pragma once

#include <cuda_runtime_api.h>

#include <map>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "soret/base/cuda.hpp"
#include "soret/base/formula_cuda.hpp"

/// Kernels with formulas in them, loaded on the current device; for .cu files.
namespace soret::cuda {

class FormulaKernel {
 public:
  /// Compiles and loads one extern "C" kernel of a module (formula_cuda.hpp).
  FormulaKernel(std::span<const unsigned char> module, const std::string& kernel,
                std::span<const FormulaTree> formulas) {
    int device = 0;
    int major = 0;
    int minor = 0;
    SORET_CUDA_CHECK(cudaGetDevice(&device));
    SORET_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    SORET_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
    const std::vector<char> code = link_formulas(module, kernel, formulas, 10 * major + minor);
    SORET_CUDA_CHECK(cudaLibraryLoadData(&library_, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0));
    const cudaError_t found = cudaLibraryGetKernel(&kernel_, library_, kernel.c_str());
    if (found != cudaSuccess) cudaLibraryUnload(library_);
    SORET_CUDA_CHECK(found);
  }
  FormulaKernel(const FormulaKernel&) = delete;
  FormulaKernel& operator=(const FormulaKernel&) = delete;
  ~FormulaKernel() { cudaLibraryUnload(library_); }

  /// For cudaLaunchKernel().
  const void* get() const { return reinterpret_cast<const void*>(kernel_); }

 private:
  cudaLibrary_t library_ = nullptr;
  cudaKernel_t kernel_ = nullptr;
};

/// The same, compiled and loaded once and kept to the end of the process, when CUDA may be gone already: for
/// drivers that run the same formulas again and again.
inline const void* formula_kernel(std::span<const unsigned char> module, const std::string& kernel,
                                  std::span<const FormulaTree> formulas) {
  static std::mutex mutex;
  static auto& loaded =
      *new std::map<std::tuple<const unsigned char*, std::string, std::string>, FormulaKernel>;
  const std::lock_guard lock(mutex);
  return loaded.try_emplace({module.data(), kernel, formula_cuda_source(formulas)}, module, kernel, formulas)
      .first->second.get();
}

}  // namespace soret::cuda
