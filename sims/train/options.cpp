#include "sims/train/options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::sims {
namespace {

using training::Optimizer;
using training::OptimizerKind;
using training::Sampling;
using training::ScheduleKind;

/// The rules of training::kOptimizers, then AdamW.
const std::vector<std::string> kOptimizers = {"sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw"};
const std::vector<std::string> kSamplings(std::begin(training::kSamplings), std::end(training::kSamplings));
const std::vector<std::string> kSchedules(std::begin(training::kSchedules), std::end(training::kSchedules));
const std::vector<std::string> kUnits = {"epochs", "updates"};

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (const auto& observable : train_observables()) names.push_back(observable.name);
  return names;
}

Option fraction(std::string key, std::string value, std::string help) {
  Option option = real(std::move(key), std::move(value), 0, std::move(help));
  option.max = 1;
  return option;
}

Optimizer optimizer_of(const Settings& s, const std::string& name) {
  Optimizer o;
  o.kind = name == "adamw" ? OptimizerKind::adam : choice<OptimizerKind>(kOptimizers, name);
  o.momentum = s.real("sgd.momentum");
  o.decay = s.real("sgd.decay");
  o.beta1 = s.real("sgd.beta1");
  o.beta2 = s.real("sgd.beta2");
  o.epsilon = s.real("sgd.epsilon");
  o.weight_decay = s.real("sgd.weight_decay");
  o.decoupled = name == "adamw" || s.flag("sgd.decoupled");
  const bool keeps_nothing_new = (o.kind == OptimizerKind::rmsprop && o.decay == 1) ||
                                 (o.kind == OptimizerKind::adam && (o.beta1 == 1 || o.beta2 == 1));
  if (keeps_nothing_new)
    throw ConfigError(fmt::format("sgd.decay, sgd.beta1 and sgd.beta2 of {} must be below 1", name));
  return o;
}

/// "30-60.5-90"
std::vector<double> milestones_of(const std::string& text) {
  std::vector<double> all;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('-');
    const auto value = parse_real(rest.substr(0, end));
    if (!value || *value < 0 || (!all.empty() && *value <= all.back()))
      throw ConfigError(fmt::format("schedule.milestones = {}: write ascending positions as 30-60-90", text));
    all.push_back(*value);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return all;
}

/// Steps `every` apart from 0, and the last; as often as the main schedule if `every` is 0.
std::vector<std::int64_t> every_so_often(const Settings& s, const char* key,
                                         const std::vector<std::int64_t>& main) {
  const std::int64_t every = s.integer(key);
  if (every == 0) return main;
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 0; step < main.back(); step += every) steps.push_back(step);
  steps.push_back(main.back());
  return steps;
}

}  // namespace

std::size_t extent(TrainObservable observable, const TrainRecord& record, std::size_t layers) {
  using O = TrainObservable;
  switch (observable) {
    case O::parameter_norm_layer:
    case O::gradient_variance_layer:
    case O::fisher_trace_layer:
    case O::lambda_max_layer:
    case O::hessian_trace_layer:
      return layers;
    case O::eigenvalues:
      return static_cast<std::size_t>(record.eigenvalues);
    case O::spectral_density:
      return record.density_places.size();
    case O::wall_seconds_phase:
      return std::size(kPhases);
    default:
      return 1;
  }
}

const std::vector<std::int64_t>* steps_of(TrainObservable observable, const TrainRecord& record) {
  if (observable < kFirstGradient) return &record.steps;
  if (observable < kFirstCurvature) return &record.gradient_steps;
  return observable < kFirstFinal ? &record.curvature_steps : nullptr;
}

std::vector<Option> train_options() {
  std::vector<Option> options = model_options();
  const auto add = [&](std::vector<Option> more) {
    options.insert(options.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  add(data_options());
  add({
      text("sgd.optimizer", "sgd", kOptimizers,
           "the update rule; momentum: heavy ball; adamw: adam with decoupled weight decay"),
      positive(real("sgd.learning_rate", "0.1", 0, "learning rate; a schedule's highest")),
      integer("sgd.batch_size", "64", 1, "samples per update"),
      integer(
          "sgd.micro_batch_size", "0", 0,
          "samples of a micro-batch, which penalties and iterative grafting are of (the last of a batch may "
          "be smaller); also sgd.chunk, where that is 0; 0: the chunk"),
      text("sgd.sampling", "shuffle", kSamplings,
           "shuffle: epochs in random order, the last batch may be smaller (its loss is the mean of its own "
           "samples); shuffle_drop_last; with_replacement"),
      fraction("sgd.momentum", "0.9", "of momentum and nesterov"),
      fraction("sgd.decay", "0.99", "of rmsprop: weight of the past in the mean square (PyTorch's default)"),
      fraction("sgd.beta1", "0.9", "of adam"),
      fraction("sgd.beta2", "0.999", "of adam"),
      positive(real("sgd.epsilon", "1e-8", 0, "of rmsprop and adam, added to the root")),
      real("sgd.weight_decay", "0", 0, "adds weight_decay times the parameters to the gradient"),
      {.key = "sgd.decoupled",
       .type = OptionType::flag,
       .default_value = "false",
       .help = "weight decay beside the rule, not through the gradient"},
      text("sgd.switch_to", "sgd", kOptimizers, "the rule after switch_at, its memory empty"),
      real("sgd.switch_at", "0", 0, "epochs before the switch of the rule; 0: no switch"),
      positive(real("sgd.switch_factor", "1", 0, "of the learning rate after the switch")),
      fixed(integer("sgd.epochs", "10", 1, "length of training")),
      fixed(integer("sgd.updates", "0", 0, "length in updates; 0: as epochs says")),
      integer("sgd.chunk", "0", 0,
              "samples computed together, one chunk per thread; 0: the micro-batch, or, where that is 0, "
              "too, the "
              "whole batch with batch normalisation, else at most 128"),
      fraction("sgd.stop_accuracy", "0",
               "a trajectory ends at the first record with this training accuracy; 0: never"),
      real("sgd.stop_seconds", "0", 0,
           "a trajectory ends after so many seconds (which nothing reproduces); 0: never"),

      text("schedule.kind", "constant", kSchedules,
           "of the learning rate; step: times `factor` at each milestone; cosine: down to `minimum` "
           "and, at each period, back"),
      text("schedule.unit", "epochs", kUnits, "what the positions below count"),
      text("schedule.milestones", "", {}, "of step: 30-60-90"),
      positive(real("schedule.factor", "0.1", 0, "of step")),
      real("schedule.period", "0", 0, "of cosine; 0: all of training"),
      real("schedule.minimum", "0", 0, "of cosine: the lowest learning rate"),
      real("schedule.warm_up", "0", 0, "for so long the rate grows linearly to its value"),
      fraction("schedule.warm_up_factor", "0", "what it begins with, as part of its value"),
      integer(
          "schedule.reference_batch_size", "0", 0,
          "linear scaling rule: the learning rate is that of this batch size and grows with the batch; 0: "
          "off"),

  });
  add(method_options());
  add({
      fixed(integer("ensemble.trajectories", "1", 1, "independent runs per scan point")),
      seed_option("seed of every random stream; data are drawn once, runs differ by their number"),

      observables_option("train_loss train_error test_loss test_error parameter_norm", observable_names()),
      blocks_option("32", "trajectories"),
      fixed(text("record.unit", "epochs", kUnits, "what the steps of the file count")),
  });
  add(schedule_options("linear", "1", "50"));
  add({
      fixed(integer("record.gradient_every", "0", 0,
                    "steps between records of the observables over gradient_step; 0: as the others")),
      fixed(integer("record.curvature_every", "0", 0,
                    "steps between records of the observables over curvature_step; 0: as the others")),
      fixed(integer("record.measured_samples", "1000", 0,
                    "training samples, the first ones, that per-sample gradients, Fisher traces, curvature "
                    "and sharpness are taken on; 0: all")),
      fixed(integer("record.probes", "10", 1, "random vectors for traces and the spectral density")),
      fixed(integer("record.eigenvalues", "5", 1, "how many of the largest `eigenvalues` holds", 100)),
      fixed(positive(real("record.eigenvalue_tolerance", "1e-3", 0, "relative"))),
      fixed(integer(
          "record.most_products", "300", 1,
          "about how many Hessian-vector products an eigenvalue search may take; what has not converged by "
          "then is recorded as found, a lower bound")),
      fixed(integer("record.lanczos_steps", "30", 2, "of the spectral density")),
      fixed(positive(real("record.sharpness_epsilon", "1e-3", 0,
                          "epsilon of the box of sharpness: its half-width over |parameter| + 1"))),
      fixed(positive(real("record.sharpness_radius", "0.05", 0, "of the ball of sam_sharpness"))),
      fixed(real("record.density_from", "-5", kAny, "lowest curvature of the spectral density")),
      fixed(real("record.density_to", "50", kAny, "highest curvature of the spectral density")),
      fixed(integer("record.density_points", "111", 2, "places of the spectral density")),
      fixed(positive(real("record.density_width", "0.5", 0,
                          "standard deviation of the Gaussians that it is smoothed by"))),
      fixed(integer("record.fisher_draws", "1", 1,
                    "labels drawn per sample for sampled_gradient_square and sampled_micro_batch_square")),
      fixed(integer("record.monitored_size", "128", 1,
                    "samples (at most those of the training set) of the fresh micro-batches that "
                    "micro_batch_norm and its like are means over")),
      fixed(integer("record.monitored_batches", "8", 1, "how many of them")),
      {.key = "record.matched_losses",
       .type = OptionType::list,
       .default_value = "",
       .help = "training losses at which methods are compared (derived quantities matched_...)",
       .scannable = false},
      fixed(
          text("record.select_by", "error", {"error", "loss"},
               "the recorded parameters with the lowest validation error (the loss breaks ties) or loss are "
               "selected, and looked at on the test set at the end")),
      fixed(positive(real("checkpoint.seconds", "60", 0, "between checkpoints of an unfinished run"))),
      fixed(text("checkpoint.keep", "none", {"none", "final"},
                 "final: the last checkpoint of every run stays, in OUTPUT.checkpoints")),
  });
  return options;
}

std::vector<Observable> train_observables() {
  struct Row {
    const char* name;
    const char* meaning;
    const char* reference = "";
    std::vector<std::string> dimensions{};
  };
  const std::vector<Row> rows = {
      {"train_loss", "mean loss of the training set, with the labels that are trained on", "seed 001 S-E1"},
      {"train_error", "fraction of the training set classified wrong, by the labels that are trained on",
       "seed 001 Fig. 1"},
      {"train_clean_loss", "mean loss of the training set with the labels before label noise"},
      {"train_clean_error",
       "fraction of the training set classified wrong, by the labels before label noise"},
      {"validation_loss", "mean loss of the slice held out of the training set"},
      {"validation_error", "fraction of the held-out slice classified wrong", "seed 000 Fig. 1"},
      {"test_loss", "mean loss of the test set"},
      {"test_error", "fraction of the test set classified wrong", "seed 001 Fig. 2"},
      {"scheduled_learning_rate", "learning rate of the next update"},
      {"parameter_norm", "L2 norm of all parameters", "seed 001 Fig. 4"},
      {"parameter_norm_layer", "L2 norm of a layer's parameters", "", {"layer"}},
      {"distance", "L2 distance of the parameters from where they began"},
      {"update_norm", "L2 norm of the last update; 0 before the first", "seed 000 Eq. 8"},
      {"step_gradient_norm",
       "L2 norm of the gradient (of loss and penalty, before grafting) of the last update; 0 before the "
       "first",
       "seed 000 section 5.1"},
      {"penalty", "the penalty of the last update, without its strength; 0 where there was none",
       "seed 000 Eqs. 1 to 7"},
      {"wall_seconds", "wall time of training so far, without recording; nothing reproduces it",
       "seed 000 Fig. 5"},
      {"wall_seconds_phase",
       "wall time so far: waiting for data; gradients; what penalties add to them; updates; recording",
       "",
       {"phase"}},

      {"gradient_norm", "L2 norm of the gradient of the training loss"},
      {"batch_gradient_norm", "mean L2 norm of the gradients of an epoch's batches, at fixed parameters",
       "seed 000 Fig. 1"},
      {"batch_gradient_square", "mean squared norm of the gradients of an epoch's batches", "seed 000 Eq. 1"},
      {"implicit_term", "eta/4 times the mean squared batch gradient", "seed 001 Eq. 1"},
      {"implicit_gradient_term", "eta/4 times the squared gradient of the training loss", "seed 001 Eq. 2"},
      {"implicit_deviation_term", "eta/4 times the mean squared deviation of batch gradients",
       "seed 001 Eq. 2"},
      {"implicit_remainder", "implicit_term minus the two terms of its split: 0 for equal batches",
       "seed 001 Eq. 2"},
      {"implicit_literal",
       "eta/4 times the mean square of s times the batch gradient, s the second moments of rmsprop or adam; "
       "implicit_term for other methods and before the first update",
       "seed 001 section 2"},
      {"implicit_preconditioned", "the same with the batch gradient over sqrt(s) + epsilon",
       "corrects seed 001 section 2"},
      {"implicit_half_preconditioned", "the same with the squared batch gradient over sqrt(s) + epsilon",
       "corrects seed 001 section 2"},
      {"gradient_variance", "per-sample variance of the loss gradient, mean over parameters",
       "seed 002 Eq. 17"},
      {"gradient_variance_layer",
       "per-sample variance of the loss gradient, mean over a layer's parameters",
       "seed 002 Eq. 17",
       {"layer"}},
      {"covariance_trace", "trace of the per-sample gradient covariance (over N)"},
      {"signal_to_noise", "squared gradient over covariance_trace"},
      {"critical_batch_size", "covariance_trace over the squared gradient", "McCandlish et al. 2018"},
      {"empirical_fisher_trace", "mean squared per-sample gradient", "seed 000 Eq. 3"},
      {"fisher_trace", "trace of the Fisher matrix, in evaluation mode: labels by the model, exactly",
       "seed 000 Eq. 3"},
      {"fisher_trace_layer", "trace of a layer's block of the Fisher matrix", "seed 000 Eq. 3", {"layer"}},
      {"sampled_gradient_square",
       "mean squared gradient of batches with labels drawn from the model: Tr(F)/|B|", "seed 000 Eq. 3"},
      {"micro_batch_norm",
       "mean L2 norm of the loss gradients of fresh, augmented micro-batches, with the statistics of the "
       "batch",
       "seed 000 Fig. 1"},
      {"micro_batch_square", "mean squared norm of these gradients", "seed 000 Fig. 1 as its code has it"},
      {"sampled_micro_batch_square",
       "mean squared gradient of these micro-batches with labels drawn from the model: Tr(F)/|M|",
       "seed 000 Eq. 3"},

      {"lambda_max", "largest eigenvalue of the Hessian of the training loss"},
      {"eigenvalues", "largest eigenvalues of the Hessian", "", {"rank"}},
      {"lambda_max_layer", "largest eigenvalue of a layer's block of the Hessian", "", {"layer"}},
      {"hessian_trace", "trace of the Hessian (Hutchinson)"},
      {"hessian_trace_probe_error", "standard error of hessian_trace over its random probes"},
      {"hessian_trace_layer", "trace of a layer's block of the Hessian (Hutchinson)", "", {"layer"}},
      {"spectral_density", "density of the Hessian's eigenvalues (stochastic Lanczos)", "", {"curvature"}},
      {"gauss_newton_trace", "Tr(J^T P J), of relu networks of dense layers; equals the Hessian's trace",
       "seed 002 Eq. 46"},
      {"trace_bound", "bound of the Hessian's trace by activity and weight norms, |X| squared",
       "corrects seed 002 Eq. 62"},
      {"trace_bound_printed", "the bound as printed", "seed 002 Eq. 62"},
      {"sharpness",
       "(C_eps, I)-sharpness of the training loss: phi as far as 10 iterations of L-BFGS-B find it",
       "seed 003 Eqs. 2-3"},
      {"sharpness_half", "sharpness in a box of half the size", "seed 003 Eqs. 2-3"},
      {"sam_sharpness", "largest rise of the training loss found in an L2 ball", "Foret et al. 2021, Eq. 1"},

      {"stopped_at", "updates done when the run ended"},
      {"selected_step", "record whose parameters were selected by the validation set"},
      {"selected_validation_error", "validation error of the selected parameters"},
      {"selected_validation_loss", "validation loss of the selected parameters"},
      {"selected_test_error", "test error of the selected parameters"},
      {"selected_test_loss", "test loss of the selected parameters"},
  };
  std::vector<Observable> all;
  for (const Row& row : rows) {
    const auto o = static_cast<TrainObservable>(all.size());
    all.push_back({.name = row.name,
                   .unit = std::string_view(row.name).starts_with("wall_seconds") ? "s"
                           : std::string_view(row.name).starts_with("sharpness")  ? "percent"
                                                                                  : "1",
                   .long_name = row.meaning,
                   .reference = row.reference,
                   .dimensions = row.dimensions,
                   .recorded_over = o < kFirstGradient    ? "step"
                                    : o < kFirstCurvature ? "gradient_step"
                                    : o < kFirstFinal     ? "curvature_step"
                                                          : ""});
  }
  return all;
}

TrainOptions train_point(const Settings& s) {
  TrainOptions o;
  o.model = model_of(s);
  o.data = data_of(s);
  o.chunk = static_cast<int>(s.integer("sgd.chunk"));
  o.stop_accuracy = s.real("sgd.stop_accuracy");
  o.stop_seconds = s.real("sgd.stop_seconds");
  o.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));

  training::Recipe& r = o.recipe;
  r.optimizer = optimizer_of(s, s.text("sgd.optimizer"));
  r.batch_size = static_cast<std::size_t>(s.integer("sgd.batch_size"));
  r.augmentation = o.data.augmentation;
  r.sampling = choice<Sampling>(kSamplings, s.text("sgd.sampling"));
  r.micro_batch_size = std::min(r.batch_size, static_cast<std::size_t>(s.integer("sgd.micro_batch_size")));
  o.method = method_of(s);
  r.penalty = o.method.penalty;
  r.noise = o.method.noise;
  r.switch_to = optimizer_of(s, s.text("sgd.switch_to"));
  r.switch_factor = s.real("sgd.switch_factor");
  r.schedule_counts_epochs = s.text("schedule.unit") == "epochs";
  training::Schedule& schedule = r.schedule;
  schedule.kind = choice<ScheduleKind>(kSchedules, s.text("schedule.kind"));
  schedule.learning_rate = s.real("sgd.learning_rate");
  if (const auto reference = s.integer("schedule.reference_batch_size"); reference > 0)
    schedule.learning_rate *= static_cast<double>(r.batch_size) / static_cast<double>(reference);
  schedule.milestones = milestones_of(s.text("schedule.milestones"));
  if (schedule.kind == ScheduleKind::step && schedule.milestones.empty())
    throw ConfigError("schedule.kind = step needs schedule.milestones, for example 30-60-90");
  schedule.factor = s.real("schedule.factor");
  schedule.period = s.real("schedule.period");
  schedule.minimum = s.real("schedule.minimum");
  schedule.warm_up = s.real("schedule.warm_up");
  schedule.warm_up_factor = s.real("schedule.warm_up_factor");
  return o;
}

TrainRecord train_record(const Settings& s) {
  TrainRecord r;
  r.trajectories = static_cast<std::uint32_t>(s.integer("ensemble.trajectories"));
  r.updates = s.integer("sgd.updates");
  r.epochs = r.updates > 0 ? 0 : s.integer("sgd.epochs");
  r.counts_epochs = s.text("record.unit") == "epochs";
  if (r.counts_epochs && r.updates > 0)
    throw ConfigError(
        "record.unit = epochs, but sgd.updates says how long training is: set record.unit = "
        "updates");
  if (!r.counts_epochs && r.updates == 0)
    throw ConfigError(
        "record.unit = updates needs sgd.updates: epochs are not the same number of updates at "
        "every batch size");
  const auto names = observable_names();
  for (const std::string& word : s.list("record.observables"))
    r.observables.push_back(choice<TrainObservable>(names, word));
  r.steps = schedule(s, r.updates > 0 ? r.updates : r.epochs);
  r.gradient_steps = every_so_often(s, "record.gradient_every", r.steps);
  r.curvature_steps = every_so_often(s, "record.curvature_every", r.steps);

  r.measured_samples = static_cast<int>(s.integer("record.measured_samples"));
  r.probes = static_cast<int>(s.integer("record.probes"));
  r.eigenvalues = static_cast<int>(s.integer("record.eigenvalues"));
  r.eigenvalue_tolerance = s.real("record.eigenvalue_tolerance");
  r.most_products = static_cast<int>(s.integer("record.most_products"));
  r.lanczos_steps = static_cast<int>(s.integer("record.lanczos_steps"));
  r.sharpness_epsilon = s.real("record.sharpness_epsilon");
  r.sharpness_radius = s.real("record.sharpness_radius");
  const double from = s.real("record.density_from");
  const double to = s.real("record.density_to");
  if (from >= to)
    throw ConfigError(fmt::format("record.density_from = {} is not below record.density_to = {}", from, to));
  const std::int64_t places = s.integer("record.density_points");
  for (std::int64_t k = 0; k < places; ++k)
    r.density_places.push_back(from + (to - from) * static_cast<double>(k) / static_cast<double>(places - 1));
  r.density_width = s.real("record.density_width");
  r.fisher_draws = static_cast<int>(s.integer("record.fisher_draws"));
  r.monitored_size = static_cast<int>(s.integer("record.monitored_size"));
  r.monitored_batches = static_cast<int>(s.integer("record.monitored_batches"));
  for (const std::string& word : s.list("record.matched_losses")) {
    const auto loss = parse_real(word);
    if (!loss || *loss <= 0)
      throw ConfigError(fmt::format("record.matched_losses: '{}' is not a number > 0", word));
    r.matched_losses.push_back(*loss);
  }
  if (!r.matched_losses.empty() && !r.wants(TrainObservable::train_loss))
    throw ConfigError("record.matched_losses needs train_loss among record.observables");
  r.select_by_loss = s.text("record.select_by") == "loss";
  r.checkpoint_seconds = s.real("checkpoint.seconds");
  r.keep_checkpoints = s.text("checkpoint.keep") == "final";
  return r;
}

}  // namespace soret::sims
