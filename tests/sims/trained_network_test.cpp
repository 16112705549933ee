#include "sims/trained_network.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soret/base/error.hpp"
#include "tests/data/files.hpp"
#include "tests/sims/trained.hpp"

namespace soret::sims {
namespace {

using data::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TrainedNetworkTest : public data::FilesTest {};

const std::string kClusters = R"(
[network]
hidden = 5-4
[data]
kind = clusters
inputs = 6
classes = 3
training_samples = 40
validation_samples = 7
test_samples = 11
label_noise = 0.5
[sgd]
batch_size = 10
epochs = 2
)";

TEST_F(TrainedNetworkTest, IsWhatTheRunEndedWith) {
  const auto file = directory / "run.h5";
  const TrainProblem problem = train_to(file, kClusters);
  const TrainedNetwork trained = TrainedNetworks()(file);
  EXPECT_EQ(trained.set->train.images, problem.set->train.images);
  EXPECT_EQ(trained.set->train.labels, problem.set->train.labels);
  EXPECT_EQ(trained.set->validation.images, problem.set->validation.images);
  EXPECT_EQ(trained.set->test.images, problem.set->test.images);
  EXPECT_EQ(trained.weights.parameters,
            weights_of(*problem.network, store::read_checkpoint(file), file).parameters);
  EXPECT_EQ(trained.outputs(), 3);

  // Fewer training samples are the first of those that were trained on; more of the test set may be asked
  // for.
  const TrainedNetwork part = TrainedNetworks()(file, {.training_samples = 13, .test_samples = 20});
  ASSERT_EQ(part.set->train.size(), 13);
  ASSERT_EQ(part.set->clean_labels.size(), 13);
  ASSERT_EQ(part.set->test.size(), 20);
  for (std::size_t i = 0; i < 13; ++i) {
    EXPECT_EQ(part.set->train.labels[i], problem.set->train.labels[i]);
    EXPECT_EQ(part.set->train.image(i)[5], problem.set->train.image(i)[5]);
  }
  EXPECT_EQ(part.set->test.image(10)[0], problem.set->test.image(10)[0]);
  EXPECT_THAT(message_of<ConfigError>([&] { TrainedNetworks()(file, {.training_samples = 41}); }),
              AllOf(HasSubstr("41"), HasSubstr("run.h5"), HasSubstr("trained on 40")));
}

// A part of the data is scaled by the moments of all that was trained on; the folder may be another one.
TEST_F(TrainedNetworkTest, ScalesByTheWholeTrainingSlice) {
  data::Bytes labels(30);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(i % 10);
  const auto set = [&](const std::string& part, std::uint32_t seed) {
    write("mnist/" + part + "-images-idx3-ubyte", data::idx_images(30, 4, 3, data::noise(360, seed)));
    write("mnist/" + part + "-labels-idx1-ubyte", data::idx_labels(labels));
  };
  set("train", 1);
  set("t10k", 2);
  const auto file = directory / "run.h5";
  const std::string config =
      "[network]\nhidden = none\n[data]\nkind = mnist\ntraining_samples = 30\n[sgd]\nepochs = 1\nbatch_size "
      "= 10\n";
  const TrainProblem problem = train_to(file, config, {"data.path=" + directory.string()});
  const auto moved = directory / "elsewhere";
  std::filesystem::create_directory(moved);
  std::filesystem::rename(directory / "mnist", moved / "mnist");
  const TrainedNetwork part = TrainedNetworks()(file, {.path = moved.string(), .training_samples = 4});
  ASSERT_EQ(part.set->train.size(), 4);
  for (std::size_t i = 0; i < 4 * 12; ++i)
    EXPECT_EQ(part.set->train.images[i], problem.set->train.images[i]) << i;
  EXPECT_EQ(part.set->test.images, problem.set->test.images);
}

TEST_F(TrainedNetworkTest, SharesData) {
  const auto one = directory / "one.h5";
  const auto two = directory / "two.h5";
  train_to(one, kClusters);
  train_to(two, kClusters, {"sgd.batch_size=20"});
  TrainedNetworks read;
  const TrainedNetwork a = read(one);
  const TrainedNetwork b = read(two);
  EXPECT_EQ(a.set, b.set);
  EXPECT_NE(a.set, read(one, {.training_samples = 3}).set);
  EXPECT_NO_THROW(require_same_architecture(a, b));
  EXPECT_NO_THROW(require_same_data(a, b));
}

TEST_F(TrainedNetworkTest, NamesWhatDiffers) {
  const auto with = [&](const std::string& override) {
    const auto file = directory / (override + ".h5");
    train_to(file, kClusters, {override});
    return TrainedNetworks()(file);
  };
  const TrainedNetwork plain = with("ensemble.seed=1");
  const auto architecture = [&](const std::string& override) {
    return message_of<ConfigError>([&] { require_same_architecture(plain, with(override)); });
  };
  EXPECT_THAT(
      architecture("network.hidden=5-3"),
      AllOf(HasSubstr("dense2.weight"), HasSubstr("4 x 5 and 3 x 5"), HasSubstr("network.hidden=5-3.h5")));
  EXPECT_THAT(architecture("network.hidden=5"),
              AllOf(HasSubstr("dense2.weight"), HasSubstr("4 x 5 and 3 x 5")));
  EXPECT_THAT(architecture("network.kind=f2"), HasSubstr("dense1.weight"));
  EXPECT_THAT(architecture("network.activation=tanh"), HasSubstr("network.activation = relu and tanh"));
  EXPECT_THAT(architecture("network.loss=squared"), HasSubstr("network.loss = softmax and squared"));
  const auto data = [&](const std::string& override) {
    return message_of<ConfigError>([&] { require_same_data(plain, with(override)); });
  };
  EXPECT_THAT(data("data.label_noise=0"), HasSubstr("data.label_noise = 0.5 and 0"));
  EXPECT_THAT(data("ensemble.seed=2"), HasSubstr("ensemble.seed = 1 and 2"));
}

TEST_F(TrainedNetworkTest, RefusesOtherFiles) {
  const auto read = [&](const std::filesystem::path& file) {
    return message_of<InputError>([&] { TrainedNetworks()(file); });
  };
  EXPECT_THAT(read(directory / "none.h5"), HasSubstr("none.h5"));
  EXPECT_THAT(read(write("text.h5", {'a', 'b'})), HasSubstr("text.h5"));
  store::Dataset other;
  other.attributes["config"] = std::string("simulation = two_layer\n");
  store::write_checkpoint(other, directory / "other.h5");
  EXPECT_THAT(read(directory / "other.h5"), AllOf(HasSubstr("other.h5"), HasSubstr("simulation = train")));
}

}  // namespace
}  // namespace soret::sims
