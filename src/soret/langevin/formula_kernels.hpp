#pragma once

#include "soret/langevin/group_kernels.hpp"
#include "soret/langevin/langevin_step.hpp"
#include "soret/langevin/linked_formula.hpp"

/// The kernels into which a user's formula is linked at run time, by name: EACH(name, type) takes a functor
/// and a number of places, LOOK(name, type) an Observe and whether counts are shared.
namespace soret::langevin {

template <class Step>
using OnLine = MoveWalkers<LinkedFormula<1>, Step>;
template <class Step>
using InPlane = MoveWalkers<LinkedFormula<2>, Step>;

#define SORET_FORMULA_KERNELS(EACH, LOOK)                             \
  EACH(langevin_line_euler, OnLine<EulerStep<DiagonalNoise<1>>>)      \
  EACH(langevin_line_heun, OnLine<HeunStep<DiagonalNoise<1>>>)        \
  EACH(langevin_line_state_euler, OnLine<EulerStep<StateNoise>>)      \
  EACH(langevin_line_state_milstein, OnLine<MilsteinStep>)            \
  EACH(langevin_line_state_heun, OnLine<HeunStep<StateNoise>>)        \
  EACH(langevin_line_state_weak2, OnLine<Weak2Step>)                  \
  LOOK(langevin_line_look, Observe<LinkedFormula<1>>)                 \
  EACH(langevin_plane_euler, InPlane<EulerStep<DiagonalNoise<2>>>)    \
  EACH(langevin_plane_heun, InPlane<HeunStep<DiagonalNoise<2>>>)      \
  EACH(langevin_plane_dense_euler, InPlane<EulerStep<DenseNoise<2>>>) \
  EACH(langevin_plane_dense_heun, InPlane<HeunStep<DenseNoise<2>>>)   \
  EACH(langevin_plane_state_euler, InPlane<EulerStep<StateNoise>>)    \
  EACH(langevin_plane_state_heun, InPlane<HeunStep<StateNoise>>)      \
  EACH(langevin_plane_state_weak2, InPlane<Weak2Step>)                \
  LOOK(langevin_plane_look, Observe<LinkedFormula<2>>)

}  // namespace soret::langevin
