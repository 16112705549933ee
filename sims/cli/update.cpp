#include <fmt/core.h>

#include <algorithm>

#include "sims/checkpoint.hpp"
#include "sims/cli/arguments.hpp"
#include "sims/cli/checkpoint_files.hpp"
#include "sims/cli/output.hpp"
#include "sims/train/run.hpp"
#include "sims/trained_network.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/network/dropout.hpp"

namespace soret::cli {
namespace {

constexpr Usage kUsage{
    .synopsis = "soret update CHECKPOINT.h5 [options]",
    .about =
        "The next update of a training run: its samples, whatever was drawn for it, its gradient, and the\n"
        "parameters after it. With the checkpoint that is all that it takes to redo the update by hand or\n"
        "with any other framework (docs/novack.md has the recipe).",
    .examples =
        "  soret run configs/novack/methods.cfg --set checkpoint.keep=final -o run.h5\n"
        "  soret update run.h5.checkpoints/point2-run0.h5 -o update.h5\n"
        "  soret update run.h5.checkpoints/point2-run0.h5 --precision double --json",
    .word = "CHECKPOINT.h5",
    .fewest = 1,
    .most = 1};

/// The gradient of an update before grafting, in precision T, and what was drawn for it.
template <class T>
struct Gradient {
  typename training::BatchGradient<T>::Result result;
  std::vector<T> gradient;
  std::vector<std::int32_t> drawn_labels;
  int norm_of = -1;        ///< micro-batch that gives the norm of iterative grafting
  std::vector<T> micro{};  ///< its gradient

  double norm() const {
    double sum = 0;
    for (const T v : gradient) sum += static_cast<double>(v) * static_cast<double>(v);
    return std::sqrt(sum);
  }
};

/// All that goes into an update, and the parameters after it.
struct Update {
  std::int64_t number = 0;
  double learning_rate = 0;
  int micro_batch_size = 0;
  int micro_batches = 0;
  std::vector<std::uint32_t> samples{};  ///< indices into the training slice
  data::Batch<float> batch{};
  training::PenaltyTerm penalty{};
  training::Optimizer rule{};
  std::vector<float> momentum{};  ///< m of heavy ball and Nesterov before the update
  std::vector<float> after{};
};

template <class T>
Gradient<T> gradient_of(const sims::TrainProblem& p, const training::Recipe& recipe,
                        const training::TrainingState& state, const data::Batch<float>& batch,
                        const training::PenaltyTerm& term) {
  const auto network = sims::make_network<T>(p.options.model, p.network->input(), p.set->train.classes);
  const int n = static_cast<int>(batch.size());
  const std::vector<T> x(batch.x.begin(), batch.x.end());
  const std::vector<T> parameters(state.parameters.begin(), state.parameters.end());
  std::vector<T> statistics(state.statistics.begin(), state.statistics.end());
  training::LabelTargets single;
  const auto of_labels = single(p.head(), p.outputs(), batch.labels);
  std::vector<T> values;
  if (of_labels.values)
    values.assign(of_labels.values, of_labels.values + static_cast<std::ptrdiff_t>(n) * p.outputs());
  const training::BatchAt<T> at{
      .n = n,
      .x = x.data(),
      .targets = {batch.labels.data(), values.empty() ? nullptr : values.data(), false},
      .parameters = parameters,
      .state = statistics,
      .mode = {.seed = recipe.seed,
               .first_sample = static_cast<std::uint64_t>(state.update) * recipe.batch_size}};
  training::BatchGradient<T> take(network, p.head(), p.chunk, static_cast<int>(recipe.micro_batch_size));
  Gradient<T> g{.result = {}, .gradient = std::vector<T>(parameters.size()), .drawn_labels = {}};
  if (recipe.grafting.kind == training::GraftingKind::iterative) {
    g.norm_of = training::chosen_micro_batch(recipe.seed, state.update, take.micro_batches(n));
    g.micro.resize(parameters.size());
    g.result = take.with_micro_batch(at, g.gradient, g.norm_of, g.micro);
    return g;
  }
  training::PenaltyTerm with_labels = term;
  if (term.strength > 0 && term.penalty.kind == training::PenaltyKind::fisher_trace) {
    g.drawn_labels.assign(batch.size(), -1);  // of micro-batches without a penalty
    with_labels.drawn_labels = g.drawn_labels;
  }
  g.result = take(at, g.gradient, with_labels);
  return g;
}

void refuse_what_is_not_written(const sims::TrainProblem& p, const training::Recipe& recipe) {
  if (recipe.penalty.kind == training::PenaltyKind::fisher_trace && p.head() == network::HeadKind::squared)
    throw ConfigError(
        "penalty.kind = fisher_trace with network.loss = squared: the values drawn are not written");
}

/// Does the update of `state`.
Update next_update(const sims::TrainProblem& p, const training::Recipe& recipe,
                   training::TrainingState state) {
  Update u{.number = state.update};
  training::Sampler sampler(recipe.sampling, p.set->train.size(), recipe.batch_size, recipe.seed);
  u.samples = sampler.batch(u.number);
  data::assemble(p.set->train, u.samples, recipe.augmentation, recipe.seed,
                 static_cast<std::uint64_t>(u.number) * recipe.batch_size, u.batch);
  training::Trainer trainer(*p.network, p.head(), p.chunk, recipe, p.set->train, state);
  const auto& cuts = trainer.batch_gradient();
  u.micro_batch_size = cuts.micro_batch_size();
  u.learning_rate = trainer.learning_rate();
  u.micro_batches = cuts.micro_batches(static_cast<int>(u.batch.size()));
  u.penalty = penalty_term(recipe, u.number, u.learning_rate, u.micro_batches,
                           cuts.micro_batches(static_cast<int>(recipe.batch_size)));
  u.rule = trainer.optimizer();
  if (u.rule.kind == training::OptimizerKind::momentum || u.rule.kind == training::OptimizerKind::nesterov)
    u.momentum = state.optimizer.memory;
  trainer.step();
  u.after = std::move(state.parameters);
  return u;
}

/// u of unit_jacobian for every micro-batch.
void put_directions(const sims::TrainProblem& p, const Update& u, store::Dataset& file) {
  const auto outputs = static_cast<std::size_t>(p.outputs());
  const auto micro_batches = static_cast<std::size_t>(u.micro_batches);
  std::vector<float> directions(micro_batches * outputs);
  for (std::size_t k = 0; k < micro_batches; ++k)
    training::draw_direction(u.penalty.seed, u.penalty.first_micro_batch + k,
                             std::span(directions).subspan(k * outputs, outputs));
  file.dimensions.push_back({"micro_batch", micro_batches});
  file.dimensions.push_back({"output", outputs});
  file.variables.push_back({"direction", {"micro_batch", "output"}, std::move(directions), {}});
}

template <class T>
void put_samples(const sims::TrainProblem& p, const Update& u, const Gradient<T>& g, store::Dataset& file) {
  const data::Dataset& set = p.set->train;
  for (const auto& [name, extent] : {std::pair<const char*, std::size_t>{"sample", u.batch.size()},
                                     {"row", set.height},
                                     {"column", set.width},
                                     {"channel", set.channels}})
    file.dimensions.push_back({name, extent});
  const auto put_integers = [&](const char* name, const auto& values) {
    file.variables.push_back({name, {"sample"}, std::vector<std::int64_t>(values.begin(), values.end()), {}});
  };
  file.variables.push_back({"x", {"sample", "row", "column", "channel"}, u.batch.x, {}});
  put_integers("label", u.batch.labels);
  put_integers("index", u.samples);
  if (!g.drawn_labels.empty()) put_integers("drawn_label", g.drawn_labels);
}

/// What dropout multiplies the units by, "dropout1.factor" [sample][unit].
void put_dropout(const sims::TrainProblem& p, const training::Recipe& recipe, const Update& u,
                 store::Dataset& file) {
  const auto n = static_cast<int>(u.batch.size());
  const network::Mode mode{.seed = recipe.seed,
                           .first_sample = static_cast<std::uint64_t>(u.number) * recipe.batch_size};
  for (int node = 1; node <= p.network->last(); ++node) {
    const auto* dropout = dynamic_cast<const network::Dropout<float>*>(p.network->layer(node));
    if (!dropout) continue;
    const std::size_t units = p.network->shape(node).size();
    const std::vector<float> ones(static_cast<std::size_t>(n) * units, 1.0F);
    std::vector<float> factors(ones.size());
    std::vector<float> kept(dropout->kept(n));
    dropout->forward({n, nullptr, ones.data(), factors.data(), kept.data()}, mode, nullptr);
    const std::string dimension = p.network->name(node) + ".unit";
    file.dimensions.push_back({dimension, units});
    file.variables.push_back(
        {p.network->name(node) + ".factor", {"sample", dimension}, std::move(factors), {}});
  }
}

/// The file of an update.
template <class T>
store::Dataset file_of(const sims::TrainProblem& p, const training::Recipe& recipe, const Update& u,
                       const Gradient<T>& g, const std::string& checkpoint) {
  store::Dataset file;
  put_parameters(*p.network, ".gradient", std::span<const T>(g.gradient), file);
  put_parameters(*p.network, ".after", std::span<const float>(u.after), file);
  if (!u.momentum.empty()) put_parameters(*p.network, ".momentum", std::span<const float>(u.momentum), file);
  if (g.norm_of >= 0) put_parameters(*p.network, ".micro_gradient", std::span<const T>(g.micro), file);
  if (recipe.noise.kind != training::InjectedNoiseKind::none) {
    std::vector<float> noise(u.after.size(), 0.0F);
    add_noise(recipe.noise, u.learning_rate, recipe.seed, u.number, noise);
    put_parameters(*p.network, ".noise", std::span<const float>(noise), file);
  }
  put_samples(p, u, g, file);
  put_dropout(p, recipe, u, file);
  const training::PenaltyTerm& term = u.penalty;
  const training::Grafting& graft = recipe.grafting;
  if (term.strength > 0 && term.penalty.kind == training::PenaltyKind::unit_jacobian)
    put_directions(p, u, file);
  file.attributes = {
      {"title", "Soret update"},
      {"checkpoint", checkpoint},
      {"update", u.number},
      {"precision", sizeof(T) == sizeof(double) ? "double" : "single"},
      {"learning_rate", u.learning_rate},
      {"optimizer", std::string(training::kOptimizers[static_cast<int>(u.rule.kind)])},
      {"momentum", u.rule.momentum},
      {"weight_decay", u.rule.weight_decay},
      {"decoupled", std::int64_t{u.rule.decoupled}},
      {"micro_batch_size", std::int64_t{u.micro_batch_size}},
      {"chunk", std::int64_t{p.chunk}},
      {"loss", g.result.loss},
      {"penalty_kind", std::string(training::kPenalties[static_cast<int>(term.penalty.kind)])},
      {"penalty_strength", term.strength},
      {"penalty_only", std::int64_t{term.only}},
      {"penalty_sum_of_classes", std::int64_t{term.penalty.sum_of_classes}},
      {"penalty", g.result.penalty},
      {"graft_kind", std::string(training::kGraftings[static_cast<int>(graft.kind)])},
      {"graft_per_layer", std::int64_t{!graft.layer_ends.empty()}},
      {"graft_micro_batch", std::int64_t{g.norm_of}},
      {"graft_norm", graft.kind == training::GraftingKind::external ? external_norm(graft, u.number) : 0.0}};
  return file;
}

template <class T>
void report(const sims::TrainProblem& p, const training::Recipe& recipe, const training::TrainingState& state,
            const std::string& checkpoint, const std::string& output, bool as_json) {
  const Update u = next_update(p, recipe, state);
  const Gradient<T> g = gradient_of<T>(p, recipe, state, u.batch, u.penalty);
  if (!output.empty()) store::write(file_of(p, recipe, u, g, checkpoint), output);

  const double length = measure::update_norms<float>(state.parameters, u.after, p.parts)[0];
  if (as_json)
    return print_json({{"checkpoint", checkpoint},
                       {"update", u.number},
                       {"samples", u.batch.size()},
                       {"learning_rate", u.learning_rate},
                       {"loss", g.result.loss},
                       {"penalty", g.result.penalty},
                       {"penalty_strength", u.penalty.strength},
                       {"gradient_norm", g.norm()},
                       {"update_norm", length}});
  fmt::print(
      "update {}: {} samples, learning rate {:.6g}\nloss {:.9g}, penalty {:.9g} times {:.6g}\n|g| = {:.9g}, "
      "step {:.9g}\n",
      u.number, u.batch.size(), u.learning_rate, g.result.loss, g.result.penalty, u.penalty.strength,
      g.norm(), length);
}

}  // namespace

void update(const Words& words) {
  po::options_description options;
  options.add_options()                                                                     //
      ("data", po::value<std::string>()->value_name("DIR"), "where the data set lies now")  //
      ("precision", po::value<std::string>()->value_name("P"),
       "of the gradient: single (the default) or double; the update itself is single")  //
      ("output,o", po::value<std::string>()->value_name("OUT.h5"),
       "samples, draws, gradient and the parameters after, named and shaped as the checkpoint's")  //
      ("json", po::bool_switch(), "one JSON object");
  const auto arguments = read_arguments(kUsage, options, words);
  if (!arguments) return;
  const std::string file = arguments->words[0];
  const std::string precision = arguments->get("precision", std::string("single"));
  require_choice(kUsage, "--precision", precision, {"single", "double"});

  const store::Dataset checkpoint = store::read_checkpoint(file);
  Settings settings = sims::checkpoint_settings(checkpoint, file);
  if (arguments->has("data")) settings.set("data.path", arguments->get("data"));
  const sims::TrainProblem problem = sims::TrainProblems()(settings, sims::train_record(settings));
  training::Recipe recipe = problem.options.recipe;
  recipe.seed = training::run_seed(
      problem.options.seed, static_cast<std::uint32_t>(sims::integer_attribute(checkpoint, "trajectory")));
  refuse_what_is_not_written(problem, recipe);
  const training::TrainingState state = sims::training_state_of(*problem.network, checkpoint, file);
  const bool as_json = arguments->flag("json");
  const std::string output = arguments->get("output");
  if (precision == "double")
    report<double>(problem, recipe, state, file, output, as_json);
  else
    report<float>(problem, recipe, state, file, output, as_json);
}

}  // namespace soret::cli
