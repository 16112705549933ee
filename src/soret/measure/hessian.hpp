#pragma once

#include "soret/measure/curvature.hpp"
#include "soret/measure/loss_at.hpp"
#include "soret/measure/parts.hpp"

/// The curvature of a network's mean loss, for largest_eigenpairs(), traces() and spectral_density() of
/// curvature.hpp; a layer's block is block(hessian, part.first, part.size()).
namespace soret::measure {

/// The exact Hessian (Pearlmutter's products), at the cost of about three gradients a product. Vectors are
/// double, products are taken in T and added over chunks in double. The operator refers to what `loss` refers
/// to, and keeps its memory between products. For one thread at a time. Throws ConfigError as
/// require_complete().
template <class T>
SymmetricOperator hessian(const LossAt<T>& loss);

/// The same where parameters and data stay as they are between products: the passes of the first chunks, as
/// many as `most_bytes` hold, are kept with what their gradients left, and a product of one of them takes
/// about two gradients. The numbers are those of hessian(), bit by bit.
template <class T>
SymmetricOperator fixed_hessian(const LossAt<T>& loss, double most_bytes);

/// Bytes that fixed_hessian() keeps, at most `most_bytes`.
template <class T>
double kept_bytes(const network::Network<T>& network, int samples, int chunk, double most_bytes);

/// The Gauss-Newton part of the Hessian, mean J^T (d^2 loss / dz^2) J with J = dz/dw: positive semidefinite
/// for every head, and for softmax, logistic and squared the Fisher information of the model (fisher.hpp).
/// About two gradients a product.
template <class T>
SymmetricOperator gauss_newton(const LossAt<T>& loss);

}  // namespace soret::measure
