#pragma once

#include "soret/base/team.hpp"

/// Teams of CUDA threads; for .cu files only.
namespace soret {

/// WHOLE_BLOCK: all threads of a block (a multiple of 32). Otherwise `width` neighbours within a warp, so
/// that a block holds several teams.
template <bool WHOLE_BLOCK>
class DeviceTeam {
 public:
  __device__ explicit DeviceTeam(int width)
      : width_(width),
        rank_(WHOLE_BLOCK ? static_cast<int>(threadIdx.x) : static_cast<int>(threadIdx.x) % width),
        mask_(WHOLE_BLOCK || width == kTeamGroup
                  ? ~0U
                  : ((1U << width) - 1) << (threadIdx.x % kTeamGroup / width * width)) {}

  template <class T>
  class Private {
   public:
    __device__ explicit Private(const DeviceTeam&) {}
    __device__ __forceinline__ T& operator[](int) { return mine_; }

   private:
    T mine_;
  };

  __device__ __forceinline__ int width() const { return width_; }

  template <class F>
  __device__ __forceinline__ void each(F f) const {
    f(rank_);
  }
  template <class F>
  __device__ __forceinline__ void for_each(int n, F f) const {
    for (int k = rank_; k < n; k += width_) f(k);
    barrier();
  }
  template <class F>
  __device__ __forceinline__ void single(F f) const {
    if (rank_ == 0) f();
    barrier();
  }
  __device__ __forceinline__ void barrier() const {
    if constexpr (WHOLE_BLOCK) {
      __syncthreads();
    } else {
      __syncwarp(mask_);
    }
  }

  template <class T>
  __device__ __forceinline__ void sum_lanes(int lanes, int n, T* x) const {
    for (int k = 0; k < n; ++k) {
      T& mine = Owned<T>{x, width_, rank_}[k];
      mine = butterfly(mine, lanes);
    }
  }

  template <class T, class Term>
  __device__ __forceinline__ void sum(int n, Term term, T* partial) const {
    const int groups = team_groups(width_);
#pragma unroll 1
    for (int k = 0; k < n; ++k) {
      const T x = butterfly(term(rank_, k), WHOLE_BLOCK ? kTeamGroup : width_);
      if (rank_ % kTeamGroup == 0) partial[k * groups + rank_ / kTeamGroup] = x;
    }
    barrier();
  }

 private:
  template <class T>
  __device__ __forceinline__ T butterfly(T x, int lanes) const {
    for (int distance = lanes / 2; distance > 0; distance /= 2) x = x + __shfl_xor_sync(mask_, x, distance);
    return x;
  }

  int width_;
  int rank_;
  unsigned mask_;
};

}  // namespace soret
