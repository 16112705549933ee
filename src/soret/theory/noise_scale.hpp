#pragma once

#include <fmt/format.h>

#include <stdexcept>

/// The size of mini-batch noise (seed 003 section 5). N examples with the losses' sum as the loss (Eq. 6),
/// batches of |B| drawn at random, psi = (N/|B|) sum over the batch - sum over all (Eq. 11). With the mean as
/// the loss, everywhere else in Soret, the gradient's noise is psi / N.
namespace soret::theory {

enum class Replacement { with, without };

/// The number that Cov psi is a multiple of F by.
///
/// With replacement N^2/|B| (Eq. 15, exact), where F is the covariance of one example's gradient over the N
/// examples, normalised by 1/N. Without it N (N/|B| - 1) (Eq. 14, exact), where F is normalised by 1/(N - 1);
/// 0 for |B| = N. The seed prints Eq. 14 for batches with replacement, to which it does not belong.
inline double batch_noise_factor(double examples, double batch_size, Replacement replacement) {
  if (!(batch_size >= 1 && examples >= 1)) {
    throw std::domain_error(
        fmt::format("{} examples in batches of {}: both must be at least 1", examples, batch_size));
  }
  if (replacement == Replacement::with) return examples * examples / batch_size;
  if (batch_size > examples) {
    throw std::domain_error(fmt::format("a batch of {} without replacement needs as many examples, not {}",
                                        batch_size, examples));
  }
  return examples * (examples / batch_size - 1);
}

/// g of seed 003 Eq. 24: eta (N/|B| - 1) without replacement, eta N/|B| with it. The noise of one update, of
/// covariance (eta/N)^2 times the factor above times F, is that of white noise of strength g F over the time
/// eta/N.
inline double noise_scale(double learning_rate, double examples, double batch_size, Replacement replacement) {
  return learning_rate / examples * batch_noise_factor(examples, batch_size, replacement);
}

}  // namespace soret::theory
