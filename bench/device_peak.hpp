#pragma once

namespace soret::bench {

/// Fused multiply-adds in double precision per second of the CUDA device, each counted once: eight
/// independent chains per thread, nothing loaded or stored. The best of several short runs.
double device_fp64_rate();

}  // namespace soret::bench
