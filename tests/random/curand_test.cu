/// cuRAND compiled for the host: its Philox must be the library's, word for word. No device is needed.
#define QUALIFIERS static inline __host__ __device__
#include <curand_kernel.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "tests/random/stream_words.hpp"

namespace {

using soret::test::stream_words;

struct Place {
  std::uint64_t seed;
  std::uint32_t purpose;
  std::uint32_t trajectory;
  std::uint64_t block;
};

/// Every field alone at its largest or beyond 32 bits, and all at once. The offset 4 n of curand_init has 64
/// bits, so cuRAND reaches blocks below 2^62; the library has no such limit.
const Place kPlaces[] = {{0, 0, 0, 0},
                         {1, 2, 3, 4},
                         {0x0123456789abcdefULL, 11, 0, 0},
                         {7, 2, 0xffffffffU, 1},
                         {7, 0xffffffffU, 0, 1},
                         {7, 2, 0, 0xffffffffULL},
                         {7, 2, 0, 0x100000000ULL},
                         {0xffffffffffffffffULL, 5, 0x80000000U, (1ULL << 62) - 1}};

curandStatePhilox4_32_10_t state_at(const Place& at) {
  curandStatePhilox4_32_10_t state;
  const std::uint64_t subsequence = (static_cast<std::uint64_t>(at.purpose) << 32) + at.trajectory;
  curand_init(at.seed, subsequence, 4 * at.block, &state);
  return state;
}

TEST(CurandOnTheHost, GivesTheWordsOfTheStreams) {
  for (const Place& at : kPlaces) {
    auto state = state_at(at);
    for (std::uint64_t n = at.block; n < at.block + 20; ++n) {
      const uint4 got = curand4(&state);
      const auto want = stream_words(at.seed, at.purpose, at.trajectory, n);
      EXPECT_EQ(got.x, want[0]) << n;
      EXPECT_EQ(got.y, want[1]) << n;
      EXPECT_EQ(got.z, want[2]) << n;
      EXPECT_EQ(got.w, want[3]) << n;
    }
  }
}

TEST(CurandOnTheHost, GivesOneWordAtATimeInTheSameOrder) {
  for (const Place& at : kPlaces) {
    auto state = state_at(at);
    for (int k = 0; k < 11; ++k)
      EXPECT_EQ(curand(&state), stream_words(at.seed, at.purpose, at.trajectory, at.block + k / 4)[k % 4])
          << k;
  }
}

TEST(CurandOnTheHost, SkipsFourWordsToABlock) {
  auto state = state_at({9, 2, 1, 100});
  skipahead(4ULL * 0x300000000ULL, &state);
  EXPECT_EQ(curand4(&state).x, stream_words(9, 2, 1, 0x300000064ULL)[0]);
}

TEST(CurandOnTheHost, MapsWordsToTheSameUniforms) {
  auto state = state_at({3, 2, 1, 0});
  for (int n = 0; n < 1000; ++n) {
    const auto words = stream_words(3, 2, 1, n);
    const float4 got = curand_uniform4(&state);
    EXPECT_EQ(got.x, soret::test::uniform_of(words[0]));
    EXPECT_EQ(got.w, soret::test::uniform_of(words[3]));
  }
}

}  // namespace
