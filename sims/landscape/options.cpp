#include "sims/landscape/options.hpp"

#include <fmt/format.h>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::sims {
namespace {

using Kind = LandscapeOptions::Kind;

const std::vector<std::string> kKinds = {"linear", "curved",       "filter_normalised",
                                         "random", "eigenvectors", "checkpoints"};
const std::vector<std::string> kPolicies = {"interpolate", "reestimate", "batch"};

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (const auto& observable : landscape_observables()) names.push_back(observable.name);
  return names;
}

void require_checkpoint(const Settings& s, const char* key, const std::string& why) {
  if (s.text(key).empty())
    throw ConfigError(
        fmt::format("landscape.kind = {} {}: set {} to a checkpoint of simulation = train "
                    "(checkpoint.keep = final)",
                    s.text("landscape.kind"), why, key));
}

}  // namespace

std::vector<Option> landscape_options() {
  return {
      text("landscape.kind", "linear", kKinds,
           "linear: f(alpha x_l + (1 - alpha) x_s); curved: f(sin(alpha pi/2) x_l + cos(alpha pi/2) x_s); "
           "filter_normalised, random, eigenvectors: f(x_s + alpha u + beta v) along two such directions; "
           "checkpoints: the plane through three"),
      text("landscape.from", "", {}, "the checkpoint x_s at alpha = 0, as simulation = train keeps it"),
      text("landscape.to", "", {}, "linear, curved, checkpoints: the checkpoint x_l at alpha = 1"),
      text("landscape.third", "", {}, "checkpoints: the third one, at beta = 1"),
      real("landscape.alpha", "linspace(-1, 2, 31)", kAny,
           "where the loss is computed, in ascending order (range and points are our choice). Paths and "
           "checkpoints: in units of x_l - x_s; filter_normalised: of the filters' norms; random and "
           "eigenvectors: distance from x_s"),
      real("landscape.beta", "0", kAny,
           "the same along the second direction, in units of that one; several values make a plane"),
      text("landscape.batch_norm", "interpolate", kPolicies,
           "statistics of batch normalisation. interpolate: those of the checkpoints, combined as the "
           "parameters are (variances not below 0; along directions those of x_s); reestimate: anew at each "
           "point, from the training samples in batches of batch_size; batch: those of each batch"),
      integer("landscape.batch_size", "128", 1,
              "samples that are computed, and under reestimate and batch normalised, together (our choice)"),
      integer(
          "landscape.eigenvector", "1", 1,
          "eigenvectors: which one is the direction of alpha, 1 for the largest eigenvalue of the Hessian "
          "of the training loss at x_s"),
      integer("landscape.second_eigenvector", "2", 1, "eigenvectors: which one is the direction of beta"),
      fixed(positive(real("landscape.eigenvalue_tolerance", "1e-3", 0, "relative (our choice)"))),
      fixed(integer("landscape.most_products", "1000", 1,
                    "about how many Hessian-vector products the eigenvectors may take (our choice)")),
      fixed(
          text("landscape.take_from", "", {},
               "a result of the same landscape over other alpha and beta, finished or not: cells that stand "
               "in it are taken over and not computed again")),

      fixed(text("data.path", "", {},
                 "folder of the datasets; empty: where the training run found them, which may be the "
                 "environment variable SORET_DATA")),
      fixed(integer("data.training_samples", "0", 0,
                    "the first of the samples that x_s was trained on; 0: all of them")),
      fixed(integer("data.test_samples", "0", 0,
                    "the first of the test set; 0: those that the training run tested on")),

      fixed(integer("ensemble.trajectories", "1", 1,
                    "filter_normalised, random: pairs of random directions, over which means and errors are "
                    "taken")),
      seed_option("seed of the random directions"),
      observables_option("train_loss train_accuracy test_loss test_accuracy", observable_names()),
      blocks_option("32", "trajectories"),
  };
}

std::vector<Observable> landscape_observables() {
  const auto row = [](const char* name, const char* meaning, const char* reference = "") {
    return Observable{.name = name, .long_name = meaning, .reference = reference, .recorded_over = ""};
  };
  std::vector<Observable> all = {row("train_loss", "loss on the training samples", "seed 003 Fig. 5"),
                                 row("train_accuracy", "accuracy on the training samples", "seed 003 Fig. 5"),
                                 row("test_loss", "loss on the test samples", "seed 003 Fig. 5"),
                                 row("test_accuracy", "accuracy on the test samples", "seed 003 Fig. 5"),
                                 row("parameter_norm", "norm of the parameters"),
                                 row("distance", "distance of the parameters from x_s")};
  all[1].drawn_beside = "train_loss";
  all[3].drawn_beside = "test_loss";
  return all;
}

std::vector<DerivedQuantity> landscape_derived() {
  const auto row = [](const char* name, const char* meaning, const char* dimension,
                      const char* reference = "") {
    return DerivedQuantity{
        {.name = name, .long_name = meaning, .reference = reference, .dimensions = {dimension}}};
  };
  const char* const garipov = "Garipov et al. 2018, App. A.1";
  return {row("direction_norm", "norm of a direction: what 1 of alpha or beta is in parameter space",
              "direction"),
          row("eigenvalue", "eigenvalue of the Hessian that belongs to a direction", "direction"),
          row("checkpoint_alpha", "alpha of a checkpoint", "checkpoint", garipov),
          row("checkpoint_beta", "beta of a checkpoint", "checkpoint", garipov)};
}

std::string LandscapeOptions::section() const {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", static_cast<int>(kind), from, to, third,
                     static_cast<int>(batch_norm), batch_size, eigenvector, second_eigenvector, seed);
}

LandscapeOptions landscape_cell(const Settings& s) {
  LandscapeOptions o;
  o.kind = choice<Kind>(kKinds, s.text("landscape.kind"));
  o.alpha = s.real("landscape.alpha");
  o.beta = s.real("landscape.beta");
  o.from = s.text("landscape.from");
  o.to = s.text("landscape.to");
  o.third = s.text("landscape.third");
  o.batch_norm = choice<LandscapeOptions::BatchNorm>(kPolicies, s.text("landscape.batch_norm"));
  o.batch_size = static_cast<int>(s.integer("landscape.batch_size"));
  o.eigenvector = static_cast<int>(s.integer("landscape.eigenvector"));
  o.second_eigenvector = static_cast<int>(s.integer("landscape.second_eigenvector"));
  o.eigenvalue_tolerance = s.real("landscape.eigenvalue_tolerance");
  o.most_products = static_cast<int>(s.integer("landscape.most_products"));
  o.data = {.path = s.text("data.path"),
            .training_samples = static_cast<std::size_t>(s.integer("data.training_samples")),
            .test_samples = static_cast<std::size_t>(s.integer("data.test_samples"))};
  o.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));

  require_checkpoint(s, "landscape.from", "begins at a network");
  if (o.is_path() || o.kind == Kind::checkpoints)
    require_checkpoint(s, "landscape.to", "goes from one network to another");
  if (o.kind == Kind::checkpoints)
    require_checkpoint(s, "landscape.third", "is the plane through three networks");
  if (o.is_path() && o.beta != 0)
    throw ConfigError(fmt::format("landscape.beta = {}, but landscape.kind = {} is a line; planes are {}",
                                  s.text("landscape.beta"), s.text("landscape.kind"),
                                  "filter_normalised, random, eigenvectors, checkpoints"));
  if (!o.is_random() && s.integer("ensemble.trajectories") > 1)
    throw ConfigError(
        fmt::format("ensemble.trajectories = {}, but with landscape.kind = {} nothing is drawn: it must be 1",
                    s.integer("ensemble.trajectories"), s.text("landscape.kind")));
  if (o.kind == Kind::eigenvectors && o.eigenvector == o.second_eigenvector)
    throw ConfigError(
        fmt::format("landscape.second_eigenvector = {} is landscape.eigenvector: two directions make a plane",
                    o.second_eigenvector));
  return o;
}

LandscapeRecord landscape_record(const ScanPlan& plan) {
  if (plan.zip)
    throw ConfigError(
        "[scan] mode = zip: alpha and beta make lines and planes as the cross product that they are; "
        "leave the mode out");
  LandscapeRecord record;
  for (const Axis& axis : plan.axes) {
    if (axis.key != "landscape.alpha" && axis.key != "landscape.beta") continue;
    for (std::size_t k = 1; k < axis.values.size(); ++k)
      if (!(parse_real(axis.values[k - 1]) < parse_real(axis.values[k])))
        throw ConfigError(
            fmt::format("{}: {} stands before {}; write the values in ascending order, each once", axis.key,
                        axis.values[k - 1], axis.values[k]));
    (axis.key == "landscape.alpha" ? record.over_alpha : record.over_beta) = true;
  }
  if (!record.over_alpha && !record.over_beta)
    throw ConfigError(
        fmt::format("landscape.alpha = {} is a single point; a line needs at least two, as linspace(-1, "
                    "2, 31)",
                    plan.common().text("landscape.alpha")));
  record.trajectories = static_cast<std::uint32_t>(plan.common().integer("ensemble.trajectories"));
  const auto names = observable_names();
  for (const std::string& word : plan.common().list("record.observables"))
    record.observables.push_back(choice<LandscapeObservable>(names, word));
  return record;
}

}  // namespace soret::sims
