#include "bench/device_peak.hpp"

#include <algorithm>

#include "soret/base/cuda.hpp"
#include "soret/base/cuda_device.hpp"

namespace soret::bench {
namespace {

constexpr int kChains = 8;
constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) chains(int iterations, double* out) {
  double x[kChains];
  for (int k = 0; k < kChains; ++k) x[k] = 1.0 + threadIdx.x + k;
  for (int i = 0; i < iterations; ++i)
#pragma unroll
    for (double& chain : x) chain = __fma_rn(chain, 0.999, 0.001);
  double total = 0;
  for (const double chain : x) total += chain;
  if (total < 0) *out = total;  // never, but the compiler does not know
}

struct Event {
  Event() { SORET_CUDA_CHECK(cudaEventCreate(&event)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event); }
  cudaEvent_t event = nullptr;
};

}  // namespace

double device_fp64_rate() {
  constexpr int kIterations = 20'000;
  const int blocks = 8 * require_cuda_device().multiprocessors;
  const cuda::Buffer<double> out(1);
  const Event start, end;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    SORET_CUDA_CHECK(cudaEventRecord(start.event));
    chains<<<blocks, kThreads>>>(kIterations, out.data());
    SORET_CUDA_CHECK(cudaEventRecord(end.event));
    SORET_CUDA_CHECK(cudaEventSynchronize(end.event));
    float milliseconds = 0;
    SORET_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, start.event, end.event));
    best = std::max(best, 1e3 / milliseconds * kChains * kIterations * kThreads * blocks);
  }
  return best;
}

}  // namespace soret::bench
