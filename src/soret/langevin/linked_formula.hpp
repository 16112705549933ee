#pragma once

#include <span>
#include <string>
#include <vector>

#include "soret/base/formula_tree.hpp"
#include "soret/base/host_device.hpp"

#if defined(__CUDA_ARCH__)
extern "C" __device__ void soret_formulas(const double* x, double* values);
#endif

namespace soret::langevin {

/// The names of the coordinates in a formula.
inline std::vector<std::string> landscape_variables(int dimension) {
  return dimension == 1 ? std::vector<std::string>{"x"} : std::vector<std::string>{"x", "y"};
}

/// The gradient of a formula's landscape by the central difference of order 4, (8 (l(+d) - l(-d)) -
/// (l(+2d) - l(-2d))) / 12 d with d = 10^-3: exact for quartics up to rounding (10^-13 of l), wrong by d^4/30
/// of the fifth derivative elsewhere.
inline constexpr double kFormulaStep = 1e-3;
/// From l at -2d, -d, +d and +2d.
template <class V>
SORET_HD V formula_slope(const V* l) {
  return (8.0 * (l[2] - l[1]) - (l[3] - l[0])) * (1 / (12 * kFormulaStep));
}

/// A landscape that the user wrote, for one walker: on CUDA the formula that was linked into the kernel
/// (formula_cuda.hpp), on the host its tree.
template <int D>
struct LinkedFormula {
  static constexpr int kDimension = D;
  const FormulaTree* formula = nullptr;  ///< for the host

  SORET_HD static constexpr int dimension() { return D; }
  SORET_HD double value(const double* w) const {
#if defined(__CUDA_ARCH__)
    double l;
    soret_formulas(w, &l);
    return l;
#else
    return (*formula)({w, D});
#endif
  }
  SORET_HD void gradient(const double* w, double* g) const {
    constexpr double kOffsets[4] = {-2 * kFormulaStep, -kFormulaStep, kFormulaStep, 2 * kFormulaStep};
    double x[D];
    for (int k = 0; k < D; ++k) x[k] = w[k];
    for (int k = 0; k < D; ++k) {
      double l[4];
      for (int o = 0; o < 4; ++o) {
        x[k] = w[k] + kOffsets[o];
        l[o] = value(x);
      }
      x[k] = w[k];
      g[k] = formula_slope(l);
    }
  }
};

}  // namespace soret::langevin
