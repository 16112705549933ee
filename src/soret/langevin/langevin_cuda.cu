#include "soret/base/cuda.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/formula_library.hpp"
#include "soret/langevin/device_kernels.hpp"
#include "soret/langevin/formula_kernels.hpp"
#include "soret/langevin/group_batch.hpp"
#include "soret/langevin/langevin_cuda.hpp"

/// langevin_formula.cuh, compiled.
extern "C" const unsigned char soret_langevin_formula[];
extern "C" const unsigned char soret_langevin_formula_end[];

namespace soret::langevin {
namespace {

template <class F>
__global__ void __launch_bounds__(kBlock) each_kernel(F f, std::int64_t n) {
  on_place(f, n);
}
template <class L>
__global__ void __launch_bounds__(kLookBlock) look_kernel(Observe<L> o, bool shared_counts) {
  look_at_chunks(o, shared_counts);
}

/// The kernel of langevin_formula.cuh that takes an F.
template <class F>
inline constexpr const char* kFormulaKernel = nullptr;
#define SORET_NAME(NAME, F) \
  template <>               \
  inline constexpr const char* kFormulaKernel<F> = #NAME;
SORET_FORMULA_KERNELS(SORET_NAME, SORET_NAME)
#undef SORET_NAME

/// The first CUDA device, as group_batch.hpp wants it.
class Device {
 public:
  template <class T>
  using Buffer = cuda::Buffer<T>;

  template <class F>
  void each(std::int64_t n, const F& f) {
    if (n == 0) return;
    each_kernel<<<places(n), kBlock>>>(f, n);
    SORET_CUDA_CHECK(cudaGetLastError());
  }
  template <class F>
  void each(std::int64_t n, F f, const FormulaTree& formula) {
    launch<F>(formula, places(n), kBlock, 0, &f, &n);
  }
  template <class L>
  void look(const Observe<L>& o) {
    const std::size_t bytes = shared_bytes(o.shape);
    look_kernel<<<looks(o), kLookBlock, bytes>>>(o, bytes > 0);
    SORET_CUDA_CHECK(cudaGetLastError());
  }
  template <class L>
  void look(Observe<L> o, const FormulaTree& formula) {
    const std::size_t bytes = shared_bytes(o.shape);
    bool shared = bytes > 0;
    launch<Observe<L>>(formula, looks(o), kLookBlock, bytes, &o, &shared);
  }
  void synchronize() { SORET_CUDA_CHECK(cudaDeviceSynchronize()); }
  std::size_t free_memory() const { return cuda::free_memory(); }

 private:
  static dim3 places(std::int64_t n) { return static_cast<unsigned>((n + kBlock - 1) / kBlock); }
  template <class L>
  static dim3 looks(const Observe<L>& o) {
    return dim3(static_cast<unsigned>((o.chunks + kTeams - 1) / kTeams), o.shape.parts());
  }
  static std::size_t shared_bytes(const TallyShape& shape) {
    const std::size_t bytes = sizeof(unsigned) * shape.cells();
    return bytes <= kSharedCounts ? bytes : 0;
  }

  /// Launches the kernel that takes an F, with the formula linked into it.
  template <class F>
  void launch(const FormulaTree& formula, dim3 blocks, int threads, std::size_t shared, F* first,
              void* second) {
    // Compiled once in the life of the process.
    static std::map<std::string, cuda::FormulaKernel> linked;
    const auto [found, fresh] =
        linked.try_emplace(kFormulaKernel<F> + (" " + formula.source()),
                           std::span(soret_langevin_formula, soret_langevin_formula_end), kFormulaKernel<F>,
                           std::span<const FormulaTree>(&formula, 1));
    void* arguments[] = {first, second};
    SORET_CUDA_CHECK(
        cudaLaunchKernel(found->second.get(), blocks, dim3(threads), arguments, shared, nullptr));
  }
};

}  // namespace

std::vector<std::vector<std::vector<double>>> observe_cuda(const Plan& plan,
                                                           std::span<const Request> requests,
                                                           const std::atomic<bool>* stop) {
  require_cuda_device();
  Device device;
  return observe_groups(device, plan, requests, stop);
}

Walked walk_cuda(const Problem& problem, std::uint32_t group, std::int64_t steps) {
  require_cuda_device();
  Device device;
  return walk_group(device, problem, group, steps);
}

}  // namespace soret::langevin
