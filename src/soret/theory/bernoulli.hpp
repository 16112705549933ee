#pragma once

#include <cmath>

namespace soret::theory {

/// x / (e^x - 1), 1 at x = 0: the weight of exponential fitting. Positive for every finite x;
/// bernoulli(-x) = e^x bernoulli(x).
inline double bernoulli(double x) {
  return x == 0 ? 1.0 : x / std::expm1(x);
}

}  // namespace soret::theory
