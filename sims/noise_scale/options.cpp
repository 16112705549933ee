#include "sims/noise_scale/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/data/dataset.hpp"
#include "soret/data/load.hpp"

namespace soret::sims {
namespace {

using measure::Loss;
using measure::Sampling;
using Inputs = NoiseScaleOptions::Inputs;
using Targets = NoiseScaleOptions::Targets;

const std::vector<std::string> kLosses = {"linear", "logistic", "softmax"};
const std::vector<std::string> kInputs = {"gaussian", "uniform", "student_t"};
const std::vector<std::string> kTargets = {"teacher", "random", "dataset"};
const std::vector<std::string> kStarts = {"zero", "random", "minimiser"};
const std::vector<std::string> kMethods = {"auto", "enumerate", "sample"};
const std::vector<std::string> kSamplings = {"with_replacement", "without_replacement"};

std::vector<std::string> data_kinds() {
  auto kinds = kInputs;
  const auto datasets = data::dataset_kinds();
  kinds.insert(kinds.end(), datasets.begin(), datasets.end());
  return kinds;
}

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (const auto& observable : noise_scale_observables()) names.push_back(observable.name);
  return names;
}

/// every, 2 every, ... and the last; or up to `points` of them spread evenly in log(step), from 1.
std::vector<std::int64_t> schedule(const Settings& s) {
  const std::int64_t last = s.integer("sgd.steps");
  if (s.text("record.schedule") == "linear") {
    const std::int64_t every = s.integer("record.every");
    return linear_schedule(every, every, last);
  }
  std::vector<std::int64_t> steps;
  const auto points = static_cast<double>(s.integer("record.points"));
  for (double k = 0; k + 1 < points; ++k) {
    const auto step = std::llround(std::pow(static_cast<double>(last), k / (points - 1)));
    if ((steps.empty() || step > steps.back()) && step < last) steps.push_back(step);
  }
  steps.push_back(last);
  return steps;
}

}  // namespace

std::vector<Option> noise_scale_options() {
  return {
      text("problem.loss", "linear", kLosses,
           "linear: 1/2 (f - y)^2; logistic: cross entropy of labels 0/1; softmax: cross entropy of classes"),
      integer("problem.inputs", "10", 1,
              "number of inputs without the bias; a dataset fixes it (mnist 784, cifar10 3072)"),
      integer("problem.outputs", "1", 1, "1 for linear and logistic, the number of classes for softmax"),
      {.key = "problem.bias",
       .type = OptionType::flag,
       .default_value = "true",
       .help = "one more input, always 1"},

      text("data.kind", "gaussian", data_kinds(),
           "inputs: gaussian N(0, I), uniform U(0, 1), student_t (independent, heavy tails), or a dataset"),
      integer("data.degrees_of_freedom", "3", 1, "of kind = student_t; its tail falls as |x|^-this", 64),
      text("data.labels", "teacher", kTargets,
           "teacher: drawn from the model at random weights; random: N(0, 1), fair coin or class; dataset: "
           "its "
           "classes (with one output, 1 for the upper half of them, else 0)"),
      real("data.teacher_scale", "1", 0,
           "the teacher's weights are N(0, teacher_scale^2 / inputs) (our choice)"),
      real("data.label_noise", "0.5", 0,
           "standard deviation of the Gaussian noise on a linear teacher's targets (our choice)"),
      integer("data.training_samples", "256", 0, "N; of a dataset its first samples, 0: all of them"),
      text("data.sampling", "without_replacement", kSamplings,
           "a batch is |B| independent draws, or |B| different samples"),
      text("data.scaling", "standardise", data::scaling_names(), "what is done to a dataset's features"),
      fixed(text("data.path", "", {}, "folder of the datasets; empty: the environment variable SORET_DATA")),

      text("point.start", "zero", kStarts,
           "where the noise is measured: zero weights, random ones N(0, scale^2), or the minimiser of the "
           "loss"),
      real("point.scale", "0.1", 0, "standard deviation of start = random (our choice)"),
      integer("point.descent_steps", "0", 0, "full-batch gradient descent steps taken from there first"),
      positive(real("point.descent_rate", "0.1", 0, "their learning rate (our choice)")),

      integer("sgd.batch_size", "1", 1, "|B|; at most N without replacement"),
      positive(real("sgd.learning_rate", "0.1", 0, "learning rate")),
      fixed(integer("sgd.steps", "1000", 1, "mini-batches of every trajectory, all at the same parameters")),

      text("noise.method", "auto", kMethods,
           "enumerate: visit every possible batch, no statistical error; sample: draw batches; auto: "
           "enumerate up "
           "to enumeration_limit batches"),
      {.key = "noise.enumeration_limit",
       .type = OptionType::real,
       .default_value = "20000",
       .help = "most batches that are enumerated (our choice)",
       .min = 1,
       .max = 1e8,
       .scannable = false},
      integer("noise.directions", "8", 2, "random directions for the checks of Gaussianity (our choice)",
              1024),
      {.key = "noise.tail_fraction",
       .type = OptionType::real,
       .default_value = "0.05",
       .help = "part of the projections that makes the tail of Hill's estimate (our choice)",
       .min = 0,
       .max = 0.5,
       .min_excluded = true},

      fixed(integer("ensemble.trajectories", "64", 1, "independent series of mini-batches per scan point")),
      {.key = "ensemble.seed",
       .type = OptionType::integer,
       .default_value = "1",
       .help = "seed of every random stream: data, teacher, start, directions and batches",
       .min = 0,
       .max = 9007199254740992.0},

      {.key = "record.observables",
       .type = OptionType::list,
       .default_value = "covariance_trace covariance_ratio noise_scale noise_displacement",
       .help = "what to record",
       .choices = observable_names(),
       .scannable = false},
      fixed(text("record.schedule", "log", {"linear", "log"},
                 "linear: every `every` mini-batches; log: `points` records evenly in log(mini-batches)")),
      fixed(integer("record.every", "100", 1, "mini-batches between records of the linear schedule")),
      fixed(integer("record.points", "12", 2, "records of the log schedule, as far as they are distinct")),
      fixed(integer("record.blocks", "32", 1,
                    "trajectories are kept as this many block means for the bootstrap; at least the "
                    "trajectories: all of them")),
  };
}

std::vector<Observable> noise_scale_observables() {
  const auto row = [](const char* name, const char* meaning, const char* reference,
                      std::vector<std::string> dimensions = {}) {
    return Observable{
        .name = name, .long_name = meaning, .reference = reference, .dimensions = std::move(dimensions)};
  };
  return {
      row("noise_mean", "mean of psi along the leading eigenvector of F: 0 for an unbiased gradient",
          "seed 003 Eq. 9-10"),
      row("covariance_trace", "trace of Cov psi", "seed 003 Eq. 12"),
      row("covariance_leading",
          "variance of psi along the leading eigenvector of F: the largest eigenvalue of Cov psi",
          "seed 003 Eq. 12"),
      row("covariance_ratio", "trace of Cov psi over its prediction", "seed 003 Eq. 14-15",
          {"covariance_law"}),
      row("covariance_diagonal", "variance of each component of psi", "seed 003 Eq. 12", {"parameter"}),
      row("covariance", "Cov psi", "seed 003 Eq. 12", {"parameter", "other_parameter"}),
      row("noise_scale", "noise scale g, from tr Cov psi over tr F (over N - 1)", "seed 003 Eq. 23-24"),
      row("noise_displacement", "squared displacement by gradient noise", "seed 003 Eq. 18-23"),
      row("gradient_norm_squared", "squared gradient of the mean loss, from sizes 1 and |B|",
          "McCandlish et al. 2018, A.1"),
      row("gradient_variance", "trace of F, from sizes 1 and |B|", "McCandlish et al. 2018, A.1"),
      row("excess_kurtosis", "excess kurtosis of psi along random directions, their mean", "seed 003 Eq. 16"),
      row("inverse_tail_index", "Hill's estimate of 1/alpha of psi along random directions",
          "seed 003 Eq. 16"),
      row("ks_distance",
          "Kolmogorov-Smirnov distance of psi along random directions from a Gaussian, their mean",
          "seed 003 Eq. 16"),
  };
}

NoiseScaleOptions noise_scale_point(const Settings& s) {
  NoiseScaleOptions o;
  o.loss = choice<Loss>(kLosses, s.text("problem.loss"));
  o.inputs = static_cast<int>(s.integer("problem.inputs"));
  o.outputs = static_cast<int>(s.integer("problem.outputs"));
  o.bias = s.flag("problem.bias");
  o.data_kind = s.text("data.kind");
  o.input_kind = choice<Inputs>(kInputs, o.data_kind);  // behind the last of them: a dataset
  o.degrees_of_freedom = static_cast<int>(s.integer("data.degrees_of_freedom"));
  o.targets = choice<Targets>(kTargets, s.text("data.labels"));
  o.teacher_scale = s.real("data.teacher_scale");
  o.label_noise = s.real("data.label_noise");
  o.training_samples = static_cast<int>(s.integer("data.training_samples"));
  o.scaling = s.text("data.scaling");
  o.data_path = s.text("data.path");
  o.start = choice<NoiseScaleOptions::Start>(kStarts, s.text("point.start"));
  o.scale = s.real("point.scale");
  o.descent_steps = s.integer("point.descent_steps");
  o.descent_rate = s.real("point.descent_rate");
  o.sampling = choice<Sampling>(kSamplings, s.text("data.sampling"));
  o.batch_size = static_cast<int>(s.integer("sgd.batch_size"));
  o.learning_rate = s.real("sgd.learning_rate");
  o.method = choice<NoiseScaleOptions::Method>(kMethods, s.text("noise.method"));
  o.enumeration_limit = s.real("noise.enumeration_limit");
  o.directions = static_cast<int>(s.integer("noise.directions"));
  o.tail_fraction = s.real("noise.tail_fraction");
  o.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));

  if (o.loss == Loss::softmax && o.outputs < 2) {
    throw ConfigError(
        "problem.loss = softmax needs problem.outputs of at least 2; use logistic for one output");
  }
  if (o.loss != Loss::softmax && o.outputs != 1) {
    throw ConfigError(fmt::format("problem.loss = {} has one output, not problem.outputs = {}; use softmax",
                                  s.text("problem.loss"), o.outputs));
  }
  if (o.input_kind != Inputs::dataset) {
    if (o.targets == Targets::dataset) {
      throw ConfigError(fmt::format(
          "data.labels = dataset, but data.kind = {} has no labels; use teacher or random", o.data_kind));
    }
    if (o.training_samples == 0) {
      throw ConfigError(fmt::format(
          "data.training_samples = 0 means all of a dataset, but data.kind = {} is drawn; set how many",
          o.data_kind));
    }
  }
  return o;
}

NoiseScaleRecord noise_scale_record(const Settings& common) {
  NoiseScaleRecord record;
  record.steps = schedule(common);
  record.trajectories = static_cast<std::uint32_t>(common.integer("ensemble.trajectories"));
  const auto names = observable_names();
  for (const std::string& word : common.list("record.observables"))
    record.observables.push_back(choice<NoiseObservable>(names, word));
  return record;
}

}  // namespace soret::sims
