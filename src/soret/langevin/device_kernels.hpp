#pragma once

#include "soret/langevin/group_kernels.hpp"

/// The bodies of the driver's kernels; for CUDA sources only.
namespace soret::langevin {

inline constexpr int kBlock = 128;
/// Teams of eight lanes that observe a chunk each.
inline constexpr int kLookBlock = 256;
inline constexpr int kTeams = kLookBlock / kTallyRows;
/// Bytes of counts that a block keeps in shared memory; more are counted in global memory at once.
inline constexpr std::size_t kSharedCounts = 48 * 1024;

/// Blocks of kBlock threads.
template <class F>
__device__ __forceinline__ void on_place(const F& f, std::int64_t n) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i < n) f(i);
}

/// The sum over the eight lanes of a chunk, as the tree of sum(DoubleLanes).
__device__ __forceinline__ double over_lanes(double x) {
  const unsigned mask = 0xffU << (threadIdx.x % 32 / kTallyRows * kTallyRows);
  for (int distance = kTallyRows / 2; distance > 0; distance /= 2) x = x + __shfl_xor_sync(mask, x, distance);
  return x;
}

/// Part blockIdx.y of the sums of kTeams chunks, and with part 0 their counts. Blocks of kLookBlock threads;
/// with `shared_counts`, a counter for each cell in dynamic shared memory.
template <class L>
__device__ __forceinline__ void look_at_chunks(const Observe<L>& o, bool shared_counts) {
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

}  // namespace soret::langevin
