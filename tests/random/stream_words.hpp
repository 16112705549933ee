#pragma once

#include <array>
#include <cstdint>

/// Random123 and cuRAND both define mulhilo32, so no source file may see both: this is the way from the
/// library's streams to the test that includes cuRAND.
namespace soret::test {

/// Words of block n of Stream{seed, purpose, trajectory}, as the CPU library gives them.
std::array<std::uint32_t, 4> stream_words(std::uint64_t seed, std::uint32_t purpose, std::uint32_t trajectory,
                                          std::uint64_t n);

/// The library's uniform number of a word.
float uniform_of(std::uint32_t word);

}  // namespace soret::test
