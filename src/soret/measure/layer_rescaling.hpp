#pragma once

#include <span>
#include <string>
#include <vector>

#include "soret/network/network.hpp"

namespace soret::measure {

/// Multiplies weights and bias of a layer by alpha and the weights of the next by 1/alpha, which does not
/// change the function of a ReLU network but all its measures of flatness (Dinh et al. 2017, section 4.1;
/// seed 003's reference 4). `layer` counts those with parameters from 1. Throws ConfigError unless alpha > 0,
/// both are dense or convolutional, and only relu, pooling and dropout stand between them, in a network
/// without branches.
template <class T>
void rescale_layers(const network::Network<T>& network, int layer, double alpha,
                    std::span<double> parameters);

}  // namespace soret::measure
