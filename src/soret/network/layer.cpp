#include "soret/network/layer.hpp"

#include <fmt/format.h>

#include <functional>
#include <numeric>

#include "soret/base/error.hpp"

namespace soret::network {

std::string text(const Shape& s) {
  if (s.h == 1 && s.w == 1) return fmt::to_string(s.c);
  return fmt::format("{} x {} x {}", s.h, s.w, s.c);
}

std::size_t Parameter::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

template <class T>
void Layer<T>::sample_squares(const Values<T>& /*v*/, const T* /*dy*/, double* /*squares*/) const {
  throw ConfigError("the gradients of single samples are not defined for this layer");
}

template class Layer<float>;
template class Layer<double>;

}  // namespace soret::network
