#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "soret/measure/regression.hpp"

/// The noise of mini-batch gradients at fixed parameters (seed 003 §5). With g_i the gradient of sample i of
/// N, gbar their mean and B a batch of |B|,
///
///   psi = (N / |B|) sum_{i in B} g_i - sum_i g_i                                        (Eq. 13)
///   F   = (1/N) sum_i (g_i - gbar)(g_i - gbar)^T      "over N"; N/(N-1) times it: "over N - 1"
///
///   Cov psi = (N^2 / |B|) F                            |B| independent draws,        F over N
///   Cov psi = N (N / |B| - 1) F                        |B| different samples,        F over N - 1
///
/// Both are exact. The seed prints the second (Eq. 14), says that batches are drawn as for the first, and
/// does not say which F it means.
namespace soret::measure {

enum class Sampling { with_replacement, without_replacement };

/// Readings of the seed's Cov psi.
enum class CovarianceLaw { eq14, eq14_unbiased, eq15, eq15_unbiased };
inline constexpr std::array<std::string_view, 4> kCovarianceLaws = {"eq14", "eq14_unbiased", "eq15",
                                                                    "eq15_unbiased"};

/// c in Cov psi = c F, F over N, for N samples and batches of B. eq14: N (N/B - 1); eq15: N^2 / B; _unbiased:
/// F over N - 1 in their place.
double covariance_factor(CovarianceLaw law, int samples, int batch_size);

/// The law that holds exactly: eq15 with replacement, eq14_unbiased without.
CovarianceLaw exact_law(Sampling sampling);

/// Everything about the N gradients at one point that the noise is measured against.
struct Population {
  std::shared_ptr<const Regression> problem;
  Matrix residuals;        ///< [sample][output]
  Matrix mean;             ///< gbar, [output][input]
  double mean_square = 0;  ///< |gbar|^2
  Vector squares;          ///< [sample], |g_i|^2
  double trace = 0;        ///< tr F, over N
  Matrix projections;      ///< [sample][1 + directions], (g_i - gbar) . u; u_0 leads F, the others are random
  Vector variances;        ///< [1 + directions], u^T F u, over N

  int samples() const { return problem->samples(); }
};

/// `directions` random unit vectors (Purpose::directions of `seed`) beside the leading eigenvector of F,
/// which is found by power iteration to about 1e-4 (the noise along it is compared with F along the same
/// vector, so that nothing depends on how well it is found). Throws ConfigError if there are fewer than two
/// samples or if all gradients are equal: there is no noise to measure.
Population population(std::shared_ptr<const Regression> problem, const Matrix& weights, int directions,
                      std::uint64_t seed);

/// F over N, [parameter][parameter]; parameter (output a, input j) is a * features + j.
Matrix gradient_covariance(const Population& population);

/// Excess kurtosis of the noise along u_0 and the random directions, exact for either way of sampling.
Vector exact_excess_kurtosis(const Population& population, int batch_size, Sampling sampling);

/// The batches of a trajectory, one after the other. Draw i of batch s is word s * 4 ceil(B/4) + i of
/// Purpose::sampling: itself a sample, or the swap i of a Fisher-Yates shuffle whose first B places are the
/// batch (the order that the shuffle starts from is what the batch before left, which changes no
/// probability).
class BatchSampler {
 public:
  BatchSampler(int samples, int batch_size, Sampling sampling, std::uint64_t seed, std::uint32_t trajectory);
  /// Valid until the next call.
  std::span<const std::uint32_t> next();

 private:
  Sampling sampling_;
  std::uint64_t seed_;
  std::uint32_t trajectory_;
  std::uint64_t batches_ = 0;
  std::vector<std::uint32_t> words_, batch_, order_;
};

/// How many batches there are, equally likely: N^B or N over B.
double batch_count(int samples, int batch_size, Sampling sampling);

/// Visits every one of them once.
void for_each_batch(int samples, int batch_size, Sampling sampling,
                    const std::function<void(std::span<const std::uint32_t>)>& visit);

/// What a measurement keeps; more costs more.
struct Wanted {
  bool vectors = false;     ///< psi itself: trace, displacement, diagonal, squared gradients
  bool matrix = false;      ///< all of psi psi^T
  bool projections = true;  ///< psi along u_0 and the random directions
};

/// Sums over the batches that were added: a trajectory's, or all there are.
class NoiseMeasurement {
 public:
  NoiseMeasurement(const Population& population, int batch_size, Wanted wanted);

  void add(std::span<const std::uint32_t> batch);

  std::int64_t batches() const { return batches_; }
  double trace() const { return square_ / count(); }                 ///< mean |psi|^2
  double displacement() const { return sum_.squaredNorm(); }         ///< |sum of psi|^2
  const Matrix& sum() const { return sum_; }                         ///< of psi, [output][input]
  Matrix diagonal() const { return diagonal_ / count(); }            ///< mean psi_j^2, [output][input]
  Matrix covariance() const { return matrix_ / count(); }            ///< mean psi psi^T
  double sample_square() const { return sample_square_ / count(); }  ///< mean |g_i|^2 over samples of batches
  double batch_square() const { return batch_square_ / count(); }    ///< mean |gradient of a batch|^2
  /// psi . u of every batch, u = u_0 (0) or a random direction (1, ...).
  std::span<const double> along(int u) const { return along_[static_cast<std::size_t>(u)]; }

 private:
  double count() const { return static_cast<double>(batches_); }

  const Population& population_;
  Wanted wanted_;
  double scale_;  // N / |B|
  std::int64_t batches_ = 0;
  Matrix inputs_, residuals_, gradient_, sum_, diagonal_, matrix_;
  double square_ = 0, sample_square_ = 0, batch_square_ = 0;
  std::vector<std::vector<double>> along_;  // [1 + direction][batch]
};

/// Unbiased estimates from the mean squared gradients of two batch sizes, 1 and |B|: E |gradient|^2 =
/// |gbar|^2 + tr F / b with replacement; |gbar|^2 + tr F (1/b - 1/N), F over N - 1, without. The single
/// samples are those of the batches themselves: cutting a batch into parts of another size, in every possible
/// way, gives the same two numbers. Needs |B| > 1. Source: S. McCandlish, J. Kaplan and D. Amodei, "An
/// Empirical Model of Large-Batch Training", 2018, appendix A.1, whose formula is the one with replacement.
struct SignalAndNoise {
  double gradient_square = 0;  ///< |gbar|^2
  double trace = 0;            ///< tr F, over N with replacement and over N - 1 without
};
SignalAndNoise signal_and_noise(double sample_square, double batch_square, int batch_size, int samples,
                                Sampling sampling);

}  // namespace soret::measure
