#include "soret/network/layer.hpp"

#include <fmt/format.h>

#include <functional>
#include <numeric>

namespace soret::network {

std::string text(const Shape& s) {
  if (s.h == 1 && s.w == 1) return fmt::to_string(s.c);
  return fmt::format("{} x {} x {}", s.h, s.w, s.c);
}

std::size_t Parameter::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

}  // namespace soret::network
