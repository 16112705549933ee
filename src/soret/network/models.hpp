#pragma once

#include <span>

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

/// ResNet-18 for small images (He et al. 2016; stem of 3 x 3 without pooling): four stages of two blocks, of
/// width, 2, 4 and 8 times width channels. batch_norm_group 0: the whole pass.
template <class T>
Network<T> resnet18(const Shape& input, int outputs, int width, int batch_norm_group);

}  // namespace soret::network
