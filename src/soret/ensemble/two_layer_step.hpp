#pragma once

#include "soret/base/math.hpp"
#include "soret/ensemble/two_layer.hpp"

/// The per-sample arithmetic of a two-layer network, written once for every driver. F is float (one network)
/// or Lanes (sixteen); on CUDA the same source compiles for the device.
///
/// With u = W x + b, h = sigma(u), f_c = V_c . h and residual d_c = dL/df_c, one sample contributes
///   dL/dV_ci = d_c h_i,   dL/dW_ij = a_i x_j,   dL/db_i = a_i,   a_i = sigma'(u_i) sum_c d_c V_ci
/// (seed 002 section 4.2; Eq. 15-16 give d for the logistic loss).
namespace soret::two_layer {

/// sigma(u) and sigma'(u). relu' (0) is 0.
template <Activation A, class F>
SORET_HD void activate(F u, [[maybe_unused]] float leak, F& value, F& slope) {
  [[maybe_unused]] const F zero = constant<F>(0.0F);
  [[maybe_unused]] const F one = constant<F>(1.0F);
  if constexpr (A == Activation::relu) {
    // A NaN must stay one: it is how divergence shows.
    value = select(u <= zero, zero, u);
    slope = select(u > zero, one, zero);
  } else if constexpr (A == Activation::leaky_relu) {
    const F below = constant<F>(leak);
    slope = select(u > zero, one, below);
    value = u * slope;
  } else if constexpr (A == Activation::tanh) {
    value = soret::tanh(u);
    slope = one - value * value;
  } else {
    const F cdf = normal_cdf(u);
    value = u * cdf;
    slope = fma(u, normal_density(u), cdf);
  }
}

/// d_c = dL/df_c for one sample; `f` holds the outputs and is overwritten. Strides let outputs stand apart.
template <Loss L, class F>
SORET_HD void residual(int outputs, F* f, const F* target) {
  if constexpr (L == Loss::logistic) {
    f[0] = sigmoid(f[0]) - target[0];
  } else if constexpr (L == Loss::squared) {
    for (int c = 0; c < outputs; ++c) f[c] = f[c] - target[c];
  } else {
    F largest = f[0];
    for (int c = 1; c < outputs; ++c) largest = maximum(f[c], largest);
    F total = constant<F>(0.0F);
    for (int c = 0; c < outputs; ++c) {
      f[c] = soret::exp(f[c] - largest);
      total = total + f[c];
    }
    const F scale = 1.0F / total;
    for (int c = 0; c < outputs; ++c) f[c] = fma(f[c], scale, negate(target[c]));
  }
}

/// Calls body.template operator()<A, L>() with the problem's activation and loss as compile-time constants.
template <class Body>
decltype(auto) with_types(Activation activation, Loss loss, Body&& body) {
  const auto with_loss = [&]<Activation A>() -> decltype(auto) {
    switch (loss) {
      case Loss::logistic:
        return body.template operator()<A, Loss::logistic>();
      case Loss::softmax:
        return body.template operator()<A, Loss::softmax>();
      case Loss::squared:
        break;
    }
    return body.template operator()<A, Loss::squared>();
  };
  switch (activation) {
    case Activation::relu:
      return with_loss.template operator()<Activation::relu>();
    case Activation::leaky_relu:
      return with_loss.template operator()<Activation::leaky_relu>();
    case Activation::tanh:
      return with_loss.template operator()<Activation::tanh>();
    case Activation::gelu:
      break;
  }
  return with_loss.template operator()<Activation::gelu>();
}

}  // namespace soret::two_layer
