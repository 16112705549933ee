#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "soret/base/error.hpp"
#include "soret/network/activation.hpp"
#include "soret/network/batch_norm.hpp"
#include "soret/network/convolution.hpp"
#include "soret/network/dense.hpp"
#include "soret/network/dropout.hpp"
#include "soret/network/network.hpp"
#include "soret/network/pooling.hpp"
#include "soret/random/stream.hpp"
#include "tests/network/derivatives.hpp"

/// What the layers compute, against plain loops and hand-sized cases; their derivatives are layer_test.cpp's.
namespace soret::network {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::normals;

/// y of one layer.
std::vector<double> run(const Layer<double>& layer, int n, const std::vector<double>& x,
                        const std::vector<double>& parameters = {}, const Mode& mode = {},
                        const std::vector<double>& state = {}) {
  std::vector<double> y(n * layer.output().size());
  std::vector<double> kept(layer.kept(n));
  layer.forward({n, parameters.data(), x.data(), y.data(), kept.data()}, mode, state.data());
  return y;
}

TEST(Dense, IsAMatrixProduct) {
  const Dense<double> layer({1, 1, 2}, 3, true);
  EXPECT_THAT(run(layer, 2, {1, 2, 10, 20}, {1, 0, 0, 1, 3, 4, 0.5, 0.25, 0}),
              ElementsAre(1.5, 2.25, 11, 10.5, 20.25, 110));
}

TEST(Convolution, IsTheSumOverItsWindow) {
  const Shape in{6, 5, 3};
  for (const auto& [kernel, stride, pad] : {std::tuple(3, 1, 1), std::tuple(2, 3, 0), std::tuple(5, 2, 2)}) {
    const Convolution<double> layer(in, 2, kernel, stride, pad, true);
    const Shape out = layer.output();
    EXPECT_EQ(out, (Shape{(6 + 2 * pad - kernel) / stride + 1, (5 + 2 * pad - kernel) / stride + 1, 2}));
    const auto x = normals(2 * in.size(), 1);
    const auto w = normals(2 * kernel * kernel * 3 + 2, 2);
    const auto y = run(layer, 2, x, w);
    std::size_t at = 0;
    for (int n = 0; n < 2; ++n)
      for (int i = 0; i < out.h; ++i)
        for (int j = 0; j < out.w; ++j)
          for (int o = 0; o < 2; ++o, ++at) {
            double sum = w[2 * kernel * kernel * 3 + o];
            for (int a = 0; a < kernel; ++a)
              for (int b = 0; b < kernel; ++b)
                for (int c = 0; c < 3; ++c) {
                  const int row = i * stride + a - pad;
                  const int column = j * stride + b - pad;
                  if (row < 0 || row >= in.h || column < 0 || column >= in.w) continue;
                  sum += x[n * in.size() + (row * in.w + column) * 3 + c] *
                         w[((o * kernel + a) * kernel + b) * 3 + c];
                }
            EXPECT_NEAR(y[at], sum, 1e-12);
          }
  }
}

TEST(Convolution, NeedsAnInputAsLargeAsItsKernel) {
  EXPECT_NO_THROW(Convolution<double>({3, 3, 1}, 1, 5, 1, 1, false));
  try {
    Convolution<double>({3, 2, 1}, 1, 5, 1, 1, false);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("5 x 5"), HasSubstr("3 x 2 x 1"), HasSubstr("padding 1")));
  }
}

TEST(Pooling, TakesTheLargestOrTheMeanOfWhatLiesInside) {
  const std::vector<double> image = {1, 5, 2, 0, 3, 4, 7, 6, 8};
  EXPECT_THAT(run(Pooling<double>({3, 3, 1}, PoolingKind::max, 2, 1), 1, image), ElementsAre(5, 5, 7, 8));
  EXPECT_THAT(run(Pooling<double>({3, 3, 1}, PoolingKind::average, 2, 1), 1, image),
              ElementsAre(2.25, 3.5, 4, 5.25));
  EXPECT_THAT(run(Pooling<double>({3, 3, 1}, PoolingKind::average, 2, 2, 1), 1, image),
              ElementsAre(1, 3.5, 3.5, 5.25));
  EXPECT_THAT(run(Pooling<double>::global({3, 3, 1}, PoolingKind::average), 1, image), ElementsAre(4));
  EXPECT_THROW(Pooling<double>({3, 3, 1}, PoolingKind::max, 4, 1), ConfigError);
  EXPECT_THROW(Pooling<double>({3, 3, 1}, PoolingKind::max, 2, 1, 2), ConfigError);
}

// Windows of size ceil to floor, worked out by hand, as PyTorch's adaptive pooling has them; to more places
// than there are the values are repeated.
TEST(Pooling, AdaptsItsWindows) {
  const auto adaptive = [](const Shape& input, PoolingKind kind, int h, int w) {
    return Pooling<double>::adaptive(input, kind, h, w);
  };
  constexpr auto kMean = PoolingKind::average;
  const std::vector<double> row = {1, 2, 4, 9, 15};
  EXPECT_THAT(run(adaptive({1, 5, 1}, kMean, 1, 3), 1, row), ElementsAre(1.5, 5, 12));
  EXPECT_THAT(run(adaptive({1, 5, 1}, PoolingKind::max, 1, 2), 1, row), ElementsAre(4, 15));
  EXPECT_THAT(run(adaptive({5, 1, 1}, kMean, 5, 1), 1, row), ::testing::ElementsAreArray(row));
  EXPECT_THAT(run(adaptive({1, 2, 1}, kMean, 1, 3), 1, {3, 5}), ElementsAre(3, 4, 5));
  EXPECT_THAT(run(adaptive({1, 1, 2}, kMean, 2, 2), 1, {3, 5}), ElementsAre(3, 5, 3, 5, 3, 5, 3, 5));
  EXPECT_THROW(adaptive({2, 2, 1}, kMean, 0, 1), ConfigError);
}

TEST(Pooling, SendsGradientsOfTiesToTheFirst) {
  const Pooling<double> layer({2, 2, 1}, PoolingKind::max, 2, 2);
  const std::vector<double> x = {3, 3, 3, 3};
  double y = 0;
  double kept = 0;
  layer.forward({1, nullptr, x.data(), &y, &kept}, {}, nullptr);
  std::vector<double> dx(4, 9);
  const double dy = 2;
  layer.backward({1, nullptr, x.data(), &y, &kept}, {&dy, dx.data(), false, nullptr});
  EXPECT_THAT(dx, ElementsAre(2, 0, 0, 0));
}

// Per group and channel the output has mean `shift` and variance scale^2 v / (v + epsilon).
TEST(BatchNorm, StandardisesEveryGroup) {
  constexpr int kSamples = 7;
  const Shape shape{2, 3, 2};
  const BatchNorm<double> layer(shape, 4, 0.25, 1e-3);
  const auto x = normals(kSamples * shape.size(), 3, 2.0);
  const std::vector<double> parameters = {1.5, -2, 0.5, 3};
  const auto y = run(layer, kSamples, x, parameters);
  for (const auto& [first, last] : {std::pair(0, 4), std::pair(4, 7)}) {
    for (int c = 0; c < 2; ++c) {
      const auto moments = [&](const std::vector<double>& v) {
        double mean = 0;
        double square = 0;
        for (int i = 6 * first; i < 6 * last; ++i) mean += v[2 * i + c] / (6 * (last - first));
        for (int i = 6 * first; i < 6 * last; ++i)
          square += (v[2 * i + c] - mean) * (v[2 * i + c] - mean) / (6 * (last - first));
        return std::pair(mean, square);
      };
      const double variance = moments(x).second;
      EXPECT_NEAR(moments(y).first, parameters[2 + c], 1e-12);
      EXPECT_NEAR(moments(y).second, parameters[c] * parameters[c] * variance / (variance + 1e-3), 1e-12);
    }
  }
}

// Two updates from mean 0 and variance 1 by a quarter; then evaluation uses them, whatever the batch.
TEST(BatchNorm, RunsItsStatisticsAlong) {
  Network<double> network({1, 1, 1});
  network.add("bn", std::make_unique<BatchNorm<double>>(network.input(), 2, 0.25, 0.0), 0);
  std::vector<double> state = network.initial_state();
  EXPECT_THAT(state, ElementsAre(0, 1));
  const std::vector<double> parameters = {1, 0};
  const std::vector<double> x = {1, 3, 10, 14};  // groups of mean 2 and 12, unbiased variance 2 and 8
  Pass<double> pass(network, 4);
  network.forward(pass, 4, x.data(), parameters.data(), state.data(), {});
  network.update_state(pass, state.data());
  const double mean = 0.75 * 0.5 + 0.25 * 12;
  const double variance = 0.75 * (0.75 + 0.25 * 2) + 0.25 * 8;
  EXPECT_DOUBLE_EQ(state[0], mean);
  EXPECT_DOUBLE_EQ(state[1], variance);
  const double* y =
      network.forward(pass, 1, x.data(), parameters.data(), state.data(), {.batch_statistics = false});
  EXPECT_DOUBLE_EQ(y[0], (1 - mean) / std::sqrt(variance));
  const auto before = state;
  network.update_state(pass, state.data());
  EXPECT_EQ(state, before);
}

TEST(BatchNorm, RefusesOneValueAndNamesTheLayer) {
  Network<double> network({1, 1, 3});
  network.add("first.bn", std::make_unique<BatchNorm<double>>(network.input(), 0), 0);
  const std::vector<double> x = {1, 2, 3};
  const std::vector<double> parameters = {1, 1, 1, 0, 0, 0};
  const std::vector<double> state = network.initial_state();
  Pass<double> pass(network, 1);
  try {
    network.forward(pass, 1, x.data(), parameters.data(), state.data(), {});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("first.bn"));
  }
}

// Masks are a function of the sample's number: the second half of a pass is a pass that begins there.
TEST(Dropout, DropsByTheNumberOfTheSample) {
  const Dropout<double> layer({1, 1, 1001}, 0.3, 2);
  const std::vector<double> ones(4 * 1001, 1.0);
  const auto all = run(layer, 4, ones, {}, {.seed = 5, .first_sample = 10});
  const auto rest = run(layer, 2, ones, {}, {.seed = 5, .first_sample = 12});
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), all.begin() + 2 * 1001));
  EXPECT_FALSE(std::equal(rest.begin(), rest.end(), all.begin()));
  const auto dropped = static_cast<double>(std::ranges::count(all, 0.0));
  EXPECT_NEAR(dropped / 4004, 0.3, 5 * std::sqrt(0.21 / 4004));
  EXPECT_EQ(std::ranges::count(all, 1 / 0.7) + std::ranges::count(all, 0.0), 4004);
  EXPECT_EQ(run(layer, 4, ones, {}, {.dropout = false}), ones);
  EXPECT_THROW(Dropout<double>({1, 1, 3}, 1.0, 0), ConfigError);
}

// By the words of its stream, so that no two units of any two samples share one.
TEST(Dropout, TakesItsWordsInOrder) {
  constexpr int kUnits = 7;
  const Dropout<double> layer({1, 1, kUnits}, 0.3, 2);
  const auto y = run(layer, 3, std::vector<double>(3 * kUnits, 1.0), {}, {.seed = 5, .first_sample = 10});
  const Stream stream{5, Purpose::dropout, 2};
  for (std::uint64_t i = 0; i < 3; ++i) {
    for (std::uint64_t u = 0; u < kUnits; ++u) {
      const auto block = stream.block((10 + i) * 2 + u / 4);
      const std::uint32_t words[4] = {block.x, block.y, block.z, block.w};
      EXPECT_EQ(y[i * kUnits + u] == 0, words[u % 4] * 0x1p-32 < 0.3) << i << ", " << u;
    }
  }
}

TEST(Network, LayersFitTheNodeThatTheyRead) {
  Network<double> network({5, 4, 2});
  network.add("conv", std::make_unique<Convolution<double>>(network.input(), 3, 3, 1, 1, false), 0);
  const auto message = [&](std::unique_ptr<Layer<double>> layer) -> std::string {
    try {
      network.add("next", std::move(layer), 1);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  const Shape other{5, 4, 2};
  const auto names_both =
      AllOf(HasSubstr("next"), HasSubstr("conv"), HasSubstr("5 x 4 x 2"), HasSubstr("5 x 4 x 3"));
  EXPECT_THAT(message(std::make_unique<Dense<double>>(other, 3, true)), names_both);
  EXPECT_THAT(message(std::make_unique<Convolution<double>>(other, 3, 3, 1, 1, false)), names_both);
  EXPECT_THAT(message(std::make_unique<BatchNorm<double>>(other, 0)), names_both);
  EXPECT_THAT(message(std::make_unique<Activation<double>>(other, ActivationKind::relu)), names_both);
  EXPECT_THAT(message(std::make_unique<Pooling<double>>(other, PoolingKind::max, 2, 2)), names_both);
  EXPECT_THAT(message(std::make_unique<Dropout<double>>(other, 0.1, 0)), names_both);
  EXPECT_EQ(network.last(), 1);
  EXPECT_EQ(message(std::make_unique<Dense<double>>(network.shape(1), 3, true)), "accepted");
}

TEST(Network, RefusesSizesThatMakeNoSense) {
  const Shape in{4, 4, 2};
  EXPECT_THROW(Dense<double>(in, 0, true), ConfigError);
  EXPECT_THROW(Convolution<double>(in, 0, 3, 1, 0, false), ConfigError);
  EXPECT_THROW(Convolution<double>(in, 2, 0, 1, 0, false), ConfigError);
  EXPECT_THROW(Convolution<double>(in, 2, 3, 0, 0, false), ConfigError);
  EXPECT_THROW(Convolution<double>(in, 2, 3, 1, -1, false), ConfigError);
  EXPECT_THROW(Pooling<double>(in, PoolingKind::max, 0, 1), ConfigError);
  EXPECT_THROW(Pooling<double>(in, PoolingKind::max, 2, 0), ConfigError);
  EXPECT_THROW(Pooling<double>(in, PoolingKind::max, 2, 1, -1), ConfigError);
  EXPECT_THROW(BatchNorm<double>(in, -1), ConfigError);
}

TEST(Network, SumsNeedEqualShapes) {
  Network<double> network({1, 1, 3});
  const int a = network.add("narrow", std::make_unique<Dense<double>>(network.input(), 2, true), 0);
  try {
    network.add_sum("sum", a, 0);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("sum"), HasSubstr("narrow"), HasSubstr("2"), HasSubstr("3")));
  }
}

TEST(Network, ListsItsParameters) {
  Network<double> network({2, 2, 1});
  network.add("conv", std::make_unique<Convolution<double>>(network.input(), 3, 2, 1, 0, true), 0);
  network.add("fc", std::make_unique<Dense<double>>(network.shape(1), 4, false), 1);
  ASSERT_EQ(network.parameters().size(), 3);
  EXPECT_EQ(network.parameters()[0].name, "conv.weight");
  EXPECT_THAT(network.parameters()[0].what.shape, ElementsAre(3, 2, 2, 1));
  EXPECT_EQ(network.parameters()[1].offset, 12);
  EXPECT_EQ(network.parameters()[2].name, "fc.weight");
  EXPECT_EQ(network.parameter_count(), 12 + 3 + 12);
}

// log(e^0 + e^0) and so on, by hand; and no overflow far out.
TEST(Head, ValuesAreThoseOfTheirFormulas) {
  const std::vector<std::int32_t> labels = {0, 1};
  const std::vector<double> z = {0, 0, 1000, -1000};
  const Targets<double> targets{labels.data(), nullptr, false};
  EXPECT_NEAR(evaluate(HeadKind::softmax, 2, 2, z.data(), targets, 0.5, static_cast<double*>(nullptr)),
              0.5 * (std::log(2.0) + 2000), 1e-12);
  const std::vector<double> margins = {-2, 3};
  std::vector<double> dz(2);
  EXPECT_NEAR(evaluate(HeadKind::logistic, 2, 1, margins.data(), targets, 1, dz.data()),
              std::log1p(std::exp(-2.0)) + std::log1p(std::exp(-3.0)), 1e-15);
  EXPECT_NEAR(dz[0], 1 / (1 + std::exp(2.0)), 1e-15);
  EXPECT_NEAR(dz[1], -1 / (1 + std::exp(3.0)), 1e-15);
  EXPECT_EQ(correct(HeadKind::softmax, 2, 2, z.data(), labels.data()), 1);
  EXPECT_EQ(correct(HeadKind::logistic, 2, 1, margins.data(), labels.data()), 2);
}

TEST(Head, RefusesLabelsWithoutAnOutput) {
  const auto message = [](HeadKind head, int classes,
                          const std::vector<std::int32_t>& labels) -> std::string {
    try {
      check_labels(head, classes, labels);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message(HeadKind::softmax, 3, {0, 2, 3}),
              AllOf(HasSubstr("sample 2"), HasSubstr("label 3"), HasSubstr("0 to 2")));
  EXPECT_THAT(message(HeadKind::softmax, 3, {0, -1}), AllOf(HasSubstr("sample 1"), HasSubstr("label -1")));
  EXPECT_THAT(message(HeadKind::logistic, 1, {1, 0, 2}), AllOf(HasSubstr("sample 2"), HasSubstr("0 to 1")));
  EXPECT_EQ(message(HeadKind::softmax, 3, {0, 1, 2}), "accepted");
  EXPECT_EQ(message(HeadKind::logistic, 1, {0, 1}), "accepted");
  EXPECT_EQ(message(HeadKind::linear, 1, {7}), "accepted");
}

// Large classes, few and many: sums of sixteen and the rest; outputs far apart, where exponentials vanish.
TEST(Head, SoftmaxIsThatOfItsFormula) {
  for (const int classes : {1, 2, 15, 16, 17, 40, 1973}) {
    std::vector<double> z = normals(classes, 4, 3.0);
    if (classes > 2) z[1] = -200;
    const std::vector<float> zf(z.begin(), z.end());
    const std::vector<std::int32_t> labels = {classes / 2};
    double sum = 0;
    for (const float v : zf) sum += std::exp(static_cast<double>(v));
    std::vector<float> dz(classes);
    const double value =
        evaluate(HeadKind::softmax, 1, classes, zf.data(), {labels.data(), nullptr, false}, 0.5, dz.data());
    EXPECT_NEAR(value, 0.5 * (std::log(sum) - static_cast<double>(zf[labels[0]])), 1e-6 * (1 + value));
    for (int k = 0; k < classes; ++k) {
      const double p = std::exp(static_cast<double>(zf[k])) / sum;
      EXPECT_NEAR(dz[k], 0.5 * (p - (k == labels[0] ? 1 : 0)), 5e-7);
    }
  }
}

}  // namespace
}  // namespace soret::network
