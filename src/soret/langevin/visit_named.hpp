#pragma once

#include "soret/langevin/landscape.hpp"
#include "soret/langevin/langevin.hpp"

/// From what a config says to the structs that compute it, without the user's formulas: for host code and for
/// .cu files.
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

/// Calls f with the struct that computes this landscape, any but a formula. It points to `hessian`: the
/// landscape's own, or a copy of it in a device's memory.
template <class F>
decltype(auto) visit_named(const Landscape& l, const double* hessian, F&& f) {
  using Kind = Landscape::Kind;
  switch (l.kind) {
    case Kind::double_well:
      return f(DoubleWell{l.barrier, 1 / l.width, l.tilt});
    case Kind::wells:
      if (l.dimension == 1) return f(wells_of<1>(l));
      return f(wells_of<2>(l));
    case Kind::mueller_brown:
      return f(MuellerBrown{l.scale});
    case Kind::quadratic:
    case Kind::formula:
      break;
  }
  if (l.dimension == 1) return f(Parabola{l.hessian[0]});
  if (l.diagonal) return f(DiagonalQuadratic{l.dimension, hessian});
  return f(DenseQuadratic{l.dimension, hessian});
}

}  // namespace soret::langevin
