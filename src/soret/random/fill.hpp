#pragma once

#include <cstdint>
#include <span>

#include "soret/random/stream.hpp"

/// Bulk draws, vectorised over blocks. Number i of a fill is made from block first_block + i / 4 of the
/// stream (its words x, y, z, w in turn), so a fill that starts later continues the same sequence.
namespace soret {

/// Raw 32-bit words.
void fill_words(const Stream& stream, std::uint64_t first_block, std::span<std::uint32_t> out);

/// Uniform on (0, 1].
void fill_uniform(const Stream& stream, std::uint64_t first_block, std::span<float> out);

/// Standard normals: words (x, y) of a block give two, (z, w) two more.
void fill_normal(const Stream& stream, std::uint64_t first_block, std::span<float> out);

/// +1 or -1 with equal probability, one per word.
void fill_rademacher(const Stream& stream, std::uint64_t first_block, std::span<float> out);

/// 1 with the given probability, else 0: word * 2^-32 < probability.
void fill_bernoulli(const Stream& stream, std::uint64_t first_block, double probability,
                    std::span<float> out);

/// A point uniform on the unit sphere in out.size() dimensions: normals divided by their norm.
/// A single number is +1 or -1.
void fill_unit_sphere(const Stream& stream, std::uint64_t first_block, std::span<float> out);

/// The 128 fair bits of block n of a stream: bit k is bit k % 32 of word k / 32.
class RandomBits {
 public:
  RandomBits(const Stream& stream, std::uint64_t n) {
    const auto b = stream.block(n);
    words_[0] = b.x, words_[1] = b.y, words_[2] = b.z, words_[3] = b.w;
  }
  std::uint32_t operator[](unsigned k) const { return (words_[k / 32] >> (k % 32)) & 1U; }

 private:
  std::uint32_t words_[4];
};

/// An integer below n < 2^32, exactly uniform up to 2^-32: the high half of word * n.
SORET_HD std::uint32_t below(std::uint32_t word, std::uint32_t n) {
  return static_cast<std::uint32_t>((static_cast<std::uint64_t>(word) * n) >> 32);
}

}  // namespace soret
