#include "sims/train/method.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/measure/parts.hpp"
#include "soret/store/result_file.hpp"

namespace soret::sims {
namespace {

using training::GraftingKind;
using training::InjectedNoiseKind;
using training::PenaltyForm;
using training::PenaltyKind;

template <std::size_t N>
std::vector<std::string> words(const std::string_view (&table)[N]) {
  return {std::begin(table), std::end(table)};
}
const std::vector<std::string> kKinds = words(training::kPenalties);
const std::vector<std::string> kForms = words(training::kPenaltyForms);
const std::vector<std::string> kGrafts = words(training::kGraftings);
const std::vector<std::string> kNoises = words(training::kInjectedNoises);

/// A mean of the norms over its trajectories, one per recorded step behind the first.
std::vector<double> recorded_norms(const Method& m, std::vector<std::int64_t>& steps) {
  const store::Dataset file = [&] {
    try {
      return store::read(m.norm_file);
    } catch (const InputError& error) {
      throw InputError(
          fmt::format("graft.file, the run whose norms external grafting takes: {}", error.what()));
    }
  }();
  const auto fail = [&](const std::string& why) {
    throw ConfigError(fmt::format("graft.file = {}: {}", m.norm_file, why));
  };
  const store::Variable* norms = file.find(m.norm_observable);
  if (!norms)
    fail(fmt::format("the file has no {0}; record it in the run that gives the norms (record.observables)",
                     m.norm_observable));
  if (norms->dimensions.empty() || norms->dimensions.back() != "step")
    fail(fmt::format("{} is not recorded over steps alone", m.norm_observable));
  const store::Variable& step = file.at("step");
  const auto unit = step.attributes.find("long_name");
  if (unit == step.attributes.end() || unit->second != store::Attribute("update"))
    fail("its steps are not updates (record.unit = updates)");
  steps = step.integers();
  const std::size_t points = norms->reals().size() / steps.size();
  const auto point = static_cast<std::size_t>(std::max<std::int64_t>(m.norm_point, 0));
  if (m.norm_point < 0 && points > 1)
    fail(fmt::format("it has {} scan points; say which one gives the norms (graft.point, from 0)", points));
  if (point >= points) fail(fmt::format("it has {} scan points, and no point {}", points, point));
  const auto first = norms->reals().begin() + static_cast<std::ptrdiff_t>(point * steps.size());
  std::vector<double> values(first + 1, first + static_cast<std::ptrdiff_t>(steps.size()));
  for (std::size_t k = 0; k < values.size(); ++k)
    if (!(values[k] >= 0))
      fail(fmt::format("{} at step {} is {}: that run diverged or is unfinished", m.norm_observable,
                       steps[k + 1], values[k]));
  return values;
}

}  // namespace

std::vector<Option> method_options() {
  return {
      text("penalty.kind", "none", kKinds,
           "squared norm of micro-batch gradients of: the loss (gradient_norm), the loss with labels drawn "
           "from "
           "the model (fisher_trace), the mean output over samples and classes (average_jacobian) or along a "
           "random direction (unit_jacobian)"),
      real("penalty.strength", "0.01", 0, "lambda, which multiplies it"),
      text("penalty.strength_of", "constant", {"constant", "learning_rate"},
           "learning_rate: lambda is the strength times the learning rate of the update"),
      text("penalty.form", "average", kForms,
           "mean over micro-batches (weighted by their sizes), one of them drawn for every update (sample), "
           "or "
           "the first (fixed_sample)"),
      integer("penalty.every", "1", 1, "updates from one with a penalty to the next"),
      text("penalty.class_weight", "mean", {"mean", "sum"},
           "of average_jacobian: 1/C as the seed prints it, or 1 as its code has it: C^2 times as strong"),
      text("penalty.derivative", "exact", {"exact", "finite_difference"},
           "of the penalty: exact Hessian-vector products, or differences of two gradients"),
      positive(real("penalty.difference_step", "1e-3", 0,
                    "gradients differ by a move of the parameters of this length times 1 + their norm")),

      text("graft.kind", "none", kGrafts,
           "length of the batch gradient: that of a random micro-batch's (iterative), as recorded by another "
           "run "
           "(external), 1 (normalised: NGD)"),
      text("graft.file", "", {}, "of external: a result file; norms are its means over trajectories"),
      fixed(text("graft.observable", "step_gradient_norm", {}, "of external: what in it is the norm")),
      integer("graft.point", "-1", -1, "of external: scan point of the file; -1: it has one"),
      integer("graft.interval", "0", 0,
              "of external: updates that a norm is used for, the last of them being its own; 0: as recorded"),
      {.key = "graft.per_layer",
       .type = OptionType::flag,
       .default_value = "false",
       .help = "every layer's gradient gets its own length (iterative, normalised)"},

      text("noise.kind", "none", kNoises,
           "Gaussian noise on the parameters after every update: independent, or anticorrelated, xi_(k+1) - "
           "xi_k (Anti-PGD)"),
      real("noise.variance", "0.01", 0, "of an entry"),
      text("noise.variance_of", "noise", {"noise", "difference"},
           "of anticorrelated: of xi_k, or of xi_(k+1) - xi_k, which is twice as much"),
      text("noise.scaled_by", "one", {"one", "learning_rate"}, "what multiplies the noise"),
      integer("noise.until", "0", 0, "updates before it is switched off; 0: never"),
  };
}

Method method_of(const Settings& s) {
  Method m;
  training::Penalty& p = m.penalty;
  p.kind = choice<PenaltyKind>(kKinds, s.text("penalty.kind"));
  p.form = choice<PenaltyForm>(kForms, s.text("penalty.form"));
  p.strength = s.real("penalty.strength");
  p.follows_learning_rate = s.text("penalty.strength_of") == "learning_rate";
  p.every = s.integer("penalty.every");
  p.sum_of_classes = s.text("penalty.class_weight") == "sum";
  p.finite_difference = s.text("penalty.derivative") == "finite_difference";
  p.difference_step = s.real("penalty.difference_step");

  m.grafting.kind = choice<GraftingKind>(kGrafts, s.text("graft.kind"));
  m.per_layer = s.flag("graft.per_layer");
  m.norm_file = s.text("graft.file");
  m.norm_observable = s.text("graft.observable");
  m.norm_point = s.integer("graft.point");
  m.norm_interval = s.integer("graft.interval");
  if (m.grafting.kind == GraftingKind::iterative && p.kind != PenaltyKind::none)
    throw ConfigError(
        "graft.kind = iterative takes the norm of a plain micro-batch gradient: it needs penalty.kind = "
        "none");
  if (m.grafting.kind == GraftingKind::external) {
    if (m.norm_file.empty()) throw ConfigError("graft.kind = external needs a result file: set graft.file");
    if (m.per_layer)
      throw ConfigError("graft.per_layer: external norms are those of the whole gradient; set it to false");
  }

  training::InjectedNoise& n = m.noise;
  n.kind = choice<InjectedNoiseKind>(kNoises, s.text("noise.kind"));
  n.variance = s.real("noise.variance");
  n.of_difference = s.text("noise.variance_of") == "difference";
  n.scaled_by_learning_rate = s.text("noise.scaled_by") == "learning_rate";
  n.until = s.integer("noise.until") == 0 ? -1 : s.integer("noise.until");
  return m;
}

training::Grafting complete(const Method& m, const network::Network<float>& network, std::int64_t updates) {
  training::Grafting g = m.grafting;
  if (m.per_layer)
    for (const auto& part : measure::layer_parts(network))
      if (part.name != "network") g.layer_ends.push_back(part.last);
  if (g.kind != GraftingKind::external) return g;

  std::vector<std::int64_t> steps;
  const std::vector<double> norms = recorded_norms(m, steps);
  const auto fail = [&](const std::string& why) {
    throw ConfigError(fmt::format("graft.file = {}: {}", m.norm_file, why));
  };
  if (norms.empty()) fail("only the start was recorded");
  const std::int64_t spacing = steps[1];
  g.interval = m.norm_interval == 0 ? spacing : m.norm_interval;
  if (g.interval % spacing != 0)
    fail(fmt::format("norms were recorded every {} updates, and graft.interval = {} is no multiple of that",
                     spacing, g.interval));
  const std::int64_t needed = (updates + g.interval - 1) / g.interval;
  for (std::int64_t k = 0;; ++k) {
    // The record at a step is of the update before it; a run of the same length ends with a shorter interval.
    auto found = std::ranges::find(steps, (k + 1) * g.interval);
    if (found == steps.end() && k + 1 == needed) found = std::ranges::find(steps, updates);
    if (found == steps.end() && k >= needed) break;  // more than the run needs: what the file has
    if (found == steps.end())
      fail(fmt::format("{} updates need its {} at step {}; it was recorded at every {} until {}", updates,
                       m.norm_observable, (k + 1) * g.interval, spacing, steps.back()));
    g.norms.push_back(norms[static_cast<std::size_t>(found - steps.begin()) - 1]);
  }
  return g;
}

}  // namespace soret::sims
