#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "soret/network/network.hpp"

/// Ranges of a network's parameter vector that are measured apart.
namespace soret::measure {

/// Parameters [first, last).
struct Part {
  std::string name;
  std::size_t first = 0, last = 0;
  std::size_t size() const { return last - first; }
};

/// The whole network, called "network", then its layers with parameters in order: their weights and biases
/// together, "block1.conv2". The layers cover the parameter vector without gaps.
template <class T>
std::vector<Part> layer_parts(const network::Network<T>& network);

/// |v|_2 of every part of a vector: of the parameters, a gradient, an update.
template <class T>
std::vector<double> norms(std::span<const T> v, std::span<const Part> parts);

/// |after - before|_2 of every part.
template <class T>
std::vector<double> update_norms(std::span<const T> before, std::span<const T> after,
                                 std::span<const Part> parts);

}  // namespace soret::measure
