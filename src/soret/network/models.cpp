#include "soret/network/models.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>

#include "soret/base/error.hpp"
#include "soret/network/builder.hpp"

namespace soret::network {

template <class T>
Network<T> multilayer_perceptron(const Shape& input, std::span<const int> widths, ActivationKind activation) {
  Builder<T> b(input);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    b.dense(fmt::format("dense{}", i + 1), widths[i]);
    if (i + 1 < widths.size()) b.activation(fmt::format("activation{}", i + 1), activation);
  }
  return std::move(b).finished();
}

template <class T>
Network<T> convolutional(const Shape& input, int layers, int channels, int pad, int outputs,
                         ActivationKind activation) {
  Builder<T> b(input);
  for (int i = 1; i < layers; ++i) {
    b.convolution(fmt::format("conv{}", i), channels, 5, 1, pad, true);
    b.activation(fmt::format("activation{}", i), activation);
  }
  b.dense("dense", outputs);
  return std::move(b).finished();
}

template <class T>
Network<T> f2(const Shape& input, int outputs, int batch_norm_group) {
  Builder<T> b(input);
  for (int i = 1; i <= 7; ++i) {
    b.dense(fmt::format("dense{}", i), 512, false).batch_norm(fmt::format("norm{}", i), batch_norm_group);
    b.activation(fmt::format("relu{}", i), ActivationKind::relu);
  }
  b.dense("dense8", outputs);
  return std::move(b).finished();
}

template <class T>
Network<T> c1(const Shape& input, int outputs, int batch_norm_group) {
  Builder<T> b(input);
  for (int i = 1; i <= 2; ++i) {
    b.convolution(fmt::format("conv{}", i), 64, 5, 2, 2, false);
    b.batch_norm(fmt::format("norm{}", i), batch_norm_group);
    b.activation(fmt::format("relu{}", i), ActivationKind::relu);
    b.pooling(fmt::format("pool{}", i), PoolingKind::max, 3, 2, 1);
  }
  for (const int width : {384, 192}) {
    b.dense(fmt::format("dense{}", width), width, false)
        .batch_norm(fmt::format("norm{}", width), batch_norm_group);
    b.activation(fmt::format("relu{}", width), ActivationKind::relu);
    b.dropout(fmt::format("dropout{}", width), 0.5);
  }
  b.dense("dense", outputs);
  return std::move(b).finished();
}

namespace {

void check_stages(std::span<const int> stages, const char* what) {
  if (stages.empty() || stages.size() > kMostStages ||
      std::ranges::any_of(stages, [](int n) { return n < 1; }))
    throw ConfigError(fmt::format("stages of {} {}: there must be 1 to {} stages, each of at least 1",
                                  fmt::join(stages, "-"), what, kMostStages));
}

}  // namespace

template <class T>
Network<T> resnet(const Shape& input, int outputs, int width, std::span<const int> blocks,
                  int batch_norm_group) {
  check_stages(blocks, "blocks");
  Builder<T> b(input);
  const auto unit = [&](const std::string& name, int channels, int kernel, int stride) {
    b.convolution(name + ".conv", channels, kernel, stride, kernel / 2, false);
    b.batch_norm(name + ".norm", batch_norm_group);
  };
  unit("stem", width, 3, 1);
  b.activation("stem.relu", ActivationKind::relu);
  for (int stage = 1; stage <= static_cast<int>(blocks.size()); ++stage) {
    const int channels = width << (stage - 1);
    for (int block = 1; block <= blocks[static_cast<std::size_t>(stage - 1)]; ++block) {
      const std::string name = fmt::format("stage{}.block{}", stage, block);
      const int stride = stage > 1 && block == 1 ? 2 : 1;
      const int from = b.at;
      int shortcut = from;
      if (stride != 1 || b.shape().c != channels) {
        unit(name + ".shortcut", channels, 1, stride);
        shortcut = b.at;
        b.at = from;
      }
      unit(name + ".1", channels, 3, stride);
      b.activation(name + ".1.relu", ActivationKind::relu);
      unit(name + ".2", channels, 3, 1);
      b.sum(name + ".sum", shortcut).activation(name + ".relu", ActivationKind::relu);
    }
  }
  b.global_pooling("pool", PoolingKind::average).dense("dense", outputs);
  return std::move(b).finished();
}

template <class T>
Network<T> resnet18(const Shape& input, int outputs, int width, int batch_norm_group) {
  constexpr std::array kBlocks = {2, 2, 2, 2};
  return resnet<T>(input, outputs, width, kBlocks, batch_norm_group);
}

template <class T>
Network<T> vgg(const Shape& input, int outputs, const Vgg& o) {
  check_stages(o.convolutions, "convolutions");
  const auto stages = static_cast<int>(o.convolutions.size());
  if (const int most = std::bit_width(static_cast<unsigned>(std::min(input.h, input.w))) - 1; stages > most)
    throw ConfigError(fmt::format(
        "images of {} can be halved {} times, but the network has {} stages with a pooling of 2 x 2 each ({} "
        "convolutions): take fewer stages",
        text(input), most, stages, fmt::join(o.convolutions, "-")));
  Builder<T> b(input);
  for (int stage = 0; stage < stages; ++stage) {
    for (int k = 1; k <= o.convolutions[static_cast<std::size_t>(stage)]; ++k) {
      const auto name = [&](const char* part) { return fmt::format("stage{}.{}{}", stage + 1, part, k); };
      b.convolution(name("conv"), o.width * std::min(1 << stage, 8), 3, 1, 1, !o.batch_norm);
      if (o.batch_norm) b.batch_norm(name("norm"), o.batch_norm_group);
      b.activation(name("relu"), ActivationKind::relu);
    }
    b.pooling(fmt::format("stage{}.pool", stage + 1), PoolingKind::max, 2, 2);
  }
  const bool imagenet = o.head == VggHead::imagenet;
  if (imagenet) b.adaptive_pooling("pool", PoolingKind::average, 7, 7);
  for (const int k : {1, 2}) {
    b.dense(fmt::format("dense{}", k), (imagenet ? 64 : 8) * o.width);
    b.activation(fmt::format("relu{}", k), ActivationKind::relu);
    if (imagenet) b.dropout(fmt::format("dropout{}", k), 0.5);
  }
  b.dense("dense3", outputs);
  return std::move(b).finished();
}

#define SORET_INSTANTIATE(T)                                                                        \
  template Network<T> multilayer_perceptron<T>(const Shape&, std::span<const int>, ActivationKind); \
  template Network<T> convolutional<T>(const Shape&, int, int, int, int, ActivationKind);           \
  template Network<T> f2<T>(const Shape&, int, int);                                                \
  template Network<T> c1<T>(const Shape&, int, int);                                                \
  template Network<T> resnet<T>(const Shape&, int, int, std::span<const int>, int);                 \
  template Network<T> resnet18<T>(const Shape&, int, int, int);                                     \
  template Network<T> vgg<T>(const Shape&, int, const Vgg&);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE

}  // namespace soret::network
