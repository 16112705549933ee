#include "soret/data/dataset.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "files.hpp"
#include "soret/data/pixels.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Two channels of 1 x 3 pixels; pixel p of channel c of sample s is 100 s + 10 c + p.
Dataset counted(std::size_t samples) {
  Dataset out{
      .name = "counted", .channels = 2, .height = 1, .width = 3, .classes = 5, .images = {}, .labels = {}};
  for (std::size_t s = 0; s < samples; ++s) {
    for (const int within : {0, 1, 2, 10, 11, 12}) {
      out.images.push_back(static_cast<float>(100 * s) + static_cast<float>(within));
    }
    out.labels.push_back(static_cast<std::int32_t>(s % 5));
  }
  return out;
}

/// Noisy bytes as the readers give them.
Dataset noisy(std::size_t samples, std::uint32_t seed) {
  Dataset out{
      .name = "noisy", .channels = 3, .height = 7, .width = 5, .classes = 10, .images = {}, .labels = {}};
  append_pixels(out, noise(samples * out.features(), seed));
  out.labels.assign(samples, 0);
  return out;
}

TEST(DatasetTest, SliceKeepsShapeAndOrder) {
  const Dataset held_out = slice(counted(7), 4, 3);
  EXPECT_EQ(held_out.name, "counted");
  EXPECT_EQ(held_out.features(), 6U);
  EXPECT_EQ(held_out.classes, 5);
  EXPECT_THAT(held_out.labels, ElementsAre(4, 0, 1));
  EXPECT_EQ(held_out.images.size(), 18U);
  EXPECT_THAT(held_out.image(2), ElementsAre(600, 601, 602, 610, 611, 612));
  EXPECT_EQ(slice(counted(7), 7, 0).size(), 0U);
}

TEST(DatasetTest, SliceBeyondTheEndIsRefused) {
  EXPECT_THAT(message_of<ConfigError>([] { slice(counted(7), 4, 4); }),
              AllOf(HasSubstr("counted"), HasSubstr("4 samples from sample 4"), HasSubstr("has 7")));
  const std::size_t huge = std::numeric_limits<std::size_t>::max();
  EXPECT_THROW(slice(counted(7), 1, huge), ConfigError);
  EXPECT_THROW(slice(counted(7), huge, 1), ConfigError);
}

TEST(DatasetTest, SubsetFollowsItsIndices) {
  const Dataset chosen = subset(counted(7), std::vector<std::size_t>{6, 0, 6});
  EXPECT_THAT(chosen.labels, ElementsAre(1, 0, 1));
  EXPECT_THAT(chosen.image(0), ElementsAre(600, 601, 602, 610, 611, 612));
  EXPECT_THAT(chosen.image(1), ElementsAre(0, 1, 2, 10, 11, 12));
  EXPECT_THAT(message_of<ConfigError>([] { subset(counted(7), std::vector<std::size_t>{7}); }),
              AllOf(HasSubstr("sample 7"), HasSubstr("0 to 6")));
}

TEST(DatasetTest, MomentsOfAHandSizedCase) {
  // Channel 0 holds 0 1 2 and 100 101 102: mean 51, variance 50^2 + 2/3; channel 1 the same plus 10.
  const ChannelMoments moments = channel_moments(counted(2));
  ASSERT_EQ(moments.mean.size(), 2U);
  EXPECT_DOUBLE_EQ(moments.mean[0], 51.0);
  EXPECT_DOUBLE_EQ(moments.mean[1], 61.0);
  EXPECT_DOUBLE_EQ(moments.stddev[0], std::sqrt(2500.0 + 2.0 / 3.0));
  EXPECT_DOUBLE_EQ(moments.stddev[1], std::sqrt(2500.0 + 2.0 / 3.0));
}

TEST(DatasetTest, StandardisedTrainingSetHasMeanZeroAndUnitDeviation) {
  Dataset train = noisy(211, 3);
  Dataset test = noisy(13, 4);
  rescale(Scaling::standardise, train, test);
  const ChannelMoments moments = channel_moments(train);
  // Each pixel is rounded to float once; its error is at most 2^-24 relative, and pixels are below 2.
  constexpr double kRounding = 2.0 / (1 << 24);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    EXPECT_NEAR(moments.mean[channel], 0.0, kRounding);
    EXPECT_NEAR(moments.stddev[channel], 1.0, kRounding);
  }
}

TEST(DatasetTest, TestSetIsStandardisedWithTheNumbersOfTheTrainingSet) {
  Dataset train = counted(2);
  Dataset test = counted(1);
  rescale(Scaling::standardise, train, test);
  const double stddev = std::sqrt(2500.0 + 2.0 / 3.0);
  EXPECT_FLOAT_EQ(test.image(0)[2], static_cast<float>((2.0 - 51.0) / stddev));
  EXPECT_FLOAT_EQ(test.image(0)[3], static_cast<float>((10.0 - 61.0) / stddev));
  EXPECT_EQ(test.image(0)[2], train.image(0)[2]);
}

TEST(DatasetTest, UnitIntervalLeavesPixelsAlone) {
  Dataset train = noisy(3, 5);
  Dataset test = noisy(2, 6);
  rescale(Scaling::unit_interval, train, test);
  EXPECT_EQ(train.images, noisy(3, 5).images);
  EXPECT_EQ(test.images, noisy(2, 6).images);
}

TEST(DatasetTest, WhatCannotBeStandardisedIsRefused) {
  Dataset constant = counted(1);
  std::fill_n(constant.images.begin() + 3, 3, 0.5F);
  EXPECT_THAT(message_of<InputError>([&] { standardise(constant, channel_moments(constant)); }),
              AllOf(HasSubstr("counted"), HasSubstr("channel 1"), HasSubstr("unit_interval")));
  Dataset images = counted(2);
  EXPECT_THAT(message_of<InputError>([&] { standardise(images, channel_moments(noisy(2, 1))); }),
              AllOf(HasSubstr("2 channels"), HasSubstr("moments of 3")));
  EXPECT_THROW(channel_moments(slice(images, 0, 0)), InputError);
}

TEST(DatasetTest, ScalingNames) {
  EXPECT_EQ(parse_scaling("unit_interval"), Scaling::unit_interval);
  EXPECT_EQ(parse_scaling("standardise"), Scaling::standardise);
  EXPECT_THAT(message_of<ConfigError>([] { parse_scaling("whiten"); }),
              AllOf(HasSubstr("whiten"), HasSubstr("unit_interval, standardise")));
}

TEST(PixelsTest, EveryByteBecomesItsFractionOf255) {
  Dataset out;
  Bytes all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  append_pixels(out, all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(out.images[i], static_cast<float>(static_cast<double>(i) / 255.0)) << i;
  }
}

}  // namespace
}  // namespace soret::data
