#include "soret/training/batch_gradient.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <array>

#include "soret/base/error.hpp"
#include "soret/network/builder.hpp"
#include "soret/network/models.hpp"
#include "tests/network/derivatives.hpp"

namespace soret::training {
namespace {

using network::HeadKind;
using network::testing::situation;

network::Network<double> with_dropout() {
  network::Builder<double> b({3, 2, 1});
  b.dense("dense1", 7).activation("tanh", network::ActivationKind::tanh).dropout("dropout", 0.4);
  b.dense("dense2", 4);
  return std::move(b).finished();
}

// Chunks add up to the whole batch's gradient, to rounding; which units are dropped does not depend on them.
TEST(BatchGradient, IsTheSumOfItsChunks) {
  const auto net = with_dropout();
  const auto s = situation(net, 23, HeadKind::softmax);
  const auto exact = s.gradient(s.parameters);
  for (const int chunk : {1, 4, 23, 50}) {
    BatchGradient<double> batch(net, s.head, chunk);
    std::vector<double> g(exact.size(), 99.0);
    const double loss = batch({23, s.x.data(), s.targets(), s.parameters, {}, s.mode}, g).loss;
    EXPECT_NEAR(loss, s.loss(s.parameters), 1e-14);
    for (std::size_t i = 0; i < g.size(); ++i) EXPECT_NEAR(g[i], exact[i], 1e-14);
  }
}

// The bits, the running statistics' too, do not depend on the threads: for more chunks than threads, fewer,
// and one.
TEST(BatchGradient, DoesNotDependOnTheThreads) {
  const auto net = network::c1<float>({17, 17, 2}, 5, 4);
  std::vector<float> x(37 * net.input().size());
  std::vector<float> w(net.parameter_count());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97) / 97 - 0.5F;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 89) / 890 - 0.05F;
  std::vector<std::int32_t> labels(37);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 5);
  const network::Targets<float> targets{labels.data(), nullptr, false};
  const int before = omp_get_max_threads();
  for (const int chunk : {8, 16, 36}) {
    const auto run = [&](int threads) {
      omp_set_num_threads(threads);
      BatchGradient<float> batch(net, HeadKind::softmax, chunk);
      std::vector<float> state = net.initial_state();
      std::vector<float> g(w.size());
      const double loss = batch({36, x.data(), targets, w, state, {.seed = 3}}, g).loss;
      g.insert(g.end(), state.begin(), state.end());
      return std::pair(loss, g);
    };
    const auto one = run(1);
    for (const int threads : {2, 3, 4})
      EXPECT_EQ(one, run(threads)) << chunk << ", " << threads << " threads";
  }
  omp_set_num_threads(before);
}

// What fails in one chunk is thrown, and the next batch is computed as if nothing had been.
TEST(BatchGradient, ThrowsWhatAChunkThrows) {
  const auto net = network::f2<float>({1, 1, 3}, 4, 0);
  BatchGradient<float> batch(net, HeadKind::softmax, 4);
  const std::vector<float> x(9 * 3, 0.5F);
  const std::vector<std::int32_t> labels(9, 1);
  std::vector<float> w(net.parameter_count(), 0.1F);
  std::vector<float> state = net.initial_state();
  std::vector<float> g(w.size());
  const network::Targets<float> targets{labels.data(), nullptr, false};
  EXPECT_THROW(batch({9, x.data(), targets, w, state, {}}, g), ConfigError);  // a last chunk of one
  EXPECT_GT(batch({8, x.data(), targets, w, state, {}}, g).loss, 0);
}

}  // namespace
}  // namespace soret::training
