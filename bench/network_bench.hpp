#pragma once

#include <nlohmann/json.hpp>

namespace soret::bench {

/// Gradients and Hessian-vector products of whole networks on all threads, next to the measured FMA peak, and
/// the memory of a pass; bench/peers/network_torch.py has the same cases. Single precision is verified
/// against double first, and products with the Hessian against differences of gradients. Throws RunError if
/// a number is wrong.
nlohmann::json network();

}  // namespace soret::bench
