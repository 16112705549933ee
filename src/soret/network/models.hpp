#pragma once

#include <span>
#include <vector>

#include "soret/network/activation.hpp"
#include "soret/network/network.hpp"

/// The networks of the seeds.
namespace soret::network {

/// Dense layers of these widths with an activation between them, the last width being the outputs. Seed 001:
/// MLP-5 is {512, 256, 128, 64, 10} (our choice of widths). Seed 002 Fig. 2, middle: {100, 100, 100, 100,
/// 100, outputs}.
template <class T>
Network<T> multilayer_perceptron(const Shape& input, std::span<const int> widths, ActivationKind activation);

/// Seed 002 Fig. 2, bottom: `layers` - 1 convolutions of `channels` channels, 5 x 5, stride 1, each with an
/// activation, then a dense layer. The seed does not give the padding.
template <class T>
Network<T> convolutional(const Shape& input, int layers, int channels, int pad, int outputs,
                         ActivationKind activation);

/// F2 of seed 003 (Keskar et al.): seven hidden layers of 512 with batch normalisation and relu, then
/// softmax.
template <class T>
Network<T> f2(const Shape& input, int outputs, int batch_norm_group);

/// C1 of seed 003: twice (convolution 64 of 5 x 5 with stride 2, max-pooling 3 x 3 with stride 2), dense 384
/// and 192 with dropout of a half, then softmax; batch normalisation and relu after every layer but the last.
/// Pooling sizes and the order of its parts are our choice.
template <class T>
Network<T> c1(const Shape& input, int outputs, int batch_norm_group);

/// A residual network for small images (He et al. 2016; stem of 3 x 3 without pooling) of blocks of two
/// convolutions: blocks[i] of them in stage i, of width 2^i channels; every stage but the first halves the
/// image. {2, 2, 2, 2} is ResNet-18, {3, 4, 6, 3} ResNet-34. batch_norm_group 0: the whole pass. Throws
/// ConfigError for no stage, more than kMostStages, and a stage without a block.
template <class T>
Network<T> resnet(const Shape& input, int outputs, int width, std::span<const int> blocks,
                  int batch_norm_group);
template <class T>
Network<T> resnet18(const Shape& input, int outputs, int width, int batch_norm_group);
inline constexpr int kMostStages = 8;

/// What follows the convolutions of vgg().
enum class VggHead {
  compact,   ///< dense 8 width, relu, dense 8 width, relu, dense outputs: 512-512-outputs in full
  imagenet,  ///< average pooling to 7 x 7 (a 1 x 1 map is repeated), then as compact, but 64 width units
             ///< (4096 in full) and dropout of a half behind each relu
};

/// The networks of Simonyan and Zisserman (2015): convolutions[i] convolutions of 3 x 3 in stage i, of
/// min(2^i, 8) width channels, each with relu; max-pooling of 2 x 2 behind every stage. {1, 1, 2, 2, 2} and
/// width 64 is VGG-11, {2, 2, 3, 3, 3} VGG-16. With batch normalisation, between convolution and relu, the
/// convolutions have no bias, which it would take away again.
struct Vgg {
  std::vector<int> convolutions = {1, 1, 2, 2, 2};
  int width = 64;
  bool batch_norm = false;
  int batch_norm_group = 0;
  VggHead head = VggHead::compact;
};
/// Throws ConfigError for stages as resnet() does, and, naming the most that there can be, for more than the
/// image can be halved.
template <class T>
Network<T> vgg(const Shape& input, int outputs, const Vgg& options);

}  // namespace soret::network
