#include "sims/two_layer/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/data/dataset.hpp"
#include "soret/data/load.hpp"

namespace soret::sims {
namespace {

using two_layer::Activation;
using two_layer::Initialisation;
using two_layer::Inputs;
using two_layer::Labels;
using two_layer::Loss;
using two_layer::Sampling;

/// A word of the config and the value it stands for.
template <class T>
struct Word {
  const char* word;
  T value;
};

constexpr std::array<Word<Activation>, 4> kActivations = {{{"relu", Activation::relu},
                                                           {"leaky_relu", Activation::leaky_relu},
                                                           {"tanh", Activation::tanh},
                                                           {"gelu", Activation::gelu}}};
constexpr std::array<Word<Loss>, 3> kLosses = {
    {{"logistic", Loss::logistic}, {"softmax", Loss::softmax}, {"squared", Loss::squared}}};
constexpr std::array<Word<Initialisation>, 4> kInitialisations = {
    {{"framework_uniform", Initialisation::framework_uniform},
     {"he", Initialisation::he},
     {"lecun", Initialisation::lecun},
     {"normal", Initialisation::normal}}};
constexpr std::array<Word<Inputs>, 3> kInputs = {
    {{"gaussian", Inputs::gaussian}, {"uniform", Inputs::uniform}, {"ball", Inputs::ball}}};
constexpr std::array<Word<Labels>, 3> kLabels = {
    {{"random", Labels::random}, {"teacher", Labels::teacher}, {"dataset", Labels::dataset}}};

template <class T, std::size_t N>
std::vector<std::string> words(const std::array<Word<T>, N>& table) {
  std::vector<std::string> out;
  for (const auto& entry : table) out.emplace_back(entry.word);
  return out;
}

/// The value of a word that the config reader has already checked against words(table).
template <class T, std::size_t N>
T value_of(const std::array<Word<T>, N>& table, const std::string& word) {
  return std::ranges::find(table, word, &Word<T>::word)->value;
}

std::vector<std::string> data_kinds() {
  auto kinds = words(kInputs);
  const auto datasets = data::dataset_kinds();
  kinds.insert(kinds.end(), datasets.begin(), datasets.end());
  return kinds;
}

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

      text("data.kind", "gaussian", data_kinds(),
           "inputs: gaussian N(0, I), uniform U(0, 1), ball (uniform in a ball), or a dataset"),
      positive(real("data.radius", "1", 0, "radius of kind = ball")),
      text("data.labels", "random", words(kLabels),
           "random: fair coin, class or N(0, 1); teacher: a random two-layer network; dataset: its classes"),
      integer("data.teacher_hidden", "10", 1, "width of the teacher (our choice)"),
      text("data.sampling", "auto", {"auto", "fresh", "with_replacement", "without_replacement"},
           "fresh samples every step, or picks from a fixed set; auto: fresh for synthetic inputs unless "
           "training_samples is set, else without_replacement"),
      integer("data.training_samples", "0", 0,
              "size of the fixed set, its first samples; 0: all of a dataset, none else"),
      text("data.scaling", "standardise", data::scaling_names(), "what is done to a dataset's features"),
      fixed(text("data.path", "", {}, "folder of the datasets; empty: the environment variable SORET_DATA")),

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
  p.radius = static_cast<float>(s.real("data.radius"));
  p.label_kind = value_of(kLabels, s.text("data.labels"));
  p.teacher_hidden = static_cast<int>(s.integer("data.teacher_hidden"));
  p.batch_size = static_cast<int>(s.integer("sgd.batch_size"));
  p.learning_rate = static_cast<float>(s.real("sgd.learning_rate"));
  p.momentum = static_cast<float>(s.real("sgd.momentum"));
  p.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));

  o.data_kind = s.text("data.kind");
  o.data_path = s.text("data.path");
  o.scaling = s.text("data.scaling");
  o.training_samples = s.integer("data.training_samples");
  o.probe_samples = s.integer("record.probe_samples");
  const bool synthetic = std::ranges::find(kInputs, o.data_kind, &Word<Inputs>::word) != kInputs.end();
  p.input_kind = synthetic ? value_of(kInputs, o.data_kind) : Inputs::dataset;

  const std::string& sampling = s.text("data.sampling");
  const bool has_fixed_set = !synthetic || o.training_samples > 0;
  if (sampling == "fresh" || (sampling == "auto" && !has_fixed_set)) {
    p.sampling = Sampling::fresh;
  } else {
    p.sampling = sampling == "with_replacement" ? Sampling::with_replacement : Sampling::without_replacement;
  }

  if (p.loss == Loss::logistic && p.outputs != 1) {
    throw ConfigError(fmt::format(
        "network.loss = logistic needs network.outputs = 1, not {}; use softmax or squared", p.outputs));
  }
  if (p.loss == Loss::softmax && p.outputs < 2) {
    throw ConfigError(
        "network.loss = softmax needs network.outputs of at least 2; use logistic for one output");
  }
  if (p.label_kind == Labels::dataset && synthetic) {
    throw ConfigError(fmt::format(
        "data.labels = dataset, but data.kind = {} has no labels; use random or teacher", o.data_kind));
  }
  if (p.sampling == Sampling::fresh && !synthetic) {
    throw ConfigError(
        fmt::format("data.sampling = fresh, but data.kind = {} is a fixed set; use with_replacement or "
                    "without_replacement",
                    o.data_kind));
  }
  if (p.sampling == Sampling::fresh && o.training_samples > 0) {
    throw ConfigError("data.sampling = fresh contradicts data.training_samples; set one of them only");
  }
  if (p.sampling != Sampling::fresh && !has_fixed_set) {
    throw ConfigError(
        fmt::format("data.sampling = {} needs a fixed set: set data.training_samples", sampling));
  }
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
