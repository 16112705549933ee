#pragma once

#include <array>
#include <cstddef>

namespace soret::langevin {

/// An interval or a rectangle; the second coordinate is unused in one dimension.
struct Box {
  std::array<double, 2> low{};
  std::array<double, 2> high{};
};

/// Equal cells over the recorded range.
struct Histogram {
  Box box;
  std::size_t bins = 64;     ///< of `density`
  std::size_t bins_2d = 32;  ///< of `density_2d`, per coordinate
};

}  // namespace soret::langevin
