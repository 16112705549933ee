#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "soret/langevin/langevin.hpp"

/// The minima of a one- or two-dimensional landscape and the basins of steepest descent around them.
namespace soret::langevin {

/// An interval or a rectangle; the second coordinate is unused in one dimension.
struct Box {
  std::array<double, 2> low{};
  std::array<double, 2> high{};
};

struct Minimum {
  std::vector<double> position;  ///< [dimension]
  double loss = 0;
  double determinant = 1;  ///< of the Hessian
};

class Basins {
 public:
  /// Finds the minima inside the box, in the order of their coordinates. One dimension: the basins end at the
  /// maxima between them. Two: every cell of a grid belongs to the minimum to which its centre descends.
  Basins(const Landscape& landscape, const Box& box);

  const std::vector<Minimum>& minima() const { return minima_; }
  std::size_t count() const { return minima_.size(); }
  /// One dimension: the maxima between neighbouring minima, count() - 1 of them.
  const std::vector<double>& maxima() const { return maxima_; }

  /// The basin of a place; w[0] (and w[1]) outside the box belong where the nearest place inside does.
  std::size_t of(double x, double y) const {
    if (grid_.empty()) {
      std::size_t basin = 0;
      while (basin < maxima_.size() && x > maxima_[basin]) ++basin;
      return basin;
    }
    return grid_[cell(0, x) * kCells + cell(1, y)];
  }

 private:
  static constexpr std::size_t kCells = 256;

  std::size_t cell(int k, double x) const {
    const double place = (x - box_.low[k]) / (box_.high[k] - box_.low[k]) * kCells;
    return place > 0 ? (place < kCells ? static_cast<std::size_t>(place) : kCells - 1) : 0;
  }
  void find_on_line(const Landscape& landscape);
  void find_in_plane(const Landscape& landscape);

  Box box_;
  std::vector<Minimum> minima_;
  std::vector<double> maxima_;
  std::vector<std::size_t> grid_;  ///< [cell][cell], two dimensions
};

}  // namespace soret::langevin
