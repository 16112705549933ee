#include "soret/random/fill.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "soret/random/distributions.hpp"

/// A fill is defined by its blocks: number i comes from word i % 4 of block first + i / 4.
namespace soret {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::Lt;

const Stream kStream{0x9e3779b97f4a7c15U, Purpose::labels, 77};

/// Starts with both parities, and across the carry from the low to the high half of the block number.
const std::vector<std::uint64_t> kFirstBlocks = {0,
                                                 1,
                                                 7,
                                                 12345,
                                                 (std::uint64_t{1} << 32) - 16,
                                                 (std::uint64_t{1} << 32) - 5,
                                                 (std::uint64_t{1} << 32) - 1,
                                                 (std::uint64_t{5} << 32) - 3};
/// Sizes below, at and above a block of 4 and a chunk of 64.
const std::vector<std::size_t> kSizes = {0, 1, 2, 3, 4, 5, 17, 63, 64, 65, 127, 130, 200};

std::uint32_t word(std::uint64_t first_block, std::size_t i) {
  const auto b = kStream.block(first_block + i / 4);
  return std::array{b.x, b.y, b.z, b.w}[i % 4];
}

template <class T>
void expect_fill(const std::function<void(std::uint64_t, std::span<T>)>& fill,
                 const std::function<T(std::uint64_t, std::size_t)>& definition) {
  for (const std::uint64_t first : kFirstBlocks) {
    for (const std::size_t size : kSizes) {
      std::vector<T> out(size + 1, T{99});
      fill(first, std::span(out).first(size));
      for (std::size_t i = 0; i < size; ++i)
        ASSERT_EQ(out[i], definition(first, i))
            << "number " << i << " of " << size << " from block " << first;
      EXPECT_EQ(out[size], T{99}) << "written past the end";
    }
  }
}

TEST(Fill, WordsAreTheBlocksInOrder) {
  expect_fill<std::uint32_t>([](auto first, auto out) { fill_words(kStream, first, out); }, word);
}

TEST(Fill, UniformsAreTheirWords) {
  expect_fill<float>([](auto first, auto out) { fill_uniform(kStream, first, out); },
                     [](auto first, auto i) { return uniform<float>(word(first, i)); });
}

TEST(Fill, NormalsArePairsOfWords) {
  expect_fill<float>([](auto first, auto out) { fill_normal(kStream, first, out); },
                     [](auto first, auto i) {
                       float a = 0;
                       float b = 0;
                       normal_pair(word(first, i / 2 * 2), word(first, i / 2 * 2 + 1), a, b);
                       return i % 2 == 0 ? a : b;
                     });
}

TEST(Fill, RademachersAreTheTopBits) {
  expect_fill<float>([](auto first, auto out) { fill_rademacher(kStream, first, out); },
                     [](auto first, auto i) { return word(first, i) >> 31 == 0 ? 1.0F : -1.0F; });
}

TEST(Fill, BernoullisCompareTheirWordsWithTheProbability) {
  for (const double p : {0.0, 0x1p-32, 0.1, 0.25, 0.5, 0.9, 1 - 0x1p-32, 1.0}) {
    expect_fill<float>([p](auto first, auto out) { fill_bernoulli(kStream, first, p, out); },
                       [p](auto first, auto i) {
                         return static_cast<double>(word(first, i)) < std::round(p * 0x1p32) ? 1.0F : 0.0F;
                       });
  }
}

TEST(Fill, BernoulliIsCertainAtZeroAndOne) {
  std::vector<float> out(100001);
  fill_bernoulli(kStream, 3, 0.0, out);
  EXPECT_THAT(out, Each(0.0F));
  fill_bernoulli(kStream, 3, 1.0, out);
  EXPECT_THAT(out, Each(1.0F));
}

TEST(Fill, ALaterStartContinuesTheSequence) {
  std::vector<float> whole(400);
  fill_normal(kStream, 10, whole);
  for (const std::size_t block : {1U, 2U, 15U, 16U, 17U, 33U}) {
    std::vector<float> rest(whole.size() - 4 * block);
    fill_normal(kStream, 10 + block, rest);
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), whole.begin() + static_cast<std::ptrdiff_t>(4 * block)));
  }
}

/// Fowler-Noll-Vo hash of the bits.
template <class T>
std::uint64_t fingerprint(const std::vector<T>& x) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const T value : x) hash = (hash ^ std::bit_cast<std::uint32_t>(value)) * 0x100000001b3U;
  return hash;
}

// The same bits on every machine, compiler and vector width: results are compared across all of them.
TEST(Fill, KeepsItsBits) {
  std::vector<std::uint32_t> words(100003);
  std::vector<float> numbers(words.size());
  fill_words(kStream, 5, words);
  EXPECT_EQ(fingerprint(words), 0xf134c9c285fa5ddcU);
  fill_uniform(kStream, 5, numbers);
  EXPECT_EQ(fingerprint(numbers), 0x6a995837f8d02301U);
  fill_normal(kStream, 5, numbers);
  EXPECT_EQ(fingerprint(numbers), 0x60545230ff87700cU);
}

TEST(UnitSphere, PointsHaveUnitNormAndTheDirectionOfTheNormals) {
  for (const std::size_t n : {1U, 2U, 3U, 17U, 65U, 1000U}) {
    for (std::uint64_t first = 0; first < 20; ++first) {
      std::vector<float> point(n);
      std::vector<float> normals(n);
      fill_unit_sphere(kStream, first, point);
      fill_normal(kStream, first, normals);
      double square = 0;
      for (const double x : point) square += x * x;
      EXPECT_NEAR(std::sqrt(square), 1, std::numeric_limits<float>::epsilon()) << n;
      for (std::size_t i = 0; i < n; ++i) EXPECT_GE(point[i] * normals[i], 0);
    }
  }
  std::vector<float> one(1);
  fill_unit_sphere(kStream, 4, one);
  EXPECT_EQ(std::abs(one[0]), 1.0F);
}

// One word in 2^25 rounds to the uniform 1, whose radius is 0: a direction must exist all the same.
TEST(UnitSphere, HasADirectionWhenTheNormalsVanish) {
  const Stream stream{1, Purpose::inputs, 0};
  constexpr std::uint64_t kVanishing = 54962185;
  std::array<float, 2> normals{};
  fill_normal(stream, kVanishing, normals);
  ASSERT_EQ(normals[0], 0.0F);
  ASSERT_EQ(normals[1], 0.0F);
  for (const std::size_t n : {1U, 2U}) {
    std::vector<float> point(n);
    fill_unit_sphere(stream, kVanishing, point);
    double square = 0;
    for (const double x : point) square += x * x;
    EXPECT_EQ(square, 1);
  }
}

TEST(RandomBitsOfABlock, AreItsWordsFromTheLowEnd) {
  const RandomBits bits(kStream, 42);
  for (unsigned k = 0; k < 128; ++k) EXPECT_EQ(bits[k], (word(42, k / 32) >> (k % 32)) & 1U) << k;
}

TEST(Below, IsTheFloorOfWordTimesN) {
  for (const std::uint32_t n : {1U, 2U, 3U, 10U, 1000U, 0x80000000U, 0xffffffffU}) {
    EXPECT_EQ(below(0, n), 0U);
    EXPECT_EQ(below(0xffffffffU, n), n - 1);
  }
  // Value k starts at word ceil(k 2^32 / n): every value gets floor or ceil of 2^32 / n words.
  for (const std::uint64_t n : {3U, 7U, 1000U}) {
    for (std::uint64_t k = 1; k < n; ++k) {
      const std::uint64_t start = ((k << 32) + n - 1) / n;
      EXPECT_EQ(below(static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(n)), k);
      EXPECT_EQ(below(static_cast<std::uint32_t>(start - 1), static_cast<std::uint32_t>(n)), k - 1);
    }
  }
}

}  // namespace
}  // namespace soret
