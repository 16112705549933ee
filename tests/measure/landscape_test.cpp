#include "soret/measure/landscape.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "soret/base/error.hpp"
#include "soret/measure/curvature.hpp"
#include "soret/measure/hessian.hpp"
#include "soret/measure/scores.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using network::HeadKind;
using testing::expect_independent_of_threads;
using ::testing::HasSubstr;
using testing::Measured;

std::vector<float> at(std::span<const double> coefficients, const std::vector<std::vector<double>>& vectors) {
  return combination(coefficients, std::vector<std::span<const double>>(vectors.begin(), vectors.end()));
}

TEST(Landscape, CombinationsAreExactAtTheirVectors) {
  const std::vector<double> v = {0.1F, -3, 1e-30F};
  const std::vector<double> w = {5, std::numeric_limits<double>::quiet_NaN(), 1e30};
  EXPECT_EQ(at(std::vector{1.0, 0.0}, {v, w}), std::vector<float>(v.begin(), v.end()));
  EXPECT_EQ(at(std::vector{2.0, -0.5}, {{1, 3}, {2, 4}}), (std::vector<float>{1, 4}));
}

TEST(Landscape, PathsEndAtTheCheckpoints) {
  using Pair = std::array<double, 2>;
  EXPECT_EQ(linear_path(0), (Pair{1, 0}));
  EXPECT_EQ(linear_path(1), (Pair{0, 1}));
  EXPECT_EQ(linear_path(-0.5), (Pair{1.5, -0.5}));
  EXPECT_EQ(curved_path(0), (Pair{1, 0}));
  EXPECT_EQ(curved_path(1), (Pair{0, 1}));
  EXPECT_EQ(curved_path(2), (Pair{-1, 0}));
  EXPECT_EQ(curved_path(-1), (Pair{0, -1}));
  EXPECT_EQ(curved_path(-3), (Pair{0, 1}));
  for (const double alpha : {-0.9, 0.3, 0.5, 1.7}) {
    const auto [small, large] = curved_path(alpha);
    EXPECT_NEAR(small * small + large * large, 1, 1e-15);
    EXPECT_NEAR(large / small, std::tan(alpha * std::acos(-1) / 2), 1e-14 * std::abs(large / small)) << alpha;
  }
}

TEST(Landscape, PlaneThroughThreePoints) {
  const std::vector<float> w1 = {1, 0, 0, 2};
  const std::vector<float> w2 = {3, 0, 0, 2};   // u = (2, 0, 0, 0)
  const std::vector<float> w3 = {2, 3, -4, 2};  // v = (0, 3, -4, 0) after taking u / 2 away
  const PlaneThroughThree plane = plane_through(w1, w2, w3);
  EXPECT_EQ(plane.s, 0.5);
  EXPECT_EQ(plane.u_norm, 2);
  EXPECT_EQ(plane.v_norm, 5);
  const auto in_double = [](const std::vector<float>& w) { return std::vector<double>(w.begin(), w.end()); };
  const std::vector<std::vector<double>> all = {in_double(w1), in_double(w2), in_double(w3)};
  EXPECT_EQ(at(plane.coefficients(0, 0), all), w1);
  EXPECT_EQ(at(plane.coefficients(1, 0), all), w2);
  EXPECT_EQ(at(plane.coefficients(0.5, 1), all), w3);
  EXPECT_EQ(at(plane.coefficients(0, 1), all), (std::vector<float>{1, 3, -4, 2}));
  EXPECT_EQ(at(plane.coefficients(-1, 2), all), (std::vector<float>{-1, 6, -8, 2}));

  const auto message = [](const std::vector<float>& a, const std::vector<float>& b,
                          const std::vector<float>& c) {
    try {
      plane_through(a, b, c);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(message(w1, w1, w3), HasSubstr("the same parameters"));
  EXPECT_THAT(message(w1, w2, w2), HasSubstr("one line"));
  EXPECT_THAT(message({0.1F, 0.2F}, {0.3F, 0.5F}, {0.7F, 1.1F}), HasSubstr("one line"));
}

// Every filter of the direction has the norm of the network's filter and its own direction; what is no filter
// stays.
TEST(Landscape, FilterNormalisation) {
  const Measured m(HeadKind::softmax, 3);
  std::vector<double> direction = random_vector(m.parameters.size(), 3, 0, 1);
  const std::vector<double> before = direction;
  EXPECT_NE(before, random_vector(m.parameters.size(), 3, 0, 0));
  EXPECT_NE(before, random_vector(m.parameters.size(), 3, 1, 1));
  filter_normalise(m.in_float, m.parameters, direction);
  std::size_t filters = 0;
  for (const network::View& view : m.in_float.parameters()) {
    const auto rows = static_cast<std::size_t>(view.what.shape[0]);
    const std::size_t size = view.what.size() / rows;
    for (std::size_t row = 0; row < rows; ++row) {
      double squared = 0, weights = 0;
      for (std::size_t i = view.offset + row * size; i < view.offset + (row + 1) * size; ++i) {
        squared += direction[i] * direction[i];
        weights += std::pow(static_cast<double>(m.parameters[i]), 2.0);
        const double scale = direction[view.offset + row * size] / before[view.offset + row * size];
        EXPECT_NEAR(direction[i], scale * before[i], 1e-12);
      }
      const bool is_filter = view.name.ends_with("weight");
      filters += is_filter ? 1 : 0;
      EXPECT_NEAR(std::sqrt(squared), is_filter ? std::sqrt(weights) : 0, 1e-12) << view.name;
    }
  }
  EXPECT_EQ(filters, 3 + 3 + 3);  // conv, dense1, dense2
}

/// Squared loss of one dense layer: a quadratic form of the parameters.
struct Quadratic {
  Quadratic() : network(made()) {
    x = random_floats(samples * 4, 1);
    values = random_floats(samples * 2, 2);
    labels.assign(samples, 0);
    a = random_floats(network.parameter_count(), 3);
    b = random_floats(network.parameter_count(), 4);
  }
  static network::Network<float> made() {
    network::Builder<float> builder({1, 1, 4});
    builder.dense("dense", 2);
    return std::move(builder).finished();
  }
  static std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
    const auto draws = random_vector(count, seed, 0, 0);
    return {draws.begin(), draws.end()};
  }
  LossAt<float> loss(std::span<const float> parameters) const {
    return {network,
            HeadKind::squared,
            static_cast<int>(samples),
            x.data(),
            {labels.data(), values.data(), false},
            parameters,
            {},
            7,
            false};
  }
  double at(const std::vector<float>& parameters) const { return scores(loss(parameters)).loss; }

  static constexpr std::size_t samples = 23;
  network::Network<float> network;
  std::vector<float> x, values, a, b;
  std::vector<std::int32_t> labels;
};

std::vector<double> in_double(const std::vector<float>& v) {
  return {v.begin(), v.end()};
}

// 2 L(alpha) has the second difference u.Hu at any place.
TEST(Landscape, LineOfAQuadraticIsAParabola) {
  const Quadratic q;
  const std::vector<std::vector<double>> ends = {in_double(q.a), in_double(q.b)};
  const auto loss = [&](double alpha) { return q.at(at(linear_path(alpha), ends)); };
  std::vector<double> u(q.a.size()), product(q.a.size());
  for (std::size_t i = 0; i < u.size(); ++i) u[i] = ends[1][i] - ends[0][i];
  hessian(q.loss(q.a)).apply(u, product);
  const double curvature = std::inner_product(u.begin(), u.end(), product.begin(), 0.0);
  const double middle = loss(0.5);
  EXPECT_EQ(loss(0), q.at(q.a));
  EXPECT_EQ(loss(1), q.at(q.b));
  const double slope = loss(1) - loss(0);
  for (const double alpha : {-1.0, -0.3, 0.25, 0.8, 1.6, 2.0}) {
    const double d = alpha - 0.5;
    EXPECT_NEAR(loss(alpha), middle + slope * d + curvature / 2 * d * d, 2e-5 * (middle + curvature * d * d))
        << alpha;
  }
}

// L - L(0) = g.d + (lambda_1 alpha^2 + lambda_2 beta^2) / 2 in the plane of two eigenvectors.
TEST(Landscape, PlaneOfEigenvectorsIsAQuadraticForm) {
  const Quadratic q;
  const auto pairs = largest_eigenpairs(hessian(q.loss(q.a)), 3, 1e-9, 1000, 1);
  ASSERT_TRUE(pairs.converged);
  const std::vector<std::vector<double>> vectors = {in_double(q.a), pairs.vectors[0], pairs.vectors[2]};
  const auto loss = [&](double alpha, double beta) {
    return q.at(at(std::vector{1.0, alpha, beta}, vectors));
  };
  for (const double alpha : {0.0, 0.5, 2.0})
    for (const double beta : {0.0, 0.7, 1.5}) {
      const double even = (loss(alpha, beta) + loss(-alpha, -beta)) / 2 - loss(0, 0);
      const double expected = (pairs.values[0] * alpha * alpha + pairs.values[2] * beta * beta) / 2;
      EXPECT_NEAR(even, expected, 1e-5 * (loss(alpha, beta) + loss(0, 0))) << alpha << " " << beta;
    }
}

TEST(Landscape, ScoresEqualPlainLoops) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::logistic, HeadKind::squared}) {
    const Measured m(head, 11);
    const LossAt<double> loss = m.at(4, false);
    const Scores scored = scores(loss);
    double sum = 0;
    int correct = 0;
    for (int i = 0; i < loss.samples; ++i) {
      const auto z = testing::outputs_of(loss, {i});
      const int label = loss.targets.labels[i];
      Eigen::Index best = 0;
      if (head == HeadKind::logistic) {
        best = z(0, 0) > 0 ? 1 : 0;
      } else {
        z.row(0).maxCoeff(&best);
      }
      correct += best == label ? 1 : 0;
      if (head == HeadKind::squared)
        for (int k = 0; k < m.outputs(); ++k)
          sum += std::pow(z(0, k) - loss.targets.values[i * m.outputs() + k], 2.0) / 2;
      else
        sum -= std::log(testing::probabilities(head, z.row(0).transpose())[label]);
    }
    EXPECT_NEAR(scored.loss, sum / 11, 1e-13 * sum);
    EXPECT_EQ(scored.accuracy, correct / 11.0);
    expect_independent_of_threads([&] { return scores(m.at_in_float(3, true)).loss; });
  }
}

/// Means and unbiased variances, per channel, of what a layer reads from a batch of samples.
std::vector<double> plain_statistics(const LossAt<double>& loss, int node, const std::vector<int>& which) {
  network::Pass<double> pass(loss.network, static_cast<int>(which.size()));
  std::vector<double> x;
  const std::size_t inputs = loss.network.input().size();
  for (const int i : which) x.insert(x.end(), loss.x + i * inputs, loss.x + (i + 1) * inputs);
  loss.network.forward(pass, static_cast<int>(which.size()), x.data(), loss.parameters.data(),
                       loss.state.data(), {.batch_statistics = true, .dropout = false});
  const double* const values = loss.network.values_of(pass, node);
  const int channels = loss.network.shape(node).c;
  const std::size_t rows =
      which.size() * loss.network.shape(node).size() / static_cast<std::size_t>(channels);
  std::vector<double> both(2 * static_cast<std::size_t>(channels));
  for (int c = 0; c < channels; ++c) {
    double mean = 0, square = 0;
    for (std::size_t r = 0; r < rows; ++r) mean += values[r * channels + c] / static_cast<double>(rows);
    for (std::size_t r = 0; r < rows; ++r) square += std::pow(values[r * channels + c] - mean, 2.0);
    both[c] = mean;
    both[channels + c] = square / static_cast<double>(rows - 1);
  }
  return both;
}

// Batches of 4, 4 and 3 count by their samples. Both normalisations read a layer that is not in place.
TEST(Landscape, EstimatedStatisticsAreThoseOfAPass) {
  const Measured m(HeadKind::softmax, 11);
  const LossAt<double> loss = m.at(4, false);
  const auto estimated = estimated_statistics(loss);
  std::vector<double> expected(loss.state.size());
  for (const auto& batch : testing::chunks_of(loss)) {
    std::vector<double> all;
    for (int node = 1; node <= loss.network.last(); ++node)
      if (loss.network.name(node).starts_with("norm")) {
        const auto own = plain_statistics(loss, node - 1, batch);
        all.insert(all.end(), own.begin(), own.end());
      }
    ASSERT_EQ(all.size(), expected.size());
    for (std::size_t i = 0; i < all.size(); ++i)
      expected[i] += all[i] * static_cast<double>(batch.size()) / 11;
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(estimated[i], expected[i], 1e-12 * (1 + expected[i]));
  expect_independent_of_threads([&] { return estimated_statistics(m.at_in_float(4, false)); });
  EXPECT_THROW(estimated_statistics(m.at(5, false)), ConfigError);  // leaves one sample, and norm2 one value
}

}  // namespace
}  // namespace soret::measure
