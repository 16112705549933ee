#pragma once

#include <cstdint>

#include "soret/base/double_lanes.hpp"
#include "soret/random/philox.hpp"
#include "soret/random/stream.hpp"

/// Block n of the streams of 32 trajectories that follow one another, for drivers that move them together.
///
/// The counters of such blocks differ in one word, the trajectory, so the first round and most of the second
/// are the same for all n, or for all trajectories: eight of the ten rounds remain. A word lies in the low
/// half of 64 bits; what a product leaves in the high half does no harm, since multiplication reads low
/// halves only.
namespace soret {

class NeighbourBlocks {
 public:
  static constexpr int kStreams = 2 * kLanes;

  NeighbourBlocks(std::uint64_t seed, Purpose purpose, std::uint32_t first_trajectory)
      : key_(Stream{seed, purpose, 0}.key()),
        purpose_(static_cast<std::uint32_t>(purpose)),
        first_(first_trajectory) {
    prepare(0);
  }

  /// Words [stream] of block n; lane i of out[k] belongs to trajectory first + kLanes k + i.
  SORET_HD void operator()(std::uint64_t n, PhiloxBlock<LanesU32> (&out)[2]) {
    if (n >> 32 != high_) prepare(static_cast<std::uint32_t>(n >> 32));
    // Round 1 as far as it depends on n, and the product of round 2 that does.
    const std::uint64_t a = std::uint64_t{static_cast<std::uint32_t>(n)} * detail::kPhiloxM0;
    const auto z = static_cast<std::uint32_t>(a >> 32) ^ purpose_ ^ key_.hi;
    const std::uint64_t b = std::uint64_t{z} * detail::kPhiloxM1;
    const LanesU64 x_of_n = wide(static_cast<std::uint32_t>(b >> 32) ^ (key_.lo + detail::kPhiloxW0));
    const LanesU64 y_of_n = wide(static_cast<std::uint32_t>(b));
    const LanesU64 z_of_n = wide(static_cast<std::uint32_t>(a) ^ (key_.hi + detail::kPhiloxW1));
    PhiloxBlock<LanesU64> c[kParts];
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) c[i] = {y_[i] ^ x_of_n, y_of_n, z_[i] ^ z_of_n, w_[i]};
#pragma GCC unroll 8
    for (std::uint32_t round = 2; round < 10; ++round) {
      const LanesU64 k0 = wide(key_.lo + round * detail::kPhiloxW0);
      const LanesU64 k1 = wide(key_.hi + round * detail::kPhiloxW1);
#pragma GCC unroll 4
      for (int i = 0; i < kParts; ++i) {
        const LanesU64 p0 = product(c[i].x, detail::kPhiloxM0);
        const LanesU64 p1 = product(c[i].z, detail::kPhiloxM1);
        c[i] = {(p1 >> 32) ^ c[i].y ^ k0, p1, (p0 >> 32) ^ c[i].w ^ k1, p0};
      }
    }
    for (int k = 0; k < 2; ++k)
      out[k] = {narrow(c[2 * k].x, c[2 * k + 1].x), narrow(c[2 * k].y, c[2 * k + 1].y),
                narrow(c[2 * k].z, c[2 * k + 1].z), narrow(c[2 * k].w, c[2 * k + 1].w)};
  }

 private:
  static constexpr int kParts = 4;  ///< the even and the odd trajectories of the first sixteen and the second

  static LanesU64 wide(std::uint32_t x) {
    return broadcast(std::uint64_t{x});
  }

  SORET_HD static LanesU64 product(LanesU64 x, std::uint32_t m) {
#if defined(__AVX512F__)
    return reinterpret_cast<LanesU64>(
        _mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(x), _mm512_set1_epi64(m)));
#elif defined(__AVX2__)
    const __m256i vm = _mm256_set1_epi64x(m);
    return detail::join<LanesU64>(_mm256_mul_epu32(detail::low_of<__m256i>(x), vm),
                                  _mm256_mul_epu32(detail::high_of<__m256i>(x), vm));
#else
    return (x & 0xffffffffU) * std::uint64_t{m};
#endif
  }

  /// The low halves, of even trajectories and of odd ones, in turn.
  SORET_HD static LanesU32 narrow(LanesU64 even, LanesU64 odd) {
#if defined(__AVX512F__)
    return reinterpret_cast<LanesU32>(_mm512_mask_shuffle_epi32(
        reinterpret_cast<__m512i>(even), 0xAAAA, reinterpret_cast<__m512i>(odd), _MM_PERM_CCAA));
#else
    return reinterpret_cast<LanesU32>((even & 0xffffffffU) | (odd << 32));
#endif
  }

  /// What depends on the trajectory, but not on the low word of n, after two rounds.
  void prepare(std::uint32_t high) {
    constexpr LanesU64 kOrder = {0, 2, 4, 6, 8, 10, 12, 14};
    high_ = high;
    for (std::uint32_t i = 0; i < kParts; ++i) {
      const LanesU64 trajectory = (kOrder + (std::uint64_t{first_} + i / 2 * kLanes + i % 2)) & 0xffffffffU;
      const LanesU64 p1 = product(trajectory, detail::kPhiloxM1);
      const LanesU64 p0 = product((p1 >> 32) ^ wide(high) ^ wide(key_.lo), detail::kPhiloxM0);
      y_[i] = p1;
      z_[i] = p0 >> 32;
      w_[i] = p0;
    }
  }

  PhiloxKey key_;
  std::uint32_t purpose_;
  std::uint32_t first_;
  std::uint32_t high_ = 0;
  LanesU64 y_[kParts], z_[kParts], w_[kParts];
};

}  // namespace soret
