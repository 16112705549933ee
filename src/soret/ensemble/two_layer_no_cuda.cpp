/// What a build without CUDA has in the place of two_layer_cuda.cu.
#if !defined(SORET_HAVE_CUDA)

#include "soret/base/cuda_device.hpp"
#include "soret/ensemble/two_layer_cuda.hpp"

namespace soret::two_layer {

std::vector<Records> run_cuda(std::span<const Problem>, std::span<const Request>) {
  require_cuda_device();
  return {};
}

Parameters train_cuda(const Problem&, std::uint32_t, std::int64_t) {
  require_cuda_device();
  return {};
}

}  // namespace soret::two_layer

#endif
