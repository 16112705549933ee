#include "soret/langevin/device_kernels.hpp"
#include "soret/langevin/formula_kernels.hpp"

/// The kernels of the CUDA driver in which the landscape is the user's formula; compiled to LTO-IR
/// (soret_formula_kernels() in CMake) and linked with the formula at run time.
namespace soret::langevin {

#define SORET_EACH(NAME, F)                                                        \
  extern "C" __global__ void __launch_bounds__(kBlock) NAME(F f, std::int64_t n) { \
    on_place(f, n);                                                                \
  }
#define SORET_LOOK(NAME, O)                                                                \
  extern "C" __global__ void __launch_bounds__(kLookBlock) NAME(O o, bool shared_counts) { \
    look_at_chunks(o, shared_counts);                                                      \
  }
SORET_FORMULA_KERNELS(SORET_EACH, SORET_LOOK)

}  // namespace soret::langevin
