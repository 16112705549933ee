#include "soret/measure/layer_rescaling.hpp"

#include <fmt/format.h>

#include <cmath>

#include "soret/base/error.hpp"
#include "soret/network/activation.hpp"
#include "soret/network/convolution.hpp"
#include "soret/network/dense.hpp"
#include "soret/network/dropout.hpp"
#include "soret/network/pooling.hpp"

namespace soret::measure {
namespace {

template <class T>
bool is_linear(const network::Layer<T>* layer) {
  return dynamic_cast<const network::Dense<T>*>(layer) || dynamic_cast<const network::Convolution<T>*>(layer);
}

/// f(a x) = a f(x) for a > 0.
template <class T>
bool is_homogeneous(const network::Layer<T>* layer) {
  if (const auto* activation = dynamic_cast<const network::Activation<T>*>(layer))
    return activation->kind() == network::ActivationKind::relu;
  return dynamic_cast<const network::Pooling<T>*>(layer) || dynamic_cast<const network::Dropout<T>*>(layer);
}

template <class T>
void multiply(const network::Network<T>& network, const std::string& layer, bool with_bias, double by,
              std::span<double> parameters) {
  for (const network::View& view : network.parameters()) {
    const bool bias = view.name == layer + ".bias";
    if (view.name != layer + ".weight" && !(bias && with_bias)) continue;
    for (double& p : parameters.subspan(view.offset, view.what.size())) p *= by;
  }
}

}  // namespace

template <class T>
void rescale_layers(const network::Network<T>& network, int layer, double alpha,
                    std::span<double> parameters) {
  if (!(alpha > 0) || !std::isfinite(alpha))
    throw ConfigError(fmt::format("a layer cannot be rescaled by {}; allowed: above 0, finite", alpha));
  std::vector<int> with_parameters;
  for (int node = 1; node <= network.last(); ++node) {
    if (!network.layer(node))
      throw ConfigError(fmt::format("no layer is rescaled in a network with branches: {} is a sum of two",
                                    network.name(node)));
    if (!network.layer(node)->parameters().empty()) with_parameters.push_back(node);
  }
  if (layer < 1 || static_cast<std::size_t>(layer) >= with_parameters.size())
    throw ConfigError(fmt::format("layer {} cannot be rescaled against the next; allowed: 1 to {}", layer,
                                  with_parameters.empty() ? 0 : with_parameters.size() - 1));
  const int first = with_parameters[static_cast<std::size_t>(layer) - 1];
  const int next = with_parameters[static_cast<std::size_t>(layer)];
  for (int node = first; node <= next; ++node) {
    const auto* here = network.layer(node);
    if (node == first || node == next ? is_linear(here) : is_homogeneous(here)) continue;
    throw ConfigError(fmt::format(
        "{} cannot be rescaled against {}: {} is in the way, and only relu, pooling and dropout may be",
        network.name(first), network.name(next), network.name(node)));
  }
  multiply(network, network.name(first), true, alpha, parameters);
  multiply(network, network.name(next), false, 1 / alpha, parameters);
}

template void rescale_layers(const network::Network<float>&, int, double, std::span<double>);
template void rescale_layers(const network::Network<double>&, int, double, std::span<double>);

}  // namespace soret::measure
