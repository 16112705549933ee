#include "soret/measure/trace_bound.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/measure/hessian.hpp"
#include "soret/network/models.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using namespace testing;
using network::ActivationKind;

network::Network<double> perceptron(bool bias, std::vector<int> widths) {
  network::Builder<double> b({1, 1, 6});
  for (std::size_t i = 0; i < widths.size(); ++i) {
    b.dense("dense" + std::to_string(i + 1), widths[i], bias);
    if (i + 1 < widths.size()) b.activation("relu" + std::to_string(i + 1), ActivationKind::relu);
  }
  return std::move(b).finished();
}

LossAt<double> at(const network::testing::Situation<double>& s) {
  return {s.network, s.head, s.n, s.x.data(), s.targets(), s.parameters, {}, 4, false};
}

double trace(const SymmetricOperator& matrix) {
  double sum = 0;
  std::vector<double> product(matrix.size);
  for (std::size_t i = 0; i < matrix.size; ++i) {
    std::vector<double> unit(matrix.size);
    unit[i] = 1;
    matrix.apply(unit, product);
    sum += product[i];
  }
  return sum;
}

/// Weights W[layer](unit, input) of a perceptron; with biases, of the one without them whose inputs carry a
/// one along.
std::vector<Matrix> weights_of(const network::testing::Situation<double>& s) {
  std::vector<Matrix> all;
  for (const network::View& v : s.network.parameters()) {
    const double* const p = s.parameters.data() + v.offset;
    if (v.what.shape.size() == 2) {
      all.emplace_back(v.what.shape[0], v.what.shape[1]);
      for (int i = 0; i < v.what.shape[0]; ++i)
        for (int j = 0; j < v.what.shape[1]; ++j) all.back()(i, j) = p[i * v.what.shape[1] + j];
    } else {
      Matrix& w = all.back();
      w.conservativeResize(w.rows() + 1, w.cols() + 1);
      w.bottomRows(1).setZero();
      w.rightCols(1).setOnes();
      for (int i = 0; i < v.what.shape[0]; ++i) w(i, w.cols() - 1) = p[i];
    }
  }
  return all;
}

class Perceptrons : public ::testing::TestWithParam<std::pair<bool, std::vector<int>>> {};

// The other part of the Hessian has no diagonal: the trace of the Gauss-Newton part is that of the whole.
TEST_P(Perceptrons, HaveTheTraceOfTheirGaussNewtonPart) {
  const auto net = perceptron(GetParam().first, GetParam().second);
  const auto s = network::testing::situation(net, 9, HeadKind::softmax);
  const TraceBound found = trace_bound(at(s));
  const double exact = trace(hessian(at(s)));
  EXPECT_NEAR(found.gauss_newton, exact, 1e-12 * exact);
  EXPECT_NEAR(trace(gauss_newton(at(s))), exact, 1e-12 * exact);
}

// Tr P Tr K from Jacobians, and the products of Eq. 62 from plain matrices.
TEST_P(Perceptrons, HaveTheBoundsOfPlainMatrices) {
  const auto net = perceptron(GetParam().first, GetParam().second);
  const auto s = network::testing::situation(net, 9, HeadKind::softmax);
  const std::vector<Matrix> w = weights_of(s);
  const std::size_t layers = w.size();
  const bool bias = GetParam().first;
  TraceBound exact;
  for (int i = 0; i < s.n; ++i) {
    const double trace_p = output_hessian(s.head, outputs_of(at(s), {i}).row(0)).trace();
    Vector h = Eigen::Map<const Vector>(s.x.data() + 6 * i, 6);
    if (bias) {
      h.conservativeResize(7);
      h[6] = 1;
    }
    const double norm = h.norm();
    std::vector<Matrix> sigma;  // of each layer's units; the one of a bias is always active
    for (const Matrix& m : w) {
      const Vector z = m * h;
      sigma.emplace_back((z.array() > 0).cast<double>().matrix().asDiagonal());
      h = sigma.back() * z;
    }
    double sum = 0;
    for (std::size_t l = 0; l < layers; ++l) {
      double product = 1;
      for (std::size_t n = 0; n < l; ++n) product *= (sigma[n] * w[n]).squaredNorm();
      for (std::size_t n = l + 1; n < layers; ++n) {
        Matrix up = w[n] * sigma[n - 1];
        if (bias) up = up.topLeftCorner(up.rows() - 1, up.cols() - 1).eval();  // no unit feeds the one
        product *= up.squaredNorm();
      }
      sum += product;
    }
    exact.trace_p += trace_p / s.n;
    exact.kernel += trace_p * jacobian(at(s), {i}).squaredNorm() / s.n;
    exact.product += trace_p * norm * norm * sum / s.n;
    exact.printed += trace_p * norm * sum / s.n;
  }
  const TraceBound found = trace_bound(at(s));
  EXPECT_NEAR(found.trace_p, exact.trace_p, 1e-12);
  EXPECT_NEAR(found.kernel, exact.kernel, 1e-12 * exact.kernel);
  EXPECT_NEAR(found.product, exact.product, 1e-12 * exact.product);
  EXPECT_NEAR(found.printed, exact.printed, 1e-12 * exact.printed);
}

INSTANTIATE_TEST_SUITE_P(TraceBound, Perceptrons,
                         ::testing::Values(std::pair(false, std::vector{3}), std::pair(true, std::vector{3}),
                                           std::pair(false, std::vector{5, 4}),
                                           std::pair(true, std::vector{7, 5, 3}),
                                           std::pair(false, std::vector{7, 5, 6, 3})));

// Tr H <= Tr P Tr K <= ... and Tr H <= Eq. 62 with |X|^2, whatever the parameters: small and large weights,
// deep and wide, with and without bias.
TEST(TraceBound, HoldsWithTheSquaredNormOfTheInput) {
  for (const bool bias : {false, true}) {
    for (const auto& widths : {std::vector{3}, {9, 4}, {7, 5, 3}, {8, 8, 8, 8, 2}}) {
      for (const double scale : {0.1, 1.0, 4.0}) {
        const auto net = perceptron(bias, widths);
        auto s = network::testing::situation(net, 9, HeadKind::softmax, 3);
        for (double& p : s.parameters) p *= scale;
        const TraceBound b = trace_bound(at(s));
        EXPECT_LE(b.gauss_newton, b.kernel * (1 + 1e-12));
        EXPECT_LE(b.gauss_newton, b.product * (1 + 1e-12));
      }
    }
  }
}

// One layer and one sample, by hand: H = P kron x x^T, so Tr H = Tr P |x|^2. Tr K = C |x|^2: Eq. 60, without
// the C of the last layer's delta = identity, does not bound it, but Eq. 62 holds (with equality), for Tr P K
// needs only the largest eigenvalue of K. With |X| not squared, as printed, it fails for every input longer
// than 1.
TEST(TraceBound, OfOneLayerByHand) {
  const auto net = perceptron(false, {3});
  auto s = network::testing::situation(net, 1, HeadKind::softmax);
  s.x = {2, 0, -1, 2, 0, 4};
  const TraceBound b = trace_bound(at(s));
  EXPECT_NEAR(b.gauss_newton, b.trace_p * 25, 1e-13 * b.trace_p * 25);
  EXPECT_NEAR(b.kernel, b.trace_p * 75, 1e-13 * b.trace_p * 75);
  EXPECT_NEAR(b.product, b.trace_p * 25, 1e-13 * b.trace_p * 25);
  EXPECT_NEAR(b.printed, b.trace_p * 5, 1e-13 * b.trace_p * 5);
  EXPECT_LT(b.printed, b.gauss_newton);
}

TEST(TraceBound, DoesNotDependOnTheThreads) {
  const auto net = perceptron(true, {7, 5, 3});
  const auto s = network::testing::situation(net, 23, HeadKind::softmax);
  expect_independent_of_threads([&] {
    const TraceBound b = trace_bound(at(s));
    return std::array{b.gauss_newton, b.trace_p, b.kernel, b.product, b.printed};
  });
}

TEST(TraceBound, IsOfReluPerceptronsAlone) {
  const auto refused = [](const LossAt<double>& loss, const std::string& words) {
    try {
      trace_bound(loss);
      FAIL() << words;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(words));
    }
  };
  const Measured m(HeadKind::softmax, 3);
  refused(m.at(4, false), "conv: ");
  constexpr std::array widths = {5, 3};
  const auto smooth = network::multilayer_perceptron<double>({1, 1, 6}, widths, ActivationKind::tanh);
  refused(at(network::testing::situation(smooth, 3, HeadKind::softmax)), "activation1: ");
  const auto net = perceptron(true, {5, 3});
  refused(at(network::testing::situation(net, 3, HeadKind::squared)), "softmax");
}

}  // namespace
}  // namespace soret::measure
