#pragma once

#include "soret/ensemble/two_layer.hpp"
#include "soret/network/network.hpp"

/// Ensembles of deep networks trained by SGD (seed 002 Fig. 2, middle and bottom): the problem, its exact
/// meaning, and the drivers that run it. Losses, activations, samples and their draws are those of
/// two_layer.hpp.
namespace soret::deep {

using two_layer::Activation;
using two_layer::Initialisation;
using two_layer::Inputs;
using two_layer::Labels;
using two_layer::Loss;
using two_layer::SampleSet;
using two_layer::Sampling;
using two_layer::Stopped;

enum class Architecture {
  fully_connected,  ///< `layers` dense layers, the hidden ones of `width` units
  convolutional,    ///< `layers` - 1 convolutions of `width` channels, 5 x 5, stride 1; then a dense layer
};

struct Problem {
  Architecture architecture = Architecture::fully_connected;
  network::Shape input{1, 1, 100};  ///< of one sample, channels last; a vector has h = w = 1
  int layers = 6;                   ///< layers with weights, the output included
  int width = 100;                  ///< hidden units, or channels
  int pad = 0;                      ///< zeros around the input of a convolution
  int outputs = 1;                  ///< C
  Activation activation = Activation::relu;
  float leak = 0.01F;  ///< slope of leaky_relu below zero; fully connected only
  Loss loss = Loss::logistic;
  Initialisation initialisation = Initialisation::framework_uniform;
  float initial_scale = 1.0F;  ///< s of Initialisation::normal

  Inputs input_kind = Inputs::gaussian;
  float radius = 1.0F;  ///< of Inputs::ball
  Labels label_kind = Labels::random;
  int teacher_hidden = 10;  ///< width of the teacher, a two-layer network
  Sampling sampling = Sampling::fresh;

  int batch_size = 1;
  float learning_rate = 0.05F;
  float momentum = 0.0F;  ///< heavy ball: v <- momentum v + g, parameter <- parameter - learning_rate v
  std::uint64_t seed = 1;

  std::shared_ptr<const SampleSet> training;  ///< the fixed set; null when sampling is fresh
  std::shared_ptr<const SampleSet> probe;     ///< held-out set on which observables are evaluated
  bool observe_in_float = false;  ///< fully connected: observables by products in float, summed in double

  int inputs() const { return static_cast<int>(input.size()); }
  /// Inputs and outputs of layer l of a fully connected network.
  int layer_inputs(int l) const { return l == 0 ? inputs() : width; }
  int layer_outputs(int l) const { return l == layers - 1 ? outputs : width; }
};

/// The same network for src/soret/network. Its parameters are the layers in order, each its weights
/// ([outputs][inputs], or [channels][5][5][inputs]) and its biases; every vector of parameters here is laid
/// out so. Throws ConfigError where a kernel is larger than its padded input.
network::Network<float> make_network(const Problem& problem);

/// A two-layer problem with the same samples: every fully connected or convolutional network sees what a
/// two-layer network of that seed and trajectory sees.
two_layer::Problem sample_problem(const Problem& problem);

/// Parameters of trajectory t at step 0: a function of (problem.seed, t) and the initialisation. In the
/// stream of Purpose::initial_parameters every layer's weights and every layer's biases start a new block,
/// one number per word, whether they are drawn or zero.
std::vector<float> initial_parameters(const Problem& problem, std::uint32_t trajectory);

/// What can be recorded, in the order of their names.
enum class Observable {
  gradient_variance,        ///< mean over parameters of the variance over probe samples of dL/dparameter
  gradient_variance_layer,  ///< the same, layer by layer
  activation_rate,          ///< mean over hidden units and probe samples of sigma'(u)
  parameter_norm,           ///< ||theta||_2
  gradient_norm,            ///< ||mean over the probe set of the gradient||_2
  loss,                     ///< mean loss over the probe set
  accuracy,                 ///< fraction of the probe set classified right (logistic and softmax)
  output_variance,          ///< variance of f over the probe set, mean over outputs
  // Of the whole training set, which must be a fixed one; fully connected only.
  training_loss,             ///< mean loss
  training_accuracy,         ///< fraction classified right (logistic and softmax)
  training_gradient_trace,   ///< tr Sigma: the variance over samples of dL/dparameter, sum over parameters
  training_gradient_square,  ///< ||mean gradient||^2
};
inline constexpr int kObservables = 12;
std::string_view name(Observable observable);
/// Numbers that an observable is: one per layer, or one.
int cells(const Problem& problem, Observable observable);
/// Whether it is evaluated on the training set rather than on the probe set.
bool of_training_set(Observable observable);

/// Evaluates observables of one network. Not thread-safe: one per thread.
///
/// Fully connected: in double, or by products in float whose sums are kept in double, some hundred samples at
/// a time. The gradient of one sample by a layer's weights is a delta times an input, so sums of squares
/// follow without forming it. Convolutional: the float gradient of each sample in turn, summed in double.
/// Variances over samples have N - 1 in the denominator.
class Observer {
 public:
  Observer(const Problem& problem, std::span<const Observable> observables);
  ~Observer();
  Observer(Observer&&) noexcept;

  /// out: the cells of every observable in order.
  void measure(std::span<const float> parameters, std::span<double> out);

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

/// True if every parameter is a number within two_layer::kDivergenceLimit.
bool finite(std::span<const float> parameters);

/// What to run and to record.
struct Request {
  std::uint32_t first_trajectory = 0;
  int trajectories = 1;
  std::span<const std::int64_t> record_steps;  ///< strictly ascending, none negative
  std::span<const Observable> observables;
  const std::atomic<bool>* stop = nullptr;  ///< when it turns true the run throws Stopped
};

/// values: for each observable, records x cells rows of `trajectories` numbers, one observable after the
/// other: values[(offset + record * cells + cell) * trajectories + trajectory], offset = records * the cells
/// of the observables before. diverged_at per trajectory: first recorded step with a parameter that is not
/// finite, or -1.
struct Records {
  std::vector<double> values;
  std::vector<std::int64_t> diverged_at;
};
/// Records of nothing yet: NaN, and no divergence.
Records empty_records(const Problem& problem, const Request& request);
/// Puts the cells of all observables at one record of one trajectory in their place.
void put_record(const Problem& problem, const Request& request, std::size_t record, int trajectory,
                std::span<const double> cells, Records& records);

/// Runs trajectories on one CPU thread. A trajectory's numbers depend on the problem and its index alone.
Records run_cpu(const Problem& problem, const Request& request);

/// Parameters of one trajectory after `steps` steps (for tests and checkpoints).
std::vector<float> train_cpu(const Problem& problem, std::uint32_t trajectory, std::int64_t steps);

}  // namespace soret::deep
