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
