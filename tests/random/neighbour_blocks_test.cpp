#include "soret/random/neighbour_blocks.hpp"

#include <gtest/gtest.h>

namespace soret {
namespace {

// Block numbers and trajectories at both ends of their words, and across the carry from one word to the next.
TEST(NeighbourBlocks, AreTheBlocksOfThirtyTwoStreams) {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{0x123456789abcdef0}}) {
    for (const std::uint32_t first : {0U, 1U, 12345U, 0xfffffff0U}) {
      NeighbourBlocks blocks(seed, Purpose::langevin_noise, first);
      for (const std::uint64_t n :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{77}, std::uint64_t{0xffffffff},
            std::uint64_t{0x100000000}, std::uint64_t{0xabcdef0123456789}, std::uint64_t{2}}) {
        PhiloxBlock<LanesU32> out[2];
        blocks(n, out);
        for (int i = 0; i < NeighbourBlocks::kStreams; ++i) {
          const auto expected =
              Stream{seed, Purpose::langevin_noise, first + static_cast<std::uint32_t>(i)}.block(n);
          const auto& got = out[i / kLanes];
          const int lane = i % kLanes;
          ASSERT_EQ(got.x[lane], expected.x) << seed << " " << first << " " << n << " " << i;
          ASSERT_EQ(got.y[lane], expected.y);
          ASSERT_EQ(got.z[lane], expected.z);
          ASSERT_EQ(got.w[lane], expected.w);
        }
      }
    }
  }
}

}  // namespace
}  // namespace soret
