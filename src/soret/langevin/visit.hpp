#pragma once

#include "soret/langevin/formula_landscape.hpp"
#include "soret/langevin/landscape.hpp"
#include "soret/langevin/langevin.hpp"

namespace soret::langevin {

template <int D>
Wells<D> wells_of(const Landscape& l) {
  Wells<D> wells{};
  wells.count = static_cast<int>(l.wells.size());
  wells.sharpness = l.sharpness;
  for (int k = 0; k < wells.count; ++k) {
    for (int j = 0; j < D; ++j) wells.centre[k][j] = l.wells[k].centre[j];
    wells.depth[k] = l.wells[k].depth;
    wells.curvature[k] = l.wells[k].curvature;
  }
  return wells;
}

/// Calls f with the struct that computes this landscape. It may point into `l`, and it belongs to one thread.
template <class F>
decltype(auto) visit(const Landscape& l, F&& f) {
  using Kind = Landscape::Kind;
  switch (l.kind) {
    case Kind::double_well:
      return f(DoubleWell{l.barrier, 1 / l.width, l.tilt});
    case Kind::wells:
      if (l.dimension == 1) return f(wells_of<1>(l));
      return f(wells_of<2>(l));
    case Kind::mueller_brown:
      return f(MuellerBrown{l.scale});
    case Kind::formula:
      if (l.dimension == 1) return f(FormulaLandscape<1>(l.formula));
      return f(FormulaLandscape<2>(l.formula));
    case Kind::quadratic:
      break;
  }
  if (l.dimension == 1) return f(Parabola{l.hessian[0]});
  if (l.diagonal) return f(DiagonalQuadratic{l.dimension, l.hessian.data()});
  return f(DenseQuadratic{l.dimension, l.hessian.data()});
}

}  // namespace soret::langevin
