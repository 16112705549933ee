#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

/// A finite sum of regression losses, sum_i l(x_i, y_i; w), whose per-sample gradients are rank one: with
/// f = W x the C outputs of a sample, the gradient is its residual r = dl/df times its input, r x^T. No array
/// of N gradients is ever formed.
namespace soret::measure {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;
using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// linear: l = 1/2 |f - y|^2. logistic: l = -[y ln p + (1 - y) ln(1 - p)], p = 1 / (1 + e^-f), one output, y
/// = 0 or 1. softmax: l = -ln p_y, p_c = e^f_c / sum_k e^f_k.
enum class Loss { linear, logistic, softmax };

struct Regression {
  Loss loss = Loss::linear;
  FloatMatrix inputs;                 ///< [sample][input]; a bias is an input that is 1 everywhere
  Vector targets;                     ///< [sample], for linear and logistic; empty for softmax
  std::vector<std::int32_t> classes;  ///< [sample], for softmax
  int outputs = 1;                    ///< C, 1 unless softmax

  int samples() const { return static_cast<int>(inputs.rows()); }
  int features() const { return static_cast<int>(inputs.cols()); }
  int parameters() const { return outputs * features(); }
};

/// [sample][output], r_i at W, which is [output][input].
Matrix residuals(const Regression& problem, const Matrix& weights);

/// (1/N) sum_i r_i x_i^T, [output][input].
Matrix mean_gradient(const Regression& problem, const Matrix& residuals);

/// Mean loss over all samples.
double mean_loss(const Regression& problem, const Matrix& weights);

/// `steps` steps W <- W - learning_rate (1/N) sum_i r_i x_i^T. Throws ConfigError if W leaves finite range.
void descend(const Regression& problem, double learning_rate, std::int64_t steps, Matrix& weights);

/// The minimiser of the mean loss by Newton's method with backtracking, from zero; of several (softmax has a
/// flat direction) the one that steps of least norm lead to. Throws ConfigError, saying what to do, if there
/// is no finite one (separable classes) or if there are more than kMostNewtonParameters.
Matrix minimiser(const Regression& problem);
inline constexpr int kMostNewtonParameters = 1024;

/// out(a, b) = sum_i left(i, a) inputs(i, b), in blocks of samples that do not depend on the number of
/// threads.
Matrix product_over_samples(const Matrix& left, const FloatMatrix& inputs);

/// out(i, a) = sum_b inputs(i, b) right(a, b).
Matrix product_over_inputs(const FloatMatrix& inputs, const Matrix& right);

}  // namespace soret::measure
