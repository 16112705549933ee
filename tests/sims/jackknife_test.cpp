#include "sims/jackknife.hpp"

#include <gtest/gtest.h>

namespace soret::sims {
namespace {

// Cells 0 and 1 in three blocks of 1, 2 and 0 survivors.
struct Blocks {
  std::vector<std::vector<double>> values = {{1, 2}, {4, 5}, {}};
  std::vector<double> mean = {3, 4};
  PointEnsemble ensemble() const {
    PointEnsemble e{.mean = mean, .error = {}, .blocks = {}, .survivors = {1, 2, 0}};
    for (const auto& block : values) e.blocks.emplace_back(block);
    return e;
  }
};

TEST(Jackknife, ByHand) {
  const Blocks blocks;
  const Estimate ratio = jackknife(blocks.ensemble(), [](auto at) { return at(1) / at(0); });
  EXPECT_DOUBLE_EQ(ratio.value, 4.0 / 3);
  // Without the first block 5/4, without the second 2.
  EXPECT_NEAR(ratio.error, 0.75 / 2, 1e-15);
}

TEST(Jackknife, OfAMeanIsItsStandardError) {
  const std::vector<double> mean = {7.0 / 3};
  const std::vector<std::vector<double>> values = {{1}, {2}, {4}};
  PointEnsemble e{.mean = mean, .error = {}, .blocks = {}, .survivors = {5, 5, 5}};
  for (const auto& block : values) e.blocks.emplace_back(block);
  EXPECT_NEAR(jackknife(e, [](auto at) { return at(0); }).error, std::sqrt(7.0 / 9), 1e-14);
}

TEST(Jackknife, OneBlockHasNoError) {
  const Blocks blocks;
  PointEnsemble e = blocks.ensemble();
  e.survivors = {3, 0, 0};
  EXPECT_TRUE(std::isnan(jackknife(e, [](auto at) { return at(0); }).error));
}

}  // namespace
}  // namespace soret::sims
