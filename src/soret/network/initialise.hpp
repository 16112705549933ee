#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "soret/network/network.hpp"

namespace soret::network {

/// Weights; biases and shifts are 0 and scales 1 unless said otherwise.
enum class Initialisation {
  he_normal,          ///< N(0, 2 / fan_in) (He et al. 2015)
  he_normal_fan_out,  ///< N(0, 2 / fan_out)
  glorot_normal,      ///< N(0, 2 / (fan_in + fan_out)) (Glorot and Bengio 2010)
  framework_uniform,  ///< weights and biases U(-1, 1) / sqrt(fan_in), as PyTorch has it
  small_normal,       ///< N(0, 0.01^2), as torchvision has the dense layers of its VGGs
};
inline constexpr std::string_view kInitialisations[] = {"he_normal", "he_normal_fan_out", "glorot_normal",
                                                        "framework_uniform", "small_normal"};

/// Parameters of a network: number i of view v is number i of the stream (seed, initial_parameters, v),
/// normals four and uniforms four per block. `dense`: of dense layers, where it is another.
template <class T>
std::vector<T> initial_parameters(const Network<T>& network, Initialisation initialisation,
                                  std::uint64_t seed, std::optional<Initialisation> dense = std::nullopt);

}  // namespace soret::network
