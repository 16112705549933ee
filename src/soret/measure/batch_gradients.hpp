#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soret/measure/loss_at.hpp"
#include "soret/measure/parts.hpp"

/// The gradients g_k of m micro-batches, the batches of an epoch, all at the same parameters; and the
/// implicit regularisation that seed 001 reads from them.
namespace soret::measure {

/// The second moments that an adaptive method divides by, at the parameters of the loss: RMSprop's s, Adam's
/// s with or without its 1/(1 - beta2^t).
template <class T>
struct Preconditioner {
  std::span<const T> second_moment{};  ///< s[parameter]; empty: plain gradients
  double epsilon = 1e-8;               ///< added to sqrt(s)
};

/// Means over the m micro-batches, of one part of the parameters. C_k is the mean loss of batch k of n_k
/// samples, g_k its gradient, and g = sum n_k g_k / sum n_k; where batches cover the set, g is the gradient
/// of C, the mean loss (with batch normalisation: of the mean of what training sees).
///
/// Times eta/4, `square` is the implicit term of seed 001 Eq. 1, and its split (Eq. 2) is gradient_square +
/// deviation_square. That is exact for batches of equal size only; in general
///   square          = gradient_square + deviation_square + remainder
///   weighted_square = gradient_square + weighted_deviation_square
/// both exactly; for equal batches the two lines are the same and the remainder is 0.
struct BatchGradientMoments {
  double norm = 0;                       ///< (1/m) sum |g_k|
  double square = 0;                     ///< (1/m) sum |g_k|^2
  double gradient_square = 0;            ///< |g|^2
  double deviation_square = 0;           ///< (1/m) sum |g_k - g|^2
  double remainder = 0;                  ///< 2 g . ((1/m) sum g_k - g)
  double weighted_square = 0;            ///< sum (n_k/N) |g_k|^2, N = sum n_k
  double weighted_deviation_square = 0;  ///< sum (n_k/N) |g_k - g|^2

  /// For adaptive methods, 0 without second moments s. Seed 001 multiplies by s where RMSprop divides by
  /// sqrt(s); the literal term therefore vanishes with s (s ~ g^2).
  double literal = 0;              ///< (1/m) sum |s .* g_k|^2
  double preconditioned = 0;       ///< (1/m) sum |g_k ./ (sqrt(s) + epsilon)|^2, the squared step over eta^2
  double half_preconditioned = 0;  ///< (1/m) sum over k, parameters of g_k^2 / (sqrt(s) + epsilon)
};

/// eta/4 times a mean square: the seed's implicit regularisation terms.
inline double implicit_term(double learning_rate, double mean_square) {
  return learning_rate / 4 * mean_square;
}

struct BatchGradients {
  double loss = 0;                          ///< sum (n_k/N) C_k
  std::vector<double> mean;                 ///< g[parameter]
  std::vector<BatchGradientMoments> parts;  ///< as layer_parts() has them
};

/// batches[k] are sample numbers, which may repeat. Batches go to threads; one of more than `loss.chunk`
/// samples is cut into chunks, as training cuts it. With loss.batch_statistics a batch (a chunk of it) gives
/// the statistics, as in training. Throws ConfigError as require_complete(), for no batches or an empty one,
/// a sample number out of range, and second moments of another size than the parameters.
template <class T>
BatchGradients batch_gradients(const LossAt<T>& loss, std::span<const std::vector<std::uint32_t>> batches,
                               const Preconditioner<T>& preconditioner = {});

}  // namespace soret::measure
