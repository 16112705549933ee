#pragma once

#include "soret/measure/loss_at.hpp"

/// Seed 002 appendix A.5: the trace of the Hessian of a multilayer perceptron of relu units under softmax
/// cross entropy, and the bound by activity and weight norms (Eq. 37-62).
namespace soret::measure {

/// Means over the samples mu. With p the softmax of z, P = diag(p) - p p^T, J = dz/dw, K = J J^T, and layer l
/// of L: input h^{l-1}, delta^l = dz/d(preactivation of l):
///
///   Tr K = sum_l |delta^l|_F^2 |h^{l-1}|^2                                              (Eq. 53)
///
/// Layers with biases are those without on inputs that carry a one: |h|^2 means |h|^2 + 1, and |sigma
/// W^n|_F^2 is |sigma W^n|_F^2 + |sigma b^n|^2 + 1. The seed has no biases.
struct TraceBound {
  double gauss_newton = 0;  ///< Tr(J^T P J) (Eq. 46). The other part of the Hessian has no diagonal: z is
                            ///< linear in each layer where relu is differentiable. So this is Tr H itself.
  double trace_p = 0;       ///< Tr P = 1 - |p|^2
  double kernel = 0;        ///< Tr P Tr K: what is bounded on the way (below Eq. 46)
  /// Tr P |x|^2 sum_l prod_{n<l} |sigma W^n|_F^2 prod_{n>l} |W^n sigma'|_F^2 (Eq. 62 with |X|^2).
  double product = 0;
  double printed = 0;  ///< Eq. 62 as printed, with |x| in place of |x|^2
};

/// In double, whatever T is. Throws ConfigError, naming the node, unless the network is dense layers with
/// relu between them and the head is softmax.
template <class T>
TraceBound trace_bound(const LossAt<T>& loss);

}  // namespace soret::measure
