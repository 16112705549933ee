#pragma once

namespace soret::bench {

/// Fused multiply-add rate of `threads` threads together in GFLOP/s (an FMA counts 2): twelve independent
/// chains of sixteen floats per thread, nothing loaded or stored. The best of several short runs.
double fma_peak_gflops(int threads);

/// What each of `threads` threads moves, in GB/s, when it reads `bytes` of its own once and then reads and
/// writes them once, over and over, with two fused multiply-adds per vector: a step of SGD on weights of that
/// size and nothing else. Counts three times `bytes`. The best of several short runs.
double stream_gigabytes_per_thread(int threads, double bytes);

}  // namespace soret::bench
