#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <variant>

#include "soret/ensemble/deep_cpu.hpp"
#include "soret/ensemble/two_layer_observables.hpp"
#include "soret/network/parallel.hpp"

namespace soret::deep {
namespace {

template <class Real>
using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using FloatMap = Eigen::Map<const Matrix<float>>;

constexpr std::array<std::string_view, kObservables> kNames = {
    "gradient_variance", "gradient_variance_layer", "activation_rate",
    "parameter_norm",    "gradient_norm",           "loss",
    "accuracy",          "output_variance",         "training_loss",
    "training_accuracy", "training_gradient_trace", "training_gradient_square"};

/// Samples of a fully connected network that take a pass together: their units stay in the second-level
/// cache.
constexpr Eigen::Index kChunk = 256;

bool asks(std::span<const Observable> list, std::initializer_list<Observable> any) {
  return std::ranges::any_of(list, [&](Observable o) { return std::ranges::find(any, o) != any.end(); });
}

/// What a set of samples says about the gradients of one layer's parameters: sums over parameters.
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

/// What a pass over a set leaves.
struct Averages {
  double loss = 0, accuracy = 0;
  double slopes = 0;  ///< sum of sigma' over hidden units and samples
  double output_variance = 0;
  std::vector<LayerGradients> layers;  ///< if gradients were asked for

  LayerGradients all_layers() const {
    LayerGradients all;
    for (const LayerGradients& layer : layers) {
      all.variance += layer.variance;
      all.mean_square += layer.mean_square;
      all.parameters += layer.parameters;
    }
    return all;
  }
};

/// Sums over the outputs of a set, sample by sample.
class OutputSums {
 public:
  OutputSums(const Problem& problem, const SampleSet& set)
      : problem_(problem), set_(set), sum_(problem.outputs), square_(problem.outputs), d_(problem.outputs) {}

  /// Judges f[C] of a sample, and returns dL/df.
  std::span<const double> add(Eigen::Index sample, const double* f) {
    const float* target = set_.targets.data() + sample * problem_.outputs;
    const auto verdict = two_layer::judge(problem_.loss, problem_.outputs, f, target, d_.data());
    loss_ += verdict.loss;
    right_ += verdict.right ? 1 : 0;
    if (samples_ == 0) shift_.assign(f, f + problem_.outputs);
    for (int c = 0; c < problem_.outputs; ++c) {
      const double away = f[c] - shift_[c];
      sum_[c] += away;
      square_[c] += away * away;
    }
    ++samples_;
    return d_;
  }

  void put(Averages& averages) const {
    const auto n = static_cast<double>(samples_);
    averages.loss = loss_ / n;
    averages.accuracy = problem_.loss == Loss::squared ? std::nan("") : right_ / n;
    averages.output_variance = 0;
    for (int c = 0; c < problem_.outputs; ++c)
      averages.output_variance += (square_[c] - sum_[c] * sum_[c] / n) / (n - 1) / problem_.outputs;
  }

 private:
  const Problem& problem_;
  const SampleSet& set_;
  double loss_ = 0;
  int right_ = 0;
  std::int64_t samples_ = 0;
  std::vector<double> shift_;  ///< [C], outputs of the first sample: sums of squares from there cancel little
  std::vector<double> sum_, square_, d_;  ///< [C]
};

/// A fully connected network over a set, a chunk of samples at a time.
template <class Real>
class DensePass {
 public:
  explicit DensePass(const Problem& problem) : p_(problem), w_(p_.layers), b_(p_.layers), h_(p_.layers) {
    slope_.resize(p_.layers - 1);
    gradient_.resize(p_.layers);
  }

  void load(std::span<const float> parameters) {
    const float* at = parameters.data();
    for (int l = 0; l < p_.layers; ++l) {
      const int in = p_.layer_inputs(l);
      const int out = p_.layer_outputs(l);
      w_[l] = FloatMap(at, out, in).cast<Real>();
      b_[l] = FloatMap(at + static_cast<std::ptrdiff_t>(out) * in, 1, out).cast<Real>();
      at += static_cast<std::ptrdiff_t>(out) * (in + 1);
    }
  }

  Averages over(const SampleSet& set, bool gradients) {
    Averages averages;
    OutputSums outputs(p_, set);
    std::vector<double> squares(p_.layers);
    for (int l = 0; l < p_.layers && gradients; ++l)
      gradient_[l] = Matrix<double>::Zero(p_.layer_outputs(l), p_.layer_inputs(l) + 1);
    for (Eigen::Index first = 0; first < set.size; first += kChunk) {
      const Eigen::Index rows = std::min<Eigen::Index>(kChunk, set.size - first);
      forward(set, first, rows, averages.slopes);
      judge(first, rows, outputs);
      if (gradients) backward(squares);
    }
    outputs.put(averages);
    for (int l = 0; l < p_.layers && gradients; ++l)
      averages.layers.push_back(layer_gradients(squares[l], gradient_[l].squaredNorm(), set.size,
                                                static_cast<double>(gradient_[l].size())));
    return averages;
  }

 private:
  void forward(const SampleSet& set, Eigen::Index first, Eigen::Index rows, double& slopes) {
    const Eigen::Index inputs = p_.inputs();
    h_[0] = FloatMap(set.inputs.data() + first * inputs, rows, inputs).template cast<Real>();
    for (int l = 0; l < p_.layers; ++l) {
      const bool last = l == p_.layers - 1;
      Matrix<Real>& u = last ? f_ : h_[l + 1];
      u.noalias() = h_[l] * w_[l].transpose();
      u.rowwise() += b_[l].row(0);
      if (last) break;
      slope_[l].resize(rows, u.cols());
      for (Eigen::Index k = 0; k < u.size(); ++k) {
        double value = 0;
        double slope = 0;
        two_layer::activate_double(p_.activation, p_.leak, u.data()[k], value, slope);
        u.data()[k] = static_cast<Real>(value);
        slope_[l].data()[k] = static_cast<Real>(slope);
        slopes += slope;
      }
    }
  }

  /// Leaves dL/df in delta_.
  void judge(Eigen::Index first, Eigen::Index rows, OutputSums& outputs) {
    delta_.resize(rows, p_.outputs);
    std::vector<double> f(p_.outputs);
    for (Eigen::Index s = 0; s < rows; ++s) {
      std::copy_n(&f_(s, 0), p_.outputs, f.data());
      const auto d = outputs.add(first + s, f.data());
      std::transform(d.begin(), d.end(), &delta_(s, 0), [](double x) { return static_cast<Real>(x); });
    }
  }

  /// dL_s/dW_ij = delta_si h_sj: sum_ij of its square is ||delta_s||^2 ||h_s||^2, and the biases' add
  /// ||delta_s||^2.
  void backward(std::vector<double>& squares) {
    for (int l = p_.layers - 1; l >= 0; --l) {
      for (Eigen::Index s = 0; s < delta_.rows(); ++s)
        squares[l] += static_cast<double>(delta_.row(s).squaredNorm()) *
                      (static_cast<double>(h_[l].row(s).squaredNorm()) + 1);
      product_.noalias() = delta_.transpose() * h_[l];
      gradient_[l].leftCols(product_.cols()) += product_.template cast<double>();
      gradient_[l].rightCols(1) += delta_.colwise().sum().transpose().template cast<double>();
      if (l == 0) break;
      below_.noalias() = delta_ * w_[l];
      delta_ = below_.cwiseProduct(slope_[l - 1]);
    }
  }

  const Problem& p_;
  std::vector<Matrix<Real>> w_, b_;       ///< [layer][outputs][inputs], [layer][1][outputs]
  std::vector<Matrix<Real>> h_;           ///< [layer][chunk][inputs of the layer]
  std::vector<Matrix<Real>> slope_;       ///< [hidden layer][chunk][units]
  std::vector<Matrix<double>> gradient_;  ///< [layer][outputs][inputs + 1]: sums over samples, biases last
  Matrix<Real> f_, delta_, below_, product_;
};

}  // namespace

std::string_view name(Observable observable) {
  return kNames[static_cast<std::size_t>(observable)];
}

int cells(const Problem& problem, Observable observable) {
  return observable == Observable::gradient_variance_layer ? problem.layers : 1;
}

bool of_training_set(Observable observable) {
  return observable >= Observable::training_loss;
}

struct Observer::Work {
  Problem problem;
  std::vector<Observable> observables;
  bool gradients, forward;                    ///< of the probe set
  bool training_gradients, training_forward;  ///< of the training set
  std::variant<std::monostate, DensePass<float>, DensePass<double>> dense;
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
        forward(gradients || asks(list, {Observable::activation_rate, Observable::loss, Observable::accuracy,
                                         Observable::output_variance})),
        training_gradients(
            asks(list, {Observable::training_gradient_trace, Observable::training_gradient_square})),
        training_forward(training_gradients ||
                         asks(list, {Observable::training_loss, Observable::training_accuracy})),
        network(make_network(p)),
        pass(network, 1) {
    if (problem.architecture == Architecture::convolutional) {
      gradient.resize(network.parameter_count());
    } else if (problem.observe_in_float) {
      dense.emplace<DensePass<float>>(problem);
    } else {
      dense.emplace<DensePass<double>>(problem);
    }
  }

  double hidden_units() const {
    double units = 0;
    for (int l = 1; l < problem.layers; ++l) units += static_cast<double>(network.shape(2 * l).size());
    return units;
  }

  void load(std::span<const float> parameters) {
    if (auto* pass_in_float = std::get_if<DensePass<float>>(&dense)) pass_in_float->load(parameters);
    if (auto* pass_in_double = std::get_if<DensePass<double>>(&dense)) pass_in_double->load(parameters);
  }
  Averages dense_averages(const SampleSet& set, bool with_gradients) {
    if (auto* pass_in_float = std::get_if<DensePass<float>>(&dense))
      return pass_in_float->over(set, with_gradients);
    return std::get<DensePass<double>>(dense).over(set, with_gradients);
  }

  Averages convolutional_averages(std::span<const float> parameters) {
    const network::OneThread one;  // for oneDNN
    const network::Mode mode;
    Averages averages;
    OutputSums outputs(problem, *problem.probe);
    std::vector<double> f(problem.outputs);
    sum.assign(gradient.size(), 0.0);
    square.assign(gradient.size(), 0.0);
    const int inputs = problem.inputs();
    for (Eigen::Index s = 0; s < problem.probe->size; ++s) {
      const float* z = network.forward(pass, 1, problem.probe->inputs.data() + s * inputs, parameters.data(),
                                       nullptr, mode);
      for (int l = 1; l < problem.layers; ++l) {
        // Node 2 l - 1 is layer l before its activation.
        const float* u = network.values_of(pass, 2 * l - 1);
        for (std::size_t k = 0; k < network.shape(2 * l - 1).size(); ++k) {
          double value = 0;
          double gradient_of = 0;
          two_layer::activate_double(problem.activation, problem.leak, u[k], value, gradient_of);
          averages.slopes += gradient_of;
        }
      }
      std::copy_n(z, problem.outputs, f.data());
      const auto d = outputs.add(s, f.data());
      if (!gradients) continue;
      for (int c = 0; c < problem.outputs; ++c) pass.output_gradient()[c] = static_cast<float>(d[c]);
      std::ranges::fill(gradient, 0.0F);
      network.backward(pass, parameters.data(), gradient.data());
      for (std::size_t k = 0; k < gradient.size(); ++k) {
        const double g = gradient[k];
        sum[k] += g;
        square[k] += g * g;
      }
    }
    outputs.put(averages);
    for (int l = 0; l < problem.layers && gradients; ++l) {  // two views each: weights and biases
      const std::size_t begin = network.parameters()[2 * l].offset;
      const std::size_t end =
          l + 1 < problem.layers ? network.parameters()[2 * l + 2].offset : gradient.size();
      double squares = 0;
      double square_of_sum = 0;
      for (std::size_t k = begin; k < end; ++k) {
        squares += square[k];
        square_of_sum += sum[k] * sum[k];
      }
      averages.layers.push_back(
          layer_gradients(squares, square_of_sum, problem.probe->size, static_cast<double>(end - begin)));
    }
    return averages;
  }
};

Observer::Observer(const Problem& problem, std::span<const Observable> observables)
    : work_(std::make_unique<Work>(problem, observables)) {}
Observer::~Observer() = default;
Observer::Observer(Observer&&) noexcept = default;

void Observer::measure(std::span<const float> parameters, std::span<double> out) {
  Work& work = *work_;
  const bool convolutional = work.problem.architecture == Architecture::convolutional;
  Averages probe, training;
  if (!convolutional && (work.forward || work.training_forward)) work.load(parameters);
  if (work.forward) {
    probe = convolutional ? work.convolutional_averages(parameters)
                          : work.dense_averages(*work.problem.probe, work.gradients);
  }
  if (work.training_forward) training = work.dense_averages(*work.problem.training, work.training_gradients);
  double* to = out.data();
  for (const Observable o : work.observables) {
    switch (o) {
      case Observable::gradient_variance:
        *to++ = probe.all_layers().variance / probe.all_layers().parameters;
        break;
      case Observable::gradient_variance_layer:
        for (const LayerGradients& layer : probe.layers) *to++ = layer.variance / layer.parameters;
        break;
      case Observable::activation_rate:
        *to++ = probe.slopes / (work.hidden_units() * static_cast<double>(work.problem.probe->size));
        break;
      case Observable::parameter_norm: {
        double square = 0;
        for (const float x : parameters) square += static_cast<double>(x) * x;
        *to++ = std::sqrt(square);
        break;
      }
      case Observable::gradient_norm:
        *to++ = std::sqrt(probe.all_layers().mean_square);
        break;
      case Observable::loss:
        *to++ = probe.loss;
        break;
      case Observable::accuracy:
        *to++ = probe.accuracy;
        break;
      case Observable::output_variance:
        *to++ = probe.output_variance;
        break;
      case Observable::training_loss:
        *to++ = training.loss;
        break;
      case Observable::training_accuracy:
        *to++ = training.accuracy;
        break;
      case Observable::training_gradient_trace:
        *to++ = training.all_layers().variance;
        break;
      case Observable::training_gradient_square:
        *to++ = training.all_layers().mean_square;
        break;
    }
  }
}

}  // namespace soret::deep
