#include "soret/random/distributions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "soret/random/fill.hpp"
#include "tests/oracles/accuracy.hpp"
#include "tests/oracles/statistics.hpp"

namespace soret {
namespace {

using oracle::kFiveSigma;
using oracle::same_bits;
using oracle::ulps;
using oracle::worst;

const Stream kStream{20240611, Purpose::inputs, 3};

TEST(Uniform, CoversTheHalfOpenInterval) {
  EXPECT_EQ(uniform<float>(0U), 0x1p-33F);
  EXPECT_EQ(uniform<float>(1U), 0x1.8p-32F);
  EXPECT_EQ(uniform<float>(0x80000000U), 0.5F);
  EXPECT_EQ(uniform<float>(0xffffffffU), 1.0F);
  EXPECT_EQ(uniform<float>(0xffffff00U), 1 - 0x1p-24F);  // the largest below 1
}

TEST(Uniform, IsMonotonicAndRoundedTwiceAtMost) {
  float before = 0;
  for (std::uint64_t w = 0; w <= 0xffffffffU; w += 65521) {
    const auto word = static_cast<std::uint32_t>(w);
    const float u = uniform<float>(word);
    EXPECT_GT(u, before);
    EXPECT_LE(ulps(u, (static_cast<double>(word) + 0.5) * 0x1p-32), 1);
    before = u;
  }
}

TEST(Rademacher, IsTheSignOfTheTopBit) {
  EXPECT_EQ(rademacher<float>(0U), 1.0F);
  EXPECT_EQ(rademacher<float>(0x7fffffffU), 1.0F);
  EXPECT_EQ(rademacher<float>(0x80000000U), -1.0F);
  EXPECT_EQ(rademacher<float>(0xffffffffU), -1.0F);
}

/// Pairs of words: random ones, and every corner of both.
std::vector<std::uint32_t> word_pairs() {
  std::vector<std::uint32_t> words(1 << 20);
  fill_words(kStream, 0, words);
  std::vector<std::uint32_t> corners = {0U, 1U, 2U, 3U};
  for (std::uint32_t eighth = 0; eighth < 8; ++eighth) {  // quarter turns and the joints between them
    for (const std::uint32_t d : {0xffffff00U, 0xfffffffeU, 0xffffffffU, 0U, 1U, 2U, 0x80U, 0x100U})
      corners.push_back((eighth << 29) + d);
  }
  for (const std::uint32_t first : corners) {
    for (const std::uint32_t second : corners) {
      words.push_back(first);
      words.push_back(second);
    }
  }
  return words;
}

// The truth: Box and Muller in double with the float uniform as radius and all 32 bits as the angle
// (q + t) pi / 2, q the top two bits and t the signed fraction of the other thirty.
TEST(Normal, IsWithinItsBoundOfBoxAndMuller) {
  const std::vector<std::uint32_t> words = word_pairs();
  double most = 0;
  for (std::size_t k = 0; k < words.size(); k += 2) {
    float a = 0;
    float b = 0;
    normal_pair(words[k], words[k + 1], a, b);
    const double radius = std::sqrt(-2 * std::log(static_cast<double>(uniform<float>(words[k]))));
    const auto fraction = static_cast<std::int32_t>(words[k + 1] << 2);
    const double t = static_cast<double>(fraction) * 0x1p-32 * std::numbers::pi / 2;
    const double c = std::cos(t);
    const double s = std::sin(t);
    const unsigned q = words[k + 1] >> 30;
    const double cosine[] = {c, -s, -c, s};
    const double sine[] = {s, c, -s, -c};
    if (radius == 0) {
      EXPECT_EQ(a, 0.0F);
      EXPECT_EQ(b, 0.0F);
      continue;
    }
    most = worst(most, std::max(ulps(a, radius * cosine[q]), ulps(b, radius * sine[q])));
  }
  RecordProperty("ulps", std::to_string(most));
  EXPECT_LT(most, 4);
}

TEST(Normal, HasTheLargestValueOf32Bits) {
  float a = 0;
  float b = 0;
  normal_pair(0U, 0U, a, b);  // u = 2^-33, angle 0
  EXPECT_NEAR(a, std::sqrt(66 * std::numbers::ln2), 2e-6);
  EXPECT_EQ(b, 0.0F);
  normal_pair(0U, 0x80000000U, a, b);  // half a turn
  EXPECT_NEAR(a, -std::sqrt(66 * std::numbers::ln2), 2e-6);
  normal_pair(0U, 0x40000000U, a, b);  // a quarter
  EXPECT_EQ(a, 0.0F);
  EXPECT_NEAR(b, std::sqrt(66 * std::numbers::ln2), 2e-6);
}

TEST(Normal, LanesEqualScalarsBitByBit) {
  const std::vector<std::uint32_t> words = word_pairs();
  for (std::size_t k = 0; k + 2 * kLanes <= words.size(); k += 2 * kLanes) {
    LanesU32 first{}, second{};
    for (int l = 0; l < kLanes; ++l) {
      first[l] = words[k + 2 * l];
      second[l] = words[k + 2 * l + 1];
    }
    Lanes a, b;
    normal_pair(first, second, a, b);
    const Lanes u = uniform<Lanes>(first);
    const Lanes sign = rademacher<Lanes>(first);
    for (int l = 0; l < kLanes; ++l) {
      float x = 0;
      float y = 0;
      normal_pair(words[k + 2 * l], words[k + 2 * l + 1], x, y);
      ASSERT_TRUE(same_bits(a[l], x) && same_bits(b[l], y))
          << words[k + 2 * l] << " " << words[k + 2 * l + 1];
      ASSERT_TRUE(same_bits(u[l], uniform<float>(words[k + 2 * l])));
      ASSERT_TRUE(same_bits(sign[l], rademacher<float>(words[k + 2 * l])));
    }
  }
}

constexpr std::size_t kDraws = 1 << 20;

std::vector<double> normals() {
  std::vector<float> x(kDraws);
  fill_normal(kStream, 0, x);
  return {x.begin(), x.end()};
}

double normal_cdf_in_double(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

TEST(NormalStatistics, MomentsAreThoseOfN01) {
  const std::vector<double> x = normals();
  const double truth[] = {1, 0, 1, 0, 3, 0, 15, 0, 105};
  for (int power = 1; power <= 8; ++power) {
    std::vector<double> y;
    for (const double v : x) y.push_back(std::pow(v, power));
    EXPECT_LT(oracle::mean_deviation(y, truth[power]), kFiveSigma) << "E x^" << power;
  }
}

TEST(NormalStatistics, DistributionIsThatOfN01) {
  EXPECT_LT(oracle::ks_deviation(normals(), normal_cdf_in_double), kFiveSigma);
}

TEST(NormalStatistics, EqualProbabilityCellsAreEquallyFull) {
  std::vector<double> counts(1000);
  for (const double z : normals()) {
    const auto cell = static_cast<std::size_t>(normal_cdf_in_double(z) * 1000);
    ++counts[std::min<std::size_t>(cell, 999)];
  }
  EXPECT_LT(oracle::chi_square_deviation(counts), kFiveSigma);
}

TEST(NormalStatistics, TailsHoldTheirShare) {
  const std::vector<double> x = normals();
  for (const double z : {2.0, 3.0, 4.0, 4.5}) {
    const double p = normal_cdf_in_double(-z);
    const double error = std::sqrt(p * (1 - p) / kDraws);
    for (const double sign : {-1.0, 1.0}) {
      double beyond = 0;
      for (const double v : x) beyond += sign * v > z ? 1.0 : 0.0;
      EXPECT_NEAR(beyond / kDraws, p, kFiveSigma * error) << sign * z;
    }
  }
}

TEST(NormalStatistics, NeighboursAreUncorrelated) {
  const std::vector<double> x = normals();
  for (const std::size_t lag : {1U, 2U, 3U, 4U, 64U}) {
    std::vector<double> product, squares;
    for (std::size_t k = 0; k + lag < x.size(); ++k) {
      product.push_back(x[k] * x[k + lag]);
      squares.push_back((x[k] * x[k] - 1) * (x[k + lag] * x[k + lag] - 1));
    }
    // Overlapping products of independent numbers are themselves uncorrelated.
    EXPECT_LT(oracle::mean_deviation(product, 0), kFiveSigma) << lag;
    EXPECT_LT(oracle::mean_deviation(squares, 0), kFiveSigma) << lag;
  }
}

TEST(NormalStatistics, StreamsThatDifferAnywhereAreUncorrelated) {
  std::vector<float> x(1 << 18), y(x.size());
  fill_normal(kStream, 0, x);
  for (const Stream& other :
       {Stream{kStream.seed + 1, kStream.purpose, 3},
        Stream{kStream.seed + (std::uint64_t{1} << 32), kStream.purpose, 3},
        Stream{kStream.seed, Purpose::labels, 3}, Stream{kStream.seed, kStream.purpose, 4}}) {
    fill_normal(other, 0, y);
    std::vector<double> product;
    for (std::size_t k = 0; k < x.size(); ++k) product.push_back(static_cast<double>(x[k]) * y[k]);
    EXPECT_LT(oracle::mean_deviation(product, 0), kFiveSigma);
  }
}

TEST(UniformStatistics, DistributionIsUniform) {
  std::vector<float> x(kDraws);
  fill_uniform(kStream, 0, x);
  for (const float u : x) {
    ASSERT_GT(u, 0.0F);
    ASSERT_LE(u, 1.0F);
  }
  EXPECT_LT(oracle::ks_deviation({x.begin(), x.end()}, [](double u) { return u; }), kFiveSigma);
  std::vector<double> pairs(64 * 64);
  for (std::size_t k = 0; k < x.size(); k += 2) {
    const auto i = static_cast<std::size_t>(std::min(x[k] * 64, 63.5F));
    const auto j = static_cast<std::size_t>(std::min(x[k + 1] * 64, 63.5F));
    ++pairs[i * 64 + j];
  }
  EXPECT_LT(oracle::chi_square_deviation(pairs), kFiveSigma);
}

TEST(SignStatistics, RademachersAndBernoullisHaveTheirMeans) {
  std::vector<float> x(kDraws);
  fill_rademacher(kStream, 0, x);
  EXPECT_LT(oracle::mean_deviation(std::vector<double>(x.begin(), x.end()), 0), kFiveSigma);
  for (const double p : {0.001, 0.3, 0.5, 0.97}) {
    fill_bernoulli(kStream, 0, p, x);
    EXPECT_LT(oracle::mean_deviation(std::vector<double>(x.begin(), x.end()), p), kFiveSigma) << p;
  }
}

TEST(SignStatistics, EveryBitOfABlockIsFair) {
  constexpr int kBlocks = 4000;
  std::vector<double> ones(128);
  for (int n = 0; n < kBlocks; ++n) {
    const RandomBits bits(kStream, static_cast<std::uint64_t>(n));
    for (unsigned k = 0; k < 128; ++k) ones[k] += bits[k];
  }
  for (unsigned k = 0; k < 128; ++k)
    EXPECT_NEAR(ones[k] / kBlocks, 0.5, kFiveSigma * 0.5 / std::sqrt(kBlocks)) << k;
}

TEST(UnitSphereStatistics, DirectionsAreIsotropic) {
  constexpr int kPoints = 20000;
  for (const std::size_t n : {1U, 2U, 3U, 17U}) {
    std::vector<double> first, square, product;
    std::vector<double> angle;
    const std::uint64_t blocks = (n + 3) / 4;
    for (int k = 0; k < kPoints; ++k) {
      std::vector<float> x(n);
      fill_unit_sphere(kStream, static_cast<std::uint64_t>(k) * blocks, x);
      first.push_back(x[0]);
      square.push_back(static_cast<double>(x[n - 1]) * x[n - 1]);
      product.push_back(static_cast<double>(x[0]) * x[n - 1]);
      if (n == 2) angle.push_back(std::atan2(x[1], x[0]) / (2 * std::numbers::pi) + 0.5);
      if (n == 3) angle.push_back(0.5 * (1 + static_cast<double>(x[2])));  // Archimedes: heights are uniform
    }
    EXPECT_LT(oracle::mean_deviation(first, 0), kFiveSigma) << n;
    if (n > 1) {
      EXPECT_LT(oracle::mean_deviation(square, 1.0 / static_cast<double>(n)), kFiveSigma) << n;
      EXPECT_LT(oracle::mean_deviation(product, 0), kFiveSigma) << n;
    }
    if (!angle.empty()) {
      EXPECT_LT(oracle::ks_deviation(angle, [](double u) { return u; }), kFiveSigma) << n;
    }
  }
}

}  // namespace
}  // namespace soret
