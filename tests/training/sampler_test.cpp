#include "soret/training/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "soret/base/error.hpp"

namespace soret::training {
namespace {

std::vector<std::uint32_t> epoch(Sampler& sampler, std::int64_t number) {
  std::vector<std::uint32_t> all;
  for (std::int64_t k = 0; k < sampler.updates_per_epoch(); ++k) {
    const auto& batch = sampler.batch(number * sampler.updates_per_epoch() + k);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

TEST(Sampler, AnEpochSeesEverySampleOnce) {
  Sampler sampler(Sampling::shuffle, 103, 10, 7);
  EXPECT_EQ(sampler.updates_per_epoch(), 11);
  EXPECT_EQ(sampler.batch(10).size(), 3);
  auto first = epoch(sampler, 0);
  auto second = epoch(sampler, 1);
  EXPECT_NE(first, second);
  std::vector<std::uint32_t> everyone(103);
  std::iota(everyone.begin(), everyone.end(), 0U);
  EXPECT_TRUE(std::ranges::is_permutation(first, everyone));
  EXPECT_TRUE(std::ranges::is_permutation(second, everyone));
}

TEST(Sampler, DroppingTheLastBatchKeepsAllBatchesWhole) {
  Sampler sampler(Sampling::shuffle_drop_last, 103, 10, 7);
  EXPECT_EQ(sampler.updates_per_epoch(), 10);
  Sampler whole(Sampling::shuffle, 103, 10, 7);
  EXPECT_EQ(sampler.batch(9), whole.batch(9));
  EXPECT_EQ(sampler.batch(10), whole.batch(11));
}

// The batch of an update depends on nothing that was asked before.
TEST(Sampler, GoesOnFromAnywhere) {
  for (const Sampling sampling :
       {Sampling::shuffle, Sampling::shuffle_drop_last, Sampling::with_replacement}) {
    Sampler a(sampling, 50, 7, 3);
    Sampler b(sampling, 50, 7, 3);
    for (std::int64_t update = 0; update < 20; ++update) a.batch(update);
    for (const std::int64_t update : {31, 2, 17}) EXPECT_EQ(a.batch(update), b.batch(update));
    Sampler other(sampling, 50, 7, 4);
    EXPECT_NE(a.batch(0), other.batch(0));
  }
}

// Over 4000 epochs of 5 samples every one of them comes first 800 times, within five standard errors.
TEST(SamplerStatistics, OrdersAreUniform) {
  std::vector<int> first(5);
  std::vector<int> pair(5);  // the sample after sample 0
  for (std::int64_t e = 0; e < 4000; ++e) {
    Sampler sampler(Sampling::shuffle, 5, 5, 11);
    const auto& order = sampler.batch(e);
    ++first[order[0]];
    const auto zero = std::ranges::find(order, 0U) - order.begin();
    ++pair[order[static_cast<std::size_t>(zero + 1) % 5]];
  }
  const double error = std::sqrt(4000 * 0.2 * 0.8);
  for (const int count : first) EXPECT_LT(std::abs(count - 800), 5 * error);
  for (int k = 1; k < 5; ++k) EXPECT_LT(std::abs(pair[k] - 1000), 5 * std::sqrt(4000 * 0.25 * 0.75));
}

TEST(SamplerStatistics, DrawsWithReplacementAreUniform) {
  Sampler sampler(Sampling::with_replacement, 8, 1000, 5);
  std::vector<int> count(8);
  for (std::int64_t update = 0; update < 16; ++update)
    for (const std::uint32_t k : sampler.batch(update)) ++count[k];
  for (const int c : count) EXPECT_LT(std::abs(c - 2000), 5 * std::sqrt(16000 * 0.125 * 0.875));
}

TEST(Sampler, RefusesBatchesLargerThanTheSet) {
  EXPECT_THROW(Sampler(Sampling::shuffle, 5, 6, 1), ConfigError);
  EXPECT_NO_THROW(Sampler(Sampling::with_replacement, 5, 6, 1));
  EXPECT_THROW(Sampler(Sampling::with_replacement, 0, 6, 1), ConfigError);
}

}  // namespace
}  // namespace soret::training
