/// What a build without CUDA has in the place of langevin_cuda.cu.
#if !defined(SORET_HAVE_CUDA)

#include "soret/base/cuda_device.hpp"
#include "soret/langevin/langevin_cuda.hpp"

namespace soret::langevin {

std::vector<std::vector<std::vector<double>>> observe_cuda(const Plan&, std::span<const Request>,
                                                           const std::atomic<bool>*) {
  require_cuda_device();
  return {};
}

Walked walk_cuda(const Problem&, std::uint32_t, std::int64_t) {
  require_cuda_device();
  return {};
}

}  // namespace soret::langevin

#endif
