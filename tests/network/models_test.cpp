#include "soret/network/models.hpp"

#include <gtest/gtest.h>

#include <array>

#include "soret/base/error.hpp"
#include "tests/network/derivatives.hpp"

namespace soret::network {
namespace {

using namespace testing;

// Derivatives of whole models, small. Kinks of relu and max-pooling lie off the differences' path for most
// units but not all, so steps are short and rounding decides: eps^(1/2).
constexpr double kShort = 1e-6;
constexpr double kShortTolerance = 1e-6;

TEST(Models, HaveTheDerivativesOfTheirLosses) {
  constexpr std::array widths = {9, 8, 7, 6, 3};
  const auto mlp = multilayer_perceptron<double>({3, 2, 2}, widths, ActivationKind::relu);
  expect_derivatives(situation(mlp, 5, HeadKind::softmax), 7, kShort, kShortTolerance);
  const auto conv = convolutional<double>({9, 9, 1}, 4, 3, 1, 4, ActivationKind::tanh);
  expect_derivatives(situation(conv, 2, HeadKind::softmax));
  const auto c = c1<double>({17, 17, 2}, 4, 3);
  expect_derivatives(situation(c, 6, HeadKind::softmax), 7, kShort, kShortTolerance);
  const auto resnet = resnet18<double>({8, 8, 3}, 5, 2, 4);
  expect_derivatives(situation(resnet, 8, HeadKind::softmax), 7, kShort, kShortTolerance);
}

// Images that are no power of two, stages of unequal size, both heads, statistics of groups and of none.
TEST(Models, OfStagesHaveTheDerivativesOfTheirLosses) {
  constexpr std::array blocks = {1, 2, 1};
  const auto deep = resnet<double>({7, 6, 2}, 3, 2, blocks, 0);
  expect_derivatives(situation(deep, 5, HeadKind::softmax), 7, kShort, kShortTolerance);
  const Vgg shapes[] = {
      {.convolutions = {1, 1, 2, 2, 2}, .width = 1},
      {.convolutions = {2, 1}, .width = 3, .batch_norm = true, .batch_norm_group = 4},
      {.convolutions = {1, 2}, .width = 2, .batch_norm = true},
      {.convolutions = {1, 1, 1}, .width = 1, .head = VggHead::imagenet},
  };
  for (const Vgg& shape : shapes) {
    const int side = 1 << shape.convolutions.size();
    const auto net = vgg<double>({side + 1, side, 3}, 4, shape);
    auto s = situation(net, 6, HeadKind::softmax);
    expect_derivatives(s, 7, kShort, kShortTolerance);
    s.mode.batch_statistics = s.mode.dropout = false;
    expect_derivatives(s, 7, kShort, kShortTolerance);
  }
}

// A stage of the residual network is projected where its width changes, and nowhere else.
TEST(Models, HaveTheSizesOfTheirDepths) {
  const auto size = [](std::span<const int> blocks) {
    return resnet<float>({32, 32, 3}, 10, 64, blocks, 0).parameter_count();
  };
  constexpr std::array resnet34 = {3, 4, 6, 3};
  constexpr std::array one = {1};
  EXPECT_EQ(size(resnet34),
            21'282'122);  // torchvision's 21,797,672, but 3 x 3 x 3 in the stem and 10 classes
  EXPECT_EQ(size(one), 64 * 27 + 2 * 64 + 2 * (64 * 64 * 9 + 2 * 64) + 65 * 10);
}

// With bias, as torchvision counts its VGG networks of 1000 classes on 224 x 224 (its vgg16_bn has biases in
// front of batch normalisation, which ours leaves out: 4224 of them).
TEST(Models, OfVggHaveTheSizesOfTheirPapers) {
  const Vgg vgg11{.head = VggHead::imagenet};
  const Vgg vgg16{.convolutions = {2, 2, 3, 3, 3}, .batch_norm = true, .head = VggHead::imagenet};
  for (const int side : {224, 32}) {
    EXPECT_EQ(vgg<float>({side, side, 3}, 1000, vgg11).parameter_count(), 132'863'336);
    EXPECT_EQ(vgg<float>({side, side, 3}, 1000, vgg16).parameter_count(), 138'365'992 - 4224);
  }
  // The same convolutions, and a head of 512-512-10.
  constexpr std::size_t kHead11 = (512 * 49 + 1) * 4096 + 4097 * 4096 + 4097 * 1000;
  constexpr std::size_t kCompact = 2 * 513 * 512 + 513 * 10;
  EXPECT_EQ(vgg<float>({32, 32, 3}, 10, Vgg{}).parameter_count(), 132'863'336 - kHead11 + kCompact);
  // A map of 2 x 2 places is all read.
  EXPECT_EQ(vgg<float>({64, 64, 3}, 10, Vgg{}).parameter_count(),
            132'863'336 - kHead11 + kCompact + 3 * 512 * 512);
  // At width 8 as written down: 3-8, 8-16, 16-32-32, 32-64-64, 64-64-64.
  EXPECT_EQ(vgg<float>({32, 32, 3}, 10, Vgg{.width = 8}).parameter_count(),
            9 * (3 * 8 + 8 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64 + 64 * 64 + 64 * 64) +
                (8 + 16 + 2 * 32 + 4 * 64) + 2 * 65 * 64 + 65 * 10);
}

TEST(Models, RefuseStagesThatTheyCannotHave) {
  const auto message = [](const auto& make) -> std::string {
    try {
      make();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NO_THROW(vgg<float>({40, 32, 3}, 10, {.width = 1}));
  EXPECT_EQ(
      message([] {
        vgg<float>({40, 28, 3}, 10, {.width = 1});
      }),
      "images of 40 x 28 x 3 can be halved 4 times, but the network has 5 stages with a pooling of 2 x 2 "
      "each (1-1-2-2-2 convolutions): take fewer stages");
  constexpr std::array none = {2, 0};
  EXPECT_NE(message([&] { resnet<float>({8, 8, 1}, 10, 4, none, 0); }).find("2-0 blocks"), std::string::npos);
  EXPECT_NE(message([&] { vgg<float>({8, 8, 1}, 10, {.convolutions = {}}); }), "");
}

TEST(Models, HaveTheSizesOfTheirPapers) {
  EXPECT_EQ(resnet18<float>({32, 32, 3}, 10, 64, 0).parameter_count(), 11'173'962);
  EXPECT_EQ(f2<float>({1, 1, 360}, 1973, 0).parameter_count(),
            360 * 512 + 6 * 512 * 512 + 7 * 2 * 512 + 512 * 1973 + 1973);
  constexpr std::array widths = {512, 256, 128, 64, 10};
  EXPECT_EQ(multilayer_perceptron<float>({28, 28, 1}, widths, ActivationKind::relu).parameter_count(),
            785 * 512 + 513 * 256 + 257 * 128 + 129 * 64 + 65 * 10);
  const auto net = c1<float>({32, 32, 3}, 10, 0);
  EXPECT_EQ(net.parameter_count(),
            3 * 64 * 25 + 64 * 64 * 25 + 4 * 64 + 256 * 384 + 384 * 192 + 2 * (384 + 192) + 193 * 10);
}

// A convolution chain that runs out of image names the layer that does not fit.
TEST(Models, NameTheLayerThatDoesNotFit) {
  try {
    convolutional<float>({12, 12, 1}, 6, 10, 0, 10, ActivationKind::relu);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("conv3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace soret::network
