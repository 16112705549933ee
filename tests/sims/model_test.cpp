#include "sims/model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soret/base/error.hpp"

namespace soret::sims {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// What [network] says, beside the defaults.
Model model(const std::map<std::string, std::string>& keys) {
  Settings settings;
  for (const Option& option : model_options()) settings.set(option.key, option.default_value);
  for (const auto& [key, value] : keys) settings.set("network." + key, value);
  return model_of(settings);
}

std::vector<std::string> kinds() {
  for (const Option& option : model_options())
    if (option.key == "network.kind") return option.choices;
  return {};
}

// Running statistics are all the state that there is.
TEST(Model, KnowsWhetherItNormalisesBatches) {
  ASSERT_GE(kinds().size(), 7U);
  for (const auto& kind : kinds()) {
    const Model m = model({{"kind", kind}, {"width", "2"}, {"layers", "2"}});
    EXPECT_EQ(m.has_batch_norm(), make_network<float>(m, {32, 32, 1}, 3).state_count() > 0) << kind;
  }
}

TEST(Model, HasTheDepthThatIsAskedFor) {
  const auto convolutions = [](const std::map<std::string, std::string>& keys) {
    const auto network = make_network<float>(model(keys), {32, 32, 3}, 10);
    return std::ranges::count_if(network.parameters(),
                                 [](const auto& view) { return view.what.shape.size() == 4; });
  };
  EXPECT_EQ(convolutions({{"kind", "vgg11"}, {"width", "1"}}), 8);
  EXPECT_EQ(convolutions({{"kind", "vgg16"}, {"width", "1"}}), 13);
  EXPECT_EQ(convolutions({{"kind", "vgg16"}, {"width", "1"}, {"stages", "3"}}), 3);
  EXPECT_EQ(convolutions({{"kind", "resnet18"}, {"width", "1"}}), 1 + 16 + 3);
  EXPECT_EQ(convolutions({{"kind", "resnet18"}, {"width", "1"}, {"stages", "1-1-1"}}), 1 + 6 + 2);
}

TEST(Model, RefusesStagesThatAreNone) {
  for (const char* stages : {"2-x", "2-", "-2", "0", "2 2", "", "standart"}) {
    try {
      model({{"kind", "vgg11"}, {"stages", stages}});
      FAIL() << stages;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("network.stages = "), HasSubstr("2-2-2-2, or standard")));
    }
  }
}

}  // namespace
}  // namespace soret::sims
