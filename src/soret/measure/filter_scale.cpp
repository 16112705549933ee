#include "soret/measure/filter_scale.hpp"

#include <cmath>
#include <utility>

namespace soret::measure {

template <class T>
std::vector<double> filter_scale(const network::Network<T>& network, std::span<const double> parameters) {
  std::vector<double> scale(parameters.size());
  for (const network::View& view : network.parameters()) {
    const std::size_t filters =
        view.what.shape.empty() ? 1 : static_cast<std::size_t>(view.what.shape.front());
    const std::size_t size = view.what.size() / filters;
    for (std::size_t first = view.offset; first < view.offset + view.what.size(); first += size) {
      double square = 0;
      for (std::size_t i = first; i < first + size; ++i) square += parameters[i] * parameters[i];
      std::fill_n(scale.begin() + static_cast<std::ptrdiff_t>(first), size, std::sqrt(square));
    }
  }
  return scale;
}

Differentiable scaled(Differentiable f, std::vector<double> x, std::vector<double> scale) {
  const std::size_t n = f.size;
  const auto at = [x = std::move(x), scale](std::span<const double> u) {
    std::vector<double> place(x);
    for (std::size_t i = 0; i < place.size(); ++i) place[i] += scale[i] * u[i];
    return place;
  };
  Differentiable g{
      n, [value = std::move(f.value), at](std::span<const double> u) { return value(at(u)); }, {}};
  if (f.gradient)
    g.gradient = [gradient = std::move(f.gradient), at, scale = std::move(scale)](std::span<const double> u,
                                                                                  std::span<double> slope) {
      const double value = gradient(at(u), slope);
      for (std::size_t i = 0; i < slope.size(); ++i) slope[i] *= scale[i];
      return value;
    };
  return g;
}

SymmetricOperator scaled(SymmetricOperator a, std::vector<double> scale) {
  const std::size_t n = a.size;
  return {n, [apply = std::move(a.apply), scale = std::move(scale), scaled_v = std::vector<double>(n)](
                 std::span<const double> v, std::span<double> product) mutable {
            for (std::size_t i = 0; i < v.size(); ++i) scaled_v[i] = scale[i] * v[i];
            apply(scaled_v, product);
            for (std::size_t i = 0; i < v.size(); ++i) product[i] *= scale[i];
          }};
}

template std::vector<double> filter_scale(const network::Network<float>&, std::span<const double>);
template std::vector<double> filter_scale(const network::Network<double>&, std::span<const double>);

}  // namespace soret::measure
