#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// What an update of the regularisation experiments costs with ResNet-18 on images of 32 x 32, on all
/// threads: the gradient, the gradient of the loss with a gradient penalty (exactly and by differences), its
/// memory, and how much of an update waits for augmented images; bench/peers/pipeline_torch.py has the same
/// cases. The penalty's gradient is verified in double against differences of the penalised loss first, and
/// single against double precision. Throws RunError if a number is wrong.
nlohmann::json pipeline();

}  // namespace soret::bench
