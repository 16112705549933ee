#include "sims/training_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/data/load.hpp"
#include "soret/data/random_subset.hpp"
#include "soret/random/fill.hpp"

namespace soret::sims {
namespace {

const std::vector<std::string> kSubsets = {"first", "random"};
const std::vector<std::string> kNoises(data::kLabelNoises.begin(), data::kLabelNoises.end());

bool is_synthetic(const std::string& kind) {
  return kind == "gaussian" || kind == "clusters";
}

/// Streams of drawn sets: inputs and classes of part 0 (training) and 1 (test), the centres of the classes.
data::Dataset draw(const DataOptions& o, std::size_t samples, std::uint32_t part) {
  data::Dataset set{.name = o.kind, .width = o.inputs, .classes = o.classes, .images = {}, .labels = {}};
  const auto inputs = static_cast<std::size_t>(o.inputs);
  const double bytes = sizeof(float) * static_cast<double>(samples) * static_cast<double>(inputs);
  constexpr double kGiB = 1 << 30;
  if (const double available = available_memory(); available != 0 && bytes >= available)
    throw ConfigError(
        fmt::format("data.kind = {}: {} samples of data.inputs = {} take {:.1f} GiB, and {:.1f} GiB are "
                    "free; take fewer (data.training_samples, data.test_samples)",
                    o.kind, samples, o.inputs, bytes / kGiB, available / kGiB));
  set.images.resize(samples * inputs);
  fill_normal({o.seed, Purpose::dataset_inputs, part}, 0, set.images);
  const Stream classes{o.seed, Purpose::dataset_labels, part};
  for (std::size_t i = 0; i < samples; ++i) {
    const std::uint64_t word = classes.block(i).x;
    set.labels.push_back(static_cast<std::int32_t>(word * static_cast<std::uint64_t>(o.classes) >> 32));
  }
  if (o.kind == "gaussian") return set;

  std::vector<float> centres(static_cast<std::size_t>(o.classes) * inputs);
  fill_normal({o.seed, Purpose::teacher, 0}, 0, centres);
  for (std::size_t c = 0; c < static_cast<std::size_t>(o.classes); ++c) {
    double square = 0;
    for (std::size_t j = 0; j < inputs; ++j) square += std::pow(centres[c * inputs + j], 2.0);
    for (std::size_t j = 0; j < inputs; ++j)
      centres[c * inputs + j] *= static_cast<float>(o.separation / std::sqrt(square));
  }
  for (std::size_t i = 0; i < samples; ++i)
    for (std::size_t j = 0; j < inputs; ++j)
      set.images[i * inputs + j] += centres[static_cast<std::size_t>(set.labels[i]) * inputs + j];
  return set;
}

void require(std::size_t wanted, const data::Dataset& set, const char* key, const char* part) {
  if (set.size() < wanted)
    throw ConfigError(fmt::format("{} asks for {} samples, but {} holds {} {} samples", key, wanted, set.name,
                                  set.size(), part));
}

}  // namespace

std::vector<Option> data_options() {
  std::vector<std::string> kinds = {"gaussian", "clusters"};
  const auto datasets = data::dataset_kinds();
  kinds.insert(kinds.end(), datasets.begin(), datasets.end());
  return {
      text("data.kind", "mnist", kinds,
           "a dataset; gaussian: N(0, I) with random classes; clusters: N(0, I) about a centre per class "
           "(a stand-in for labelled data that cannot be had)"),
      fixed(text("data.path", "", {}, "folder of the datasets; empty: the environment variable SORET_DATA")),
      integer("data.inputs", "100", 1, "of gaussian and clusters"),
      integer("data.classes", "10", 2, "of gaussian and clusters"),
      real("data.separation", "4", 0,
           "of clusters: length of the centres, which point anywhere (our choice)"),
      integer("data.training_samples", "0", 0, "training samples besides those held out; 0: all there are"),
      integer("data.validation_samples", "0", 0,
              "samples held out of the training set, to select models by; 0: none"),
      integer("data.test_samples", "0", 0, "test samples, the first ones; 0: all there are"),
      text("data.subset", "first", kSubsets, "which training samples: the first ones or random ones"),
      {.key = "data.label_noise",
       .type = OptionType::real,
       .default_value = "0",
       .help = "fraction of the training labels that is redrawn; validation and test labels stay",
       .min = 0,
       .max = 1},
      text("data.label_noise_kind", "uniform", kNoises,
           "a new label is any class (uniform) or any but the old one (wrong)"),
      text("data.scaling", "standardise", data::scaling_names(),
           "what is done to a dataset's features; standardise: by the training slice"),
      integer("data.crop_padding", "0", 0, "augmentation: random crops out of images padded by so many zeros",
              64),
      {.key = "data.flip",
       .type = OptionType::flag,
       .default_value = "false",
       .help = "augmentation: images are mirrored with probability 1/2"},
  };
}

DataOptions data_of(const Settings& s) {
  DataOptions o;
  const auto count = [&](const char* key) { return static_cast<std::size_t>(s.integer(key)); };
  o.kind = s.text("data.kind");
  o.path = s.text("data.path");
  o.inputs = static_cast<int>(s.integer("data.inputs"));
  o.classes = static_cast<int>(s.integer("data.classes"));
  o.separation = s.real("data.separation");
  o.training_samples = count("data.training_samples");
  o.validation_samples = count("data.validation_samples");
  o.test_samples = count("data.test_samples");
  o.random_subset = s.text("data.subset") == "random";
  o.label_noise = s.real("data.label_noise");
  o.label_noise_kind = choice<data::LabelNoise>(kNoises, s.text("data.label_noise_kind"));
  o.scaling = data::parse_scaling(s.text("data.scaling"));
  o.augmentation = {.padding = static_cast<std::int32_t>(s.integer("data.crop_padding")),
                    .flip = s.flag("data.flip")};
  o.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));
  if (is_synthetic(o.kind)) {
    for (const char* key : {"data.training_samples", "data.test_samples"})
      if (s.integer(key) == 0)
        throw ConfigError(fmt::format(
            "{0} = 0 means all of a dataset, but data.kind = {1} is drawn; set how many", key, o.kind));
    if (o.augmentation.any())
      throw ConfigError(
          fmt::format("data.kind = {} is no images: data.crop_padding and data.flip need some", o.kind));
  }
  return o;
}

TrainingSet make_training_set(const DataOptions& o) {
  TrainingSet set;
  const std::size_t wanted = o.training_samples == 0 ? 0 : o.training_samples + o.validation_samples;
  if (is_synthetic(o.kind)) {
    set.train = draw(o, wanted, 0);
    set.test = draw(o, o.test_samples, 1);
  } else {
    data::SampleLimit limit;
    if (wanted > 0 && !o.random_subset) limit.train = wanted;
    if (o.test_samples > 0) limit.test = o.test_samples;
    data::TrainTest parts = data::load(o.kind, o.path, limit);
    set.train = std::move(parts.train);
    set.test = std::move(parts.test);
    require(wanted, set.train, "data.training_samples with data.validation_samples", "training");
    require(o.test_samples, set.test, "data.test_samples", "test");
    if (wanted > 0 && o.random_subset && wanted < set.train.size())
      set.train = data::random_subset(set.train, wanted, o.seed);
  }
  if (o.validation_samples > 0) {
    data::HeldOut parts = data::hold_out(set.train, o.validation_samples, o.seed);
    set.train = std::move(parts.train);
    set.validation = std::move(parts.validation);
  }
  set.clean_labels = data::add_label_noise(set.train, o.label_noise, o.label_noise_kind, o.seed).clean;
  if (is_synthetic(o.kind)) return set;
  if (o.validation_samples > 0)
    data::rescale(o.scaling, set.train, set.validation, set.test);
  else
    data::rescale(o.scaling, set.train, set.test);
  return set;
}

}  // namespace soret::sims
