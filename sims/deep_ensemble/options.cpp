#include "sims/deep_ensemble/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"

namespace soret::sims {
namespace {

using deep::Architecture;

constexpr std::array<Word<Architecture>, 2> kArchitectures = {
    {{"fully_connected", Architecture::fully_connected}, {"convolutional", Architecture::convolutional}}};

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (int o = 0; o < deep::kObservables; ++o)
    names.emplace_back(deep::name(static_cast<deep::Observable>(o)));
  return names;
}

}  // namespace

std::vector<Option> deep_ensemble_options() {
  std::vector<Option> options = {
      fixed(text("network.architecture", "fully_connected", words(kArchitectures),
                 "fully_connected: dense layers; convolutional: 5 x 5 convolutions of stride 1, then a dense "
                 "layer (runs on the CPU)")),
      integer("network.inputs", "100", 1,
              "number of inputs; a dataset fixes it (fashion_mnist 784); synthetic images are square"),
      fixed(integer("network.layers", "6", 2, "layers with weights, the output included", 64)),
      integer("network.width", "100", 1, "hidden units of a dense layer, or channels of a convolution"),
      integer("network.pad", "0", 0, "zeros around the input of each convolution (our choice: none)", 1000),
      integer("network.outputs", "1", 1, "number of outputs C"),
      text("network.activation", "relu", words(kActivations), "activation of the hidden units"),
      real("network.leak", "0.01", 0, "slope of leaky_relu below zero (our choice)"),
      text("network.loss", "logistic", words(kLosses),
           "logistic: one output, labels 0/1; softmax: cross entropy, C > 1; squared: 1/2 |f - t|^2"),
      text("network.initialisation", "framework_uniform", words(kInitialisations),
           "framework_uniform: all parameters U(-1/sqrt(fan_in), 1/sqrt(fan_in)); he, lecun, normal: N(0, "
           "2/fan_in), N(0, 1/fan_in), N(0, initial_scale^2) with zero biases (our choice: no paper says)"),
      positive(real("network.initial_scale", "1", 0, "standard deviation of initialisation = normal")),
  };
  const auto data = ensemble_data_options();
  options.insert(options.end(), data.begin(), data.end());
  const std::vector<Option> training = {
      positive(real("sgd.learning_rate", "0.05", 0, "learning rate")),
      integer("sgd.batch_size", "1", 1, "samples per step"),
      {.key = "sgd.momentum",
       .type = OptionType::real,
       .default_value = "0",
       .help = "heavy-ball momentum m: v <- m v + gradient, parameter <- parameter - learning_rate v",
       .min = 0,
       .max = 0.9999},
      fixed(integer("sgd.steps", "4000", 1, "SGD steps of every trajectory")),
      fixed(integer("sgd.epochs", "0", 0,
                    "length in passes over the fixed training set, which the steps of the file then count: "
                    "epoch e ends at step e N/|B|, rounded; 0: as steps says")),

      fixed(integer("ensemble.trajectories", "64", 1, "independent networks per scan point")),
      seed_option("seed of every random stream; trajectory t draws the same numbers at every scan point"),

      observables_option("gradient_variance activation_rate", observable_names()),
      blocks_option("32", "trajectories"),
      fixed(integer("record.probe_samples", "128", 2,
                    "held-out samples on which observables are evaluated (our choice)")),
      fixed(text("record.precision", "double", {"double", "float"},
                 "of the products behind the observables of dense networks; float: sums are kept in double, "
                 "twice as fast on thousands of samples")),
  };
  options.insert(options.end(), training.begin(), training.end());
  const auto records = schedule_options("linear", "100", "50");
  options.insert(options.end(), records.begin(), records.end());
  return options;
}

std::vector<Observable> deep_ensemble_observables() {
  const auto row = [](deep::Observable o, const char* meaning, const char* reference) {
    return Observable{.name = std::string(deep::name(o)), .long_name = meaning, .reference = reference};
  };
  using O = deep::Observable;
  std::vector<Observable> all = {
      row(O::gradient_variance,
          "per-sample variance of the loss gradient, mean over parameters, on the probe set",
          "seed 002 Eq. 17, Fig. 2"),
      row(O::gradient_variance_layer, "the same, mean over the parameters of one layer", "seed 002 Eq. 17"),
      row(O::activation_rate, "activation rate: mean of sigma'(u) over hidden units and the probe set",
          "seed 002 Eq. 14"),
      row(O::parameter_norm, "L2 norm of all parameters", ""),
      row(O::gradient_norm, "L2 norm of the mean gradient over the probe set", ""),
      row(O::loss, "mean loss over the probe set", ""),
      row(O::accuracy, "fraction of the probe set classified right", ""),
      row(O::output_variance, "variance of the output over the probe set, mean over outputs", ""),
      row(O::training_loss, "mean loss over the training set", ""),
      row(O::training_accuracy, "fraction of the training set classified right", ""),
      row(O::training_gradient_trace,
          "tr Sigma: variance of the loss gradient over the training set, sum over parameters",
          "seed 003 Eq. 14; McCandlish et al. 2018, Eq. 2.7"),
      row(O::training_gradient_square, "squared gradient of the mean loss over the training set",
          "McCandlish et al. 2018, Eq. 2.9"),
  };
  all[static_cast<std::size_t>(O::gradient_variance_layer)].dimensions = {"layer"};
  return all;
}

const std::vector<DerivedQuantity>& deep_ensemble_derived() {
  const auto row = [](const char* name, const char* meaning, const char* reference, bool over_steps) {
    return DerivedQuantity{{.name = name, .long_name = meaning, .reference = reference}, over_steps};
  };
  static const std::vector<DerivedQuantity> table = {
      row("noise_scale", "g = learning_rate (N/|B| - 1), of a fixed training set", "seed 003 Eq. 24", false),
      row("critical_batch_size",
          "training_gradient_trace / training_gradient_square: ratio of the ensemble's means",
          "McCandlish et al. 2018, Eq. 2.9", true),
      row("critical_batch_size_stderr", "its standard error: jackknife over blocks", "", true),
  };
  return table;
}

DeepEnsembleOptions deep_ensemble_point(const Settings& s) {
  DeepEnsembleOptions o;
  deep::Problem& p = o.problem;
  p.architecture = value_of(kArchitectures, s.text("network.architecture"));
  p.input = {1, 1, static_cast<int>(s.integer("network.inputs"))};
  p.layers = static_cast<int>(s.integer("network.layers"));
  p.width = static_cast<int>(s.integer("network.width"));
  p.pad = static_cast<int>(s.integer("network.pad"));
  p.outputs = static_cast<int>(s.integer("network.outputs"));
  p.activation = value_of(kActivations, s.text("network.activation"));
  p.leak = static_cast<float>(s.real("network.leak"));
  p.loss = value_of(kLosses, s.text("network.loss"));
  p.initialisation = value_of(kInitialisations, s.text("network.initialisation"));
  p.initial_scale = static_cast<float>(s.real("network.initial_scale"));
  p.batch_size = static_cast<int>(s.integer("sgd.batch_size"));
  p.learning_rate = static_cast<float>(s.real("sgd.learning_rate"));
  p.momentum = static_cast<float>(s.real("sgd.momentum"));
  p.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));
  p.observe_in_float = s.text("record.precision") == "float";

  two_layer::Problem samples = sample_problem(p);
  o.data = read_data_choice(s, samples);
  p.input_kind = samples.input_kind;
  p.radius = samples.radius;
  p.label_kind = samples.label_kind;
  p.teacher_hidden = samples.teacher_hidden;
  p.sampling = samples.sampling;

  const bool convolutional = p.architecture == Architecture::convolutional;
  if (convolutional && p.activation == deep::Activation::leaky_relu) {
    throw ConfigError(
        "network.activation = leaky_relu, which network.architecture = convolutional does not have; use "
        "relu, "
        "tanh or gelu");
  }
  if (!convolutional && p.pad > 0) {
    throw ConfigError(
        fmt::format("network.pad = {} needs network.architecture = convolutional; leave it out", p.pad));
  }
  // What one thread holds: parameters, velocity, gradient and a batch's units.
  constexpr double kMostBytes = 8e9;
  const double units = convolutional ? static_cast<double>(p.width) * p.inputs() : p.width;
  const double weights = convolutional
                             ? 25.0 * p.width * p.width * p.layers
                             : static_cast<double>(p.width) * (p.inputs() + 1.0 * p.width * p.layers);
  const double bytes = 4.0 * (3 * weights + p.batch_size * (p.inputs() + 4 * units * p.layers));
  if (bytes > kMostBytes) {
    throw ConfigError(
        fmt::format("sgd.batch_size = {} and {} layers of width {} take {:.3g} GB in every thread; at most "
                    "{:.3g} GB are allowed: make the batch or the network smaller",
                    p.batch_size, p.layers, p.width, bytes * 1e-9, kMostBytes * 1e-9));
  }
  return o;
}

DeepEnsembleRecord deep_ensemble_record(const Settings& common) {
  DeepEnsembleRecord record;
  record.counts_epochs = common.integer("sgd.epochs") > 0;
  record.steps = schedule(common, common.integer(record.counts_epochs ? "sgd.epochs" : "sgd.steps"));
  record.trajectories = static_cast<std::uint32_t>(common.integer("ensemble.trajectories"));
  record.layers = static_cast<int>(common.integer("network.layers"));
  const auto names = observable_names();
  for (const std::string& word : common.list("record.observables"))
    record.observables.push_back(
        static_cast<deep::Observable>(std::ranges::find(names, word) - names.begin()));
  return record;
}

}  // namespace soret::sims
