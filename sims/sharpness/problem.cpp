#include "sims/sharpness/problem.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sims/train/run.hpp"
#include "soret/base/error.hpp"
#include "soret/base/formula.hpp"
#include "soret/base/machine.hpp"
#include "soret/data/batch.hpp"
#include "soret/measure/difference_hessian.hpp"
#include "soret/measure/filter_scale.hpp"
#include "soret/measure/hessian.hpp"
#include "soret/measure/layer_rescaling.hpp"
#include "soret/measure/loss_function.hpp"
#include "soret/network/chunks.hpp"
#include "soret/training/trainer.hpp"

namespace soret::sims {
namespace {

using Kind = FunctionOptions::Kind;
using measure::Differentiable;

/// Beyond it the Hessian of a formula, n^2 differences, is not taken.
constexpr std::size_t kMostArguments = 512;

struct Analytic {
  std::string formula;
  std::vector<std::string> variables;
};

/// Seed 003, Table 1.
Analytic analytic(const FunctionOptions& o) {
  switch (o.kind) {
    case Kind::sharp:
      return {"100*x^2", {"x"}};
    case Kind::flat:
      return {"x^8", {"x"}};
    case Kind::sharp_sharp:
      return {"100*(x^2 + y^2)", {"x", "y"}};
    case Kind::sharp_flat:
      return {"100*x^2 + y^8", {"x", "y"}};
    default:
      return {o.formula, o.variables};
  }
}

MeasuredFunction of_formula(const FunctionOptions& o) {
  const Analytic a = analytic(o);
  const std::size_t n = a.variables.size();
  if (n == 0 || n > kMostArguments)
    throw ConfigError(
        fmt::format("function.variables names {} arguments; allowed: 1 to {}", n, kMostArguments));
  if (!o.point.empty() && o.point.size() != n)
    throw ConfigError(
        fmt::format("function.point has {} numbers, but {} has {} arguments", o.point.size(), a.formula, n));
  const auto formula = [&] {
    try {
      return Formula(a.formula, a.variables);
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("function.formula: {}", error.what()));
    }
  }();
  MeasuredFunction f;
  f.x = o.point.empty() ? std::vector<double>(n, 0.0) : o.point;
  f.convex = o.kind != Kind::formula || o.convex;
  // A Formula belongs to one thread: each function has its own.
  f.function = [formula, n] {
    return Differentiable{n, [own = Formula(formula)](std::span<const double> x) { return own(x); }, {}};
  };
  f.hessian = [function = f.function, x = f.x] { return measure::difference_hessian(function(), x); };
  const double value = f.function().value(f.x);
  if (!std::isfinite(value))
    throw ConfigError(fmt::format("{} is {} at function.point, where it must be finite", a.formula, value));
  return f;
}

/// A network at its parameters, on samples.
template <class T>
struct Placed {
  network::Network<T> network;
  std::shared_ptr<const Samples<T>> samples;
  std::vector<T> parameters{}, state{};

  measure::LossAt<T> loss(network::HeadKind head, int chunk, bool batch_statistics) const {
    const Samples<T>& s = *samples;
    return {.network = network,
            .head = head,
            .samples = static_cast<int>(s.labels.size()),
            .x = s.x.data(),
            .targets = {s.labels.data(), s.values.empty() ? nullptr : s.values.data(), false},
            .parameters = parameters,
            .state = state,
            .chunk = chunk,
            .batch_statistics = batch_statistics};
  }
};

/// The settings of a run of simulation = train with the keys that both have from here.
Settings training_settings(const Settings& here) {
  Settings there;
  for (const Option& option : train_options()) there.set(option.key, option.default_value);
  for (const Option& option : train_options())
    if (const auto found = here.values().find(option.key);
        found != here.values().end() && !option.key.starts_with("record."))
      there.set(option.key, found->second);
  const auto updates = here.integer("sgd.updates");
  there.set("record.unit", "updates");
  there.set("sgd.updates", fmt::format("{}", std::max<std::int64_t>(1, updates)));
  if (updates == 0) {  // nothing is trained: a batch that fits any set
    there.set("sgd.batch_size", "2");
    there.set("sgd.sampling", "with_replacement");
  }
  return there;
}

/// Of the settings in these sections, and the seed.
std::string key_of(const Settings& settings, std::initializer_list<const char*> sections) {
  std::string key;
  for (const auto& setting : settings.values()) {
    const auto stands_in = [&](const char* section) { return setting.first.starts_with(section); };
    if (setting.first == "ensemble.seed" || std::ranges::any_of(sections, stands_in))
      key += fmt::format("{}={}\n", setting.first, setting.second);
  }
  return key;
}

}  // namespace

MeasuredFunctions::Trained MeasuredFunctions::trained_here(const Settings& settings) {
  const std::string key = key_of(settings, {"network.", "data.", "sgd."});
  if (const auto found = trained_.find(key); found != trained_.end()) return found->second;
  const Settings there = training_settings(settings);
  const TrainProblem p = problems_(there, train_record(there));
  starts_.merge(sources_of(p));
  training::Recipe recipe = p.options.recipe;
  recipe.seed = training::run_seed(p.options.seed, 0);
  Beginning start = beginning(p, 0);
  auto state = training::initial_training_state(*p.network, recipe, std::move(start.parameters));
  state.statistics = std::move(start.statistics);
  if (const auto updates = settings.integer("sgd.updates"); updates > 0) {
    training::Trainer trainer(*p.network, p.head(), p.chunk, recipe, p.set->train, state);
    for (std::int64_t k = 0; k < updates; ++k) trainer.step();
  }
  Trained trained{p.options.model, p.set, {std::move(state.parameters), std::move(state.statistics)}};
  return trained_.emplace(key, std::move(trained)).first->second;
}

template <class T>
std::shared_ptr<const Samples<T>> MeasuredFunctions::samples(const Trained& trained, int wanted,
                                                             int outputs) {
  auto& known = std::get<std::map<SamplesKey, std::shared_ptr<const Samples<T>>>>(samples_);
  auto& found = known[{trained.set.get(), wanted, trained.model.head}];
  if (found) return found;
  const data::Dataset& train = trained.set->train;
  const std::size_t count =
      wanted == 0 ? train.size() : std::min(static_cast<std::size_t>(wanted), train.size());
  std::vector<std::uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0U);
  data::Batch<float> batch;
  data::assemble(train, indices, batch);
  Samples<T> s{{batch.x.begin(), batch.x.end()}, {}, batch.labels};
  training::LabelTargets targets_of;
  const auto targets = targets_of(trained.model.head, outputs, s.labels);
  if (targets.values)
    s.values.assign(targets.values, targets.values + count * static_cast<std::size_t>(outputs));
  found = std::make_shared<const Samples<T>>(std::move(s));
  return found;
}

template <class T>
MeasuredFunction MeasuredFunctions::of_network(const FunctionOptions& o, const Trained& trained) {
  const Model& model = trained.model;
  auto network = make_network<T>(model, trained.set->input(), trained.set->train.classes);
  auto of = samples<T>(trained, o.samples, static_cast<int>(network.output().size()));
  auto placed = std::make_shared<Placed<T>>(Placed<T>{std::move(network), std::move(of)});
  placed->state.assign(trained.weights.state.begin(), trained.weights.state.end());

  MeasuredFunction f;
  f.x.assign(trained.weights.parameters.begin(), trained.weights.parameters.end());
  if (o.rescaling != 1) measure::rescale_layers<T>(placed->network, o.rescaled_layer, o.rescaling, f.x);
  placed->parameters.assign(f.x.begin(), f.x.end());
  const int count = static_cast<int>(placed->samples->labels.size());
  const int chunk = std::min(count, o.chunk > 0 ? o.chunk : kEvaluationChunk);
  f.chunks = network::chunks_of(count, chunk);
  f.pass_bytes = static_cast<double>(network::Pass<T>(placed->network, chunk).planned_bytes(true)) +
                 sizeof(T) * static_cast<double>(f.x.size());
  // Each thread may have a Hessian of its own.
  const double most_kept = available_memory() / (4 * omp_get_max_threads());
  f.kept_bytes = measure::kept_bytes(placed->network, count, chunk, most_kept);
  const auto loss = [placed, head = model.head, chunk, batch = o.batch_statistics] {
    return placed->loss(head, chunk, batch);
  };
  // What they return refers to the network: this must outlive it.
  f.function = [loss] { return measure::loss_function<T>(loss()); };
  f.hessian = [loss, most_kept] { return measure::fixed_hessian<T>(loss(), most_kept); };
  if (!o.filter_normalised) return f;
  const auto scale = measure::filter_scale<T>(placed->network, f.x);
  f.function = [function = f.function, x = f.x, scale] { return measure::scaled(function(), x, scale); };
  f.hessian = [hessian = f.hessian, scale] { return measure::scaled(hessian(), scale); };
  std::ranges::fill(f.x, 0.0);
  return f;
}

MeasuredFunction MeasuredFunctions::make(const SharpnessPoint& point, const Settings& settings) {
  const FunctionOptions& o = point.function;
  if (o.is_analytic()) return of_formula(o);
  const Trained trained = [&]() -> Trained {
    if (o.kind == Kind::network) return trained_here(settings);
    TrainedNetwork there = checkpoints_(o.checkpoint, {.path = settings.text("data.path")});
    return {there.options.model, std::move(there.set), std::move(there.weights)};
  }();
  return o.in_double ? of_network<double>(o, trained) : of_network<float>(o, trained);
}

std::shared_ptr<const MeasuredFunction> MeasuredFunctions::operator()(const SharpnessPoint& point,
                                                                      const Settings& settings) {
  auto& found = functions_[key_of(
      settings, {"function.", "measure.", "rescaling.", "perturbation.", "network.", "data.", "sgd."})];
  if (!found) found = std::make_shared<const MeasuredFunction>(make(point, settings));
  return found;
}

}  // namespace soret::sims
