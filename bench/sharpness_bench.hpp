#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// Hessian-vector products of the mean loss of whole networks, and the leading eigenvalues of a ResNet-18.
/// Twin: bench/peers/sharpness_torch.py.
nlohmann::json sharpness();

}  // namespace soret::bench
