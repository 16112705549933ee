#include "sims/two_layer/options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sims/ensemble_data.hpp"
#include "sims/option_table.hpp"
#include "soret/base/error.hpp"

namespace soret::sims {
namespace {

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (int o = 0; o < two_layer::kObservables; ++o)
    names.emplace_back(two_layer::name(static_cast<two_layer::Observable>(o)));
  return names;
}

}  // namespace

std::vector<Option> two_layer_options() {
  std::vector<Option> options = {
      integer("network.inputs", "10", 1, "number of inputs M; a dataset fixes it (mnist 784, cifar10 3072)"),
      integer("network.hidden", "10", 1, "number of hidden units N"),
      integer("network.outputs", "1", 1, "number of outputs C"),
      {.key = "network.bias",
       .type = OptionType::flag,
       .default_value = "true",
       .help = "hidden units have a bias"},
      text("network.activation", "relu", words(kActivations), "activation of the hidden units"),
      real("network.leak", "0.01", 0, "slope of leaky_relu below zero (our choice)"),
      text("network.loss", "logistic", words(kLosses),
           "logistic: one output, labels 0/1; softmax: cross entropy, C > 1; squared: 1/2 |f - t|^2"),
      text("network.initialisation", "framework_uniform", words(kInitialisations),
           "framework_uniform: all parameters U(-1/sqrt(fan_in), 1/sqrt(fan_in)); he, lecun, normal: N(0, "
           "2/fan_in), "
           "N(0, 1/fan_in), N(0, initial_scale^2) with zero biases (our choice: no paper says)"),
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
      fixed(integer("sgd.steps", "20000", 1, "SGD steps of every trajectory")),

      fixed(integer("ensemble.trajectories", "256", 1, "independent networks per scan point")),
      seed_option("seed of every random stream; trajectory t draws the same numbers at every scan point"),

      observables_option("activation_rate v_norm", observable_names()),
      blocks_option("32", "trajectories"),
      fixed(
          integer("record.probe_samples", "256", 2,
                  "held-out samples on which observables without a closed form are evaluated (our choice)")),
  };
  options.insert(options.end(), training.begin(), training.end());
  const auto records = schedule_options("linear", "100", "50");
  options.insert(options.end(), records.begin(), records.end());
  return options;
}

std::vector<Observable> two_layer_observables() {
  const auto row = [](two_layer::Observable o, const char* meaning, const char* reference) {
    return Observable{.name = std::string(two_layer::name(o)), .long_name = meaning, .reference = reference};
  };
  using O = two_layer::Observable;
  return {
      row(O::activation_rate, "activation rate: mean over hidden units of E_x sigma'(W x + b)",
          "seed 002 Eq. 14"),
      row(O::v_norm, "L2 norm of the output weights V", "seed 002 Fig. 4"),
      row(O::w_norm, "Frobenius norm of the input weights W", ""),
      row(O::bias_mean, "mean bias of the hidden units", ""),
      row(O::gradient_variance,
          "per-sample variance of the loss gradient, mean over parameters, on the probe set",
          "seed 002 Eq. 17"),
      row(O::h_v, "h_v: mean over hidden units of E_x (df/dV)^2", "seed 002 Property 4.1"),
      row(O::h_w, "h_w: mean over input weights and outputs of E_x (df/dW)^2", "seed 002 Property 4.1"),
      row(O::h_b, "h_b: mean over hidden units and outputs of E_x (df/db)^2", "seed 002 Property 4.1"),
      row(O::loss, "mean loss over the probe set", ""),
      row(O::accuracy, "fraction of the probe set classified right", ""),
      row(O::output_variance, "variance of the output over the probe set, mean over outputs", ""),
  };
}

TwoLayerOptions two_layer_point(const Settings& s) {
  TwoLayerOptions o;
  two_layer::Problem& p = o.problem;
  p.inputs = static_cast<int>(s.integer("network.inputs"));
  p.hidden = static_cast<int>(s.integer("network.hidden"));
  p.outputs = static_cast<int>(s.integer("network.outputs"));
  p.bias = s.flag("network.bias");
  p.activation = value_of(kActivations, s.text("network.activation"));
  p.leak = static_cast<float>(s.real("network.leak"));
  p.loss = value_of(kLosses, s.text("network.loss"));
  p.initialisation = value_of(kInitialisations, s.text("network.initialisation"));
  p.initial_scale = static_cast<float>(s.real("network.initial_scale"));
  p.batch_size = static_cast<int>(s.integer("sgd.batch_size"));
  p.learning_rate = static_cast<float>(s.real("sgd.learning_rate"));
  p.momentum = static_cast<float>(s.real("sgd.momentum"));
  p.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));

  o.data = read_data_choice(s, p);
  // One batch with its hidden units, of the networks that run together, must fit the memory of one thread.
  constexpr double kMostBytes = 8e9;
  const double bytes =
      4.0 * p.batch_size * (p.inputs + 3.0 * p.hidden + p.outputs) * two_layer::preferred_group(p) +
      8.0 * p.parameters() * two_layer::preferred_group(p);
  if (bytes > kMostBytes) {
    throw ConfigError(
        fmt::format("sgd.batch_size = {} and a network of {}-{}-{} take {:.3g} GB in every thread; at most "
                    "{:.3g} GB are allowed: make the batch or the network smaller",
                    p.batch_size, p.inputs, p.hidden, p.outputs, bytes * 1e-9, kMostBytes * 1e-9));
  }
  return o;
}

TwoLayerRecord two_layer_record(const Settings& common) {
  TwoLayerRecord record;
  record.steps = schedule(common, common.integer("sgd.steps"));
  record.trajectories = static_cast<std::uint32_t>(common.integer("ensemble.trajectories"));
  for (const std::string& word : common.list("record.observables")) {
    const auto names = observable_names();
    record.observables.push_back(
        static_cast<two_layer::Observable>(std::ranges::find(names, word) - names.begin()));
  }
  return record;
}

}  // namespace soret::sims
