#include "soret/network/initialise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "soret/network/models.hpp"

namespace soret::network {
namespace {

struct Moments {
  double mean = 0, square = 0, most = 0;
};

Moments moments(const std::vector<double>& all, const View& view) {
  Moments m;
  const auto n = static_cast<double>(view.what.size());
  for (std::size_t i = 0; i < view.what.size(); ++i) {
    const double x = all[view.offset + i];
    m.mean += x / n;
    m.square += x * x / n;
    m.most = std::max(m.most, std::abs(x));
  }
  return m;
}

// n weights per layer; five standard errors of a mean square of normals, variance^2 2 / n, and of the mean.
TEST(InitialiseStatistics, WeightsHaveTheirVariance) {
  constexpr std::array widths = {300, 200, 10};
  const auto network = multilayer_perceptron<double>({1, 1, 100}, widths, ActivationKind::relu);
  const auto check = [&](Initialisation initialisation, auto variance, double kurtosis) {
    const auto w = initial_parameters(network, initialisation, 5);
    for (const View& view : network.parameters()) {
      if (view.what.kind != Parameter::Kind::weight) continue;
      const double exact = variance(view.what);
      const auto n = static_cast<double>(view.what.size());
      const Moments m = moments(w, view);
      EXPECT_LT(std::abs(m.mean), 5 * std::sqrt(exact / n)) << view.name;
      EXPECT_LT(std::abs(m.square - exact), 5 * exact * std::sqrt((kurtosis - 1) / n)) << view.name;
    }
  };
  check(
      Initialisation::he_normal, [](const Parameter& p) { return 2.0 / p.fan_in; }, 3);
  check(
      Initialisation::he_normal_fan_out, [](const Parameter& p) { return 2.0 / p.fan_out; }, 3);
  check(
      Initialisation::glorot_normal, [](const Parameter& p) { return 2.0 / (p.fan_in + p.fan_out); }, 3);
  check(
      Initialisation::framework_uniform, [](const Parameter& p) { return 1.0 / 3 / p.fan_in; }, 1.8);
  check(
      Initialisation::small_normal, [](const Parameter& /*p*/) { return 1e-4; }, 3);
}

// Two convolutions of 3 x 3, 30 channels to 40 and 40 to 80: inputs of a unit are all channels of its window,
// and a channel of the input reaches all channels of as many places. Five standard errors, as above.
TEST(InitialiseStatistics, ConvolutionsCountTheirWindow) {
  const auto network = vgg<double>({4, 4, 30}, 10, {.convolutions = {1, 1}, .width = 40});
  const auto check = [&](Initialisation initialisation, const std::string& name, double exact,
                         double kurtosis) {
    const auto w = initial_parameters(network, initialisation, 5);
    const auto view = std::ranges::find(network.parameters(), name, &View::name);
    ASSERT_NE(view, network.parameters().end()) << name;
    const auto n = static_cast<double>(view->what.size());
    EXPECT_LT(std::abs(moments(w, *view).square - exact), 5 * exact * std::sqrt((kurtosis - 1) / n)) << name;
  };
  check(Initialisation::he_normal, "stage1.conv1.weight", 2.0 / (9 * 30), 3);
  check(Initialisation::he_normal, "stage2.conv1.weight", 2.0 / (9 * 40), 3);
  check(Initialisation::he_normal_fan_out, "stage1.conv1.weight", 2.0 / (9 * 40), 3);
  check(Initialisation::he_normal_fan_out, "stage2.conv1.weight", 2.0 / (9 * 80), 3);
  // PyTorch: kaiming_uniform with a = sqrt(5) has the bound sqrt(6 / ((1 + 5) fan_in)).
  check(Initialisation::framework_uniform, "stage2.conv1.weight", 1.0 / 3 / (9 * 40), 1.8);
  check(Initialisation::framework_uniform, "stage2.conv1.bias", 1.0 / 3 / (9 * 40), 1.8);
  // The dense layer behind the 1 x 1 map.
  check(Initialisation::he_normal_fan_out, "dense3.weight", 2.0 / 10, 3);
}

// The same streams, so that each layer is to the bit what it is under its law alone.
TEST(Initialise, DenseLayersCanHaveALawOfTheirOwn) {
  const auto network = vgg<float>({4, 4, 3}, 10, {.convolutions = {1, 1}, .width = 8});
  const auto fan_out = initial_parameters(network, Initialisation::he_normal_fan_out, 5);
  const auto uniform = initial_parameters(network, Initialisation::framework_uniform, 5);
  const auto both =
      initial_parameters(network, Initialisation::he_normal_fan_out, 5, Initialisation::framework_uniform);
  int dense = 0;
  for (const View& view : network.parameters()) {
    const bool of_dense = view.name.starts_with("dense");
    dense += of_dense;
    const auto& expected = of_dense ? uniform : fan_out;
    for (std::size_t i = 0; i < view.what.size(); ++i)
      ASSERT_EQ(both[view.offset + i], expected[view.offset + i]) << view.name;
  }
  EXPECT_EQ(dense, 6);  // weights and biases of three
}

TEST(Initialise, WhatIsNoWeightStartsNeutral) {
  const auto network = c1<double>({17, 17, 2}, 4, 0);
  for (const auto initialisation : {Initialisation::he_normal, Initialisation::framework_uniform}) {
    const auto w = initial_parameters(network, initialisation, 1);
    for (const View& view : network.parameters()) {
      const Moments m = moments(w, view);
      if (view.what.kind == Parameter::Kind::scale) {
        EXPECT_NEAR(m.mean, 1, 1e-12) << view.name;
        EXPECT_EQ(m.most, 1) << view.name;
      }
      if (view.what.kind == Parameter::Kind::shift) {
        EXPECT_EQ(m.square, 0) << view.name;
      }
      if (view.what.kind == Parameter::Kind::bias) {
        const bool uniform = initialisation == Initialisation::framework_uniform;
        EXPECT_EQ(m.square > 0, uniform) << view.name;
        EXPECT_LE(m.most, 1 / std::sqrt(static_cast<double>(view.what.fan_in)));
      }
    }
  }
  EXPECT_NE(initial_parameters(network, Initialisation::he_normal, 1),
            initial_parameters(network, Initialisation::he_normal, 2));
}

}  // namespace
}  // namespace soret::network
