#include "bench/machine_peak.hpp"

#include <omp.h>

#include <algorithm>

#include "soret/base/lanes.hpp"

namespace soret::bench {
namespace {

/// 2 * 16 * kChains * iterations floating-point operations; returns a value that depends on all of them.
float chains(long iterations) {
  constexpr int kChains = 12;
  Lanes x[kChains];
  for (int k = 0; k < kChains; ++k) x[k] = broadcast(1.0F + static_cast<float>(k));
  const Lanes factor = broadcast(0.999F);
  const Lanes term = broadcast(0.001F);
  for (long i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int k = 0; k < kChains; ++k) x[k] = fma(x[k], factor, term);
  }
  Lanes total{};
  for (const Lanes& v : x) total += v;
  return sum(total);
}

}  // namespace

double fma_peak_gflops(int threads) {
  constexpr long kIterations = 4'000'000;
  constexpr double kOperations = 2.0 * 16 * 12 * kIterations;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    float total = 0;  // used below, so that the chains are not optimised away
    double seconds = 0;
#pragma omp parallel num_threads(threads) reduction(max : seconds) reduction(+ : total)
    {
#pragma omp barrier
      const double start = omp_get_wtime();
      total += chains(kIterations);
      seconds = omp_get_wtime() - start;
    }
    if (total > 0) best = std::max(best, kOperations * threads / seconds * 1e-9);
  }
  return best;
}

}  // namespace soret::bench
