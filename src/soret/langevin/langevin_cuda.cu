#include "soret/base/cuda.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/langevin/group_batch.hpp"
#include "soret/langevin/langevin_cuda.hpp"

namespace soret::langevin {
namespace {

constexpr int kBlock = 128;
/// Teams of eight lanes that observe a chunk each.
constexpr int kLookBlock = 256;
constexpr int kTeams = kLookBlock / kTallyRows;
/// Bytes of counts that a block keeps in shared memory; more are counted in global memory at once.
constexpr std::size_t kSharedCounts = 48 * 1024;

template <class F>
__global__ void __launch_bounds__(kBlock) each_place(F f, std::int64_t n) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i < n) f(i);
}

/// The sum over the eight lanes of a chunk, as the tree of sum(DoubleLanes).
__device__ double over_lanes(double x) {
  const unsigned mask = 0xffU << (threadIdx.x % 32 / kTallyRows * kTallyRows);
  for (int distance = kTallyRows / 2; distance > 0; distance /= 2) x = x + __shfl_xor_sync(mask, x, distance);
  return x;
}

/// Part blockIdx.y of the sums of kTeams chunks, and with part 0 their counts.
template <class L>
__global__ void __launch_bounds__(kLookBlock) look_at_chunks(Observe<L> o, bool shared_counts) {
  extern __shared__ unsigned counts[];
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kTeams;
  const std::int64_t last = first + kTeams < o.chunks ? first + kTeams - 1 : o.chunks - 1;
  const std::int64_t chunk = first + threadIdx.x / kTallyRows;
  const int lane = static_cast<int>(threadIdx.x) % kTallyRows;
  if (chunk < o.chunks)
    o.sums(chunk, static_cast<int>(blockIdx.y), lane, [&](double* to, double x) {
      const double sum = over_lanes(x);
      if (lane == 0) *to = sum;
    });
  if (blockIdx.y > 0 || o.shape.cells() == 0) return;

  // The block's own counts, if all its chunks belong to one group.
  const bool shared = shared_counts && o.all.chunks[first].group == o.all.chunks[last].group;
  const int cells = o.shape.cells();
  if (shared) {
    for (int i = threadIdx.x; i < cells; i += kLookBlock) counts[i] = 0;
    __syncthreads();
  }
  if (chunk < o.chunks) {
    unsigned long long* const global = o.counts_of(chunk);
    for (int walker = lane; walker < kChunk; walker += kTallyRows)
      o.count(chunk, walker, [&](int cell) {
        if (shared)
          atomicAdd(&counts[cell], 1U);
        else
          atomicAdd(&global[cell], 1ULL);
      });
  }
  if (shared) {
    __syncthreads();
    unsigned long long* const global = o.counts_of(first);
    for (int i = threadIdx.x; i < cells; i += kLookBlock)
      if (counts[i] > 0) atomicAdd(&global[i], static_cast<unsigned long long>(counts[i]));
  }
}

/// The first CUDA device, as group_batch.hpp wants it.
class Device {
 public:
  template <class T>
  using Buffer = cuda::Buffer<T>;

  template <class F>
  void each(std::int64_t n, const F& f) {
    if (n == 0) return;
    each_place<<<static_cast<unsigned>((n + kBlock - 1) / kBlock), kBlock>>>(f, n);
    SORET_CUDA_CHECK(cudaGetLastError());
  }
  template <class L>
  void look(const Observe<L>& o) {
    const std::size_t bytes = sizeof(unsigned) * o.shape.cells();
    const bool shared = bytes <= kSharedCounts;
    const dim3 blocks(static_cast<unsigned>((o.chunks + kTeams - 1) / kTeams), o.shape.parts());
    look_at_chunks<<<blocks, kLookBlock, shared ? bytes : 0>>>(o, shared);
    SORET_CUDA_CHECK(cudaGetLastError());
  }
  void synchronize() { SORET_CUDA_CHECK(cudaDeviceSynchronize()); }
  std::size_t free_memory() const { return cuda::free_memory(); }
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
