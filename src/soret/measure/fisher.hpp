#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soret/measure/curvature.hpp"
#include "soret/measure/loss_at.hpp"
#include "soret/measure/parts.hpp"

/// Traces of Fisher matrices. The model gives label y of sample i the probability p(y|z_i): softmax's,
/// logistic's, or the Gaussian of unit variance about z_i that the squared head belongs to. With g_i(y) the
/// gradient of -log p(y|z_i):
///
///   true       F = (1/N) sum_i E_{y ~ p} g_i(y) g_i(y)^T  = mean J_i^T H_i J_i, the Gauss-Newton matrix
///   empirical      (1/N) sum_i g_i(y_i) g_i(y_i)^T        sample_gradients().parts[.].mean_square
///   E |grad Lhat_M|^2 = Tr(F_M) / |M|                     for the mean loss Lhat_M of micro-batch M with one
///                                                         label per sample from the model: scores have mean
///                                                         zero and are independent given the outputs
///                                                         (seed 000 Eq. 3; it holds with batch statistics
///                                                         too, J_i being the in-batch Jacobian)
/// All throw ConfigError for the linear head, which is no model.
namespace soret::measure {

/// Tr F of every part (layer_parts()), exact: one backward pass per class (one for logistic) and sample.
/// Throws ConfigError as require_complete() and require_independent_samples().
template <class T>
std::vector<double> fisher_trace(const LossAt<T>& loss);

/// The same, estimated without bias by `draws` labels per sample: one backward pass each. The error is that
/// over the draws. Draw d of sample i is block i of the stream (seed, sampled_labels, d); see
/// network/model_labels.hpp.
template <class T>
std::vector<TraceEstimate> sampled_fisher_trace(const LossAt<T>& loss, int draws, std::uint64_t seed);

/// The mean over the batches M of E |grad Lhat_M|^2, of every part: `draws` labels for every sample of every
/// batch. |M| times it estimates the mean Tr(F_M), for batches of one size. Draw d of place j of batch k is
/// block (sum of the sizes of the batches before k) + j of the stream (seed, sampled_labels, d). Batches and
/// errors as in batch_gradients().
template <class T>
std::vector<TraceEstimate> sampled_gradient_square(const LossAt<T>& loss,
                                                   std::span<const std::vector<std::uint32_t>> batches,
                                                   int draws, std::uint64_t seed);

}  // namespace soret::measure
