#include "soret/measure/regression.hpp"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"

namespace soret::measure {
namespace {

using Index = Eigen::Index;

/// Samples per block of a sum: a few megabytes of inputs, and enough blocks to share among threads.
constexpr Index kBlock = 1024;

Index blocks(Index samples) {
  return (samples + kBlock - 1) / kBlock;
}
Index block_size(Index samples, Index block) {
  return std::min(kBlock, samples - block * kBlock);
}

/// ln(1 + e^f) without overflow.
double softplus(double f) {
  return std::max(f, 0.0) + std::log1p(std::exp(-std::abs(f)));
}

/// Outputs f of a sample become its residual dl/df.
void to_residual(const Regression& problem, Index sample, Eigen::Ref<Eigen::RowVectorXd> f) {
  switch (problem.loss) {
    case Loss::linear:
      f[0] -= problem.targets[sample];
      return;
    case Loss::logistic:
      f[0] = 1 / (1 + std::exp(-f[0])) - problem.targets[sample];
      return;
    case Loss::softmax:
      f = (f.array() - f.maxCoeff()).exp();
      f /= f.sum();
      f[problem.classes[static_cast<std::size_t>(sample)]] -= 1;
      return;
  }
}

double loss_of(const Regression& problem, Index sample, Eigen::Ref<const Eigen::RowVectorXd> f) {
  switch (problem.loss) {
    case Loss::linear:
      return 0.5 * (f[0] - problem.targets[sample]) * (f[0] - problem.targets[sample]);
    case Loss::logistic:
      return softplus(f[0]) - problem.targets[sample] * f[0];
    case Loss::softmax:
      break;
  }
  const double most = f.maxCoeff();
  return most + std::log((f.array() - most).exp().sum()) -
         f[problem.classes[static_cast<std::size_t>(sample)]];
}

/// d r_a / d f_b of a sample with residual r, [output][output].
Eigen::MatrixXd residual_slope(const Regression& problem, Index sample, const Matrix& r) {
  Eigen::VectorXd p = r.row(sample).transpose();
  switch (problem.loss) {
    case Loss::linear:
      return Eigen::MatrixXd::Ones(1, 1);
    case Loss::logistic:
      p[0] += problem.targets[sample];
      return Eigen::MatrixXd::Constant(1, 1, p[0] * (1 - p[0]));
    case Loss::softmax:
      break;
  }
  p[problem.classes[static_cast<std::size_t>(sample)]] += 1;
  Eigen::MatrixXd slope = -p * p.transpose();
  slope.diagonal() += p;
  return slope;
}

/// Hessian of the mean loss, parameter (a, j) at a * features + j.
Eigen::MatrixXd hessian(const Regression& problem, const Matrix& r) {
  const Index m = problem.features();
  Eigen::MatrixXd h = Eigen::MatrixXd::Zero(problem.parameters(), problem.parameters());
  for (Index i = 0; i < problem.samples(); ++i) {
    const Eigen::VectorXd x = problem.inputs.row(i).cast<double>().transpose();
    const Eigen::MatrixXd slope = residual_slope(problem, i, r);
    for (Index a = 0; a < problem.outputs; ++a)
      for (Index b = 0; b < problem.outputs; ++b)
        h.block(a * m, b * m, m, m).noalias() += slope(a, b) * x * x.transpose();
  }
  return h / problem.samples();
}

}  // namespace

Matrix product_over_inputs(const FloatMatrix& inputs, const Matrix& right) {
  Matrix out(inputs.rows(), right.rows());
#pragma omp parallel for schedule(static) if (blocks(inputs.rows()) > 1)
  for (Index block = 0; block < blocks(inputs.rows()); ++block) {
    const Index size = block_size(inputs.rows(), block);
    out.middleRows(block * kBlock, size).noalias() =
        inputs.middleRows(block * kBlock, size).cast<double>() * right.transpose();
  }
  return out;
}

Matrix product_over_samples(const Matrix& left, const FloatMatrix& inputs) {
  std::vector<Matrix> partial(static_cast<std::size_t>(blocks(inputs.rows())));
#pragma omp parallel for schedule(static) if (blocks(inputs.rows()) > 1)
  for (Index block = 0; block < blocks(inputs.rows()); ++block) {
    const Index size = block_size(inputs.rows(), block);
    partial[static_cast<std::size_t>(block)].noalias() =
        left.middleRows(block * kBlock, size).transpose() *
        inputs.middleRows(block * kBlock, size).cast<double>();
  }
  Matrix sum = Matrix::Zero(left.cols(), inputs.cols());
  for (const Matrix& part : partial) sum += part;
  return sum;
}

Matrix residuals(const Regression& problem, const Matrix& weights) {
  Matrix r = product_over_inputs(problem.inputs, weights);
  Eigen::RowVectorXd f;
  for (Index i = 0; i < r.rows(); ++i) {
    f = r.row(i);
    to_residual(problem, i, f);
    r.row(i) = f;
  }
  return r;
}

Matrix mean_gradient(const Regression& problem, const Matrix& residuals) {
  return product_over_samples(residuals, problem.inputs) / problem.samples();
}

double mean_loss(const Regression& problem, const Matrix& weights) {
  const Matrix f = product_over_inputs(problem.inputs, weights);
  double sum = 0;
  for (Index i = 0; i < f.rows(); ++i) sum += loss_of(problem, i, f.row(i));
  return sum / problem.samples();
}

void descend(const Regression& problem, double learning_rate, std::int64_t steps, Matrix& weights) {
  for (std::int64_t step = 1; step <= steps; ++step) {
    weights -= learning_rate * mean_gradient(problem, residuals(problem, weights));
    if (!weights.allFinite()) {
      throw ConfigError(
          fmt::format("gradient descent at learning rate {} left finite range at step {}: set a smaller "
                      "point.descent_rate",
                      learning_rate, step));
    }
  }
}

Matrix minimiser(const Regression& problem) {
  constexpr int kMostSteps = 100;
  constexpr double kConverged = 1e-24;  // squared Newton decrement relative to 1 + loss
  if (problem.parameters() > kMostNewtonParameters) {
    throw ConfigError(fmt::format(
        "point.start = minimiser solves for at most {} parameters, not {}; use point.descent_steps instead",
        kMostNewtonParameters, problem.parameters()));
  }
  Matrix weights = Matrix::Zero(problem.outputs, problem.features());
  double loss = mean_loss(problem, weights);
  for (int step = 0; step < kMostSteps; ++step) {
    const Matrix r = residuals(problem, weights);
    const Matrix gradient = mean_gradient(problem, r);
    const Eigen::Map<const Vector> g(gradient.data(), gradient.size());
    const Vector move = hessian(problem, r).completeOrthogonalDecomposition().solve(g);
    const double decrement = g.dot(move);
    if (!std::isfinite(decrement)) break;
    if (decrement <= kConverged * (1 + loss)) {
      // A flat Hessian makes the decrement small far from any minimum: the weights must have settled too.
      if (move.norm() <= 1e-6 * (1 + weights.norm())) return weights;
      break;
    }
    double fraction = 1;
    Matrix next;
    double next_loss = 0;
    do {
      next = weights - fraction * Eigen::Map<const Matrix>(move.data(), weights.rows(), weights.cols());
      next_loss = mean_loss(problem, next);
      fraction /= 2;
    } while (!(next_loss <= loss) && fraction > 1e-6);
    if (!(next_loss <= loss)) return weights;  // no descent left but rounding
    weights = next;
    loss = next_loss;
  }
  throw ConfigError(
      "point.start = minimiser: the loss has no finite minimiser (the classes can be told apart without "
      "error); "
      "use more data.training_samples, random labels, or point.descent_steps");
}

}  // namespace soret::measure
