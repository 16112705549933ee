#include "soret/measure/parts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soret/network/models.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

TEST(Parts, AreTheNetworkAndItsLayersWithoutGaps) {
  const auto parts = layer_parts(testing::mixed_network<float>(3));
  std::vector<std::string> names;
  for (const Part& p : parts) names.push_back(p.name);
  EXPECT_THAT(names, ::testing::ElementsAre("network", "conv", "norm1", "dense1", "norm2", "dense2"));
  EXPECT_EQ(parts[0].first, 0);
  EXPECT_EQ(parts[0].last, 135);
  std::size_t at = 0;
  for (std::size_t k = 1; k < parts.size(); ++k) {
    EXPECT_EQ(parts[k].first, at);
    EXPECT_GT(parts[k].last, at);
    at = parts[k].last;
  }
  EXPECT_EQ(at, 135);
  EXPECT_EQ(parts[1].size(), 3 * 9 * 2 + 3);  // weight and bias
  // A residual network's layers have dots in their names.
  const auto deep = layer_parts(network::resnet18<float>({8, 8, 3}, 10, 4, 0));
  EXPECT_EQ(deep[1].name, "stem.conv");
  EXPECT_EQ(deep[3].name, "stage1.block1.1.conv");
}

TEST(Parts, HaveNorms) {
  const std::vector<Part> parts = {{"all", 0, 5}, {"first", 0, 2}, {"rest", 2, 5}};
  const std::vector<float> before = {3, -4, 0, 2, 1};
  const std::vector<float> after = {3, -4, 2, 3, -1};
  EXPECT_THAT(norms<float>(before, parts), ::testing::ElementsAre(std::sqrt(30.0), 5.0, std::sqrt(5.0)));
  EXPECT_THAT(update_norms<float>(before, after, parts), ::testing::ElementsAre(3.0, 0.0, 3.0));
}

}  // namespace
}  // namespace soret::measure
