#pragma once

#include <atomic>
#include <span>
#include <utility>

#include "soret/measure/curvature.hpp"
#include "soret/measure/loss_function.hpp"
#include "soret/scan/experiment.hpp"

/// Functions and operators that throw Stopped, before an evaluation, once `stop` is set. It must outlive
/// them.
namespace soret::sims {

inline measure::Differentiable stoppable(measure::Differentiable f, const std::atomic<bool>& stop) {
  const auto look = [&stop] {
    if (stop) throw Stopped{};
  };
  measure::Differentiable g{f.size,
                            [look, value = std::move(f.value)](std::span<const double> x) {
                              look();
                              return value(x);
                            },
                            {}};
  if (f.gradient)
    g.gradient = [look, gradient = std::move(f.gradient)](std::span<const double> x,
                                                          std::span<double> slope) {
      look();
      return gradient(x, slope);
    };
  return g;
}

inline measure::SymmetricOperator stoppable(measure::SymmetricOperator a, const std::atomic<bool>& stop) {
  a.apply = [&stop, apply = std::move(a.apply)](std::span<const double> v, std::span<double> product) {
    if (stop) throw Stopped{};
    apply(v, product);
  };
  return a;
}

}  // namespace soret::sims
