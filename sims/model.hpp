#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "soret/network/initialise.hpp"
#include "soret/network/models.hpp"
#include "soret/scan/config.hpp"

/// The networks that configs name: the section [network].
namespace soret::sims {

struct Model {
  enum class Kind { mlp, convolutional, f2, c1, resnet18, vgg11, vgg16 };
  Kind kind = Kind::mlp;
  std::vector<int> hidden;  ///< widths of mlp
  network::ActivationKind activation = network::ActivationKind::relu;
  int layers = 6, channels = 10, padding = 2;  ///< of convolutional
  std::vector<int> stages;                     ///< of resnet18, vgg11, vgg16: blocks or convolutions of each
  int width = 64;                              ///< of the same: channels of the first stage
  network::VggHead vgg_head = network::VggHead::compact;
  int batch_norm_group = 0;
  network::HeadKind head = network::HeadKind::softmax;
  network::Initialisation initialisation = network::Initialisation::he_normal;
  std::optional<network::Initialisation> dense_initialisation;  ///< of dense layers, if it is another
  std::string start;  ///< a checkpoint to begin from; empty: by initialisation

  bool has_batch_norm() const {
    return kind != Kind::mlp && kind != Kind::convolutional && kind != Kind::vgg11;
  }
};

std::vector<Option> model_options();
Model model_of(const Settings& settings);

/// Throws ConfigError, naming layer and shapes, for a network that does not fit its input, and for a head
/// that cannot tell so many classes. T is float or double.
template <class T>
network::Network<T> make_network(const Model& model, const network::Shape& input, int classes);

/// N(0, I), the stream (seed, curvature, 0).
std::vector<float> random_direction(std::size_t parameters, std::uint64_t seed);

}  // namespace soret::sims
