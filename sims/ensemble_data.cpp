#include "sims/ensemble_data.hpp"

#include <fmt/format.h>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/data/dataset.hpp"
#include "soret/data/load.hpp"

namespace soret::sims {
namespace {

using two_layer::Inputs;
using two_layer::Labels;
using two_layer::Loss;
using two_layer::Problem;
using two_layer::SampleSet;
using two_layer::Sampling;

constexpr std::array<Word<Inputs>, 3> kInputs = {
    {{"gaussian", Inputs::gaussian}, {"uniform", Inputs::uniform}, {"ball", Inputs::ball}}};
constexpr std::array<Word<Labels>, 3> kLabels = {
    {{"random", Labels::random}, {"teacher", Labels::teacher}, {"dataset", Labels::dataset}}};

std::vector<std::string> data_kinds() {
  auto kinds = words(kInputs);
  const auto datasets = data::dataset_kinds();
  kinds.insert(kinds.end(), datasets.begin(), datasets.end());
  return kinds;
}

SampleSets::Sets draw(const DataChoice& choice, const Problem& problem) {
  SampleSets::Sets sets;
  sets.probe =
      std::make_shared<SampleSet>(synthetic_set(problem, static_cast<int>(choice.probe_samples), true));
  if (problem.sampling != Sampling::fresh) {
    sets.training =
        std::make_shared<SampleSet>(synthetic_set(problem, static_cast<int>(choice.training_samples), false));
  }
  return sets;
}

SampleSet labelled(const Problem& p, data::Dataset&& source, bool probe) {
  SampleSet set;
  set.size = static_cast<int>(source.size());
  set.inputs = std::move(source.images);
  if (p.label_kind != Labels::dataset) {
    label_set(p, set, probe);
    return set;
  }
  set.targets.assign(source.size() * p.outputs, 0.0F);
  for (std::size_t s = 0; s < source.size(); ++s) {
    if (p.outputs == 1) {
      set.targets[s] = 2 * source.labels[s] >= source.classes ? 1.0F : 0.0F;
    } else {
      set.targets[s * p.outputs + source.labels[s]] = 1.0F;
    }
  }
  return set;
}

SampleSets::Sets read(const DataChoice& choice, const Problem& p) {
  data::SampleLimit limit;
  if (choice.training_samples > 0) limit.train = static_cast<std::size_t>(choice.training_samples);
  limit.test = static_cast<std::size_t>(choice.probe_samples);
  data::TrainTest sets = data::load(choice.kind, choice.path, limit);
  if (sets.train.size() < static_cast<std::size_t>(choice.training_samples)) {
    throw ConfigError(fmt::format("data.training_samples = {}, but {} holds {} training samples",
                                  choice.training_samples, choice.kind, sets.train.size()));
  }
  if (sets.test.size() < limit.test) {
    throw ConfigError(fmt::format("record.probe_samples = {}, but {} holds {} test samples",
                                  choice.probe_samples, choice.kind, sets.test.size()));
  }
  if (sets.train.features() != static_cast<std::size_t>(p.inputs)) {
    throw ConfigError(fmt::format("network.inputs = {}, but {} has {} features: set network.inputs = {}",
                                  p.inputs, choice.kind, sets.train.features(), sets.train.features()));
  }
  if (p.label_kind == Labels::dataset && p.outputs != 1 && p.outputs != sets.train.classes) {
    throw ConfigError(
        fmt::format("network.outputs = {}, but {} has {} classes: set network.outputs = {}, or 1 to tell "
                    "the upper half of the classes from the lower",
                    p.outputs, choice.kind, sets.train.classes, sets.train.classes));
  }
  data::rescale(data::parse_scaling(choice.scaling), sets.train, sets.test);
  SampleSets::Sets found{
      .channels = sets.train.channels, .height = sets.train.height, .width = sets.train.width};
  found.training = std::make_shared<SampleSet>(labelled(p, std::move(sets.train), false));
  found.probe = std::make_shared<SampleSet>(labelled(p, std::move(sets.test), true));
  return found;
}

}  // namespace

std::vector<Option> ensemble_data_options() {
  return {
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
  };
}

DataChoice read_data_choice(const Settings& s, Problem& p) {
  DataChoice choice;
  choice.kind = s.text("data.kind");
  choice.path = s.text("data.path");
  choice.scaling = s.text("data.scaling");
  choice.training_samples = s.integer("data.training_samples");
  choice.probe_samples = s.integer("record.probe_samples");
  p.radius = static_cast<float>(s.real("data.radius"));
  p.label_kind = value_of(kLabels, s.text("data.labels"));
  p.teacher_hidden = static_cast<int>(s.integer("data.teacher_hidden"));
  const bool synthetic = std::ranges::find(kInputs, choice.kind, &Word<Inputs>::word) != kInputs.end();
  p.input_kind = synthetic ? value_of(kInputs, choice.kind) : Inputs::dataset;

  const std::string& sampling = s.text("data.sampling");
  const bool has_fixed_set = !synthetic || choice.training_samples > 0;
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
        "data.labels = dataset, but data.kind = {} has no labels; use random or teacher", choice.kind));
  }
  if (p.sampling == Sampling::fresh && !synthetic) {
    throw ConfigError(
        fmt::format("data.sampling = fresh, but data.kind = {} is a fixed set; use with_replacement or "
                    "without_replacement",
                    choice.kind));
  }
  if (p.sampling == Sampling::fresh && choice.training_samples > 0) {
    throw ConfigError("data.sampling = fresh contradicts data.training_samples; set one of them only");
  }
  if (p.sampling != Sampling::fresh && !has_fixed_set) {
    throw ConfigError(
        fmt::format("data.sampling = {} needs a fixed set: set data.training_samples", sampling));
  }
  return choice;
}

const SampleSets::Sets& SampleSets::of(const DataChoice& choice, const Problem& p) {
  const std::string key =
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", choice.kind, choice.path, choice.scaling,
                  choice.training_samples, choice.probe_samples, p.inputs, p.outputs, p.radius,
                  static_cast<int>(p.label_kind), static_cast<int>(p.loss), p.seed,
                  static_cast<int>(p.activation), p.teacher_hidden) +
      fmt::format("|{}|{}|{}", p.leak, p.bias, p.sampling == Sampling::fresh);
  const auto found = sets_.find(key);
  if (found != sets_.end()) return found->second;
  return sets_.emplace(key, p.input_kind == Inputs::dataset ? read(choice, p) : draw(choice, p))
      .first->second;
}

}  // namespace soret::sims
