#include "soret/measure/parts.hpp"

#include <cmath>

namespace soret::measure {

template <class T>
std::vector<Part> layer_parts(const network::Network<T>& network) {
  std::vector<Part> parts = {{"network", 0, network.parameter_count()}};
  for (const network::View& view : network.parameters()) {
    const std::string layer = view.name.substr(0, view.name.rfind('.'));
    if (parts.size() == 1 || parts.back().name != layer) parts.push_back({layer, view.offset, view.offset});
    parts.back().last += view.what.size();
  }
  return parts;
}

template <class T>
std::vector<double> norms(std::span<const T> v, std::span<const Part> parts) {
  std::vector<double> result;
  for (const Part& part : parts) {
    double sum = 0;
    for (std::size_t i = part.first; i < part.last; ++i)
      sum += static_cast<double>(v[i]) * static_cast<double>(v[i]);
    result.push_back(std::sqrt(sum));
  }
  return result;
}

template <class T>
std::vector<double> update_norms(std::span<const T> before, std::span<const T> after,
                                 std::span<const Part> parts) {
  std::vector<double> result;
  for (const Part& part : parts) {
    double sum = 0;
    for (std::size_t i = part.first; i < part.last; ++i) {
      const double d = static_cast<double>(after[i]) - static_cast<double>(before[i]);
      sum += d * d;
    }
    result.push_back(std::sqrt(sum));
  }
  return result;
}

#define SORET_INSTANTIATE(T)                                                        \
  template std::vector<Part> layer_parts<T>(const network::Network<T>&);            \
  template std::vector<double> norms<T>(std::span<const T>, std::span<const Part>); \
  template std::vector<double> update_norms<T>(std::span<const T>, std::span<const T>, std::span<const Part>);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE

}  // namespace soret::measure
