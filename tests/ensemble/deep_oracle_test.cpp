#include <gtest/gtest.h>

#include "tests/ensemble/deep_replay.hpp"

/// The oracles themselves: their gradients against central differences of their own losses, in double.
namespace soret::deep {
namespace {

// Rounding of the differences: eps |L| / h = 1e-10; curvature: h^2 L''' / 6 = 1e-10.
constexpr double kStep = 1e-5;
constexpr double kTolerance = 1e-8;

oracle::Samples probe(const Problem& p) {
  return oracle::in_double(synthetic_set(sample_problem(p), 2, true));
}

TEST(DeepOracle, GradientsAreTheLossesDerivatives) {
  for (const Activation activation : kDeepActivations) {
    for (const Loss loss : kDeepLosses) {
      for (const DeepShape& shape : {DeepShape{1, 1, 2, 1}, DeepShape{3, 5, 4, 3}}) {
        Problem p = deep_problem(shape, activation, loss);
        p.initialisation = Initialisation::he;
        oracle::DeepNetwork net = oracle::in_double(p, initial_parameters(p, 1));
        const oracle::Samples set = probe(p);
        const auto loss_of = [&](int s) {
          const auto pass = oracle::deep_forward(p, net, &set.inputs[s * p.inputs()]);
          return oracle::loss(oracle::head_of(p), pass.u.back(), &set.targets[s * p.outputs]);
        };
        for (int s = 0; s < set.size; ++s) {
          const auto g =
              oracle::deep_gradient(p, net, &set.inputs[s * p.inputs()], &set.targets[s * p.outputs]);
          for (std::size_t l = 0; l < net.size(); ++l) {
            for (const bool weights : {true, false}) {
              std::vector<double>& at = weights ? net[l].w : net[l].b;
              const std::vector<double>& expected = weights ? g[l].w : g[l].b;
              for (std::size_t k = 0; k < at.size(); ++k) {
                const double here = at[k];
                at[k] = here + kStep;
                const double up = loss_of(s);
                at[k] = here - kStep;
                const double down = loss_of(s);
                at[k] = here;
                EXPECT_NEAR(expected[k], (up - down) / (2 * kStep), kTolerance)
                    << describe(p) << " layer " << l;
              }
            }
          }
        }
      }
    }
  }
}

TEST(DeepOracle, GradientsOfConvolutionsAreTheLossesDerivatives) {
  for (const int pad : {0, 1, 3}) {
    Problem p = small_convolutional(Activation::gelu, Loss::softmax, pad);
    const auto start = initial_parameters(p, 1);
    std::vector<double> net(start.begin(), start.end());
    const oracle::Samples set = probe(p);
    const auto loss_of = [&] {
      return oracle::loss(oracle::head_of(p), oracle::convolutional_forward(p, net, set.inputs.data()).f,
                          set.targets.data());
    };
    const auto g = oracle::convolutional_gradient(p, net, set.inputs.data(), set.targets.data());
    for (std::size_t k = 0; k < net.size(); k += 7) {
      const double here = net[k];
      net[k] = here + kStep;
      const double up = loss_of();
      net[k] = here - kStep;
      const double down = loss_of();
      net[k] = here;
      EXPECT_NEAR(g[k], (up - down) / (2 * kStep), kTolerance) << "pad " << pad << " parameter " << k;
    }
  }
}

}  // namespace
}  // namespace soret::deep
