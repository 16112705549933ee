#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "soret/base/double_lanes.hpp"
#include "soret/base/formula.hpp"
#include "soret/langevin/linked_formula.hpp"

namespace soret::langevin {

/// A landscape that the user wrote, l(x) or l(x, y), by muParser on the CPU.
template <int D>
class FormulaLandscape {
 public:
  static constexpr int kDimension = D;

  explicit FormulaLandscape(const std::string& text) : formula_(text, landscape_variables(D)) {}

  static constexpr int dimension() { return D; }

  template <class V>
  V value(const V* w) const {
    std::array<V, D> places;
    for (int k = 0; k < D; ++k) places[k] = w[k];
    V out;
    evaluate<V, 1>(places.data(), &out);
    return out;
  }

  template <class V>
  void gradient(const V* w, V* g) const {
    constexpr double kOffsets[4] = {-2 * kFormulaStep, -kFormulaStep, kFormulaStep, 2 * kFormulaStep};
    std::array<V, 4 * D * D> places;  // [coordinate][direction][offset]
    for (int k = 0; k < D; ++k)
      for (int direction = 0; direction < D; ++direction)
        for (int o = 0; o < 4; ++o)
          places[(k * D + direction) * 4 + o] = k == direction ? w[k] + kOffsets[o] : w[k];
    std::array<V, 4 * D> l;
    evaluate<V, 4 * D>(places.data(), l.data());
    for (int k = 0; k < D; ++k) g[k] = formula_slope(&l[4 * k]);
  }

 private:
  /// places[coordinate][count], out[count], all lanes of a V.
  template <class V, int kCount>
  void evaluate(const V* places, V* out) const {
    std::array<const double*, D> rows;
    for (int k = 0; k < D; ++k) rows[k] = reinterpret_cast<const double*>(places + k * kCount);
    formula_.evaluate(rows, {reinterpret_cast<double*>(out), kCount * sizeof(V) / sizeof(double)});
  }

  Formula formula_;
};

}  // namespace soret::langevin
