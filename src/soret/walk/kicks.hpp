#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "soret/base/double_math.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"
#include "soret/walk/random_walk.hpp"

/// The gammas of 128 walkers. Walker w (its number in the whole problem) draws from the stream (seed,
/// walk_kicks, w). With U gammas per step, gamma u of step s is number i = s U + u of the stream:
///   rademacher  bit s % 128 of block (s / 128) U + u, from the top of its first word on; a set bit is -1
///   gaussian    the normals of fill_normal: four per block
///   uniform     sqrt(3) (2 (word i + 1/2) 2^-32 - 1): four per block
///   student_t   nu-t of words 2 i and 2 i + 1, scaled to variance 1 for nu > 2: two per block
namespace soret::walk {

/// Walkers that go together: sixteen vectors of eight.
inline constexpr int kBlockWalkers = 128;
using WalkerRow = std::array<double, kBlockWalkers>;

/// The signs of the 128 steps of one block: bit 31 - s of words[w][k] is that of step 32 w + s of walker k.
using SignWords = std::array<std::array<std::uint32_t, kBlockWalkers>, 4>;

/// Uniform in (0, 1) from 32 bits, symmetric about 1/2.
template <class F>
SORET_HD F centred_uniform(F word) {
  return fma(word, constant_of<F>(0x1p-32), constant_of<F>(0x1p-33));
}

/// Student's t from two uniforms in (0, 1) by Bailey's polar method (Math. Comp. 62, 1994):
/// sqrt(nu (u^(-2/nu) - 1)) cos(2 pi v).
template <class F>
SORET_HD F student_t(F u, F v, double nu) {
  return sqrt(nu * (exponential((-2 / nu) * logarithm(u)) - 1.0)) * cos_turns(v);
}

/// What makes the variance of Student's t 1, where it has one.
inline double kick_scale(double nu) {
  return nu > 2 ? std::sqrt((nu - 2) / nu) : 1;
}

class Kicks {
 public:
  Kicks(const Problem& problem, std::uint32_t first_walker);

  /// The signs of the block that `step` is in; for kick = rademacher only.
  const SignWords& sign_words(std::int64_t step, int u);

  /// gamma u of a step, one per walker; valid until the next call. Steps must not run backwards.
  const double* operator()(std::int64_t step, int u);

 private:
  void draw_bits(std::uint64_t block, int u);
  void draw_numbers(std::uint64_t block);

  Kick kick_;
  double nu_, scale_;
  std::uint64_t gammas_;
  std::uint64_t seed_;
  std::uint32_t first_walker_;
  std::vector<std::int64_t> drawn_;  ///< block drawn per gamma (rademacher), or the one block
  std::vector<SignWords> bits_;      ///< [u]
  std::array<WalkerRow, 4> numbers_;
  WalkerRow signs_;
};

}  // namespace soret::walk
