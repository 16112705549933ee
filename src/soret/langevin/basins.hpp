#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <vector>

#include "soret/base/host_device.hpp"
#include "soret/langevin/box.hpp"
#include "soret/langevin/langevin.hpp"

/// The minima of a one- or two-dimensional landscape and the basins of steepest descent around them.
namespace soret::langevin {

struct Minimum {
  std::vector<double> position;  ///< [dimension]
  double loss = 0;
  double determinant = 1;  ///< of the Hessian
};

/// The lowest pass between two neighbouring basins: a maximum on a line, a saddle in a plane.
struct Pass {
  std::size_t basins[2];         ///< the smaller first
  std::vector<double> position;  ///< [dimension]
  double loss = 0;
  std::vector<double> hessian;  ///< [dimension][dimension]
};

/// Which place belongs to which basin, as numbers that a device can hold a copy of.
struct BasinMap {
  static constexpr int kCells = 256;  ///< of the grid, per coordinate
  Box box{};
  int count = 0;
  const double* maxima = nullptr;  ///< [count - 1], one dimension
  const int* grid = nullptr;       ///< [kCells][kCells], two dimensions; null in one

  /// The basin of a place; one outside the box belongs where the nearest place inside does.
  SORET_HD int of(double x, double y) const {
    if (grid != nullptr) return grid[cell(0, x) * kCells + cell(1, y)];
    int basin = 0;
    while (basin + 1 < count && x > maxima[basin]) ++basin;
    return basin;
  }
  SORET_HD int cell(int k, double x) const {
    const double place = (x - box.low[k]) / (box.high[k] - box.low[k]) * kCells;
    return place > 0 ? (place < kCells ? static_cast<int>(place) : kCells - 1) : 0;
  }
};

class Basins {
 public:
  /// Finds the minima inside the box, in the order of their coordinates. One dimension: the basins end at the
  /// maxima between them. Two: every cell of a grid belongs to the minimum to which its centre descends.
  /// Throws ConfigError where the landscape is flat, or has thousands of minima.
  Basins(const Landscape& landscape, const Box& box);

  const std::vector<Minimum>& minima() const { return minima_; }
  std::size_t count() const { return minima_.size(); }
  /// One dimension: the maxima between neighbouring minima, count() - 1 of them.
  const std::vector<double>& maxima() const { return maxima_; }
  /// Found anew at every call; in a plane to the accuracy of Newton's method on the gradient.
  std::vector<Pass> passes(const Landscape& landscape) const;

  BasinMap map() const {
    return {box_, static_cast<int>(count()), maxima_.data(), grid_.empty() ? nullptr : grid_.data()};
  }
  /// The basin of a place, as map() has it.
  std::size_t of(double x, double y) const { return static_cast<std::size_t>(map().of(x, y)); }

 private:
  void take_the_origin(const Landscape& landscape);
  void find_on_line(const Landscape& landscape);
  void find_in_plane(const Landscape& landscape);
  /// The place of the lowest step between cells of two basins, for each two that touch.
  std::map<std::array<int, 2>, std::array<double, 2>> lowest_steps(const Landscape& landscape) const;

  Box box_;
  std::vector<Minimum> minima_;
  std::vector<double> maxima_;
  std::vector<int> grid_;  ///< [cell][cell], two dimensions
};

}  // namespace soret::langevin
