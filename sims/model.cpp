#include "sims/model.hpp"

#include <fmt/format.h>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"
#include "soret/random/fill.hpp"

namespace soret::sims {
namespace {

const std::vector<std::string> kKinds = {"mlp", "convolutional", "f2", "c1", "resnet18", "vgg11", "vgg16"};
const std::vector<std::string> kActivations = {"relu", "tanh", "sigmoid", "softplus", "gelu"};
const std::vector<std::string> kHeads = {"softmax", "logistic", "squared"};
const std::vector<std::string> kVggHeads = {"compact", "imagenet"};
const std::vector<std::string> kStarts(std::begin(network::kInitialisations),
                                       std::end(network::kInitialisations));

constexpr const char* kSameStart = "same";

std::vector<std::string> dense_starts() {
  std::vector<std::string> all = {kSameStart};
  all.insert(all.end(), kStarts.begin(), kStarts.end());
  return all;
}

/// "512-256-64"; throws ConfigError, saying what is `wanted` of the key, for anything else.
std::vector<int> sizes_of(const char* key, const std::string& text, const char* wanted) {
  constexpr std::int64_t kMost = 1'000'000;
  std::vector<int> sizes;
  for (std::string_view rest = text;;) {
    const auto end = rest.find('-');
    const auto size = parse_integer(rest.substr(0, end));
    if (!size || *size < 1 || *size > kMost)
      throw ConfigError(fmt::format("{} = {}: write {}", key, text, wanted));
    sizes.push_back(static_cast<int>(*size));
    if (end == std::string_view::npos) return sizes;
    rest.remove_prefix(end + 1);
  }
}

std::vector<int> stages_of(Model::Kind kind, const std::string& text) {
  if (text != "standard")
    return sizes_of("network.stages", text, "the sizes of the stages as 2-2-2-2, or standard");
  switch (kind) {
    case Model::Kind::resnet18:
      return {2, 2, 2, 2};
    case Model::Kind::vgg11:
      return {1, 1, 2, 2, 2};
    case Model::Kind::vgg16:
      return {2, 2, 3, 3, 3};
    default:
      return {};
  }
}

}  // namespace

std::vector<Option> model_options() {
  return {
      text("network.kind", "mlp", kKinds,
           "mlp: dense layers; convolutional: 5 x 5 convolutions, then a dense layer (seed 002 Fig. 2); f2, "
           "c1: of seed 003; resnet18: for small images; vgg11: without batch normalisation, vgg16: with"),
      text("network.hidden", "512-256-128-64", {},
           "widths of mlp's hidden layers, the first behind the inputs; none: no hidden layer (our choice)"),
      text("network.activation", "relu", kActivations, "of mlp and convolutional"),
      integer("network.layers", "6", 2, "layers with weights of convolutional", 100),
      integer("network.channels", "10", 1, "of convolutional"),
      integer("network.padding", "2", 0, "of convolutional; 2 keeps the size (our choice)", 2),
      text("network.stages", "standard", {},
           "depth: blocks of each stage of resnet18 (standard: 2-2-2-2), convolutions of each stage of vgg11 "
           "(1-1-2-2-2) and vgg16 (2-2-3-3-3)"),
      integer("network.width", "64", 1,
              "channels of the first stage of resnet18, vgg11 and vgg16; all other widths are in proportion",
              65536),
      text("network.vgg_head", "compact", kVggHeads,
           "dense layers of vgg11 and vgg16. compact: 8 width, 8 width, classes (512-512-10 in full; our "
           "choice for vgg16); imagenet: averages of 7 x 7, 64 width, 64 width, classes, with dropout of a "
           "half"),
      integer("network.batch_norm_group", "0", 0,
              "consecutive samples of a chunk that are normalised together; 0: all of the chunk"),
      text("network.loss", "softmax", kHeads,
           "softmax: cross entropy; logistic: two classes; squared: 1/2 |z - e_class|^2"),
      text("network.initialisation", "he_normal", kStarts,
           "he_normal: weights N(0, 2/fan_in), biases 0; he_normal_fan_out; glorot_normal; "
           "framework_uniform: weights and biases U(-1, 1)/sqrt(fan_in); small_normal: weights N(0, 0.01^2)"),
      text("network.dense_initialisation", kSameStart, dense_starts(),
           "of dense layers; same: as network.initialisation"),
      text("network.start", "", {},
           "checkpoint whose parameters (and running statistics) are begun with; empty: initialisation"),
  };
}

Model model_of(const Settings& s) {
  Model m;
  m.kind = choice<Model::Kind>(kKinds, s.text("network.kind"));
  if (const auto& hidden = s.text("network.hidden"); hidden != "none")
    m.hidden = sizes_of("network.hidden", hidden, "the widths of the hidden layers as 512-256-64, or none");
  m.activation = choice<network::ActivationKind>(kActivations, s.text("network.activation"));
  m.layers = static_cast<int>(s.integer("network.layers"));
  m.channels = static_cast<int>(s.integer("network.channels"));
  m.padding = static_cast<int>(s.integer("network.padding"));
  m.stages = stages_of(m.kind, s.text("network.stages"));
  m.width = static_cast<int>(s.integer("network.width"));
  m.vgg_head = choice<network::VggHead>(kVggHeads, s.text("network.vgg_head"));
  m.batch_norm_group = static_cast<int>(s.integer("network.batch_norm_group"));
  m.head = choice<network::HeadKind>(kHeads, s.text("network.loss"));
  m.initialisation = choice<network::Initialisation>(kStarts, s.text("network.initialisation"));
  if (const auto& dense = s.text("network.dense_initialisation"); dense != kSameStart)
    m.dense_initialisation = choice<network::Initialisation>(kStarts, dense);
  m.start = s.text("network.start");
  return m;
}

template <class T>
network::Network<T> make_network(const Model& m, const network::Shape& input, int classes) {
  if (m.head == network::HeadKind::logistic && classes != 2)
    throw ConfigError(
        fmt::format("network.loss = logistic tells 2 classes, the data have {}; use softmax", classes));
  const int outputs = m.head == network::HeadKind::logistic ? 1 : classes;
  switch (m.kind) {
    case Model::Kind::mlp: {
      std::vector<int> widths = m.hidden;
      widths.push_back(outputs);
      return network::multilayer_perceptron<T>(input, widths, m.activation);
    }
    case Model::Kind::convolutional:
      return network::convolutional<T>(input, m.layers, m.channels, m.padding, outputs, m.activation);
    case Model::Kind::f2:
      return network::f2<T>(input, outputs, m.batch_norm_group);
    case Model::Kind::c1:
      return network::c1<T>(input, outputs, m.batch_norm_group);
    case Model::Kind::resnet18:
      return network::resnet<T>(input, outputs, m.width, m.stages, m.batch_norm_group);
    case Model::Kind::vgg11:
    case Model::Kind::vgg16:
      return network::vgg<T>(input, outputs,
                             {.convolutions = m.stages,
                              .width = m.width,
                              .batch_norm = m.kind == Model::Kind::vgg16,
                              .batch_norm_group = m.batch_norm_group,
                              .head = m.vgg_head});
  }
  throw ConfigError("unknown network.kind");
}

std::vector<float> random_direction(std::size_t parameters, std::uint64_t seed) {
  std::vector<float> direction(parameters);
  fill_normal({seed, Purpose::curvature, 0}, 0, direction);
  return direction;
}

template network::Network<float> make_network<float>(const Model&, const network::Shape&, int);
template network::Network<double> make_network<double>(const Model&, const network::Shape&, int);

}  // namespace soret::sims
