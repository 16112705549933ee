#pragma once

/// SORET_HD marks a function that the CPU and the CUDA drivers share; it vanishes without CUDA. SORET_TEAM
/// marks the body of a team algorithm (team.hpp): device code in a .cu file, host code elsewhere.
#if defined(__CUDACC__)
#define SORET_HD __host__ __device__ __forceinline__
#define SORET_TEAM __device__ __forceinline__
#define SORET_UNROLL _Pragma("unroll")
#else
#define SORET_HD inline __attribute__((always_inline))
#define SORET_TEAM inline
#define SORET_UNROLL
#endif
