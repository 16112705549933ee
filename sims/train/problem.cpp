#include "sims/train/problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"

namespace soret::sims {
namespace {

/// Our choice: enough samples for fast products, few enough to stay in cache.
constexpr std::size_t kMostPerChunk = 128;

int chunk_of(const TrainOptions& o) {
  const std::size_t batch = o.recipe.batch_size;
  if (o.chunk > 0) return static_cast<int>(std::min(static_cast<std::size_t>(o.chunk), batch));
  if (o.recipe.micro_batch_size > 0) {
    const int group = o.model.has_batch_norm() ? o.model.batch_norm_group : 0;
    const auto least = std::max(o.recipe.micro_batch_size, static_cast<std::size_t>(group));
    return static_cast<int>(std::min(least, batch));
  }
  const bool whole = o.model.has_batch_norm() && o.model.batch_norm_group == 0;
  std::size_t chunk = whole ? batch : std::min(batch, kMostPerChunk);
  if (o.model.has_batch_norm() && !whole) {  // whole groups
    const auto group = static_cast<std::size_t>(o.model.batch_norm_group);
    chunk = std::max(group, chunk / group * group);
  }
  return static_cast<int>(chunk);
}

/// The keys of [data] and the seed: what tells data sets apart.
std::string key_of(const Settings& settings) {
  std::string key;
  for (const auto& [name, value] : settings.values())
    if (name.starts_with("data.") || name == "ensemble.seed") key += fmt::format("{}={}\n", name, value);
  return key;
}

/// Chunks are made of whole groups, but for the last of a batch.
void check_groups(const TrainProblem& p) {
  const TrainOptions& o = p.options;
  const int group = o.model.has_batch_norm() ? o.model.batch_norm_group : 0;
  if (group == 0 || static_cast<std::size_t>(p.chunk) == o.recipe.batch_size || p.chunk % group == 0) return;
  throw ConfigError(
      fmt::format("network.batch_norm_group = {} does not divide the chunks of {} samples that are computed "
                  "together; set "
                  "sgd.chunk to a multiple of it",
                  group, p.chunk));
}

/// Batch normalisation of one value fails in the middle of an epoch; said before anything is computed.
void check_last_batch(const TrainProblem& p) {
  const TrainOptions& o = p.options;
  if (!o.model.has_batch_norm()) return;
  const std::size_t batch = o.recipe.batch_size;
  const auto group =
      static_cast<std::size_t>(o.model.batch_norm_group == 0 ? p.chunk : o.model.batch_norm_group);
  std::vector<std::size_t> sizes = {batch};
  if (o.recipe.sampling == training::Sampling::shuffle) sizes.push_back(p.set->train.size() % batch);
  for (const std::size_t size : sizes) {
    // The last group of a full chunk and of the last chunk of a batch of this size (the
    // same where chunks make up micro-batches, which are whole multiples).
    const auto chunk = static_cast<std::size_t>(p.chunk);
    const bool alone = std::min(size, chunk) % group == 1 || size % chunk % group == 1;
    if (size != 0 && (alone || group == 1))
      throw ConfigError(
          fmt::format("sgd.batch_size = {} leaves a batch-normalisation group of one sample (batches of {}, "
                      "chunks of {}, "
                      "groups of {}); take another batch size, or sgd.sampling = shuffle_drop_last",
                      batch, size, p.chunk, group));
  }
}

}  // namespace

double memory_of_run(const TrainProblem& p, int threads) {
  using network::After;
  const training::Recipe& r = p.options.recipe;
  const bool exact = r.penalty.kind != training::PenaltyKind::none && !r.penalty.finite_difference;
  const bool shifted = r.penalty.kind != training::PenaltyKind::none && r.penalty.finite_difference;
  const auto pass = [&](int samples, After after, bool tangents) {
    return static_cast<double>(network::Pass<float>(*p.network, samples, after).planned_bytes(tangents));
  };
  const int chunks = static_cast<int>((r.batch_size + static_cast<std::size_t>(p.chunk) - 1) /
                                      static_cast<std::size_t>(p.chunk));
  const int abreast = chunks >= threads ? threads : 1;
  const double worker = pass(p.chunk, exact ? After::tangents : After::nothing, exact) +
                        (shifted ? pass(p.chunk, After::nothing, false) : 0);
  // A penalised micro-batch that is a chunk needs no direction beside its gradient.
  const bool whole = r.micro_batch_size == 0 || r.micro_batch_size == static_cast<std::size_t>(p.chunk);
  const double vectors_of_worker = (chunks > 1 ? 1 : 0) + (exact && !whole ? 1 : 0) + (shifted ? 3 : 0);
  // Parameters now, at the start and those selected; the gradient; the one that gives norms.
  const double vectors = 4 + training::memories(r.optimizer.kind) +
                         (r.grafting.kind == training::GraftingKind::iterative ? 1 : 0);
  const double vector = sizeof(float) * static_cast<double>(p.network->parameter_count());
  const double batches = 3.0 * sizeof(float) * static_cast<double>(r.batch_size) *
                         static_cast<double>(p.network->input().size());
  return abreast * (worker + vectors_of_worker * vector) + vectors * vector + batches +
         threads * pass(std::min(p.chunk, kEvaluationChunk), After::nothing, false);
}

std::string config_text(const std::string& simulation, const Settings& settings) {
  std::string text = fmt::format("simulation = {}\n", simulation);
  std::string section;
  for (const auto& [key, value] : settings.values()) {  // ordered, so sections lie together
    const auto dot = key.find('.');
    if (key.substr(0, dot) != section) {
      section = key.substr(0, dot);
      text += fmt::format("\n[{}]\n", section);
    }
    if (!value.empty()) text += fmt::format("{} = {}\n", key.substr(dot + 1), value);
  }
  return text;
}

TrainProblem TrainProblems::operator()(const Settings& settings, const TrainRecord& record) {
  TrainProblem p{.options = train_point(settings), .config = config_text("train", settings)};
  auto& set = sets_[key_of(settings)];
  if (!set) set = std::make_shared<const TrainingSet>(make_training_set(p.options.data));
  p.set = set;
  const int classes = set->train.classes;
  p.network = std::make_shared<const network::Network<float>>(
      make_network<float>(p.options.model, set->input(), classes));
  p.parts = measure::layer_parts(*p.network);
  p.chunk = chunk_of(p.options);
  check_groups(p);
  check_last_batch(p);

  training::Recipe& recipe = p.options.recipe;
  const training::Sampler sampler(recipe.sampling, set->train.size(), recipe.batch_size, 0);
  p.updates_per_epoch = sampler.updates_per_epoch();
  p.updates = record.updates > 0 ? record.updates : record.epochs * p.updates_per_epoch;
  const double switch_at = settings.real("sgd.switch_at");
  if (switch_at > 0) recipe.switch_at = std::llround(switch_at * static_cast<double>(p.updates_per_epoch));
  if (recipe.schedule.period == 0)
    recipe.schedule.period = static_cast<double>(p.updates) /
                             (recipe.schedule_counts_epochs ? static_cast<double>(p.updates_per_epoch) : 1.0);
  const int micro = recipe.micro_batch_size == 0 ? p.chunk : static_cast<int>(recipe.micro_batch_size);
  training::require_divisible(p.chunk, micro);
  recipe.grafting = complete(p.options.method, *p.network, p.updates);
  return p;
}

}  // namespace soret::sims
