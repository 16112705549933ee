#pragma once

#include "soret/langevin/formula_landscape.hpp"
#include "soret/langevin/visit_named.hpp"

namespace soret::langevin {

/// Calls f with the struct that computes this landscape. It may point into `l`, and it belongs to one thread.
template <class F>
decltype(auto) visit(const Landscape& l, F&& f) {
  if (l.kind != Landscape::Kind::formula) return visit_named(l, l.hessian.data(), f);
  if (l.dimension == 1) return f(FormulaLandscape<1>(l.formula));
  return f(FormulaLandscape<2>(l.formula));
}

}  // namespace soret::langevin
