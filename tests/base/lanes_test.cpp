#include "soret/base/lanes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "soret/base/math.hpp"

namespace soret {
namespace {

Lanes ramp(float first, float step) {
  Lanes x{};
  for (int l = 0; l < kLanes; ++l) x[l] = first + step * static_cast<float>(l);
  return x;
}

TEST(Lanes, BroadcastReachesEveryLane) {
  const Lanes x = broadcast(-2.5F);
  const LanesU32 n = broadcast(0xdeadbeefU);
  for (int l = 0; l < kLanes; ++l) {
    EXPECT_EQ(x[l], -2.5F);
    EXPECT_EQ(n[l], 0xdeadbeefU);
  }
}

TEST(Lanes, LoadAndStoreNeedNoAlignment) {
  std::array<float, 40> data{};
  for (std::size_t k = 0; k < data.size(); ++k) data[k] = static_cast<float>(k);
  for (std::size_t offset = 0; offset < 17; ++offset) {
    const Lanes x = load(&data[offset]);
    std::array<float, 40> copy{};
    store(&copy[offset + 1], x);
    for (std::size_t k = 0; k < copy.size(); ++k) {
      const bool inside = k > offset && k <= offset + kLanes;
      EXPECT_EQ(copy[k], inside ? data[k - 1] : 0.0F) << offset << " " << k;
    }
  }
}

TEST(Lanes, FmaRoundsOnce) {
  // (1 + e)(1 - e) = 1 - e^2 rounds to 1; only a fused product shows the e^2 that is left after -1.
  const float e = 0x1p-13F;
  const Lanes fused = fma(broadcast(1 + e), broadcast(1 - e), broadcast(-1.0F));
  for (int l = 0; l < kLanes; ++l) EXPECT_EQ(fused[l], -e * e);
  EXPECT_EQ(fma(1 + e, 1 - e, -1.0F), -e * e);
  const Lanes mixed = fma(2.0F, ramp(0, 1), broadcast(1.0F));
  const Lanes other = fma(ramp(0, 1), 2.0F, broadcast(1.0F));
  for (int l = 0; l < kLanes; ++l) {
    EXPECT_EQ(mixed[l], 2.0F * static_cast<float>(l) + 1);
    EXPECT_EQ(other[l], mixed[l]);
  }
}

TEST(Lanes, FnmaSubtractsWithOneRounding) {
  const float e = 0x1p-13F;
  const Lanes fused = fnma(broadcast(1 + e), broadcast(1 - e), broadcast(1.0F));
  for (int l = 0; l < kLanes; ++l) EXPECT_EQ(fused[l], e * e);
}

TEST(Lanes, TransposeTurnsATileOfAnyStride) {
  for (const std::ptrdiff_t stride : {16, 19, 48}) {
    std::vector<float> rows(15 * stride + 16);
    for (std::size_t k = 0; k < rows.size(); ++k) rows[k] = static_cast<float>(k);
    Lanes columns[kLanes];
    transpose(rows.data(), stride, columns);
    for (int c = 0; c < kLanes; ++c) {
      for (int r = 0; r < kLanes; ++r) EXPECT_EQ(columns[c][r], rows[r * stride + c]) << r << "," << c;
    }
  }
}

TEST(Lanes, SqrtIsCorrectlyRounded) {
  const Lanes root = sqrt(ramp(0.0F, 0.7F));
  for (int l = 0; l < kLanes; ++l) EXPECT_EQ(root[l], std::sqrt(0.7F * static_cast<float>(l)));
}

TEST(Lanes, SelectTakesEachLaneFromItsSide) {
  const Lanes x = ramp(-8, 1);
  const Lanes y = select(x > Lanes{}, x, broadcast(100.0F));
  for (int l = 0; l < kLanes; ++l) EXPECT_EQ(y[l], l > 8 ? static_cast<float>(l - 8) : 100.0F);
}

TEST(Lanes, UnsignedWordsConvertAsTheScalarDoes) {
  const std::array<std::uint32_t, 8> words = {0U,          1U,          0x00ffffffU, 0x01000001U,
                                              0x7fffffffU, 0x80000000U, 0xffffff7fU, 0xffffffffU};
  LanesU32 x{};
  for (int l = 0; l < kLanes; ++l) x[l] = words[l % 8];
  const Lanes unsigned_floats = to_float(x);
  const Lanes signed_floats = to_float(as_signed(x));
  for (int l = 0; l < kLanes; ++l) {
    EXPECT_EQ(unsigned_floats[l], to_float(words[l % 8]));
    EXPECT_EQ(signed_floats[l], to_float(as_signed(words[l % 8])));
  }
  EXPECT_EQ(unsigned_floats[7], 0x1p32F);
}

// The documented tree: halves, quarters, eighths, then the last pair.
TEST(Lanes, NearestIntegersTieToEven) {
  Lanes x{};
  const float from[6] = {0.5F, 1.5F, -2.5F, 2147483520.0F, -2147483648.0F, 2147483648.0F};
  const std::int32_t to[6] = {0, 2, -2, 2147483520, INT32_MIN, INT32_MIN};
  for (int i = 0; i < 6; ++i) x[i] = from[i];
  const LanesI32 n = to_nearest(x);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(n[i], to[i]);
}

TEST(Lanes, MagnitudeHasNoOverflow) {
  LanesU32 x{};
  x[1] = 5, x[2] = -5U, x[3] = 0x7fffffffU, x[4] = 0x80000000U, x[5] = 0x80000001U;
  const LanesU32 m = magnitude(x);
  const std::uint32_t want[6] = {0, 5, 5, 0x7fffffffU, 0x80000000U, 0x7fffffffU};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(m[i], want[i]);
}

TEST(Lanes, SumIsABinaryTree) {
  Lanes x{};
  for (int l = 0; l < kLanes; ++l) x[l] = std::ldexp(1.0F + 0x1p-20F * static_cast<float>(l), l % 7 * 5);
  std::array<float, kLanes> tree;
  for (int l = 0; l < kLanes; ++l) tree[l] = x[l];
  for (int half = kLanes / 2; half >= 1; half /= 2) {
    for (int l = 0; l < half; ++l) tree[l] += tree[l + half];
  }
  EXPECT_EQ(sum(x), tree[0]);
}

TEST(Lanes, SumMeetsEveryLaneOnce) {
  for (int l = 0; l < kLanes; ++l) {
    Lanes x{};
    x[l] = 3;
    EXPECT_EQ(sum(x), 3.0F) << l;
  }
  EXPECT_EQ(sum(ramp(1, 1)), 136.0F);
}

}  // namespace
}  // namespace soret
