#include <gtest/gtest.h>

#include <string>

#include "soret/network/activation.hpp"
#include "soret/network/batch_norm.hpp"
#include "soret/network/dense.hpp"
#include "soret/network/models.hpp"
#include "tests/network/derivatives.hpp"

/// Nodes that share a place in a pass: nothing is overwritten that somebody still reads.
namespace soret::network {
namespace {

using namespace testing;

/// Relu and sums in every order that decides who may lie where: over batch normalisation, over sums, over
/// each other, over nodes with two readers; batch normalisation behind relu, behind a sum and behind both.
template <class T>
Network<T> every_order() {
  Network<T> net({1, 1, 4});
  const auto named = [&](const char* kind) { return kind + std::to_string(net.last()); };
  const auto dense = [&](int from) {
    return net.add(named("dense"), std::make_unique<Dense<T>>(net.shape(from), 6, true), from);
  };
  const auto relu = [&](int from) {
    return net.add(named("relu"), std::make_unique<Activation<T>>(net.shape(from), ActivationKind::relu),
                   from);
  };
  const auto norm = [&](int from) {
    return net.add(named("norm"), std::make_unique<BatchNorm<T>>(net.shape(from), 0), from);
  };
  const auto sum = [&](int a, int b) { return net.add_sum(named("sum"), a, b); };
  const int stem = relu(norm(dense(0)));
  const int block = relu(sum(norm(dense(relu(norm(dense(stem))))), stem));
  const int projected = relu(sum(norm(dense(block)), norm(dense(block))));
  const int twice = relu(relu(norm(relu(dense(projected)))));
  const int of_relus = sum(relu(dense(twice)), relu(dense(twice)));
  const int behind_sum = norm(sum(dense(of_relus), sum(norm(dense(of_relus)), dense(projected))));
  const int doubled = sum(behind_sum, behind_sum);
  const int not_in_place = sum(relu(norm(doubled)), relu(doubled));
  const int behind_projection = norm(sum(norm(relu(not_in_place)), doubled));
  net.add("out", std::make_unique<Dense<T>>(net.shape(behind_projection), 3, true), behind_projection);
  return net;
}

// No unit is so close to its kink that steps of 1e-6 cross it.
TEST(Pass, SharesPlacesOnlyWhereNobodyReads) {
  const auto network = every_order<double>();
  expect_derivatives(situation(network, 7, HeadKind::softmax), 7, 1e-6, 1e-7);
}

/// The gradient and two Hessian-vector products, of passes that keep what `after` says.
std::vector<double> results(const Situation<double>& s, After after) {
  Pass<double> pass(s.network, s.n + 2, after);
  const std::size_t size = s.parameters.size();
  std::vector<double> all(3 * size);
  for (int round = 0; round < 2; ++round) {  // the second in places where numbers of the first lie
    std::ranges::fill(all, 0.0);
    gradient(s.network, s.head, pass, s.n, s.x.data(), s.targets(), s.weight(), s.parameters.data(),
             s.state.data(), s.mode, all.data());
    for (unsigned k = 1; k < 3 && after != After::nothing; ++k) {
      const auto v = normals(size, k);
      hessian_vector(s.network, s.head, pass, s.targets(), s.weight(), s.parameters.data(), v.data(),
                     all.data() + k * size);
    }
  }
  return all;
}

void expect_same_whatever_is_kept(const Network<double>& network, int n) {
  const auto s = situation(network, n, HeadKind::softmax);
  const auto all = results(s, After::anything);
  EXPECT_EQ(all, results(s, After::tangents));
  const auto size = static_cast<std::ptrdiff_t>(s.parameters.size());
  const auto alone = results(s, After::nothing);
  EXPECT_TRUE(std::equal(all.begin(), all.begin() + size, alone.begin()));
}

TEST(Pass, GivesTheSameBitsWhateverItKeeps) {
  expect_same_whatever_is_kept(every_order<double>(), 7);
  expect_same_whatever_is_kept(resnet18<double>({8, 8, 3}, 5, 4, 0), 3);
  expect_same_whatever_is_kept(c1<double>({16, 16, 3}, 5, 3), 5);
}

// In the direction's own memory, a layer's product comes when nobody reads its direction any more.
void expect_same_in_place(const Network<double>& network, int n) {
  const auto s = situation(network, n, HeadKind::softmax);
  for (const After after : {After::anything, After::tangents}) {
    const auto product = [&](bool in_place) {
      Pass<double> pass(network, n, after);
      auto v = normals(s.parameters.size(), 1);
      std::vector<double> own(v.size());
      gradient(network, s.head, pass, n, s.x.data(), s.targets(), s.weight(), s.parameters.data(),
               s.state.data(), s.mode, own.data());
      std::ranges::fill(own, 0.0);
      hessian_vector(network, s.head, pass, s.targets(), s.weight(), s.parameters.data(), v.data(),
                     in_place ? v.data() : own.data());
      return in_place ? v : own;
    };
    EXPECT_EQ(product(true), product(false));
  }
}

TEST(Pass, ProductsMayTakeThePlaceOfTheirDirection) {
  expect_same_in_place(every_order<double>(), 7);
  expect_same_in_place(resnet18<double>({8, 8, 3}, 5, 4, 0), 3);
  expect_same_in_place(c1<double>({16, 16, 3}, 5, 3), 5);
}

// Half the units of a residual network are outputs of convolutions, from which the rest follows.
TEST(Pass, HoldsLessTheLessIsToCome) {
  const auto network = resnet18<float>({32, 32, 3}, 10, 8, 0);
  constexpr int kSamples = 3;
  double units = 0;
  for (int node = 1; node <= network.last(); ++node)
    units += static_cast<double>(network.shape(node).size()) * kSamples * sizeof(float);
  const auto held = [&](After after) {
    Pass<float> pass(network, kSamples, after);
    const auto parameters = std::vector<float>(network.parameter_count(), 0.1F);
    const std::vector<float> x(kSamples * network.input().size(), 1.0F);
    network.forward(pass, kSamples, x.data(), parameters.data(), network.initial_state().data(), {});
    pass.output_gradient();
    if (after != After::nothing) {
      network.forward_tangent(pass, parameters.data(), parameters.data());
      pass.output_gradient_tangent();
    }
    return static_cast<double>(pass.bytes()) / units;
  };
  EXPECT_LT(held(After::nothing), 0.8);   // of 2
  EXPECT_LT(held(After::tangents), 1.7);  // of 4
  EXPECT_LT(held(After::anything), 2.0);
}

// Told before anything is computed, it is what the pass then holds.
TEST(Pass, KnowsItsMemoryBeforehand) {
  const auto network = every_order<double>();
  const auto s = situation(network, 5, HeadKind::softmax);
  for (const After after : {After::anything, After::tangents}) {
    Pass<double> pass(network, s.n, after);
    const std::size_t alone = pass.planned_bytes(false);
    const std::size_t all = pass.planned_bytes(true);
    EXPECT_EQ(pass.bytes(), 0U);
    std::vector<double> g(s.parameters.size());
    gradient(network, s.head, pass, s.n, s.x.data(), s.targets(), s.weight(), s.parameters.data(),
             s.state.data(), s.mode, g.data());
    EXPECT_EQ(pass.bytes(), alone);
    std::vector<double> product(g.size());
    hessian_vector(network, s.head, pass, s.targets(), s.weight(), s.parameters.data(), g.data(),
                   product.data());
    EXPECT_EQ(pass.bytes(), all);
  }
}

}  // namespace
}  // namespace soret::network
