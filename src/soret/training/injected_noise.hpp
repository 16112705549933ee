#pragma once

#include <cstdint>
#include <span>
#include <string_view>

/// Gaussian noise that is added to the parameters after an update.
namespace soret::training {

/// With xi_k ~ N(0, s^2 I) independent, k the number of the update from 0:
///   independent     w += c xi_k
///   anticorrelated  w += c (xi_{k+1} - xi_k), what Anti-PGD adds (seed 000
///                   A.3; Orvieto et al. 2022). While c is constant the sums
///                   telescope: after k updates they are c (xi_k - xi_0)
enum class InjectedNoiseKind { none, independent, anticorrelated };
inline constexpr std::string_view kInjectedNoises[] = {"none", "independent", "anticorrelated"};

/// The seed gives a variance, and neither of what, nor whether it is scaled, nor when it ends: all three are
/// said here.
struct InjectedNoise {
  InjectedNoiseKind kind = InjectedNoiseKind::none;
  double variance = 0;
  bool of_difference = false;            ///< the variance of an entry of xi_{k+1} - xi_k: s^2 is half of it
  bool scaled_by_learning_rate = false;  ///< c is the learning rate, else 1
  std::int64_t until = -1;               ///< the first update without; negative: never
};

/// xi_k: entries of the stream (seed, injected_noise, k).
void add_noise(const InjectedNoise& noise, double learning_rate, std::uint64_t seed, std::int64_t update,
               std::span<float> parameters);

}  // namespace soret::training
