#include "soret/data/batch.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "images.hpp"

namespace soret::data {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

using Indices = std::vector<std::uint32_t>;

template <class T>
class BatchTest : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(BatchTest, Types);

TYPED_TEST(BatchTest, ChannelsBecomeTheLastDimension) {
  // One and three channels have loops of their own; sides are those of no vector.
  for (const int channels : {1, 2, 3, 4}) {
    const Dataset images = noisy_images(5, channels, 7, 11);
    Batch<TypeParam> batch;
    assemble(images, Indices{3, 0, 3}, batch);
    EXPECT_THAT(batch.labels, ElementsAre(3, 0, 3));
    ASSERT_EQ(batch.x.size(), 3 * images.features());
    std::size_t at = 0;
    for (const std::size_t sample : {3U, 0U, 3U}) {
      for (std::size_t pixel = 0; pixel < 77; ++pixel) {
        for (std::size_t channel = 0; channel < images.features() / 77; ++channel) {
          ASSERT_EQ(batch.x[at++], images.image(sample)[channel * 77 + pixel]) << channels << ' ' << pixel;
        }
      }
    }
  }
}

TYPED_TEST(BatchTest, FeatureVectorsStayAsTheyAre) {
  const Dataset vectors = noisy_images(5, 1, 1, 13);
  Batch<TypeParam> batch;
  assemble(vectors, Indices{4, 1}, batch);
  EXPECT_TRUE(std::equal(batch.x.begin(), batch.x.begin() + 13, vectors.image(4).begin()));
  EXPECT_TRUE(std::equal(batch.x.begin() + 13, batch.x.end(), vectors.image(1).begin()));
}

/// The pixel of `image` that lies at (row, column) of the image shifted and flipped, by definition.
float varied(const Dataset& images, std::size_t sample, int channel, int row, int column, int down, int right,
             bool flip) {
  const int from_row = row + down;
  int from_column = column + right;
  if (from_row < 0 || from_row >= images.height || from_column < 0 || from_column >= images.width) return 0;
  if (flip) from_column = images.width - 1 - from_column;
  return images.image(
      sample)[static_cast<std::size_t>((channel * images.height + from_row) * images.width + from_column)];
}

/// Which of all variations of a sample `x` is: (down, right, flip).
template <class T>
std::tuple<int, int, bool> find_variation(const Dataset& images, std::size_t sample, std::span<const T> x,
                                          int padding) {
  std::vector<std::tuple<int, int, bool>> found;
  for (const bool flip : {false, true}) {
    for (int down = -padding; down <= padding; ++down) {
      for (int right = -padding; right <= padding; ++right) {
        bool same = true;
        std::size_t at = 0;
        for (int row = 0; row < images.height && same; ++row) {
          for (int column = 0; column < images.width && same; ++column) {
            for (int channel = 0; channel < images.channels && same; ++channel) {
              same = x[at++] == varied(images, sample, channel, row, column, down, right, flip);
            }
          }
        }
        if (same) found.emplace_back(down, right, flip);
      }
    }
  }
  EXPECT_EQ(found.size(), 1U) << "sample " << sample;
  return found.empty() ? std::tuple{0, 0, false} : found.front();
}

TYPED_TEST(BatchTest, EveryCropAndFlipIsOneOfThePaddedImage) {
  for (const int channels : {1, 2, 3}) {
    const Dataset images = noisy_images(4, channels, 9, 7);
    Indices indices(600);
    for (std::uint32_t k = 0; k < indices.size(); ++k) indices[k] = k % 4;
    Batch<TypeParam> batch;
    assemble(images, indices, {.padding = 2, .flip = true}, 5, 0, batch);
    std::set<std::tuple<int, int, bool>> seen;
    for (std::size_t k = 0; k < indices.size(); ++k) {
      seen.insert(find_variation(
          images, indices[k],
          std::span<const TypeParam>(batch.x).subspan(k * images.features(), images.features()), 2));
    }
    EXPECT_EQ(seen.size(), 50U);  // five rows, five columns, two flips; each is missed with (49/50)^600
  }
}

TYPED_TEST(BatchTest, PaddingMayExceedTheImage) {
  const Dataset images = noisy_images(1, 3, 2, 3);
  Batch<TypeParam> batch;
  assemble(images, Indices(200, 0), {.padding = 5}, 5, 0, batch);
  int empty = 0;
  for (std::size_t k = 0; k < 200; ++k) {
    const auto x = std::span<const TypeParam>(batch.x).subspan(k * 18, 18);
    if (std::all_of(x.begin(), x.end(), [](TypeParam v) { return v == 0; })) {
      ++empty;
    } else {
      find_variation(images, 0, x, 5);
    }
  }
  EXPECT_GT(empty, 0);
}

TYPED_TEST(BatchTest, ASampleIsVariedByItsNumberInTheRunAlone) {
  const Dataset images = noisy_images(40, 3, 5, 6);
  const Augmentation augmentation{.padding = 4, .flip = true};
  Indices all(40);
  std::iota(all.begin(), all.end(), 0U);
  Batch<TypeParam> whole;
  assemble(images, all, augmentation, 9, 1000, whole);
  std::vector<TypeParam> joined;
  Batch<TypeParam> part;
  for (std::size_t first = 0; first < 40; first += part.size()) {
    const std::size_t count = std::min<std::size_t>(40 - first, first % 7 + 1);
    assemble(images, std::span(all).subspan(first, count), augmentation, 9, 1000 + first, part);
    joined.insert(joined.end(), part.x.begin(), part.x.end());
  }
  EXPECT_EQ(joined, whole.x);
  assemble(images, all, augmentation, 10, 1000, part);
  EXPECT_NE(part.x, whole.x);
  assemble(images, all, augmentation, 9, 1001, part);
  EXPECT_NE(part.x, whole.x);
}

TYPED_TEST(BatchTest, NoAugmentationIsThePlainBatch) {
  const Dataset images = noisy_images(3, 3, 5, 6);
  Batch<TypeParam> plain;
  Batch<TypeParam> augmented;
  assemble(images, Indices{2, 1}, plain);
  assemble(images, Indices{2, 1}, {}, 9, 1000, augmented);
  EXPECT_EQ(augmented.x, plain.x);
  assemble(images, Indices{}, plain);
  EXPECT_EQ(plain.size(), 0U);
  EXPECT_TRUE(plain.x.empty());
}

TEST(BatchStatisticsTest, ShiftsAndFlipsAreUniformAndIndependent) {
  // Truth: 3 rows x 3 columns x 2 flips, each with probability 1/18.
  constexpr int kSamples = 36000;
  const Dataset images = noisy_images(1, 1, 4, 5);
  Batch<float> batch;
  assemble(images, Indices(kSamples, 0), {.padding = 1, .flip = true}, 17, 0, batch);
  std::map<std::tuple<int, int, bool>, int> counts;
  for (std::size_t k = 0; k < kSamples; ++k) {
    ++counts[find_variation(images, 0, std::span<const float>(batch.x).subspan(k * 20, 20), 1)];
  }
  EXPECT_EQ(counts.size(), 18U);
  for (const auto& [variation, count] : counts) {
    EXPECT_NEAR(count, kSamples / 18.0, 5.0 * std::sqrt(kSamples / 18.0 * 17.0 / 18.0));
  }
}

TEST(BatchErrorTest, WhatIsNotThereIsRefused) {
  const Dataset images = noisy_images(3, 1, 2, 2);
  Batch<float> batch;
  EXPECT_THAT(message_of<ConfigError>([&] {
                assemble(images, Indices{0, 3}, batch);
              }),
              AllOf(HasSubstr("noisy: number 1 of the batch is sample 3"), HasSubstr("there are 3")));
  EXPECT_THAT(message_of<ConfigError>([&] { assemble(images, Indices{0}, {.padding = -1}, 1, 0, batch); }),
              HasSubstr("-1 pixels"));
}

}  // namespace
}  // namespace soret::data
