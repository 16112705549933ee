/// What a build without CUDA has in the place of random_walk_cuda.cu.
#if !defined(SORET_HAVE_CUDA)

#include "soret/base/cuda_device.hpp"
#include "soret/walk/random_walk_cuda.hpp"

namespace soret::walk {

std::vector<Records> run_cuda(std::span<const Problem>, std::span<const Request>) {
  require_cuda_device();
  return {};
}

std::vector<std::vector<double>> positions_cuda(const Problem&, std::uint32_t, int, std::int64_t) {
  require_cuda_device();
  return {};
}

}  // namespace soret::walk

#endif
