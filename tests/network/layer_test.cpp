#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soret/base/error.hpp"
#include "soret/network/activation.hpp"
#include "soret/network/batch_norm.hpp"
#include "soret/network/convolution.hpp"
#include "soret/network/dense.hpp"
#include "soret/network/dropout.hpp"
#include "soret/network/pooling.hpp"
#include "tests/network/derivatives.hpp"

namespace soret::network {
namespace {

using namespace testing;

/// Layers under test stand between two with parameters, so that gradients pass through them in both
/// directions.
template <class T>
struct Stack {
  Network<T> network;
  template <class L, class... Args>
  Stack& add(Args... args) {
    const int from = network.last();
    network.add(std::to_string(from), std::make_unique<L>(network.shape(from), args...), from);
    return *this;
  }
  Stack& pool_all(PoolingKind kind) {
    const int from = network.last();
    network.add("all", std::make_unique<Pooling<T>>(Pooling<T>::global(network.shape(from), kind)), from);
    return *this;
  }
};

struct Case {
  std::string name;
  int n;
  HeadKind head;
  Network<double> (*in_double)();
  Network<float> (*in_float)();
};

template <class T>
Network<T> dense() {
  Stack<T> s{Network<T>({1, 1, 5})};
  s.template add<Dense<T>>(7, true).template add<Activation<T>>(ActivationKind::tanh);
  s.template add<Dense<T>>(3, false).template add<Activation<T>>(ActivationKind::gelu);
  return std::move(s.template add<Dense<T>>(4, true).network);
}
template <class T, ActivationKind K>
Network<T> activation() {
  Stack<T> s{Network<T>({1, 1, 4})};
  s.template add<Dense<T>>(6, true).template add<Activation<T>>(K);
  return std::move(s.template add<Dense<T>>(3, true).network);
}
/// Kernel, stride and padding of the middle of three convolutions.
template <class T, int KERNEL, int STRIDE, int PAD, int H, int W>
Network<T> convolution() {
  Stack<T> s{Network<T>({H, W, 3})};
  s.template add<Convolution<T>>(5, 3, 1, 1, true).template add<Activation<T>>(ActivationKind::softplus);
  s.template add<Convolution<T>>(4, KERNEL, STRIDE, PAD, false)
      .template add<Activation<T>>(ActivationKind::tanh);
  return std::move(s.template add<Dense<T>>(3, true).network);
}
template <class T, int GROUP>
Network<T> batch_norm() {
  Stack<T> s{Network<T>({4, 3, 2})};
  s.template add<Convolution<T>>(3, 3, 1, 1, false).template add<BatchNorm<T>>(GROUP);
  s.template add<Activation<T>>(ActivationKind::tanh).template add<Dense<T>>(4, false);
  s.template add<BatchNorm<T>>(GROUP).template add<Activation<T>>(ActivationKind::softplus);
  return std::move(s.template add<Dense<T>>(3, true).network);
}
/// Layers that read the input, which does not move, and a second reader of it.
template <class T>
Network<T> batch_norm_first() {
  Stack<T> s{Network<T>({3, 3, 2})};
  s.template add<BatchNorm<T>>(0).template add<Activation<T>>(ActivationKind::tanh);
  s.network.add_sum("sum", 2, 0);
  return std::move(s.template add<Dense<T>>(3, true).network);
}
template <class T>
Network<T> no_parameters_first() {
  Stack<T> s{Network<T>({6, 6, 2})};
  s.template add<Pooling<T>>(PoolingKind::max, 2, 2, 0).template add<Activation<T>>(ActivationKind::tanh);
  s.template add<Dropout<T>>(0.3, 2U).template add<Convolution<T>>(3, 2, 1, 0, true);
  return std::move(
      s.template add<Activation<T>>(ActivationKind::tanh).pool_all(PoolingKind::average).network);
}
template <class T, PoolingKind K, int WINDOW, int STRIDE, int PAD>
Network<T> pooling() {
  Stack<T> s{Network<T>({7, 6, 2})};
  s.template add<Convolution<T>>(3, 3, 1, 1, true).template add<Activation<T>>(ActivationKind::tanh);
  s.template add<Pooling<T>>(K, WINDOW, STRIDE, PAD).template add<Convolution<T>>(4, 2, 1, 0, true);
  return std::move(s.template add<Activation<T>>(ActivationKind::tanh).pool_all(K).network);
}
/// To more places than there are in one direction, and to windows that overlap in the other.
template <class T, PoolingKind K>
Network<T> adaptive_pooling() {
  Stack<T> s{Network<T>({2, 7, 2})};
  s.template add<Convolution<T>>(3, 3, 1, 1, true).template add<Activation<T>>(ActivationKind::tanh);
  const int from = s.network.last();
  s.network.add("adaptive",
                std::make_unique<Pooling<T>>(Pooling<T>::adaptive(s.network.shape(from), K, 5, 3)), from);
  return std::move(s.template add<Dense<T>>(3, true).network);
}
template <class T>
Network<T> dropout() {
  Stack<T> s{Network<T>({1, 1, 9})};
  s.template add<Dense<T>>(11, true).template add<Activation<T>>(ActivationKind::tanh);
  s.template add<Dropout<T>>(0.4, 1U);
  return std::move(s.template add<Dense<T>>(3, true).network);
}
/// A residual block whose input has two readers, and a projection.
template <class T>
Network<T> residual() {
  Network<T> net({5, 5, 2});
  const auto conv = [&](int from, int channels, int kernel, int stride, int pad) {
    return net.add("conv" + std::to_string(net.last()),
                   std::make_unique<Convolution<T>>(net.shape(from), channels, kernel, stride, pad, true),
                   from);
  };
  const auto act = [&](int from) {
    return net.add("act" + std::to_string(net.last()),
                   std::make_unique<Activation<T>>(net.shape(from), ActivationKind::tanh), from);
  };
  const int stem = act(conv(0, 4, 3, 1, 1));
  const int block = act(net.add_sum("sum1", conv(act(conv(stem, 4, 3, 1, 1)), 4, 3, 1, 1), stem));
  const int down =
      net.add_sum("sum2", conv(act(conv(block, 6, 3, 2, 1)), 6, 3, 1, 1), conv(block, 6, 1, 2, 0));
  net.add("fc", std::make_unique<Dense<T>>(net.shape(down), 3, true), down);
  return net;
}
/// One node read by layers and by either side of sums, in every order, and a sum of a node with itself.
template <class T>
Network<T> many_readers() {
  Network<T> net({1, 1, 3});
  const auto dense = [&](int from) {
    const int sum = net.add("dense" + std::to_string(net.last()),
                            std::make_unique<Dense<T>>(net.shape(from), 5, true), from);
    return net.add("tanh" + std::to_string(net.last()),
                   std::make_unique<Activation<T>>(net.shape(sum), ActivationKind::tanh), sum);
  };
  const int stem = dense(0);
  const int as_other = net.add_sum("as_other", dense(stem), stem);
  const int again = dense(stem);
  const int twice = net.add_sum("twice", as_other, as_other);
  const int both = net.add_sum("both", again, twice);
  const int as_first = net.add_sum("as_first", stem, both);
  const int last_other = net.add_sum("last_other", dense(as_first), stem);
  const int late_layer = net.add_sum("late_layer", dense(twice), last_other);
  net.add("fc", std::make_unique<Dense<T>>(net.shape(late_layer), 3, true), late_layer);
  return net;
}
template <class T, int OUTPUTS>
Network<T> small() {
  Stack<T> s{Network<T>({1, 1, 3})};
  s.template add<Dense<T>>(5, true).template add<Activation<T>>(ActivationKind::tanh);
  return std::move(s.template add<Dense<T>>(OUTPUTS, true).network);
}

// With running statistics, which stand still.
TEST(BatchNorm, HasTheDerivativesOfItsLossInEvaluation) {
  for (const int n : {1, 7}) {
    const auto network = batch_norm<double, 3>();
    auto s = situation(network, n, HeadKind::softmax);
    s.mode.batch_statistics = false;
    for (std::size_t i = 0; i < s.state.size(); ++i)
      s.state[i] += 0.3 * std::sin(1.0 + static_cast<double>(i));
    expect_derivatives(s);
    expect_single_precision(s, batch_norm<float, 3>(), 100 * 0x1p-24);
  }
}

// Few and many channels, more rows than one run of sums, a number of rows that fills no width: against the
// plain formula, in single precision on values far from 0.
TEST(BatchNorm, SumsManyRowsExactly) {
  for (const int channels : {1, 3, 10, 16, 64, 65}) {
    constexpr int kSamples = 13;
    const Shape shape{31, 29, channels};
    const BatchNorm<float> layer(shape, 0, 0.1, 0.0);
    const auto exact = normals(kSamples * shape.size(), 3, 2.0);
    std::vector<float> x(exact.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(100 + exact[i]);
    std::vector<float> parameters(2 * channels, 1.0F);
    std::vector<float> y(x.size() + 64, -7.0F);  // and what lies behind stays
    std::vector<float> kept(layer.kept(kSamples));
    layer.forward({kSamples, parameters.data(), x.data(), y.data(), kept.data()}, {}, nullptr);
    EXPECT_EQ(std::count(y.end() - 64, y.end(), -7.0F), 64);
    const std::size_t rows = x.size() / channels;
    for (int c = 0; c < channels; ++c) {
      double mean = 0;
      double square = 0;
      for (std::size_t r = 0; r < rows; ++r) mean += static_cast<double>(x[r * channels + c]) / rows;
      for (std::size_t r = 0; r < rows; ++r) square += std::pow(x[r * channels + c] - mean, 2) / rows;
      for (const std::size_t r : {std::size_t{0}, rows / 2, rows - 1}) {
        // A rounding of the mean, 100 2^-24, over the deviation of 2.
        EXPECT_NEAR(y[r * channels + c], 1 + (x[r * channels + c] - mean) / std::sqrt(square), 2e-5)
            << channels << " channels";
      }
    }
    // The sums of backward: of dy = 1 over all rows, and of xhat, which is 0.
    std::vector<float> ones(x.size(), 1.0F);
    std::vector<float> sums(2 * channels, 0.0F);
    layer.backward({kSamples, parameters.data(), x.data(), y.data(), kept.data()},
                   {ones.data(), nullptr, false, sums.data()});
    for (int c = 0; c < channels; ++c) {
      EXPECT_EQ(sums[channels + c], static_cast<float>(rows));
      EXPECT_NEAR(sums[c], 0, 1e-5 * static_cast<double>(rows));
    }
  }
}

/// Two convolutions with a residual connection around the second, so that its input's gradient is added to.
template <class T>
Network<T> two_convolutions(const Shape& input, int channels, int kernel) {
  Network<T> net(input);
  const auto conv = [&](const char* name, int from) {
    return net.add(
        name, std::make_unique<Convolution<T>>(net.shape(from), channels, kernel, 1, kernel / 2, true), from);
  };
  const auto tanh = [&](int from) {
    return net.add("tanh", std::make_unique<Activation<T>>(net.shape(from), ActivationKind::tanh), from);
  };
  const int first = tanh(conv("conv1", 0));
  const int sum = net.add_sum("sum", conv("conv2", first), first);
  net.add("pool", std::make_unique<Pooling<T>>(Pooling<T>::global(net.shape(sum), PoolingKind::average)),
          sum);
  net.add("dense", std::make_unique<Dense<T>>(net.shape(net.last()), 3, true), net.last());
  return net;
}

// Products that single precision makes of several parts: by samples, and by channels where images are small.
TEST(Convolution, IsTheSameInSinglePrecisionInParts) {
  const auto check = [](const Shape& input, int channels, int kernel, int n) {
    const auto network = two_convolutions<double>(input, channels, kernel);
    // Sums of up to 10^4 terms.
    expect_single_precision(situation(network, n, HeadKind::softmax),
                            two_convolutions<float>(input, channels, kernel), 300 * 0x1p-24);
  };
  check({28, 28, 2}, 10, 5, 13);
  check({4, 3, 64}, 192, 3, 7);
}

// The same of dense layers: parts of columns, of rows, and edges that are no multiple of anything.
TEST(Dense, IsTheSameInSinglePrecisionInParts) {
  const auto make = [](auto t) {
    Stack<decltype(t)> s{Network<decltype(t)>({1, 1, 785})};
    s.template add<Dense<decltype(t)>>(512, true).template add<Activation<decltype(t)>>(ActivationKind::tanh);
    return std::move(s.template add<Dense<decltype(t)>>(391, true).network);
  };
  const auto network = make(double{});
  expect_single_precision(situation(network, 101, HeadKind::softmax), make(float{}), 100 * 0x1p-24);
}

class EveryLayer : public ::testing::TestWithParam<Case> {};

TEST_P(EveryLayer, HasTheDerivativesOfItsLoss) {
  const Network<double> network = GetParam().in_double();
  expect_derivatives(situation(network, GetParam().n, GetParam().head));
}

TEST_P(EveryLayer, IsTheSameInSinglePrecision) {
  const Network<double> network = GetParam().in_double();
  // Some tens of roundings in a row, of sums of up to a hundred terms.
  expect_single_precision(situation(network, GetParam().n, GetParam().head), GetParam().in_float(),
                          100 * 0x1p-24);
}

// The squared norms of each sample's gradient, layer by layer, are those of gradients of it alone; and they
// do not ask for the gradient of the batch.
TEST_P(EveryLayer, HasTheGradientsOfItsSamples) {
  const Network<double> network = GetParam().in_double();
  auto s = situation(network, GetParam().n, GetParam().head);
  s.mode.batch_statistics = false;
  for (std::size_t i = 0; i < s.state.size(); ++i) s.state[i] += 0.1 * static_cast<double>(i % 3);
  Pass<double> pass(network, s.n);
  const int outputs = static_cast<int>(network.output().size());
  const double* const z = network.forward(pass, s.n, s.x.data(), s.parameters.data(), s.state.data(), s.mode);
  evaluate(s.head, s.n, outputs, z, s.targets(), s.weight(), pass.output_gradient());
  network.backward(pass, s.parameters.data(), nullptr);
  std::vector<double> squares(network.parameters().size() * s.n, -1.0);
  network.sample_squares(pass, s.parameters.data(), squares.data());

  for (int i = 0; i < s.n; ++i) {
    Pass<double> alone(network, 1);
    std::vector<double> g(s.parameters.size());
    Mode mode = s.mode;
    mode.first_sample += static_cast<std::uint64_t>(i);
    const Targets<double> targets{s.labels.data() + i, s.values.data() + i * outputs, false};
    gradient(network, s.head, alone, 1, s.x.data() + i * network.input().size(), targets, s.weight(),
             s.parameters.data(), s.state.data(), mode, g.data());
    std::string layer;
    int row = -1;
    double exact = 0;
    const auto check = [&] {
      if (row < 0) return;
      EXPECT_NEAR(squares[row * s.n + i], exact, 1e-12 * (exact + 1e-6)) << layer << " " << i;
    };
    for (const View& view : network.parameters()) {
      const std::string name = view.name.substr(0, view.name.rfind('.'));
      if (name != layer) {
        check();
        ++row;
        layer = name;
        exact = 0;
      }
      for (std::size_t k = 0; k < view.what.size(); ++k) exact += g[view.offset + k] * g[view.offset + k];
    }
    check();
  }
}

TEST(Layers, HaveNoSampleGradientsWithBatchStatistics) {
  const Network<double> network = batch_norm<double, 0>();
  auto s = situation(network, 3, HeadKind::softmax);
  Pass<double> pass(network, s.n);
  std::vector<double> g(s.parameters.size());
  gradient(network, s.head, pass, s.n, s.x.data(), s.targets(), s.weight(), s.parameters.data(),
           s.state.data(), s.mode, g.data());
  std::vector<double> squares(network.parameters().size() * s.n);
  try {
    network.sample_squares(pass, s.parameters.data(), squares.data());
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("1: batch normalisation by batch statistics"));
  }
}

template <class D, class F>
Case make(std::string name, int n, HeadKind head, D in_double, F in_float) {
  return {std::move(name), n, head, in_double, in_float};
}

using enum ActivationKind;
constexpr auto kMax = PoolingKind::max;
constexpr auto kMean = PoolingKind::average;

INSTANTIATE_TEST_SUITE_P(
    Network, EveryLayer,
    ::testing::Values(
        make("dense", 3, HeadKind::softmax, dense<double>, dense<float>),
        make("dense_alone", 1, HeadKind::softmax, dense<double>, dense<float>),
        make("relu", 5, HeadKind::softmax, activation<double, relu>, activation<float, relu>),
        make("sigmoid", 5, HeadKind::softmax, activation<double, sigmoid>, activation<float, sigmoid>),
        make("softplus", 5, HeadKind::softmax, activation<double, softplus>, activation<float, softplus>),
        make("gelu", 5, HeadKind::softmax, activation<double, gelu>, activation<float, gelu>),
        make("conv_3x3", 2, HeadKind::softmax, convolution<double, 3, 1, 1, 5, 4>,
             convolution<float, 3, 1, 1, 5, 4>),
        make("conv_stride_beyond_kernel", 3, HeadKind::softmax, convolution<double, 2, 3, 0, 8, 7>,
             convolution<float, 2, 3, 0, 8, 7>),
        make("conv_5x5_stride_2", 1, HeadKind::softmax, convolution<double, 5, 2, 2, 6, 9>,
             convolution<float, 5, 2, 2, 6, 9>),
        make("conv_1x1", 2, HeadKind::softmax, convolution<double, 1, 2, 0, 5, 5>,
             convolution<float, 1, 2, 0, 5, 5>),
        make("batch_norm", 4, HeadKind::softmax, batch_norm<double, 0>, batch_norm<float, 0>),
        make("batch_norm_groups", 8, HeadKind::softmax, batch_norm<double, 3>, batch_norm<float, 3>),
        make("batch_norm_first", 5, HeadKind::squared, batch_norm_first<double>, batch_norm_first<float>),
        make("no_parameters_first", 3, HeadKind::softmax, no_parameters_first<double>,
             no_parameters_first<float>),
        make("max_pool", 2, HeadKind::softmax, pooling<double, kMax, 2, 2, 0>, pooling<float, kMax, 2, 2, 0>),
        make("max_pool_overlapping", 2, HeadKind::softmax, pooling<double, kMax, 3, 2, 1>,
             pooling<float, kMax, 3, 2, 1>),
        make("average_pool", 3, HeadKind::softmax, pooling<double, kMean, 3, 2, 1>,
             pooling<float, kMean, 3, 2, 1>),
        make("adaptive_max_pool", 3, HeadKind::softmax, adaptive_pooling<double, kMax>,
             adaptive_pooling<float, kMax>),
        make("adaptive_average_pool", 3, HeadKind::softmax, adaptive_pooling<double, kMean>,
             adaptive_pooling<float, kMean>),
        make("dropout", 4, HeadKind::softmax, dropout<double>, dropout<float>),
        make("residual", 2, HeadKind::softmax, residual<double>, residual<float>),
        make("many_readers", 4, HeadKind::softmax, many_readers<double>, many_readers<float>),
        make("logistic", 6, HeadKind::logistic, small<double, 1>, small<float, 1>),
        make("squared", 6, HeadKind::squared, small<double, 4>, small<float, 4>),
        make("linear", 6, HeadKind::linear, small<double, 4>, small<float, 4>)),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace soret::network
