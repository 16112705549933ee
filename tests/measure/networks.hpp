#pragma once

#include <omp.h>

#include <Eigen/Core>
#include <algorithm>
#include <utility>
#include <vector>

#include "soret/measure/loss_at.hpp"
#include "soret/network/builder.hpp"
#include "tests/network/derivatives.hpp"

/// Small networks with everything in them, and slow plain ways to what is measured of them.
namespace soret::measure::testing {

using network::HeadKind;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// Convolution, dense layers with and without bias, batch normalisation over the whole pass; 135 parameters
/// for three outputs.
template <class T>
network::Network<T> mixed_network(int outputs) {
  network::Builder<T> b({5, 4, 2});
  b.convolution("conv", 3, 3, 2, 1, true).batch_norm("norm1", 0);
  b.activation("tanh", network::ActivationKind::tanh);
  b.dense("dense1", 3, false).batch_norm("norm2", 0);
  b.activation("softplus", network::ActivationKind::softplus).dense("dense2", outputs);
  return std::move(b).finished();
}

/// One of these networks on n samples, with running statistics that are not their first values.
struct Measured {
  Measured(HeadKind head_kind, int n, unsigned seed = 1)
      : network(mixed_network<double>(head_kind == HeadKind::logistic ? 1 : 3)),
        in_float(mixed_network<float>(head_kind == HeadKind::logistic ? 1 : 3)),
        s(network::testing::situation(network, n, head_kind, seed)) {
    for (std::size_t i = 0; i < s.state.size(); ++i) s.state[i] += 0.07 * static_cast<double>(i % 5);
    const auto single = [](const std::vector<double>& v) { return std::vector<float>(v.begin(), v.end()); };
    x = single(s.x), parameters = single(s.parameters), state = single(s.state), values = single(s.values);
  }
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;

  LossAt<double> at(int chunk, bool batch_statistics) const {
    return {network, s.head, s.n, s.x.data(), s.targets(), s.parameters, s.state, chunk, batch_statistics};
  }
  LossAt<float> at_in_float(int chunk, bool batch_statistics) const {
    return {in_float,   s.head, s.n,   x.data(),        {s.labels.data(), values.data(), false},
            parameters, state,  chunk, batch_statistics};
  }
  int outputs() const { return static_cast<int>(network.output().size()); }

  network::Network<double> network;
  network::Network<float> in_float;
  network::testing::Situation<double> s;
  std::vector<float> x, parameters, state, values;
};

/// The gradient of weight times the summed loss of the samples `which`, in one pass, for the given head and
/// targets (values[sample of the set][output]).
inline Vector plain_gradient(const LossAt<double>& loss, const std::vector<double>& parameters,
                             const std::vector<int>& which, double weight) {
  const std::size_t inputs = loss.network.input().size();
  const std::size_t outputs = loss.network.output().size();
  std::vector<double> x;
  std::vector<double> values;
  std::vector<std::int32_t> labels;
  for (const int i : which) {
    x.insert(x.end(), loss.x + i * inputs, loss.x + (i + 1) * inputs);
    if (loss.targets.labels) labels.push_back(loss.targets.labels[i]);
    if (loss.targets.values)
      values.insert(values.end(), loss.targets.values + i * outputs, loss.targets.values + (i + 1) * outputs);
  }
  network::Pass<double> pass(loss.network, static_cast<int>(which.size()));
  Vector g = Vector::Zero(static_cast<Eigen::Index>(parameters.size()));
  network::gradient(loss.network, loss.head, pass, static_cast<int>(which.size()), x.data(),
                    network::Targets<double>{labels.data(), values.data(), false}, weight, parameters.data(),
                    loss.state.data(), {.batch_statistics = loss.batch_statistics, .dropout = false},
                    g.data());
  return g;
}
inline Vector plain_gradient(const LossAt<double>& loss, const std::vector<int>& which, double weight) {
  return plain_gradient(loss, {loss.parameters.begin(), loss.parameters.end()}, which, weight);
}

/// The samples, chunk by chunk.
inline std::vector<std::vector<int>> chunks_of(const LossAt<double>& loss) {
  std::vector<std::vector<int>> chunks;
  for (int i = 0; i < loss.samples; ++i) {
    if (i % loss.chunk == 0) chunks.emplace_back();
    chunks.back().push_back(i);
  }
  return chunks;
}

/// Derivatives of the outputs of samples that share a pass: row (sample, output).
inline Matrix jacobian(LossAt<double> loss, const std::vector<int>& which) {
  const auto outputs = static_cast<Eigen::Index>(loss.network.output().size());
  const auto rows = static_cast<Eigen::Index>(which.size()) * outputs;
  Matrix j(rows, static_cast<Eigen::Index>(loss.parameters.size()));
  std::vector<double> u(static_cast<std::size_t>(loss.samples * outputs));
  loss.head = HeadKind::linear;
  loss.targets = {nullptr, u.data(), false};
  for (Eigen::Index r = 0; r < rows; ++r) {
    double& entry = u[static_cast<std::size_t>(which[r / outputs] * outputs + r % outputs)];
    entry = 1;
    j.row(r) = plain_gradient(loss, which, 1);
    entry = 0;
  }
  return j;
}

/// Outputs of samples that share a pass, [sample][output].
inline Matrix outputs_of(const LossAt<double>& loss, const std::vector<int>& which) {
  const std::size_t inputs = loss.network.input().size();
  std::vector<double> x;
  for (const int i : which) x.insert(x.end(), loss.x + i * inputs, loss.x + (i + 1) * inputs);
  const auto n = static_cast<int>(which.size());
  network::Pass<double> pass(loss.network, n);
  const double* const z = loss.network.forward(pass, n, x.data(), loss.parameters.data(), loss.state.data(),
                                               {.batch_statistics = loss.batch_statistics, .dropout = false});
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const RowMajor>(z, n, static_cast<Eigen::Index>(loss.network.output().size()));
}

/// The model's probabilities of the labels (logistic: of 0 and 1) for outputs z.
inline Vector probabilities(HeadKind head, const Vector& z) {
  if (head == HeadKind::logistic) {
    const double p = 1 / (1 + std::exp(-z[0]));
    return Eigen::Vector2d(1 - p, p);
  }
  const Vector shares = z.array().exp();
  return shares / shares.sum();
}

/// The Hessian of -log p by one sample's outputs.
inline Matrix output_hessian(HeadKind head, const Vector& z) {
  if (head == HeadKind::squared) return Matrix::Identity(z.size(), z.size());
  const Vector p = probabilities(head, z);
  if (head == HeadKind::logistic) return Matrix::Constant(1, 1, p[0] * p[1]);
  return Matrix(p.asDiagonal()) - p * p.transpose();
}

/// f(threads) must be the same for any number of them.
template <class F>
void expect_independent_of_threads(const F& f) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto one = f();
  for (const int threads : {2, 3}) {
    omp_set_num_threads(threads);
    EXPECT_EQ(f(), one) << threads;
  }
  omp_set_num_threads(before);
}

}  // namespace soret::measure::testing
