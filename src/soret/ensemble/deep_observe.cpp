#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>

#include "soret/ensemble/deep_cpu.hpp"
#include "soret/ensemble/two_layer_observables.hpp"
#include "soret/network/parallel.hpp"

namespace soret::deep {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using FloatMap = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

constexpr std::array<std::string_view, kObservables> kNames = {"gradient_variance", "gradient_variance_layer",
                                                               "activation_rate",   "parameter_norm",
                                                               "gradient_norm",     "loss",
                                                               "accuracy",          "output_variance"};

bool asks(std::span<const Observable> list, std::initializer_list<Observable> any) {
  return std::ranges::any_of(list, [&](Observable o) { return std::ranges::find(any, o) != any.end(); });
}

/// What the probe set says about the gradients of one layer's parameters: sums over parameters.
struct LayerGradients {
  double variance = 0;     ///< of the unbiased variance over samples
  double mean_square = 0;  ///< of the squared mean
  double parameters = 0;
};

/// From sum_s g^2 and (sum_s g)^2, both summed over the parameters.
LayerGradients layer_gradients(double squares, double square_of_sum, double samples, double parameters) {
  return {(squares - square_of_sum / samples) / (samples - 1), square_of_sum / (samples * samples),
          parameters};
}

}  // namespace

std::string_view name(Observable observable) {
  return kNames[static_cast<std::size_t>(observable)];
}

int cells(const Problem& problem, Observable observable) {
  return observable == Observable::gradient_variance_layer ? problem.layers : 1;
}

struct Observer::Work {
  Problem problem;
  std::vector<Observable> observables;
  bool forward, gradients;
  Eigen::Index samples;

  // What a pass over the probe set leaves.
  Matrix f, d;  ///< [S][C]: outputs and dL/df
  double loss = 0, accuracy = 0, slopes = 0;
  std::vector<LayerGradients> layers;

  // Fully connected.
  std::vector<Matrix> h;      ///< [layer][S][inputs of the layer]; h[0] is the probe set
  std::vector<Matrix> slope;  ///< [layer][S][units], hidden layers
  // Convolutional.
  network::Network<float> network;
  network::Pass<float> pass;
  std::vector<float> gradient;
  std::vector<double> sum, square;

  Work(const Problem& p, std::span<const Observable> list)
      : problem(p),
        observables(list.begin(), list.end()),
        gradients(asks(list, {Observable::gradient_variance, Observable::gradient_variance_layer,
                              Observable::gradient_norm})),
        samples(p.probe ? p.probe->size : 0),
        layers(p.layers),
        network(make_network(p)),
        pass(network, 1) {
    forward = gradients || asks(list, {Observable::activation_rate, Observable::loss, Observable::accuracy,
                                       Observable::output_variance});
    if (!forward) return;
    f.resize(samples, p.outputs);
    d.resize(samples, p.outputs);
    if (p.architecture == Architecture::convolutional) {
      gradient.resize(network.parameter_count());
      return;
    }
    h.resize(p.layers);
    slope.resize(p.layers - 1);
    h[0] = FloatMap(p.probe->inputs.data(), samples, p.inputs()).cast<double>();
  }

  double hidden_units() const {
    double units = 0;
    for (int l = 1; l < problem.layers; ++l) units += static_cast<double>(network.shape(2 * l).size());
    return units;
  }

  /// Judges f, which leaves d.
  void judge_outputs() {
    double total = 0;
    int right = 0;
    for (Eigen::Index s = 0; s < samples; ++s) {
      const float* target = problem.probe->targets.data() + s * problem.outputs;
      const auto verdict = two_layer::judge(problem.loss, problem.outputs, &f(s, 0), target, &d(s, 0));
      total += verdict.loss;
      right += verdict.right ? 1 : 0;
    }
    loss = total / static_cast<double>(samples);
    accuracy = problem.loss == Loss::squared ? std::nan("") : right / static_cast<double>(samples);
  }

  void measure_fully_connected(std::span<const float> parameters) {
    std::vector<Matrix> w;
    const float* at = parameters.data();
    slopes = 0;
    for (int l = 0; l < problem.layers; ++l) {
      const int in = problem.layer_inputs(l);
      const int out = problem.layer_outputs(l);
      w.emplace_back(FloatMap(at, out, in).cast<double>());
      const FloatMap b(at + static_cast<std::ptrdiff_t>(out) * in, 1, out);
      at += static_cast<std::ptrdiff_t>(out) * (in + 1);
      const bool last = l == problem.layers - 1;
      Matrix& u = last ? f : h[l + 1];
      u.noalias() = h[l] * w.back().transpose();
      u.rowwise() += b.cast<double>().row(0);
      if (last) break;
      slope[l].resize(samples, out);
      for (Eigen::Index k = 0; k < u.size(); ++k)
        two_layer::activate_double(problem.activation, problem.leak, u.data()[k], u.data()[k],
                                   slope[l].data()[k]);
      slopes += slope[l].sum();
    }
    judge_outputs();
    if (!gradients) return;
    // dL_s/dW_ij = delta_si h_sj: sum_ij of its square is ||delta_s||^2 ||h_s||^2, and the biases' add
    // ||delta_s||^2.
    Matrix delta = d;
    for (int l = problem.layers - 1; l >= 0; --l) {
      const double squares =
          delta.rowwise().squaredNorm().dot((h[l].rowwise().squaredNorm().array() + 1).matrix());
      const double square_of_sum =
          (delta.transpose() * h[l]).squaredNorm() + delta.colwise().sum().squaredNorm();
      layers[l] = layer_gradients(squares, square_of_sum, static_cast<double>(samples),
                                  static_cast<double>(delta.cols()) * static_cast<double>(h[l].cols() + 1));
      if (l > 0) delta = (delta * w[l]).cwiseProduct(slope[l - 1]).eval();
    }
  }

  void measure_convolutional(std::span<const float> parameters) {
    const network::OneThread one;  // for oneDNN
    const network::Mode mode;
    sum.assign(gradient.size(), 0.0);
    square.assign(gradient.size(), 0.0);
    slopes = 0;
    const int inputs = problem.inputs();
    for (Eigen::Index s = 0; s < samples; ++s) {
      const float* z = network.forward(pass, 1, problem.probe->inputs.data() + s * inputs, parameters.data(),
                                       nullptr, mode);
      for (int c = 0; c < problem.outputs; ++c) f(s, c) = z[c];
      for (int l = 1; l < problem.layers; ++l) {
        // Node 2 l - 1 is layer l before its activation.
        const float* u = network.values_of(pass, 2 * l - 1);
        for (std::size_t k = 0; k < network.shape(2 * l - 1).size(); ++k) {
          double value = 0;
          double gradient_of = 0;
          two_layer::activate_double(problem.activation, problem.leak, u[k], value, gradient_of);
          slopes += gradient_of;
        }
      }
      if (!gradients) continue;
      const float* target = problem.probe->targets.data() + s * problem.outputs;
      two_layer::judge(problem.loss, problem.outputs, &f(s, 0), target, &d(s, 0));
      for (int c = 0; c < problem.outputs; ++c) pass.output_gradient()[c] = static_cast<float>(d(s, c));
      std::ranges::fill(gradient, 0.0F);
      network.backward(pass, parameters.data(), gradient.data());
      for (std::size_t k = 0; k < gradient.size(); ++k) {
        const double g = gradient[k];
        sum[k] += g;
        square[k] += g * g;
      }
    }
    judge_outputs();
    if (!gradients) return;
    for (int l = 0; l < problem.layers; ++l) {  // two views each: weights and biases
      const std::size_t begin = network.parameters()[2 * l].offset;
      const std::size_t end =
          l + 1 < problem.layers ? network.parameters()[2 * l + 2].offset : gradient.size();
      double squares = 0;
      double square_of_sum = 0;
      for (std::size_t k = begin; k < end; ++k) {
        squares += square[k];
        square_of_sum += sum[k] * sum[k];
      }
      layers[l] = layer_gradients(squares, square_of_sum, static_cast<double>(samples),
                                  static_cast<double>(end - begin));
    }
  }

  double output_variance() const {
    return (f.rowwise() - f.colwise().mean()).squaredNorm() / static_cast<double>(samples - 1) /
           problem.outputs;
  }
};

Observer::Observer(const Problem& problem, std::span<const Observable> observables)
    : work_(std::make_unique<Work>(problem, observables)) {}
Observer::~Observer() = default;
Observer::Observer(Observer&&) noexcept = default;

void Observer::measure(std::span<const float> parameters, std::span<double> out) {
  Work& work = *work_;
  if (work.forward) {
    if (work.problem.architecture == Architecture::convolutional) {
      work.measure_convolutional(parameters);
    } else {
      work.measure_fully_connected(parameters);
    }
  }
  LayerGradients all;
  for (const LayerGradients& layer : work.layers) {
    all.variance += layer.variance;
    all.mean_square += layer.mean_square;
    all.parameters += layer.parameters;
  }
  double* to = out.data();
  for (const Observable o : work.observables) {
    switch (o) {
      case Observable::gradient_variance:
        *to++ = all.variance / all.parameters;
        break;
      case Observable::gradient_variance_layer:
        for (const LayerGradients& layer : work.layers) *to++ = layer.variance / layer.parameters;
        break;
      case Observable::activation_rate:
        *to++ = work.slopes / (work.hidden_units() * static_cast<double>(work.samples));
        break;
      case Observable::parameter_norm: {
        double square = 0;
        for (const float x : parameters) square += static_cast<double>(x) * x;
        *to++ = std::sqrt(square);
        break;
      }
      case Observable::gradient_norm:
        *to++ = std::sqrt(all.mean_square);
        break;
      case Observable::loss:
        *to++ = work.loss;
        break;
      case Observable::accuracy:
        *to++ = work.accuracy;
        break;
      case Observable::output_variance:
        *to++ = work.output_variance();
        break;
    }
  }
}

}  // namespace soret::deep
