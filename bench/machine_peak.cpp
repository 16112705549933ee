#include "bench/machine_peak.hpp"

#include <omp.h>

#include <algorithm>
#include <vector>

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

/// One pass that reads and one that reads and writes.
Lanes stream_once(std::vector<Lanes>& x) {
  constexpr std::size_t kUnroll = 8;
  const Lanes factor = broadcast(1e-9F);
  Lanes acc[kUnroll] = {};
  for (std::size_t k = 0; k < x.size(); k += kUnroll) {
#pragma GCC unroll 8
    for (std::size_t u = 0; u < kUnroll; ++u) acc[u] = fma(x[k + u], factor, acc[u]);
  }
  for (std::size_t k = 0; k < x.size(); k += kUnroll) {
#pragma GCC unroll 8
    for (std::size_t u = 0; u < kUnroll; ++u) {
      const Lanes value = x[k + u];
      acc[u] = fma(value, factor, acc[u]);
      x[k + u] = fnma(factor, factor, value);
    }
  }
  Lanes total{};
  for (const Lanes& a : acc) total += a;
  return total;
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

double stream_gigabytes_per_thread(int threads, double bytes) {
  const std::size_t vectors = static_cast<std::size_t>(bytes / sizeof(Lanes) / 8 + 1) * 8;
  const long repeats = std::max(1L, static_cast<long>(2e9 / bytes));
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    float total = 0;  // used below, so that nothing is optimised away
    double seconds = 0;
#pragma omp parallel num_threads(threads) reduction(max : seconds) reduction(+ : total)
    {
      std::vector<Lanes> x(vectors, broadcast(1.0F));
#pragma omp barrier
      const double start = omp_get_wtime();
      for (long i = 0; i < repeats; ++i) total += sum(stream_once(x));
      seconds = omp_get_wtime() - start;
    }
    const double moved = 3.0 * static_cast<double>(vectors * sizeof(Lanes)) * static_cast<double>(repeats);
    if (total > 0) best = std::max(best, moved / seconds * 1e-9);
  }
  return best;
}

}  // namespace soret::bench
