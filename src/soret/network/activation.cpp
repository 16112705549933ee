#include "soret/network/activation.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <type_traits>

#include "soret/network/elementwise.hpp"

namespace soret::network {
namespace {

/// f, f' and f'' at one place.
template <class T>
struct Derivatives {
  T value, first, second;
};

/// At x; of relu, which works in place, at y, which does as well.
template <ActivationKind K, class T>
Derivatives<T> derivatives(T x) {
  if constexpr (K == ActivationKind::relu) {
    return {x > 0 ? x : T{}, x > 0 ? T{1} : T{}, T{}};
  } else if constexpr (K == ActivationKind::tanh) {
    const T y = std::tanh(x);
    return {y, 1 - y * y, -2 * y * (1 - y * y)};
  } else if constexpr (K == ActivationKind::sigmoid || K == ActivationKind::softplus) {
    const T decay = std::exp(-std::abs(x));
    const T s = (x < 0 ? decay : T{1}) / (1 + decay);
    const T slope = decay / ((1 + decay) * (1 + decay));
    if constexpr (K == ActivationKind::softplus) return {std::max(x, T{}) + std::log1p(decay), s, slope};
    return {s, slope, slope * (1 - 2 * s)};
  } else {
    const T density = std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>;
    const T share = std::erfc(-x / std::numbers::sqrt2_v<T>) / 2;
    return {x * share, share + x * density, (2 - x * x) * density};
  }
}

/// Where the maps after forward find the place.
template <class T>
const T* place(const Activation<T>& layer, const Values<T>& v) {
  return layer.in_place() ? v.y : v.x;
}

/// Calls f with the kind as a constant.
template <class F>
void with_kind(ActivationKind kind, F f) {
  switch (kind) {
    case ActivationKind::relu:
      return f(std::integral_constant<ActivationKind, ActivationKind::relu>{});
    case ActivationKind::tanh:
      return f(std::integral_constant<ActivationKind, ActivationKind::tanh>{});
    case ActivationKind::sigmoid:
      return f(std::integral_constant<ActivationKind, ActivationKind::sigmoid>{});
    case ActivationKind::softplus:
      return f(std::integral_constant<ActivationKind, ActivationKind::softplus>{});
    case ActivationKind::gelu:
      return f(std::integral_constant<ActivationKind, ActivationKind::gelu>{});
  }
}

}  // namespace

template <class T>
void Activation<T>::forward(const Values<T>& v, const Mode& /*mode*/, const T* /*state*/) const {
  with_kind(kind_, [&, x = v.x](auto kind) {
    put(v.n * shape_.size(), v.y, false, [=](std::size_t i) { return derivatives<kind()>(x[i]).value; });
  });
}

template <class T>
void Activation<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  with_kind(kind_, [&, x = place(*this, v), dy = g.y](auto kind) {
    put(v.n * shape_.size(), g.x, g.add,
        [=](std::size_t i) { return derivatives<kind()>(x[i]).first * dy[i]; });
  });
}

template <class T>
void Activation<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  with_kind(kind_, [&, x = place(*this, v), xt = t.x](auto kind) {
    put(v.n * shape_.size(), t.y, false,
        [=](std::size_t i) { return derivatives<kind()>(x[i]).first * xt[i]; });
  });
}

template <class T>
void Activation<T>::backward_tangent(const Values<T>& v, const Tangents<T>& t, const Gradients<T>& g,
                                     const Gradients<T>& gt) const {
  with_kind(kind_, [&, x = place(*this, v), xt = t.x, dy = g.y, dyt = gt.y](auto kind) {
    put(v.n * shape_.size(), gt.x, gt.add, [=](std::size_t i) {
      const auto f = derivatives<kind()>(x[i]);
      return f.first * dyt[i] + f.second * xt[i] * dy[i];
    });
  });
}

template class Activation<float>;
template class Activation<double>;

}  // namespace soret::network
