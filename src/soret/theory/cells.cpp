#include "soret/theory/cells.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>

namespace soret::theory {

void require_valid(const Cells& cells) {
  if (!(std::isfinite(cells.lo) && std::isfinite(cells.hi) && cells.lo < cells.hi)) {
    throw std::domain_error(fmt::format("cells from {} to {}: both ends must be finite and the second larger",
                                        cells.lo, cells.hi));
  }
  if (cells.count < 2) throw std::domain_error(fmt::format("{} cells: at least 2 are needed", cells.count));
}

double cell_mean(const Cells& cells, int cell, const std::function<double(double)>& f) {
  constexpr std::array<double, 5> kNodes = {-0.906179845938663993, -0.538469310105683091, 0,
                                            0.538469310105683091, 0.906179845938663993};
  constexpr std::array<double, 5> kWeights = {0.236926885056189088, 0.478628670499366468,
                                              0.568888888888888889, 0.478628670499366468,
                                              0.236926885056189088};
  const double centre = cells.centre(cell);
  double total = 0;
  for (std::size_t k = 0; k < kNodes.size(); ++k) {
    total += kWeights[k] * f(centre + cells.width() / 2 * kNodes[k]);
  }
  return total / 2;
}

std::vector<double> cell_integrals(const Cells& cells, const std::function<double(double)>& f) {
  require_valid(cells);
  std::vector<double> integrals(static_cast<std::size_t>(cells.count));
  for (int i = 0; i < cells.count; ++i) {
    integrals[static_cast<std::size_t>(i)] = cell_mean(cells, i, f) * cells.width();
  }
  return integrals;
}

Cells coarsened(const Cells& cells, int factor) {
  if (factor < 1 || cells.count % factor != 0) {
    throw std::domain_error(fmt::format(
        "{} cells cannot be grouped by {}: the factor must divide their number", cells.count, factor));
  }
  return {cells.lo, cells.hi, cells.count / factor};
}

std::vector<double> coarsened(const std::vector<double>& density, int factor) {
  const Cells groups = coarsened(Cells{0, 1, static_cast<int>(density.size())}, factor);
  std::vector<double> means(static_cast<std::size_t>(groups.count), 0.0);
  for (std::size_t i = 0; i < density.size(); ++i) means[i / static_cast<std::size_t>(factor)] += density[i];
  for (double& mean : means) mean /= factor;
  return means;
}

}  // namespace soret::theory
