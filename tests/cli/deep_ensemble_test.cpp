#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soret/store/result_file.hpp"
#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kConfig = R"(simulation = deep_ensemble
[network]
inputs = 9
layers = 4
width = 7
[sgd]
learning_rate = 0.05 0.1
steps = 20
[ensemble]
trajectories = 5
[record]
every = 10
probe_samples = 6
observables = gradient_variance gradient_variance_layer activation_rate
)";

/// Images of 28 x 28, convolutions that leave 8 x 8.
const std::vector<std::string> kConvolutional = {"--set", "network.architecture=convolutional",
                                                 "--set", "network.inputs=784",
                                                 "--set", "network.layers=6",
                                                 "--set", "network.width=3"};

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string rejection(const std::vector<std::string>& words) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const Outcome outcome =
      soret(joined({"run", "scan.cfg", "-o", "out.h5"}, words), {.folder = folder.path()});
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_FALSE(std::filesystem::exists(folder / "out.h5"));
  return outcome.err;
}

TEST(DeepEnsemble, EveryLayerHasItsPlaceInTheFile) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  soret({"run", "scan.cfg", "-o", "out.h5", "--json"}, {.folder = folder.path()}).json();
  const store::Dataset file = store::read(folder / "out.h5");
  EXPECT_EQ(file.at("gradient_variance_layer").dimensions,
            (std::vector<std::string>{"learning_rate", "step", "layer"}));
  EXPECT_EQ(file.at("layer").reals(), (std::vector<double>{1, 2, 3, 4}));
  // The variance over all parameters is the layers' weighted by their sizes.
  const auto& all = file.at("gradient_variance").reals();
  const auto& layers = file.at("gradient_variance_layer").reals();
  const double sizes[] = {70, 56, 56, 8};
  ASSERT_EQ(layers.size(), 4 * all.size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    double total = 0;
    for (int l = 0; l < 4; ++l) total += layers[4 * k + l] * sizes[l] / 190;
    EXPECT_NEAR(total, all[k], 1e-12 * all[k]);
  }
}

TEST(DeepEnsemble, ThreadsDoNotMatter) {
  for (const auto& architecture : {std::vector<std::string>{}, kConvolutional}) {
    const TemporaryFolder folder;
    folder.write("scan.cfg", kConfig);
    for (const char* threads : {"1", "2"}) {
      soret(joined({"run", "scan.cfg", "-o", std::string(threads) + ".h5", "--threads", threads, "--json"},
                   architecture),
            {.folder = folder.path()})
          .json();
    }
    const store::Dataset one = store::read(folder / "1.h5");
    const store::Dataset two = store::read(folder / "2.h5");
    for (const char* name : {"gradient_variance", "gradient_variance_layer_block", "activation_rate_stderr"})
      EXPECT_EQ(one.at(name).reals(), two.at(name).reals()) << name;
  }
}

// An epoch of N = 24 is 24/|B| updates, rounded: 24, 4.8 -> 5, 1.
TEST(DeepEnsemble, EpochsArePassesOverTheTrainingSet) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  const std::vector<std::string> set = {"--set", "data.training_samples=24",
                                        "--set", "sgd.learning_rate=0.05",
                                        "--set", "record.observables=parameter_norm"};
  soret(joined({"run", "scan.cfg", "-o", "epochs.h5", "--json", "--set", "sgd.epochs=3", "--set",
                "sgd.batch_size=1 5 24", "--set", "record.every=1"},
               set),
        {.folder = folder.path()})
      .json();
  const store::Dataset epochs = store::read(folder / "epochs.h5");
  EXPECT_EQ(epochs.at("step").integers(), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(std::get<std::string>(epochs.at("step").attributes.at("long_name")), "epoch");
  const std::vector<std::vector<int>> updates = {{24, 48, 72}, {5, 10, 14}, {1, 2, 3}};
  const char* sizes[] = {"1", "5", "24"};
  for (std::size_t b = 0; b < 3; ++b) {
    soret(joined({"run", "scan.cfg", "-o", "steps.h5", "--fresh", "--json", "--set", "sgd.steps=72", "--set",
                  std::string("sgd.batch_size=") + sizes[b], "--set", "record.every=1"},
                 set),
          {.folder = folder.path()})
        .json();
    const store::Dataset steps = store::read(folder / "steps.h5");
    const auto& by_step = steps.at("parameter_norm").reals();
    for (std::size_t e = 0; e < 3; ++e)
      EXPECT_EQ(epochs.at("parameter_norm").reals()[b * 4 + e + 1], by_step[updates[b][e]])
          << sizes[b] << " " << e + 1;
  }
}

TEST(DeepEnsemble, TheFileHoldsTheNoiseScaleAndTheCriticalBatchSize) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kConfig);
  soret({"run", "scan.cfg", "-o", "out.h5", "--json", "--set", "data.training_samples=24", "--set",
         "sgd.batch_size=2 24", "--set", "record.precision=float", "--set",
         "record.observables=loss training_loss training_gradient_trace training_gradient_square"},
        {.folder = folder.path()})
      .json();
  const store::Dataset file = store::read(folder / "out.h5");
  const auto& g = file.at("noise_scale").reals();  // eta (24/|B| - 1)
  ASSERT_EQ(g.size(), 4u);
  EXPECT_NEAR(g[0], 0.05 * 11, 1e-7);
  EXPECT_EQ(g[1], 0);
  EXPECT_NEAR(g[2], 0.1 * 11, 1e-7);
  const auto& trace = file.at("training_gradient_trace").reals();
  const auto& square = file.at("training_gradient_square").reals();
  const auto& critical = file.at("critical_batch_size").reals();
  ASSERT_EQ(critical.size(), trace.size());
  for (std::size_t k = 0; k < trace.size(); ++k) {
    EXPECT_NEAR(critical[k], trace[k] / square[k], 1e-12 * critical[k]);
    EXPECT_GT(file.at("critical_batch_size_stderr").reals()[k], 0);
  }
}

TEST(DeepEnsemble, BadInputIsAUsageError) {
  const std::vector<std::string> fixed = {"--set", "data.training_samples=24"};
  EXPECT_THAT(rejection({"--set", "sgd.epochs=3"}), HasSubstr("data.training_samples"));
  EXPECT_THAT(rejection(joined(fixed, {"--set", "data.training_samples=1", "--set", "sgd.batch_size=1",
                                       "--set", "record.observables=training_gradient_trace"})),
              HasSubstr("2 or more"));
  EXPECT_THAT(rejection(joined(fixed, {"--set", "sgd.batch_size=25"})),
              AllOf(HasSubstr("sgd.batch_size = 25"), HasSubstr("at most 24")));
  EXPECT_THAT(rejection(joined(fixed, {"--set", "sgd.batch_size=25", "--set", "sgd.epochs=2", "--set",
                                       "data.sampling=with_replacement"})),
              AllOf(HasSubstr("sgd.batch_size = 25"), HasSubstr("at most 24")));
  EXPECT_THAT(rejection({"--set", "record.observables=training_loss"}),
              AllOf(HasSubstr("training_loss"), HasSubstr("data.training_samples")));
  EXPECT_THAT(rejection(joined(joined(fixed, kConvolutional), {"--set", "record.observables=training_loss"})),
              AllOf(HasSubstr("training_loss"), HasSubstr("convolutional")));
  EXPECT_THAT(rejection(joined(kConvolutional, {"--set", "record.precision=float"})),
              HasSubstr("record.precision"));
  EXPECT_THAT(rejection({"--set", "network.loss=softmax"}), HasSubstr("network.outputs"));
  EXPECT_THAT(rejection({"--set", "network.pad=1"}), HasSubstr("convolutional"));
  EXPECT_THAT(rejection({"--set", "network.layers=1"}), HasSubstr("network.layers"));
  EXPECT_THAT(rejection({"--set", "network.layers=4 6"}), HasSubstr("network.layers"));
  EXPECT_THAT(rejection({"--set", "network.loss=squared", "--set", "record.observables=accuracy"}),
              HasSubstr("accuracy"));
  EXPECT_THAT(rejection({"--set", "sgd.batch_size=2000000000"}), HasSubstr("GB"));
  EXPECT_THAT(rejection({"--set", "data.labels=dataset"}), HasSubstr("no labels"));
  EXPECT_THAT(rejection(joined(kConvolutional, {"--set", "network.inputs=783"})), HasSubstr("784"));
  EXPECT_THAT(rejection(joined(kConvolutional, {"--set", "network.inputs=100"})),
              AllOf(HasSubstr("network.layers = 6"), HasSubstr("conv3")));
  EXPECT_THAT(rejection(joined(kConvolutional, {"--set", "network.activation=leaky_relu"})),
              HasSubstr("leaky_relu"));
}

}  // namespace
}  // namespace soret::test
