#include "soret/random/philox.hpp"

#include <gtest/gtest.h>

#include <array>

#include "soret/random/stream.hpp"

namespace soret {
namespace {

using Words = std::array<std::uint32_t, 4>;

struct KnownAnswer {
  Words counter;
  std::array<std::uint32_t, 2> key;
  Words answer;
};

/// "philox4x32 10" of Random123's kat_vectors: zeros, ones, and the digits of pi.
const std::array<KnownAnswer, 3> kKnownAnswers = {{
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
}};

Words words(const PhiloxBlock<std::uint32_t>& b) {
  return {b.x, b.y, b.z, b.w};
}

TEST(Philox, GivesThePublishedAnswers) {
  for (const auto& [c, k, answer] : kKnownAnswers)
    EXPECT_EQ(words(philox(PhiloxBlock<std::uint32_t>{c[0], c[1], c[2], c[3]}, {k[0], k[1]})), answer);
}

TEST(Philox, GivesThePublishedAnswersInEveryLane) {
  for (const auto& [c, k, answer] : kKnownAnswers) {
    const auto r =
        philox(PhiloxBlock<LanesU32>{broadcast(c[0]), broadcast(c[1]), broadcast(c[2]), broadcast(c[3])},
               {k[0], k[1]});
    for (int l = 0; l < kLanes; ++l) EXPECT_EQ((Words{r.x[l], r.y[l], r.z[l], r.w[l]}), answer) << l;
  }
}

TEST(Philox, LanesAreSixteenScalarBlocks) {
  std::uint32_t state = 12345;
  const auto next = [&] { return state = state * 1664525U + 1013904223U; };
  for (int trial = 0; trial < 50; ++trial) {
    PhiloxBlock<LanesU32> counter{};
    for (LanesU32* part : {&counter.x, &counter.y, &counter.z, &counter.w}) {
      for (int l = 0; l < kLanes; ++l) (*part)[l] = next();
    }
    const PhiloxKey key{next(), next()};
    const auto r = philox(counter, key);
    for (int l = 0; l < kLanes; ++l) {
      const PhiloxBlock<std::uint32_t> one{counter.x[l], counter.y[l], counter.z[l], counter.w[l]};
      EXPECT_EQ((Words{r.x[l], r.y[l], r.z[l], r.w[l]}), words(philox(one, key))) << trial << " " << l;
    }
  }
}

TEST(Stream, CountsBlocksTrajectoriesAndPurposes) {
  const Stream stream{0x0123456789abcdefU, Purpose::teacher, 0xfedcba98U};
  const std::uint64_t n = 0x1122334455667788U;
  EXPECT_EQ(words(stream.block(n)),
            words(philox(PhiloxBlock<std::uint32_t>{0x55667788, 0x11223344, 0xfedcba98, 7},
                         {0x89abcdef, 0x01234567})));
}

// Result files depend on these numbers: an enumerator may be added, never renumbered.
TEST(Stream, PurposesKeepTheirNumbers) {
  const std::array<Purpose, 11> purposes = {
      Purpose::initial_parameters, Purpose::inputs,       Purpose::labels,  Purpose::sampling,
      Purpose::probe_inputs,       Purpose::probe_labels, Purpose::teacher, Purpose::dataset_inputs,
      Purpose::dataset_labels,     Purpose::bootstrap,    Purpose::subset};
  for (std::size_t k = 0; k < purposes.size(); ++k) EXPECT_EQ(static_cast<std::uint32_t>(purposes[k]), k + 1);
}

}  // namespace
}  // namespace soret
