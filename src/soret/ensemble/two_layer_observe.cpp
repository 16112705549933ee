#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>

#include "soret/ensemble/two_layer_observables.hpp"

namespace soret::two_layer {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using FloatMap = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

constexpr std::array<std::string_view, kObservables> kNames = {"activation_rate",
                                                               "v_norm",
                                                               "w_norm",
                                                               "bias_mean",
                                                               "gradient_variance",
                                                               "h_v",
                                                               "h_w",
                                                               "h_b",
                                                               "loss",
                                                               "accuracy",
                                                               "output_variance"};

double norm(const std::vector<float>& x) {
  double square = 0;
  for (const float value : x) square += static_cast<double>(value) * value;
  return std::sqrt(square);
}

}  // namespace

std::string_view name(Observable observable) {
  return kNames[static_cast<std::size_t>(observable)];
}

/// The probe set's forward and backward pass, in double, computed once per measure() and only if something
/// needs it.
struct Observer::Work {
  Problem problem;
  std::vector<Observable> observables;
  Needs needs;
  Matrix x;                  ///< [S][M]
  Matrix targets;            ///< [S][C]
  Eigen::VectorXd x_square;  ///< ||x||^2
  Matrix h, slope;           ///< [S][N]
  Matrix f, d;               ///< [S][C]
  double loss = 0;
  double accuracy = 0;

  Work(const Problem& p, std::span<const Observable> list)
      : problem(p), observables(list.begin(), list.end()), needs(needs_of(list, p.input_kind, p.activation)) {
    if (!needs.forward) return;
    const SampleSet& probe = *p.probe;
    x = FloatMap(probe.inputs.data(), probe.size, p.inputs).cast<double>();
    targets = FloatMap(probe.targets.data(), probe.size, p.outputs).cast<double>();
    x_square = x.rowwise().squaredNorm();
  }

  void forward(const Parameters& parameters) {
    const FloatMap w(parameters.w.data(), problem.hidden, problem.inputs);
    h.noalias() = x * w.cast<double>().transpose();
    slope.resize(h.rows(), h.cols());
    for (Eigen::Index s = 0; s < h.rows(); ++s) {
      for (Eigen::Index i = 0; i < h.cols(); ++i)
        activate_double(problem.activation, problem.leak, h(s, i) + parameters.b[i], h(s, i), slope(s, i));
    }
  }

  /// Outputs, residuals, loss and accuracy from h.
  void residuals(const Parameters& parameters) {
    const FloatMap v(parameters.v.data(), problem.outputs, problem.hidden);
    f.noalias() = h * v.cast<double>().transpose();
    d.resize(f.rows(), f.cols());
    double total_loss = 0;
    int right = 0;
    for (Eigen::Index s = 0; s < f.rows(); ++s) {
      const Verdict verdict = judge(problem.loss, problem.outputs, &f(s, 0), &targets(s, 0), &d(s, 0));
      total_loss += verdict.loss;
      right += verdict.right ? 1 : 0;
    }
    loss = total_loss / static_cast<double>(f.rows());
    accuracy = problem.loss == Loss::squared ? std::nan("")
                                             : static_cast<double>(right) / static_cast<double>(f.rows());
  }

  /// mean over parameters of Var_s[dL_s/dparameter] = (S/(S-1)) (mean_s g^2 - (mean_s g)^2), summed without
  /// forming per-sample gradients: dL/dW_ij = a_i x_j, so sum_ij g^2 = (sum_i a_i^2)(sum_j x_j^2).
  double gradient_variance(const Parameters& parameters) const {
    const auto samples = static_cast<double>(h.rows());
    const FloatMap v(parameters.v.data(), problem.outputs, problem.hidden);
    const Matrix a = slope.cwiseProduct(d * v.cast<double>());
    const Eigen::VectorXd a_square = a.rowwise().squaredNorm();
    double square = a_square.dot(x_square) + d.rowwise().squaredNorm().dot(h.rowwise().squaredNorm());
    double mean_square = (a.transpose() * x).squaredNorm() + (d.transpose() * h).squaredNorm();
    if (problem.bias) {
      square += a_square.sum();
      mean_square += a.colwise().sum().squaredNorm();
    }
    const double variance = (square - mean_square / samples) / (samples - 1);
    return variance / problem.parameters();
  }

  double output_variance() const {
    const auto samples = static_cast<double>(f.rows());
    return (f.rowwise() - f.colwise().mean()).squaredNorm() / (samples - 1) / static_cast<double>(f.cols());
  }

  /// (mean slope, h_v, h_w, h_b) over the probe set.
  std::array<double, 4> sampled_moments(const Parameters& parameters) const {
    const double per = 1.0 / static_cast<double>(h.size());
    const Eigen::VectorXd v_square = column_squares(parameters);
    const Matrix slope_square = slope.cwiseAbs2();
    return {slope.sum() * per, h.squaredNorm() * per,
            (slope_square.transpose() * x_square).dot(v_square) * per / problem.inputs,
            (slope_square.colwise().sum() * v_square)(0) * per};
  }

  /// mean over outputs of V_ci^2, per unit i.
  Eigen::VectorXd column_squares(const Parameters& parameters) const {
    const FloatMap v(parameters.v.data(), problem.outputs, problem.hidden);
    return v.cast<double>().colwise().squaredNorm().transpose() / problem.outputs;
  }

  /// The same from the closed forms (the last three for ReLU only).
  std::array<double, 4> exact_averages(const Parameters& parameters) const {
    const int m = problem.inputs;
    const Eigen::VectorXd v_square = column_squares(parameters);
    std::array<double, 4> total{};
    for (int i = 0; i < problem.hidden; ++i) {
      const FloatMap w(parameters.w.data() + static_cast<std::ptrdiff_t>(i) * m, 1, m);
      const double a = w.cast<double>().norm();
      const double b = parameters.b[i];
      total[0] += mean_slope(problem.activation, problem.leak, a, b);
      if (!exact_moments(problem.input_kind, problem.activation)) continue;
      total[1] += theory::relu_second_moment(a, b);
      total[2] += v_square(i) * theory::relu_input_second_moment(a, b, m) / m;
      total[3] += v_square(i) * theory::relu_activation_rate(a, b);
    }
    for (double& t : total) t /= problem.hidden;
    return total;
  }
};

Observer::Observer(const Problem& problem, std::span<const Observable> observables)
    : work_(std::make_unique<Work>(problem, observables)) {}
Observer::~Observer() = default;
Observer::Observer(Observer&&) noexcept = default;

void Observer::measure(const Parameters& parameters, std::span<double> out) {
  Work& work = *work_;
  const Problem& p = work.problem;
  if (work.needs.forward) work.forward(parameters);
  if (work.needs.residual) work.residuals(parameters);
  std::array<double, 4> sampled{};
  std::array<double, 4> exact{};
  if (work.needs.forward) sampled = work.sampled_moments(parameters);
  if (work.needs.averages && exact_activation_rate(p.input_kind)) exact = work.exact_averages(parameters);
  const auto& moments = exact_moments(p.input_kind, p.activation) ? exact : sampled;
  for (std::size_t k = 0; k < work.observables.size(); ++k) {
    switch (work.observables[k]) {
      case Observable::activation_rate:
        out[k] = exact_activation_rate(p.input_kind) ? exact[0] : sampled[0];
        break;
      case Observable::v_norm:
        out[k] = norm(parameters.v);
        break;
      case Observable::w_norm:
        out[k] = norm(parameters.w);
        break;
      case Observable::bias_mean: {
        double total = 0;
        for (const float b : parameters.b) total += b;
        out[k] = total / p.hidden;
        break;
      }
      case Observable::gradient_variance:
        out[k] = work.gradient_variance(parameters);
        break;
      case Observable::h_v:
        out[k] = moments[1];
        break;
      case Observable::h_w:
        out[k] = moments[2];
        break;
      case Observable::h_b:
        out[k] = moments[3];
        break;
      case Observable::loss:
        out[k] = work.loss;
        break;
      case Observable::accuracy:
        out[k] = work.accuracy;
        break;
      case Observable::output_variance:
        out[k] = work.output_variance();
        break;
    }
  }
}

}  // namespace soret::two_layer
