#include "soret/base/cuda.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/device_team.hpp"
#include "soret/base/formula_library.hpp"
#include "soret/walk/random_walk_cuda.hpp"
#include "soret/walk/random_walk_driver.hpp"

/// random_walk_formula.cuh, compiled for linking with formulas.
extern "C" const unsigned char soret_random_walk_formula[];
extern "C" const unsigned char soret_random_walk_formula_end[];

namespace soret::walk {
namespace {

using driver::kTeamWidth;

template <class Walker>
__global__ void __launch_bounds__(kTeamWidth) start_walkers(Ensemble e) {
  const DeviceTeam<true> team(e.width);
  start_part<Walker>(team, e, static_cast<int>(blockIdx.x));
}

template <class Walker>
__global__ void __launch_bounds__(kTeamWidth, Walker::kTeams) advance_walkers(Ensemble e, Stretch stretch) {
  extern __shared__ double shared[];
  const DeviceTeam<true> team(e.width);
  advance_part<Walker>(team, e, static_cast<int>(blockIdx.x), stretch, shared);
}

template <int D, class Amplitudes>
__global__ void __launch_bounds__(kTeamWidth) record_walkers(Ensemble e, int slot) {
  extern __shared__ double shared[];
  const DeviceTeam<true> team(e.width);
  record_part<D, Amplitudes>(team, e, static_cast<int>(blockIdx.x), slot, shared);
}

/// The device as a machine of random_walk_driver.hpp. All work goes into one stream.
struct DeviceMachine {
  template <class T>
  class Array {
   public:
    Array() = default;
    explicit Array(std::size_t size) : buffer_(size) {}
    explicit Array(std::span<const T> from) : buffer_(from) {}
    T* data() const { return buffer_.data(); }
    std::size_t size() const { return buffer_.size(); }
    void zero(std::size_t first, std::size_t count) {
      SORET_CUDA_CHECK(cudaMemsetAsync(data() + first, 0, count * sizeof(T)));
    }
    std::vector<T> download(std::size_t first, std::size_t count) const {
      std::vector<T> out(count);
      if (count > 0)
        SORET_CUDA_CHECK(cudaMemcpy(out.data(), data() + first, count * sizeof(T), cudaMemcpyDeviceToHost));
      return out;
    }

   private:
    cuda::Buffer<T> buffer_;
  };

  class Kernels {
   public:
    Kernels(const Variant& variant, const std::vector<FormulaTree>& formulas, bool amplitudes)
        : variant_(variant) {
      if (!variant.formula) return;
      const std::span<const unsigned char> module{soret_random_walk_formula, soret_random_walk_formula_end};
      const std::string which = std::to_string(variant.dimensions);
      advance_formula_ = cuda::formula_kernel(module, "walk_advance_" + which, formulas);
      if (amplitudes) record_formula_ = cuda::formula_kernel(module, "walk_record_" + which, formulas);
    }

    void start(const Ensemble& e) const {
      with_dimensions(variant_, [&]<int D>() {
        start_walkers<GeneralWalker<D, BuiltInAmplitudes>><<<e.part_count, e.width>>>(e);
        SORET_CUDA_CHECK(cudaGetLastError());
      });
    }

    void advance(const Ensemble& e, const Stretch& stretch) const {
      const std::size_t shared = advance_shared(e);
      if (advance_formula_ != nullptr) return launch(advance_formula_, e, shared, stretch);
      if (variant_.signs) {
        with_sign_walker(variant_, [&]<class Walker>() {
          launch(reinterpret_cast<const void*>(advance_walkers<Walker>), e, shared, stretch);
        });
      } else {
        with_dimensions(variant_, [&]<int D>() {
          launch(reinterpret_cast<const void*>(advance_walkers<GeneralWalker<D, BuiltInAmplitudes>>), e,
                 shared, stretch);
        });
      }
    }

    void record(const Ensemble& e, int slot) const {
      const std::size_t shared = record_shared(e);
      if (record_formula_ != nullptr) return launch(record_formula_, e, shared, slot);
      with_dimensions(variant_, [&]<int D>() {
        launch(reinterpret_cast<const void*>(record_walkers<D, BuiltInAmplitudes>), e, shared, slot);
      });
    }

   private:
    template <class T>
    static void launch(const void* kernel, Ensemble e, std::size_t shared, T last) {
      void* arguments[] = {&e, &last};
      SORET_CUDA_CHECK(cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(e.part_count)),
                                        dim3(static_cast<unsigned>(e.width)), arguments, shared, nullptr));
    }

    Variant variant_;
    const void* advance_formula_ = nullptr;
    const void* record_formula_ = nullptr;
  };

  void wait() { SORET_CUDA_CHECK(cudaDeviceSynchronize()); }
  std::size_t free_memory() const { return cuda::free_memory(); }
};

}  // namespace

std::vector<Records> run_cuda(std::span<const Problem> problems, std::span<const Request> requests) {
  require_cuda_device();
  DeviceMachine machine;
  return run_on(machine, problems, requests);
}

std::vector<std::vector<double>> positions_cuda(const Problem& problem, std::uint32_t first_walker,
                                                int walkers, std::int64_t steps) {
  require_cuda_device();
  DeviceMachine machine;
  return positions_on(machine, problem, first_walker, walkers, steps);
}

}  // namespace soret::walk
