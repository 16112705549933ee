#pragma once

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace soret::theory {

/// Throws std::domain_error unless value is positive and finite.
inline void require_positive(const char* what, double value) {
  if (!(value > 0 && std::isfinite(value))) {
    throw std::domain_error(fmt::format("{} {}: it must be positive and finite", what, value));
  }
}

}  // namespace soret::theory
