#pragma once

#include <string>
#include <vector>

#include "soret/langevin/langevin.hpp"

/// Landscapes and problems that the tests of every driver share.
namespace soret::langevin {

inline Landscape double_well() {
  Landscape l;
  l.kind = Landscape::Kind::double_well;
  l.barrier = 0.7, l.width = 1.3, l.tilt = 0.2;
  return l;
}
inline Landscape wells(int dimension) {
  Landscape l;
  l.kind = Landscape::Kind::wells;
  l.dimension = dimension;
  l.sharpness = 2;
  l.wells = {{{-1, 0.3}, 0, 4}, {{0.8, -0.2}, -0.5, 9}, {{0, 1.1}, 0.1, 2}};
  return l;
}
inline Landscape mueller_brown() {
  Landscape l;
  l.kind = Landscape::Kind::mueller_brown;
  l.dimension = 2;
  l.scale = 0.01;
  return l;
}
inline Landscape formula(int dimension) {
  Landscape l;
  l.kind = Landscape::Kind::formula;
  l.dimension = dimension;
  l.formula = dimension == 1 ? "x^4/4 - x^2/2 + 0.1*x" : "(x^2 - 1)^2 + 2*(y - 0.3*x)^2";
  return l;
}
inline Landscape diagonal() {
  Landscape l;
  l.dimension = 7;
  l.hessian = {1, 0.5, 2, 3, 0.1, 0.7, 1.9};
  return l;
}
inline Landscape dense() {
  Landscape l;
  l.dimension = 3;
  l.diagonal = false;
  l.hessian = {2, 0.3, -0.1, 0.3, 1, 0.2, -0.1, 0.2, 0.5};
  return l;
}
inline Landscape parabola() {
  Landscape l;
  l.hessian = {1.7};
  return l;
}

/// Every kind of landscape but the formulas.
inline std::vector<Landscape> named_landscapes() {
  return {parabola(), diagonal(), dense(), double_well(), wells(1), wells(2), mueller_brown()};
}

inline Problem problem(const Landscape& landscape, Noise::Kind noise, Scheme scheme) {
  const int d = landscape.dimension;
  Problem p;
  p.landscape = landscape;
  p.scheme = scheme;
  p.learning_rate = 0.02;
  p.batch_size = 0.3;
  p.substeps = 2;
  p.burn_in = 3;
  p.walkers = 37;
  p.seed = 0x123456789abcULL;
  for (int k = 0; k < d; ++k) p.start.centre.push_back(0.4 - 0.1 * k);
  p.noise.kind = noise;
  p.noise.base = 2, p.noise.slope = 0.3;
  if (noise == Noise::Kind::diagonal)
    for (int k = 0; k < d; ++k) p.noise.factor.push_back(0.5 + 0.1 * k);
  if (noise == Noise::Kind::dense)
    for (int k = 0; k < d; ++k)
      for (int j = 0; j < d; ++j) p.noise.factor.push_back(j > k ? 0 : 0.3 + 0.1 * j - 0.05 * k);
  return p;
}

/// A problem for every landscape, noise and scheme that go together.
inline std::vector<Problem> all_problems(const std::vector<Landscape>& landscapes) {
  std::vector<Problem> all;
  for (const Landscape& l : landscapes) {
    for (const auto noise : {Noise::Kind::diagonal, Noise::Kind::dense, Noise::Kind::state}) {
      for (const auto scheme : {Scheme::euler_maruyama, Scheme::milstein, Scheme::heun, Scheme::weak2}) {
        const bool state = noise == Noise::Kind::state;
        if (state && scheme == Scheme::milstein && l.dimension > 1) continue;
        Problem p = problem(l, noise, scheme);
        if (state && p.noise.base + p.noise.slope * value(l, p.start.centre) < 0) continue;
        all.push_back(std::move(p));
      }
    }
  }
  return all;
}

inline std::string describe(const Problem& p) {
  return "landscape " + std::to_string(static_cast<int>(p.landscape.kind)) + " in " +
         std::to_string(p.landscape.dimension) + " dimensions, noise " +
         std::to_string(static_cast<int>(p.noise.kind)) + ", scheme " +
         std::to_string(static_cast<int>(p.scheme));
}

}  // namespace soret::langevin
