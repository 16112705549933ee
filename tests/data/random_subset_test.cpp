#include "soret/data/random_subset.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "images.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Lt;

/// `samples` single pixels; pixel and label are the sample's number.
Dataset numbered(std::size_t samples) {
  Dataset out{.name = "numbered",
              .channels = 1,
              .height = 1,
              .width = 1,
              .classes = static_cast<std::int32_t>(samples),
              .images = {},
              .labels = {}};
  for (std::size_t s = 0; s < samples; ++s) {
    out.images.push_back(static_cast<float>(s));
    out.labels.push_back(static_cast<std::int32_t>(s));
  }
  return out;
}

TEST(RandomSubsetTest, NamesEachSampleOnceAndInOrder) {
  for (const std::size_t count : {0U, 1U, 2U, 100U, 210U, 211U}) {
    const auto chosen = random_samples(211, count, {5, Purpose::subset, 0});
    ASSERT_EQ(chosen.size(), count);
    EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end(), std::less_equal<>{}));
    EXPECT_THAT(chosen, Each(Lt(211U)));
  }
  EXPECT_THAT(random_samples(3, 3, {5, Purpose::subset, 0}), ElementsAre(0, 1, 2));
}

TEST(RandomSubsetTest, SmallerSubsetsOfOneSeedLieWithinLargerOnes) {
  auto larger = random_samples(97, 97, {3, Purpose::subset, 0});
  for (std::size_t count = 97; count-- > 0;) {
    const auto smaller = random_samples(97, count, {3, Purpose::subset, 0});
    EXPECT_THAT(larger, IsSupersetOf(smaller));
    larger = smaller;
  }
}

TEST(RandomSubsetTest, AnotherSeedGivesAnotherSubset) {
  EXPECT_EQ(random_subset(numbered(97), 40, 1).labels, random_subset(numbered(97), 40, 1).labels);
  EXPECT_NE(random_subset(numbered(97), 40, 1).labels, random_subset(numbered(97), 40, 2).labels);
}

TEST(RandomSubsetStatisticsTest, EverySampleAndEveryPairIsChosenEquallyOften) {
  // Truth: of 7 samples, 3 are chosen; each is in with probability 3/7, each of the 21 pairs with 1/7.
  constexpr int kSeeds = 20000;
  int together[7][7] = {};
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto chosen = random_samples(7, 3, {seed, Purpose::subset, 0});
    for (const std::size_t a : chosen) {
      for (const std::size_t b : chosen) ++together[a][b];
    }
  }
  for (int a = 0; a < 7; ++a) {
    for (int b = 0; b < 7; ++b) {
      const double p = a == b ? 3.0 / 7.0 : 1.0 / 7.0;
      EXPECT_NEAR(together[a][b], kSeeds * p, 5.0 * std::sqrt(kSeeds * p * (1.0 - p))) << a << ' ' << b;
    }
  }
}

TEST(RandomSubsetTest, HoldingOutSharesTheSamples) {
  const Dataset all = noisy_images(53, 3, 2, 5);
  const auto [train, validation] = hold_out(numbered(53), 13, 8);
  EXPECT_EQ(train.size(), 40U);
  EXPECT_EQ(validation.size(), 13U);
  EXPECT_EQ(train.labels, random_subset(numbered(53), 40, 8).labels);
  std::vector<std::int32_t> both = train.labels;
  both.insert(both.end(), validation.labels.begin(), validation.labels.end());
  std::sort(both.begin(), both.end());
  EXPECT_EQ(both, numbered(53).labels);
  EXPECT_EQ(hold_out(all, 0, 8).train.images, all.images);
  EXPECT_EQ(hold_out(all, 0, 8).validation.size(), 0U);
}

TEST(RandomSubsetTest, HeldOutSamplesAreStandardisedWithTheNumbersOfTheRest) {
  auto [train, validation] = hold_out(noisy_images(53, 2, 3, 3), 20, 8);
  Dataset test = noisy_images(11, 2, 3, 3, 10, 7);
  const Dataset raw = train;
  const Dataset raw_validation = validation;
  const ChannelMoments moments = channel_moments(train);
  rescale(Scaling::standardise, train, validation, test);
  for (std::size_t i = 0; i < validation.images.size(); ++i) {
    const std::size_t channel = i / validation.plane() % 2;
    const double expected =
        (static_cast<double>(raw_validation.images[i]) - moments.mean[channel]) / moments.stddev[channel];
    ASSERT_EQ(validation.images[i], static_cast<float>(expected));
  }
  // What is held out, or the test set, does not move the training set.
  Dataset alone = raw;
  rescale(Scaling::standardise, alone);
  EXPECT_EQ(alone.images, train.images);
}

TEST(RandomSubsetTest, MoreThanThereAreIsRefused) {
  EXPECT_THAT(message_of<ConfigError>([] { random_subset(numbered(5), 6, 1); }),
              AllOf(HasSubstr("6 random samples"), HasSubstr("there are 5")));
  EXPECT_THAT(message_of<ConfigError>([] { hold_out(numbered(5), 5, 1); }),
              AllOf(HasSubstr("numbered: 5 samples"), HasSubstr("the 5 training samples")));
}

}  // namespace
}  // namespace soret::data
