#pragma once

#include <functional>
#include <vector>

/// Equal cells of an interval: the grid of histograms, of densities and of the Fokker-Planck solver.
namespace soret::theory {

struct Cells {
  double lo = 0;
  double hi = 1;
  int count = 0;

  double width() const { return (hi - lo) / count; }
  double centre(int cell) const { return lo + (cell + 0.5) * width(); }
  /// edge(0) = lo to edge(count) = hi.
  double edge(int face) const { return face == count ? hi : lo + face * width(); }
};

/// Throws std::domain_error unless lo < hi are finite and there are at least two cells.
void require_valid(const Cells& cells);

/// The mean of f over one cell, by the 5-point Gauss-Legendre rule (exact to degree 9).
double cell_mean(const Cells& cells, int cell, const std::function<double(double)>& f);
/// The integral of f over each cell [i], by the same rule.
std::vector<double> cell_integrals(const Cells& cells, const std::function<double(double)>& f);

/// The same cells in groups of `factor`, which must divide their number: a density on a fine grid as it
/// shows in a coarse histogram. Throws std::domain_error otherwise.
Cells coarsened(const Cells& cells, int factor);
/// The mean over each group of `factor` neighbours.
std::vector<double> coarsened(const std::vector<double>& density, int factor);

}  // namespace soret::theory
