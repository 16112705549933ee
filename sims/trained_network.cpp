#include "sims/trained_network.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "soret/base/error.hpp"
#include "soret/data/dataset.hpp"

namespace soret::sims {
namespace {

namespace fs = std::filesystem;

/// Where data lie tells no data apart, and augmentation is what training makes of them.
bool tells_data_apart(const std::string& key) {
  return key.starts_with("data.") && key != "data.path" && key != "data.crop_padding" && key != "data.flip";
}

/// Whether the seed decides which data these are.
bool drawn_by_seed(const DataOptions& o) {
  return o.kind == "gaussian" || o.kind == "clusters" || o.validation_samples > 0 || o.label_noise > 0 ||
         (o.random_subset && o.training_samples > 0);
}

std::string key_of(const Settings& settings, const DataSubset& subset) {
  std::string key = fmt::format("{}\n{}\n", settings.text("data.path"), subset.training_samples);
  for (const auto& [name, value] : settings.values())
    if (tells_data_apart(name) || name == "ensemble.seed") key += fmt::format("{}={}\n", name, value);
  return key;
}

TrainingSet read_set(const DataOptions& options, const DataSubset& subset, const fs::path& file) {
  TrainingSet set = make_training_set(options);
  const std::size_t wanted = subset.training_samples;
  if (wanted == 0) return set;
  if (wanted > set.train.size())
    throw ConfigError(fmt::format("{} training samples are asked for, but {} was trained on {}", wanted,
                                  file.string(), set.train.size()));
  set.train = data::slice(set.train, 0, wanted);
  set.clean_labels.resize(wanted);
  return set;
}

std::string shape_text(const network::View* view) {
  return view ? fmt::format("{}", fmt::join(view->what.shape, " x ")) : "none";
}

}  // namespace

Settings checkpoint_settings(const store::Dataset& checkpoint, const fs::path& file) {
  const auto found = checkpoint.attributes.find("config");
  const auto* config =
      found == checkpoint.attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  if (!config || !config->starts_with("simulation = train\n"))
    throw InputError(
        fmt::format("{} is no checkpoint of simulation = train: it holds no config of one", file.string()));
  const OptionTable table = [](std::string_view name) -> std::optional<std::vector<Option>> {
    return name == "train" ? std::optional(train_options()) : std::nullopt;
  };
  const std::string known[] = {"train"};
  return parse_config(*config, file.string(), {}, table, known).common();
}

TrainedNetwork TrainedNetworks::operator()(const fs::path& file, const DataSubset& subset) {
  const store::Dataset checkpoint = store::read_checkpoint(file);
  if (const auto ended = checkpoint.attributes.find("ended");
      ended != checkpoint.attributes.end() && ended->second == store::Attribute(std::int64_t{0}))
    fmt::print(stderr, "note: {} is of a run that has not ended\n", file.string());
  TrainedNetwork trained{.file = file,
                         .settings = checkpoint_settings(checkpoint, file),
                         .options = {},
                         .set = {},
                         .network = {},
                         .weights = {}};
  if (!subset.path.empty()) trained.settings.set("data.path", subset.path);
  if (subset.test_samples > 0)
    trained.settings.set("data.test_samples", fmt::format("{}", subset.test_samples));
  trained.options = train_point(trained.settings);
  auto& set = sets_[key_of(trained.settings, subset)];
  if (!set) set = std::make_shared<const TrainingSet>(read_set(trained.options.data, subset, file));
  trained.set = set;
  trained.network = std::make_shared<const network::Network<float>>(
      make_network<float>(trained.options.model, set->input(), set->train.classes));
  trained.weights = weights_of(*trained.network, checkpoint, file);
  sources_[file.string()] = trained.weights.digest();
  return trained;
}

void require_same_architecture(const TrainedNetwork& one, const TrainedNetwork& other) {
  const auto& here = one.network->parameters();
  const auto& there = other.network->parameters();
  for (std::size_t i = 0; i < std::max(here.size(), there.size()); ++i) {
    const network::View* a = i < here.size() ? &here[i] : nullptr;
    const network::View* b = i < there.size() ? &there[i] : nullptr;
    if (a && b && a->name == b->name && a->what.shape == b->what.shape) continue;
    const std::string layer = [&] {
      if (a && b && a->name != b->name) return fmt::format("{} in one, {} in the other", a->name, b->name);
      return a ? a->name : b->name;
    }();
    throw ConfigError(
        fmt::format("{} and {} are networks of different architecture; the first layer that differs: {}, of "
                    "shape {} and {}",
                    one.file.string(), other.file.string(), layer, shape_text(a), shape_text(b)));
  }
  std::vector<const char*> keys = {"network.kind", "network.loss", "network.batch_norm_group"};
  if (one.options.model.kind == Model::Kind::mlp || one.options.model.kind == Model::Kind::convolutional)
    keys.insert(keys.end(), {"network.activation", "network.padding"});
  for (const char* key : keys) {
    if (one.settings.text(key) == other.settings.text(key)) continue;
    throw ConfigError(fmt::format("{} and {} are different networks: {} = {} and {}", one.file.string(),
                                  other.file.string(), key, one.settings.text(key),
                                  other.settings.text(key)));
  }
}

void require_same_data(const TrainedNetwork& one, const TrainedNetwork& other) {
  const auto require = [&](const std::string& key) {
    const std::string& a = one.settings.text(key);
    const std::string& b = other.settings.text(key);
    if (a != b)
      throw ConfigError(fmt::format("{} and {} were not trained on the same data: {} = {} and {}",
                                    one.file.string(), other.file.string(), key, a, b));
  };
  for (const auto& [key, value] : one.settings.values())
    if (tells_data_apart(key)) require(key);
  if (drawn_by_seed(one.options.data)) require("ensemble.seed");
}

}  // namespace soret::sims
