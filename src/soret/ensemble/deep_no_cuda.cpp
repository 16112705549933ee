/// What a build without CUDA has in the place of deep_cuda.cu.
#if !defined(SORET_HAVE_CUDA)

#include "soret/base/cuda_device.hpp"
#include "soret/ensemble/deep_cuda.hpp"

namespace soret::deep {

std::vector<Records> run_cuda(std::span<const Problem>, std::span<const Request>) {
  require_cuda_device();
  return {};
}

std::vector<float> train_cuda(const Problem&, std::uint32_t, std::int64_t) {
  require_cuda_device();
  return {};
}

}  // namespace soret::deep

#endif
