#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Ensembles of two-layer networks f(x) = V sigma(W x + b) trained by SGD (seed 002 section 4): the problem,
/// its exact meaning, and the drivers that run it.
namespace soret::two_layer {

enum class Activation { relu, leaky_relu, tanh, gelu };
enum class Loss {
  logistic,  ///< L = -[y ln p + (1-y) ln(1-p)], p = 1/(1+e^-f); one output. (Seed 002 prints both signs
             ///< reversed.)
  softmax,   ///< cross entropy with C > 1 outputs
  squared,   ///< L = 1/2 sum_c (f_c - t_c)^2
};
enum class Initialisation {
  framework_uniform,  ///< every parameter U(-1/sqrt(fan_in), +1/sqrt(fan_in)), biases with W's fan-in
  he,                 ///< weights N(0, 2/fan_in), biases 0
  lecun,              ///< weights N(0, 1/fan_in), biases 0
  normal,             ///< weights N(0, s^2), biases 0
};
enum class Inputs { gaussian, uniform, ball, dataset };
enum class Labels { random, teacher, dataset };
enum class Sampling {
  fresh,                ///< a new sample every time
  with_replacement,     ///< i.i.d. picks from the fixed training set
  without_replacement,  ///< a new random order of the training set every epoch; a batch may straddle two
                        ///< epochs
};

/// One labelled set held in memory.
struct SampleSet {
  int size = 0;                ///< samples
  std::vector<float> inputs;   ///< [sample][M]
  std::vector<float> targets;  ///< [sample][C]: 0/1, one-hot or real values
};

struct Problem {
  int inputs = 10;  ///< M
  int hidden = 10;  ///< N
  int outputs = 1;  ///< C
  bool bias = true;
  Activation activation = Activation::relu;
  float leak = 0.01F;  ///< slope of leaky_relu below zero
  Loss loss = Loss::logistic;
  Initialisation initialisation = Initialisation::framework_uniform;
  float initial_scale = 1.0F;  ///< s of Initialisation::normal

  Inputs input_kind = Inputs::gaussian;
  float radius = 1.0F;  ///< of Inputs::ball
  Labels label_kind = Labels::random;
  int teacher_hidden = 10;  ///< width of the teacher; same inputs, outputs, bias and activation
  Sampling sampling = Sampling::fresh;

  int batch_size = 1;
  float learning_rate = 0.05F;
  float momentum = 0.0F;  ///< heavy ball: v <- momentum v + g, parameter <- parameter - learning_rate v
  std::uint64_t seed = 1;

  std::shared_ptr<const SampleSet> training;  ///< the fixed set; null when sampling is fresh
  std::shared_ptr<const SampleSet> probe;     ///< held-out set on which observables are evaluated

  /// W, b (if any), V.
  int parameters() const { return hidden * inputs + (bias ? hidden : 0) + outputs * hidden; }
};

/// Parameters of one network.
struct Parameters {
  std::vector<float> w;  ///< [N][M]
  std::vector<float> b;  ///< [N]; zeros when the network has no bias
  std::vector<float> v;  ///< [C][N]
};

/// Parameters of trajectory t at step 0: a function of (problem.seed, t) and the initialisation.
/// Block layout of its stream: W row-major, then b, then V, one number per word, each part starting a new
/// block.
Parameters initial_parameters(const Problem& problem, std::uint32_t trajectory);

/// The teacher of Labels::teacher: weights N(0, 1/fan_in) and N(0, 1/N_t), biases N(0, 1/M); one for all
/// trajectories.
Parameters teacher_parameters(const Problem& problem);

/// Where the numbers of a trajectory's fresh samples stand in its streams. Sample n = step * batch_size + i
/// (so runs of different batch size see the same samples in the same order):
/// inputs: blocks [n * blocks_per_sample, (n+1) * blocks_per_sample) of Purpose::inputs, number j from block
/// j/4; a ball's last block gives the radius. Labels: see random_targets.
int blocks_per_sample(const Problem& problem);

/// Inputs of `count` fresh samples from sample number `first` on: out[count][M].
void fresh_inputs(const Problem& problem, std::uint32_t trajectory, std::uint64_t first, int count,
                  float* out);

/// Targets of fresh samples: out[count][C]. Random labels: logistic takes bit
/// n % 128 of block n / 128 of Purpose::labels, softmax
/// class below(word n % 4 of block n / 4, C), squared N(0,1) numbers, C per sample. A teacher labels
/// `inputs`.
void fresh_targets(const Problem& problem, const Parameters& teacher, std::uint32_t trajectory,
                   std::uint64_t first, int count, const float* inputs, float* out);

/// Gaussian, uniform or ball inputs with their targets as a fixed set: the training set (Purpose::dataset_*)
/// or the probe set (Purpose::probe_*); the same for all trajectories.
SampleSet synthetic_set(const Problem& problem, int size, bool probe);

/// Replaces the targets of a set by random or teacher labels (Purpose::dataset_labels or probe_labels), drawn
/// once per sample: a dataset with random labels.
void label_set(const Problem& problem, SampleSet& set, bool probe);

/// What can be recorded, in the order of observable_names().
enum class Observable {
  activation_rate,    ///< (1/N) sum_i E sigma'(W_i x + b_i), Eq. 14
  v_norm,             ///< ||V||_2
  w_norm,             ///< ||W||_F
  bias_mean,          ///< (1/N) sum_i b_i
  gradient_variance,  ///< mean over parameters of the variance over probe samples of dL/dparameter
  h_v,                ///< mean over units of E[(df/dV)^2], Property 4.1
  h_w,                ///< mean over units, inputs and outputs of E[(df/dW)^2]
  h_b,                ///< mean over units and outputs of E[(df/db)^2]
  loss,               ///< mean loss over the probe set
  accuracy,           ///< fraction of the probe set classified right (logistic and softmax)
  output_variance,    ///< variance of f over the probe set, mean over outputs
};
inline constexpr int kObservables = 11;
std::string_view name(Observable observable);

/// Evaluates observables of one network, exactly where a closed form exists (Gaussian inputs:
/// theory/gaussian_unit.hpp), on the probe set otherwise. Not thread-safe: one per thread.
class Observer {
 public:
  Observer(const Problem& problem, std::span<const Observable> observables);
  ~Observer();
  Observer(Observer&&) noexcept;

  /// out[i] = observables[i] of the network.
  void measure(const Parameters& parameters, std::span<double> out);

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

/// A trajectory has diverged once a parameter is beyond this in magnitude, or not a number. Our choice: far
/// above anything that SGD on these problems visits and returns from, and low enough that the last record
/// before it does not swamp an ensemble's mean.
inline constexpr float kDivergenceLimit = 1e4F;

/// True if every parameter is a number within the limit.
bool finite(const Parameters& parameters);

/// What to run and to record.
struct Request {
  std::uint32_t first_trajectory = 0;
  int trajectories = 1;
  std::span<const std::int64_t> record_steps;  ///< strictly ascending, none negative
  std::span<const Observable> observables;
  const std::atomic<bool>* stop = nullptr;  ///< when it turns true the run throws Stopped
};

/// values[(observable * records + record) * trajectories + trajectory]; diverged_at per trajectory: first
/// recorded step with a parameter that is not finite, or -1.
struct Records {
  std::vector<double> values;
  std::vector<std::int64_t> diverged_at;
};

struct Stopped {};

/// How a driver lays out its work; all give the same numbers up to rounding.
enum class Driver {
  automatic,
  lanes,    ///< sixteen trajectories in the lanes of a vector; small networks
  blocked,  ///< one trajectory, several steps as matrix products; large networks or batches
};
Driver choose_driver(const Problem& problem);

/// Runs trajectories on one CPU thread. A trajectory's numbers depend on the problem and its index alone.
Records run_cpu(const Problem& problem, const Request& request, Driver driver = Driver::automatic);

/// Trajectories that a driver takes at a time.
int preferred_group(const Problem& problem);

/// Parameters of one trajectory after `steps` steps (for tests and checkpoints).
Parameters train_cpu(const Problem& problem, std::uint32_t trajectory, std::int64_t steps,
                     Driver driver = Driver::automatic);

}  // namespace soret::two_layer
