#include <fmt/core.h>

#include <algorithm>

#include "sims/checkpoint.hpp"
#include "sims/cli/arguments.hpp"
#include "sims/cli/checkpoint_files.hpp"
#include "sims/cli/output.hpp"
#include "sims/train/run.hpp"
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

/// What goes into an update, and the gradient that comes out of it before grafting.
template <class T>
struct Gradient {
  typename training::BatchGradient<T>::Result result;
  std::vector<T> gradient;
  std::vector<std::int32_t> drawn_labels;
  int norm_of = -1;        ///< micro-batch that gives the norm of iterative grafting
  std::vector<T> micro{};  ///< its gradient
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
  for (int node = 1; node <= p.network->last(); ++node)
    if (dynamic_cast<const network::Dropout<float>*>(p.network->layer(node)))
      throw ConfigError(
          fmt::format("{}: the units that dropout drops are not written", p.network->name(node)));
  if (recipe.penalty.kind == training::PenaltyKind::fisher_trace && p.head() == network::HeadKind::squared)
    throw ConfigError(
        "penalty.kind = fisher_trace with network.loss = squared: the values drawn are not written");
}

template <class T>
void report(const sims::TrainProblem& p, const training::Recipe& recipe, training::TrainingState state,
            const std::string& checkpoint, const std::string& output, bool as_json) {
  const training::TrainingState before = state;
  training::Trainer trainer(*p.network, p.head(), p.chunk, recipe, p.set->train, state);
  training::Sampler sampler(recipe.sampling, p.set->train.size(), recipe.batch_size, recipe.seed);
  const auto& samples = sampler.batch(before.update);
  data::Batch<float> batch;
  data::assemble(p.set->train, samples, recipe.augmentation, recipe.seed,
                 static_cast<std::uint64_t>(before.update) * recipe.batch_size, batch);
  const int n = static_cast<int>(batch.size());
  const int size = recipe.micro_batch_size == 0 ? p.chunk : static_cast<int>(recipe.micro_batch_size);
  const auto parts = [size](std::size_t count) { return (static_cast<int>(count) + size - 1) / size; };
  const double rate = trainer.learning_rate();
  const training::PenaltyTerm term =
      penalty_term(recipe, before.update, rate, parts(batch.size()), parts(recipe.batch_size));
  const Gradient<T> g = gradient_of<T>(p, recipe, before, batch, term);
  trainer.step();

  if (!output.empty()) {
    store::Dataset file;
    put_parameters(*p.network, ".gradient", std::span<const T>(g.gradient), file);
    put_parameters(*p.network, ".after", std::span<const float>(state.parameters), file);
    if (g.norm_of >= 0) put_parameters(*p.network, ".micro_gradient", std::span<const T>(g.micro), file);
    std::vector<float> noise(state.parameters.size(), 0.0F);
    add_noise(recipe.noise, rate, recipe.seed, before.update, noise);
    if (recipe.noise.kind != training::InjectedNoiseKind::none)
      put_parameters(*p.network, ".noise", std::span<const float>(noise), file);
    const data::Dataset& set = p.set->train;
    for (const auto& [name, extent] : {std::pair<const char*, std::size_t>{"sample", batch.size()},
                                       {"row", set.height},
                                       {"column", set.width},
                                       {"channel", set.channels}})
      file.dimensions.push_back({name, extent});
    const auto put_integers = [&](const char* name, const auto& values) {
      file.variables.push_back(
          {name, {"sample"}, std::vector<std::int64_t>(values.begin(), values.end()), {}});
    };
    file.variables.push_back({"x", {"sample", "row", "column", "channel"}, batch.x, {}});
    put_integers("label", batch.labels);
    put_integers("index", samples);
    if (!g.drawn_labels.empty()) put_integers("drawn_label", g.drawn_labels);
    if (term.strength > 0 && term.penalty.kind == training::PenaltyKind::unit_jacobian) {
      const auto outputs = static_cast<std::size_t>(p.outputs());
      std::vector<float> directions(static_cast<std::size_t>(parts(batch.size())) * outputs);
      for (std::size_t k = 0; k * outputs < directions.size(); ++k)
        training::draw_direction(term.seed, term.first_micro_batch + k,
                                 std::span(directions).subspan(k * outputs, outputs));
      file.dimensions.push_back({"micro_batch", static_cast<std::size_t>(parts(batch.size()))});
      file.dimensions.push_back({"output", outputs});
      file.variables.push_back({"direction", {"micro_batch", "output"}, directions, {}});
    }
    file.attributes = {
        {"title", "Soret update"},
        {"checkpoint", checkpoint},
        {"update", before.update},
        {"precision", sizeof(T) == sizeof(double) ? "double" : "single"},
        {"learning_rate", rate},
        {"micro_batch_size", std::int64_t{size}},
        {"chunk", std::int64_t{p.chunk}},
        {"loss", g.result.loss},
        {"penalty_kind", std::string(training::kPenalties[static_cast<int>(term.penalty.kind)])},
        {"penalty_strength", term.strength},
        {"penalty_only", std::int64_t{term.only}},
        {"penalty_sum_of_classes", std::int64_t{term.penalty.sum_of_classes}},
        {"penalty", g.result.penalty},
        {"graft_kind", std::string(training::kGraftings[static_cast<int>(recipe.grafting.kind)])},
        {"graft_micro_batch", std::int64_t{g.norm_of}},
        {"graft_norm", recipe.grafting.kind == training::GraftingKind::external
                           ? external_norm(recipe.grafting, before.update)
                           : 0.0}};
    store::write(file, output);
  }
  double norm = 0;
  for (const T v : g.gradient) norm += static_cast<double>(v) * static_cast<double>(v);
  const double length = measure::update_norms<float>(before.parameters, state.parameters, p.parts)[0];
  const nlohmann::json json = {{"checkpoint", checkpoint},
                               {"update", before.update},
                               {"samples", n},
                               {"learning_rate", rate},
                               {"loss", g.result.loss},
                               {"penalty", g.result.penalty},
                               {"penalty_strength", term.strength},
                               {"gradient_norm", std::sqrt(norm)},
                               {"update_norm", length}};
  if (as_json) return print_json(json);
  fmt::print(
      "update {}: {} samples, learning rate {:.6g}\nloss {:.9g}, penalty {:.9g} times {:.6g}\n|g| = {:.9g}, "
      "step {:.9g}\n",
      before.update, n, rate, g.result.loss, g.result.penalty, term.strength, std::sqrt(norm), length);
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
  Settings settings = checkpoint_settings(checkpoint, file);
  if (arguments->has("data")) settings.set("data.path", arguments->get("data"));
  const sims::TrainProblem problem = sims::TrainProblems()(settings, sims::train_record(settings));
  training::Recipe recipe = problem.options.recipe;
  recipe.seed = training::run_seed(
      problem.options.seed, static_cast<std::uint32_t>(sims::integer_attribute(checkpoint, "trajectory")));
  refuse_what_is_not_written(problem, recipe);
  training::TrainingState state = sims::training_state_of(*problem.network, checkpoint, file);
  const bool as_json = arguments->flag("json");
  const std::string output = arguments->get("output");
  if (precision == "double")
    report<double>(problem, recipe, std::move(state), file, output, as_json);
  else
    report<float>(problem, recipe, std::move(state), file, output, as_json);
}

}  // namespace soret::cli
