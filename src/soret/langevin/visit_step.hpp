#pragma once

#include <cmath>
#include <vector>

#include "soret/langevin/langevin.hpp"
#include "soret/langevin/langevin_step.hpp"

namespace soret::langevin {

/// The numbers that the noise structs point to: the factor of the problem's noise times sqrt(eta h / |B|).
inline std::vector<double> noise_amplitude(const Problem& p) {
  std::vector<double> a = p.noise.factor;
  for (double& x : a) x *= std::sqrt(p.learning_rate * (p.learning_rate / p.substeps) / p.batch_size);
  return a;
}

/// Calls f with the struct that takes a step of the problem's scheme under its noise, on landscapes of type
/// L. `amplitude` is noise_amplitude(p); a struct for any dimension points to `there`, the same numbers or a
/// copy in a device's memory.
template <class L, class F>
decltype(auto) visit_step(const Problem& p, const double* amplitude, const double* there, F&& f) {
  constexpr int kD = L::kDimension;
  const double h = p.learning_rate / p.substeps;
  // Where the noise is additive, Milstein's correction vanishes and Platen's scheme is Heun's.
  const auto additive = [&](const auto& noise) {
    using N = std::decay_t<decltype(noise)>;
    if (p.scheme == Scheme::euler_maruyama || p.scheme == Scheme::milstein) return f(EulerStep<N>{noise, h});
    return f(HeunStep<N>{noise, h});
  };
  if (p.noise.kind == Noise::Kind::dense) {
    if constexpr (kD != 1) return additive(DenseNoise<kD>{Coefficients<kD * kD>(kD > 0 ? amplitude : there)});
  }
  if (p.noise.kind != Noise::Kind::state)
    return additive(DiagonalNoise<kD>{Coefficients<kD>(kD > 0 ? amplitude : there)});
  const double scale = p.learning_rate / p.batch_size;
  const StateNoise noise{scale * p.noise.base, scale * p.noise.slope, std::sqrt(h)};
  switch (p.scheme) {
    case Scheme::milstein:
      if constexpr (L::kDimension == 1) return f(MilsteinStep{noise, h});
      break;
    case Scheme::heun:
      return f(HeunStep<StateNoise>{noise, h});
    case Scheme::weak2:
      return f(Weak2Step{noise, h});
    case Scheme::euler_maruyama:
      break;
  }
  return f(EulerStep<StateNoise>{noise, h});
}

}  // namespace soret::langevin
