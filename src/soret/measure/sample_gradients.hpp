#pragma once

#include <vector>

#include "soret/measure/loss_at.hpp"
#include "soret/measure/parts.hpp"

/// The gradients g_i of single samples: their squared norms, without keeping them, and what follows.
namespace soret::measure {

/// Of one part of the parameters, over the N samples of the set, which is the whole population: gbar is the
/// exact mean.
struct GradientMoments {
  std::size_t parameters = 0;
  int samples = 0;
  double mean_square = 0;     ///< (1/N) sum |g_i|^2; the trace of the empirical Fisher matrix
  double square_of_mean = 0;  ///< |gbar|^2

  /// tr (1/N) sum (g_i - gbar)(g_i - gbar)^T
  double trace_over_n() const;
  /// The same with 1/(N - 1); NaN for one sample.
  double trace_over_n_minus_1() const;
  /// The mean over parameters of the variance over samples (over N): seed 002's "gradient variance", with
  /// |B| = 1 in Eq. 17; a batch of |B| independent draws has 1/|B| of it (Eq. 18).
  double variance() const { return trace_over_n() / static_cast<double>(parameters); }
  /// |gbar|^2 / trace_over_n(): of one sample's gradient. Infinite without noise.
  double signal_to_noise() const { return square_of_mean / trace_over_n(); }
  /// trace_over_n() / |gbar|^2: the batch whose noise is as large as its signal, the simple noise scale of
  /// McCandlish et al. 2018, Eq. 2.9 (there of an infinite population).
  double critical_batch_size() const { return trace_over_n() / square_of_mean; }
};

struct SampleGradients {
  double loss = 0;                     ///< the mean
  std::vector<double> mean;            ///< gbar[parameter]
  std::vector<double> squares;         ///< |g_i|^2 [sample], of the whole network
  std::vector<GradientMoments> parts;  ///< as layer_parts() has them
};

/// Dense layers and batch normalisation have closed forms and cost next to nothing beside the gradient of the
/// set; convolutions take their weight gradients again, sample by sample. Throws ConfigError as
/// require_complete() and require_independent_samples().
template <class T>
SampleGradients sample_gradients(const LossAt<T>& loss);

}  // namespace soret::measure
