#include "soret/data/label_noise.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "images.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;

Dataset labelled(std::size_t samples, std::int32_t classes = 10) {
  return noisy_images(samples, 1, 1, 1, classes);
}

std::size_t differing(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i] ? 1 : 0;
  return count;
}

TEST(LabelNoiseTest, WrongNoiseChangesExactlyTheFraction) {
  for (const auto& [fraction, count] : {std::pair{0.0, 0U}, std::pair{0.3, 63U}, std::pair{0.5, 106U},
                                        std::pair{0.999, 211U}, std::pair{1.0, 211U}}) {
    Dataset train = labelled(211);
    const Relabelling done = add_label_noise(train, fraction, LabelNoise::wrong, 4);
    EXPECT_EQ(done.clean, labelled(211).labels);
    EXPECT_EQ(done.redrawn.size(), count);
    EXPECT_EQ(differing(train.labels, done.clean), count);
    for (const std::size_t sample : done.redrawn) EXPECT_NE(train.labels[sample], done.clean[sample]);
    EXPECT_THAT(train.labels, Each(AllOf(testing::Ge(0), testing::Lt(10))));
    EXPECT_EQ(train.images, labelled(211).images);
  }
}

TEST(LabelNoiseTest, UniformNoiseTouchesOnlyTheRedrawn) {
  Dataset train = labelled(211);
  const Relabelling done = add_label_noise(train, 0.3, LabelNoise::uniform, 4);
  ASSERT_EQ(done.redrawn.size(), 63U);
  for (const std::size_t sample : done.redrawn) train.labels[sample] = done.clean[sample];
  EXPECT_EQ(train.labels, labelled(211).labels);
}

TEST(LabelNoiseTest, MoreNoiseOfOneSeedContainsLess) {
  Dataset less = labelled(211);
  Dataset more = labelled(211);
  const auto few = add_label_noise(less, 0.2, LabelNoise::uniform, 4).redrawn;
  EXPECT_THAT(add_label_noise(more, 0.7, LabelNoise::uniform, 4).redrawn, IsSupersetOf(few));
  for (const std::size_t sample : few) EXPECT_EQ(less.labels[sample], more.labels[sample]);
}

TEST(LabelNoiseTest, SeedDecides) {
  const auto labels = [](std::uint64_t seed) {
    Dataset train = labelled(211);
    add_label_noise(train, 0.3, LabelNoise::wrong, seed);
    return train.labels;
  };
  EXPECT_EQ(labels(1), labels(1));
  EXPECT_NE(labels(1), labels(2));
}

TEST(LabelNoiseTest, TwoClassesSwap) {
  Dataset train = labelled(7, 2);
  add_label_noise(train, 1.0, LabelNoise::wrong, 1);
  EXPECT_THAT(train.labels, testing::ElementsAre(1, 0, 1, 0, 1, 0, 1));
}

/// Counts pairs (old, new) when all labels of `samples` samples are redrawn, and compares them with the
/// probability of each.
void expect_pairs(LabelNoise noise, double same, double other) {
  constexpr std::size_t kSamples = 50000;  // 10000 of each of 5 classes
  Dataset train = labelled(kSamples, 5);
  const Relabelling done = add_label_noise(train, 1.0, noise, 11);
  int counts[5][5] = {};
  for (std::size_t s = 0; s < kSamples; ++s) ++counts[done.clean[s]][train.labels[s]];
  for (int from = 0; from < 5; ++from) {
    for (int to = 0; to < 5; ++to) {
      const double p = from == to ? same : other;
      EXPECT_NEAR(counts[from][to], 1e4 * p, 5.0 * std::sqrt(1e4 * p * (1.0 - p))) << from << ' ' << to;
    }
  }
}

TEST(LabelNoiseStatisticsTest, UniformNoiseGivesEveryClassEquallyOften) {
  expect_pairs(LabelNoise::uniform, 0.2, 0.2);
}

TEST(LabelNoiseStatisticsTest, WrongNoiseGivesEveryOtherClassEquallyOften) {
  expect_pairs(LabelNoise::wrong, 0.0, 0.25);
}

TEST(LabelNoiseStatisticsTest, ThirtyPercentUniformNoiseOfTenClassesIsTwentySevenPercentWrong) {
  // Truth: of the 3000 redrawn labels of 10000, each is wrong with probability 0.9.
  Dataset train = labelled(10000);
  const Relabelling done = add_label_noise(train, 0.3, LabelNoise::uniform, 12);
  EXPECT_NEAR(static_cast<double>(differing(train.labels, done.clean)), 2700.0,
              5.0 * std::sqrt(3000 * 0.9 * 0.1));
}

TEST(LabelNoiseTest, EmptySetStaysEmpty) {
  Dataset train = labelled(0);
  EXPECT_THAT(add_label_noise(train, 1.0, LabelNoise::uniform, 1).redrawn, IsEmpty());
}

TEST(LabelNoiseTest, WhatCannotBeDoneIsRefused) {
  Dataset train = labelled(3, 1);
  for (const double fraction : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT(message_of<ConfigError>([&] { add_label_noise(train, fraction, LabelNoise::uniform, 1); }),
                HasSubstr("fractions 0 to 1"));
  }
  EXPECT_THAT(message_of<ConfigError>([&] { add_label_noise(train, 0.5, LabelNoise::wrong, 1); }),
              HasSubstr("1 class"));
  EXPECT_EQ(parse_label_noise("uniform"), LabelNoise::uniform);
  EXPECT_EQ(parse_label_noise("wrong"), LabelNoise::wrong);
  EXPECT_THAT(message_of<ConfigError>([] { parse_label_noise("flip"); }),
              AllOf(HasSubstr("flip"), HasSubstr("uniform, wrong")));
}

}  // namespace
}  // namespace soret::data
