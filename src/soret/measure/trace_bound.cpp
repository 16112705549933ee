#include "soret/measure/trace_bound.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>

#include "soret/base/error.hpp"
#include "soret/measure/workers.hpp"
#include "soret/network/activation.hpp"
#include "soret/network/dense.hpp"

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

struct DenseLayer {
  Matrix weights;  ///< W, [out][in]
  Vector bias;     ///< b, zero where there is none
  bool has_bias = false;
  Vector row_squares, column_squares;  ///< of W
};

/// Throws ConfigError unless the network is dense, relu, dense, ..., dense.
template <class T>
std::vector<DenseLayer> perceptron(const LossAt<T>& loss) {
  const network::Network<T>& net = loss.network;
  if (loss.head != network::HeadKind::softmax)
    throw ConfigError("the bound of the Hessian's trace is that of softmax cross entropy");
  for (int node = 1; node <= net.last(); ++node) {
    const auto* const relu = dynamic_cast<const network::Activation<T>*>(net.layer(node));
    const bool dense = dynamic_cast<const network::Dense<T>*>(net.layer(node)) != nullptr;
    const bool fits = node % 2 == 1 ? dense : relu && relu->kind() == network::ActivationKind::relu;
    if (!fits || (node == net.last() && !dense)) {
      throw ConfigError(
          fmt::format("{}: the bound of the Hessian's trace is that of dense layers with relu between them",
                      net.name(node)));
    }
  }
  std::vector<DenseLayer> layers;
  for (const network::View& view : net.parameters()) {
    const T* const p = loss.parameters.data() + view.offset;
    if (view.what.kind == network::Parameter::Kind::weight) {
      using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
      DenseLayer layer;
      layer.weights =
          Eigen::Map<const RowMajor>(p, view.what.shape[0], view.what.shape[1]).template cast<double>();
      layer.bias = Vector::Zero(view.what.shape[0]);
      layer.row_squares = layer.weights.rowwise().squaredNorm();
      layer.column_squares = layer.weights.colwise().squaredNorm();
      layers.push_back(std::move(layer));
    } else {
      layers.back().bias = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(p, view.what.shape[0])
                               .template cast<double>();
      layers.back().has_bias = true;
    }
  }
  return layers;
}

/// Of one sample.
TraceBound of_sample(const std::vector<DenseLayer>& layers, const Vector& x) {
  const std::size_t count = layers.size();
  std::vector<double> input_squares(count);  // |h^{l-1}|^2, the one of a bias included
  std::vector<double> forward(count);        // |sigma W^n|_F^2
  std::vector<double> backward(count);       // |W^n sigma'|_F^2, sigma' of the layer before
  std::vector<Vector> active(count);         // sigma' of the layer's units: 1 or 0
  Vector h = x;
  for (std::size_t l = 0; l < count; ++l) {
    const DenseLayer& layer = layers[l];
    const double one = layer.has_bias ? 1 : 0;
    input_squares[l] = h.squaredNorm() + one;
    backward[l] = l == 0 ? 0 : layer.column_squares.dot(active[l - 1]);
    const Vector z = layer.weights * h + layer.bias;
    active[l] = (z.array() > 0).cast<double>();
    forward[l] = layer.row_squares.dot(active[l]) + layer.bias.cwiseAbs2().dot(active[l]) + one;
    h = l + 1 == count ? z : z.cwiseProduct(active[l]);
  }
  const Vector shares = (h.array() - h.maxCoeff()).exp();
  const Vector p = shares / shares.sum();

  TraceBound result;
  result.trace_p = 1 - p.squaredNorm();
  double trace_k = 0;
  double sum = 0;
  Matrix delta = Matrix::Identity(h.size(), h.size());  // [output][unit of layer l]
  double above = 1;                                     // prod_{n > l} |W^n sigma'|_F^2
  for (std::size_t l = count; l-- > 0;) {
    // Tr delta^T P delta = sum_c p_c |row c|^2 - |p^T delta|^2
    const double through_p = p.dot(delta.rowwise().squaredNorm()) - (p.transpose() * delta).squaredNorm();
    result.gauss_newton += through_p * input_squares[l];
    trace_k += delta.squaredNorm() * input_squares[l];
    double below = 1;
    for (std::size_t n = 0; n < l; ++n) below *= forward[n];
    sum += below * above;
    if (l == 0) break;
    delta = (delta * layers[l].weights * active[l - 1].asDiagonal()).eval();
    above *= backward[l];
  }
  result.kernel = result.trace_p * trace_k;
  result.product = result.trace_p * input_squares[0] * sum;
  result.printed = result.trace_p * std::sqrt(input_squares[0]) * sum;
  return result;
}

void add(TraceBound& sum, const TraceBound& one, double weight) {
  sum.gauss_newton += weight * one.gauss_newton;
  sum.trace_p += weight * one.trace_p;
  sum.kernel += weight * one.kernel;
  sum.product += weight * one.product;
  sum.printed += weight * one.printed;
}

}  // namespace

template <class T>
TraceBound trace_bound(const LossAt<T>& loss) {
  require_complete(loss);
  const std::vector<DenseLayer> layers = perceptron(loss);
  const auto inputs = static_cast<Eigen::Index>(loss.network.input().size());
  TraceBound total;
  Workers<TraceBound> sums;
  sums.provide();
  network::for_each_chunk(
      loss.samples, loss.chunk,
      [&](const network::Chunk& chunk) {
        TraceBound& mine = sums.mine();
        mine = {};
        for (int i = 0; i < chunk.count; ++i) {
          const Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>> x(inputs_from(loss, chunk.first + i),
                                                                        inputs);
          add(mine, of_sample(layers, x.template cast<double>()), 1.0 / loss.samples);
        }
      },
      [&](const network::Chunk&) { add(total, sums.mine(), 1); });
  return total;
}

template TraceBound trace_bound<float>(const LossAt<float>&);
template TraceBound trace_bound<double>(const LossAt<double>&);

}  // namespace soret::measure
