#include "soret/measure/layer_rescaling.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "soret/base/error.hpp"
#include "soret/measure/ball_sharpness.hpp"
#include "soret/measure/filter_scale.hpp"
#include "soret/measure/hessian.hpp"
#include "soret/measure/loss_function.hpp"
#include "soret/measure/perturbed_loss.hpp"
#include "soret/network/models.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using namespace testing;

/// Convolutions with pooling, relu and biases, then dense layers: four layers with parameters.
network::Network<double> relu_network() {
  network::Builder<double> b({6, 6, 2});
  b.convolution("conv1", 3, 3, 1, 1, true);
  b.activation("relu1", network::ActivationKind::relu);
  b.pooling("pool", network::PoolingKind::max, 2, 2);
  b.convolution("conv2", 4, 3, 1, 0, true);
  b.activation("relu2", network::ActivationKind::relu);
  b.dense("dense1", 5);
  b.activation("relu3", network::ActivationKind::relu);
  b.dense("dense2", 3);
  return std::move(b).finished();
}

/// All measures of flatness, at the parameters of a loss or in units of its filters.
std::vector<double> measures(const LossAt<double>& loss, bool normalised) {
  std::vector<double> x(loss.parameters.begin(), loss.parameters.end());
  Differentiable f = loss_function(loss);
  SymmetricOperator h = hessian(loss);
  if (normalised) {
    const auto scale = filter_scale(loss.network, std::span<const double>(x));
    f = scaled(f, x, scale);
    h = scaled(h, scale);
    std::ranges::fill(x, 0.0);
  }
  const Directions a(Columns::gaussian, x.size(), 7, 3);
  const Part whole{"network", 0, x.size()};
  const auto eigenvalues = all_eigenvalues(h);
  return {sharpness(f, x, a, {.epsilon = 0.01, .most_iterations = 10}).phi,
          ball_sharpness(f, x, {.radius = 0.05, .most_iterations = 10}).rise,
          ball_sharpness(f, x, {.radius = 0.05, .most_iterations = 10}).first_step,
          expected_sharpness(f, x, 0.01, 8, 1).value,
          eigenvalues.back(),
          traces(h, {&whole, 1}, 3, 1)[0].value};
}

// The function is the same to rounding, at all inputs; with a power of two exactly.
TEST(LayerRescaling, LeavesTheFunctionAsItIs) {
  const auto network = relu_network();
  const auto s = network::testing::situation(network, 7, HeadKind::softmax, 3);
  const auto before = s.output(s.parameters);
  for (const int layer : {1, 2, 3}) {
    for (const double alpha : {0.25, 3.0, 1000.0}) {
      std::vector<double> w = s.parameters;
      rescale_layers<double>(network, layer, alpha, w);
      EXPECT_NE(w, s.parameters);
      const auto after = s.output(w);
      for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-13) << layer;
      if (alpha == 0.25) {
        EXPECT_EQ(after, before);
      }
    }
  }
}

// All measures change, those in units of filters do not.
TEST(LayerRescaling, ChangesWhatIsNotInUnitsOfFilters) {
  const auto network = relu_network();
  auto s = network::testing::situation(network, 7, HeadKind::softmax, 3);
  const auto loss = [&] {
    return LossAt<double>{network, s.head, s.n, s.x.data(), s.targets(), s.parameters, s.state, 4, false};
  };
  const auto plain = measures(loss(), false);
  const auto normalised = measures(loss(), true);
  rescale_layers<double>(network, 3, 0.05, s.parameters);
  const auto plain_after = measures(loss(), false);
  const auto normalised_after = measures(loss(), true);
  for (std::size_t k = 0; k < plain.size(); ++k) {
    EXPECT_GT(std::abs(plain_after[k] / plain[k] - 1), 0.1) << k;
    EXPECT_NEAR(normalised_after[k], normalised[k], 1e-9 * std::abs(normalised[k])) << k;
  }
}

// A row of a weight, whatever its shape, has one norm, and every bias its own size.
TEST(FilterScale, IsTheNormOfEveryFilter) {
  const auto network = relu_network();
  std::vector<double> w(network.parameter_count());
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(1.0 + static_cast<double>(i));
  const auto scale = filter_scale(network, std::span<const double>(w));
  const auto view = [&](const std::string& name) {
    return *std::ranges::find(network.parameters(), name, &network::View::name);
  };
  const auto conv = view("conv2.weight");
  double square = 0;
  for (std::size_t i = 0; i < 27; ++i) square += std::pow(w[conv.offset + 27 + i], 2);
  for (std::size_t i = 0; i < 27; ++i) EXPECT_DOUBLE_EQ(scale[conv.offset + 27 + i], std::sqrt(square));
  const auto bias = view("dense1.bias");
  for (std::size_t i = 0; i < 5; ++i) EXPECT_DOUBLE_EQ(scale[bias.offset + i], std::abs(w[bias.offset + i]));
}

void expect_refused(const network::Network<double>& network, int layer, double alpha,
                    const std::string& why) {
  std::vector<double> w(network.parameter_count(), 1.0);
  try {
    rescale_layers<double>(network, layer, alpha, w);
    ADD_FAILURE() << "not refused: " << why;
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr(why));
  }
}

TEST(LayerRescaling, RefusesWhatWouldChangeTheFunction) {
  expect_refused(relu_network(), 1, 0, "cannot be rescaled by 0");
  expect_refused(relu_network(), 4, 2, "allowed: 1 to 3");
  expect_refused(relu_network(), 0, 2, "allowed: 1 to 3");
  expect_refused(mixed_network<double>(3), 1, 2, "norm1");
  constexpr std::array widths = {5, 3};
  expect_refused(network::multilayer_perceptron<double>({1, 1, 4}, widths, network::ActivationKind::tanh), 1,
                 2, "only relu");
  expect_refused(network::resnet18<double>({8, 8, 3}, 10, 4, 0), 1, 2, "branches");
}

}  // namespace
}  // namespace soret::measure
