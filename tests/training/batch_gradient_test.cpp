#include "soret/training/batch_gradient.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <array>

#include "soret/network/models.hpp"
#include "tests/network/derivatives.hpp"

namespace soret::training {
namespace {

using network::HeadKind;
using network::testing::situation;

network::Network<double> mlp() {
  constexpr std::array widths = {7, 6, 4};
  return network::multilayer_perceptron<double>({3, 2, 1}, widths, network::ActivationKind::tanh);
}

// Chunks add up to the whole batch's gradient, to rounding.
TEST(BatchGradient, IsTheSumOfItsChunks) {
  const auto net = mlp();
  const auto s = situation(net, 23, HeadKind::softmax);
  const auto exact = s.gradient(s.parameters);
  for (const int chunk : {1, 4, 23, 50}) {
    BatchGradient<double> batch(net, s.head, chunk);
    std::vector<double> g(exact.size(), 99.0);
    const double loss = batch(23, s.x.data(), s.targets(), s.parameters, {}, s.mode, g);
    EXPECT_NEAR(loss, s.loss(s.parameters), 1e-14);
    for (std::size_t i = 0; i < g.size(); ++i) EXPECT_NEAR(g[i], exact[i], 1e-14);
  }
}

// The bits, the running statistics' too, do not depend on the threads.
TEST(BatchGradient, DoesNotDependOnTheThreads) {
  const auto net = network::c1<float>({17, 17, 2}, 5, 4);
  std::vector<float> x(37 * net.input().size());
  std::vector<float> w(net.parameter_count());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97) / 97 - 0.5F;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 89) / 890 - 0.05F;
  std::vector<std::int32_t> labels(37);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 5);
  const network::Targets<float> targets{labels.data(), nullptr, false};
  const auto run = [&](int threads) {
    omp_set_num_threads(threads);
    BatchGradient<float> batch(net, HeadKind::softmax, 8);
    std::vector<float> state = net.initial_state();
    std::vector<float> g(w.size());
    const double loss = batch(37 - 37 % 4, x.data(), targets, w, state, {.seed = 3}, g);
    const auto held_out = batch.evaluate(37, x.data(), targets, w, state);
    g.insert(g.end(), state.begin(), state.end());
    return std::tuple(loss, g, held_out.loss, held_out.correct);
  };
  const int before = omp_get_max_threads();
  const auto one = run(1);
  EXPECT_EQ(one, run(2));
  EXPECT_EQ(one, run(3));
  omp_set_num_threads(before);
}

}  // namespace
}  // namespace soret::training
