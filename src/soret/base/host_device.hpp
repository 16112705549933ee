#pragma once

/// SORET_HD marks a function that the CPU and the CUDA drivers share; it vanishes without CUDA.
#if defined(__CUDACC__)
#define SORET_HD __host__ __device__ __forceinline__
#else
#define SORET_HD inline __attribute__((always_inline))
#endif
