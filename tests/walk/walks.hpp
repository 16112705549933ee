#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "soret/walk/random_walk.hpp"

/// Walks of every kind, for drivers to agree on.
namespace soret::walk {

inline std::string describe(const Problem& p) {
  return "field " + std::to_string(static_cast<int>(p.field.kind)) + ", coupling " +
         std::to_string(static_cast<int>(p.field.coupling)) + ", boundary " +
         std::to_string(static_cast<int>(p.boundary)) + ", kick " + std::to_string(static_cast<int>(p.kick)) +
         ", start " + std::to_string(static_cast<int>(p.start)) + ", dimensions " +
         std::to_string(p.dimensions) + (p.single_precision ? ", single precision" : "");
}

/// Equal, or both no number.
inline bool same(double x, double y) {
  return x == y || (x != x && y != y);
}
inline bool same(const std::vector<std::vector<double>>& x, const std::vector<std::vector<double>>& y) {
  const auto equal = [](double a, double b) { return same(a, b); };
  return std::ranges::equal(x, y,
                            [&](const auto& a, const auto& b) { return std::ranges::equal(a, b, equal); });
}

inline Problem walk_of(FieldKind kind, int dimensions = 1) {
  Problem p;
  p.learning_rate = 0.03;
  p.lower = -0.25;
  p.upper = 1.25;
  p.degrees_of_freedom = 5;
  p.dimensions = dimensions;
  p.shares.resize(dimensions);
  for (int i = 0; i < dimensions; ++i) p.shares[i] = i / 2 % 3;  // pairs share; so do 1, 2 and 7, 8
  p.field.kind = kind;
  p.field.strength = 0.4;
  if (kind == FieldKind::bump) p.field.centre = 0.6, p.field.inverse_width = 5;
  if (kind == FieldKind::power) p.field.centre = -0.5, p.field.exponent = 1.5;
  if (kind == FieldKind::sinusoidal) p.field.inverse_period = 1 / 1.5, p.field.centre = 0.1;
  if (kind == FieldKind::quadratic) p.field.correlation = 0.3;
  if (kind == FieldKind::formula) p.formulas = {Formula("1 + 0.5*q*q", {"q"})};
  if (kind == FieldKind::formula && dimensions > 1) {
    p.formulas.clear();
    for (int i = 1; i <= dimensions; ++i)
      p.formulas.emplace_back("1 + 0.2*q1*q" + std::to_string(i), formula_variables(dimensions));
  }
  return p;
}

/// Every field, boundary and kick in one to eight dimensions, and every start.
inline std::vector<Problem> every_walk() {
  std::vector<Problem> all;
  for (const Boundary boundary :
       {Boundary::line, Boundary::reflecting, Boundary::periodic, Boundary::absorbing}) {
    for (const Kick kick : {Kick::rademacher, Kick::gaussian, Kick::uniform, Kick::student_t}) {
      const auto add = [&](Problem p) {
        p.boundary = boundary;
        p.kick = kick;
        all.push_back(p);
      };
      for (int kind = 0; kind < kFieldKinds; ++kind) {
        if (static_cast<FieldKind>(kind) == FieldKind::neuron) {
          Problem p = walk_of(FieldKind::neuron, 2);
          p.field.weight_norm = 1.3;
          p.field.inverse_root_batch = 0.5;
          add(p);
          continue;
        }
        for (const int dimensions : {1, 2, 3, 4, 5, 8}) {
          Problem p = walk_of(static_cast<FieldKind>(kind), dimensions);
          add(p);
          p.field.coupling = Coupling::product;
          p.learning_rate = 0.01;
          if (dimensions > 1 && kind != static_cast<int>(FieldKind::formula)) add(p);
        }
      }
      Problem point = walk_of(FieldKind::sinusoidal);
      point.start = Start::point;
      point.start_position = 0.37;
      add(point);
      Problem gaussian = walk_of(FieldKind::linear, 3);
      gaussian.start = Start::gaussian;
      gaussian.start_width = 0.7;  // also beyond the walls
      add(gaussian);
      Problem stationary = walk_of(FieldKind::bump);
      stationary.start = Start::stationary;
      if (boundary == Boundary::reflecting || boundary == Boundary::periodic) add(stationary);
    }
  }
  for (const Boundary boundary : {Boundary::reflecting, Boundary::periodic}) {
    for (int kind = 0; kind <= static_cast<int>(FieldKind::bump); ++kind) {
      for (const double learning_rate : {0.001, 0.03, 0.3}) {
        Problem p = walk_of(static_cast<FieldKind>(kind));
        p.boundary = boundary;
        p.learning_rate = learning_rate;
        p.single_precision = true;
        all.push_back(p);
        p.field.inverse_period = 1 / 1.3;  // no whole number of periods
        if (static_cast<FieldKind>(kind) == FieldKind::sinusoidal) all.push_back(p);
      }
    }
  }
  // A step beyond several domains.
  Problem heavy = walk_of(FieldKind::constant);
  heavy.kick = Kick::student_t;
  heavy.degrees_of_freedom = 1;
  heavy.learning_rate = 2.5;
  for (const Boundary boundary : {Boundary::reflecting, Boundary::periodic}) {
    heavy.boundary = boundary;
    all.push_back(heavy);
  }
  return all;
}

/// The fast path and the general one, with and without walls, in one and several dimensions.
inline std::vector<Problem> a_few_walks() {
  Problem ring = walk_of(FieldKind::sinusoidal);
  Problem mirrors = walk_of(FieldKind::linear);
  mirrors.boundary = Boundary::reflecting;
  mirrors.learning_rate = 0.2;
  Problem line = walk_of(FieldKind::constant);
  line.boundary = Boundary::line;
  line.start = Start::point;
  line.learning_rate = 0.3;
  Problem absorbing = walk_of(FieldKind::bump);
  absorbing.boundary = Boundary::absorbing;
  absorbing.kick = Kick::gaussian;
  absorbing.learning_rate = 0.1;
  Problem plane = walk_of(FieldKind::quadratic, 2);
  plane.kick = Kick::uniform;
  plane.learning_rate = 0.2;
  Problem space = walk_of(FieldKind::exponential, 3);
  space.boundary = Boundary::absorbing;
  Problem many = walk_of(FieldKind::sinusoidal, 6);
  many.boundary = Boundary::reflecting;
  Problem fixed = ring;
  fixed.learning_rate = 0.3;
  fixed.single_precision = true;
  return {ring, mirrors, line, absorbing, plane, space, many, fixed};
}

inline std::span<const Observable> every_observable(int dimensions) {
  static const std::vector<Observable> all = [] {
    std::vector<Observable> found;
    for (int o = 0; o < kObservables; ++o) found.push_back(static_cast<Observable>(o));
    std::erase(found, Observable::density_2d);
    found.push_back(Observable::density_2d);
    return found;
  }();
  return std::span(all).first(all.size() - (dimensions < 2 ? 1 : 0));
}

}  // namespace soret::walk
