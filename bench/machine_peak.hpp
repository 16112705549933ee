#pragma once

namespace soret::bench {

/// Fused multiply-add rate of `threads` threads together in GFLOP/s (an FMA counts 2): twelve independent
/// chains of sixteen floats per thread, nothing loaded or stored. The best of several short runs.
double fma_peak_gflops(int threads);

}  // namespace soret::bench
