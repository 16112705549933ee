/// The kernels of walks whose amplitudes are formulas, linked with the formulas when they are run.
#include "soret/base/device_team.hpp"
#include "soret/walk/random_walk_body.hpp"

extern "C" __device__ void soret_formulas(const double* x, double* values);

namespace soret::walk {

struct FormulaAmplitudes {
  template <int D>
  __device__ __forceinline__ static void evaluate(const WalkLaw& law, const double* q, double* g) {
    double values[kMaxDimensions];
    soret_formulas(q, values);
    over<D>(coordinates<D>(law), [&](int i) { g[i] = law.formulas > 1 ? values[i] : values[0]; });
  }
};

}  // namespace soret::walk

/// walk_advance_D and walk_record_D for D coordinates, 0: any number.
#define SORET_WALK_KERNELS(D)                                                                                \
  extern "C" __global__ void __launch_bounds__(256)                                                          \
      walk_advance_##D(soret::walk::Ensemble e, soret::walk::Stretch stretch) {                              \
    extern __shared__ double shared[];                                                                       \
    const soret::DeviceTeam<true> team(e.width);                                                             \
    soret::walk::advance_part<soret::walk::GeneralWalker<D, soret::walk::FormulaAmplitudes>>(                \
        team, e, static_cast<int>(blockIdx.x), stretch, shared);                                             \
  }                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) walk_record_##D(soret::walk::Ensemble e, int slot) {     \
    extern __shared__ double shared[];                                                                       \
    const soret::DeviceTeam<true> team(e.width);                                                             \
    soret::walk::record_part<D, soret::walk::FormulaAmplitudes>(team, e, static_cast<int>(blockIdx.x), slot, \
                                                                shared);                                     \
  }
SORET_WALK_KERNELS(0)
SORET_WALK_KERNELS(1)
SORET_WALK_KERNELS(2)
SORET_WALK_KERNELS(3)
SORET_WALK_KERNELS(4)
