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

TEST(DeepEnsemble, BadInputIsAUsageError) {
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
