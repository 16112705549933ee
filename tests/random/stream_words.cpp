#include "tests/random/stream_words.hpp"

#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"

namespace soret::test {

std::array<std::uint32_t, 4> stream_words(std::uint64_t seed, std::uint32_t purpose, std::uint32_t trajectory,
                                          std::uint64_t n) {
  const auto b = Stream{seed, static_cast<Purpose>(purpose), trajectory}.block(n);
  return {b.x, b.y, b.z, b.w};
}

float uniform_of(std::uint32_t word) {
  return uniform<float>(word);
}

}  // namespace soret::test
