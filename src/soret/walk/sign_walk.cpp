#include "soret/walk/sign_walk.hpp"

#include <algorithm>

namespace soret::walk {
namespace {

/// The words of steps 64 half to 64 half + 63 of eight walkers; the first step's sign is the top bit.
LanesU64 long_words(const SignWords& signs, int half, int k) {
  LanesU64 first;
  LanesU64 second;
  using Words = std::uint32_t __attribute__((vector_size(32), aligned(4), may_alias));
  first = __builtin_convertvector(*reinterpret_cast<const Words*>(&signs[2 * half][k]), LanesU64);
  second = __builtin_convertvector(*reinterpret_cast<const Words*>(&signs[2 * half + 1][k]), LanesU64);
  return (first << 32) | second;
}

/// `steps` steps from `first_bit` of one half of the signs on. Eight vectors at a time stay in registers:
/// they hide each other's latencies, which bound a single walker's chain of steps.
template <FieldKind K, Boundary B>
void walk_half(const Problem& p, const SignWords& signs, int half, int first_bit, int steps,
               WalkerBlock& block) {
  constexpr int kInterleaved = 8;
  constexpr int kTogether = kInterleaved * kDoubleLanes;
  const Field field = p.field;
  const double eta = p.learning_rate;
  const double lower = p.lower;
  const double upper = p.upper;
  double* const all_q = block.q[0].data();
  double* const all_unrolled = B == Boundary::periodic ? block.unrolled[0].data() : nullptr;
  for (int first = 0; first < kBlockWalkers; first += kTogether) {
    DoubleLanes q[kInterleaved];
    DoubleLanes unrolled[kInterleaved];
    LanesU64 word[kInterleaved];
#pragma GCC unroll 8
    for (int v = 0; v < kInterleaved; ++v) {
      const int at = first + v * kDoubleLanes;
      q[v] = load(all_q + at);
      if constexpr (B == Boundary::periodic) unrolled[v] = load(all_unrolled + at);
      word[v] = long_words(signs, half, at) << static_cast<unsigned>(first_bit);
    }
    for (int s = 0; s < steps; ++s) {
#pragma GCC unroll 8
      for (int v = 0; v < kInterleaved; ++v) {
        const DoubleLanes length = eta * profile<K>(field, q[v]);
        // gamma = -1 for a set bit: the sign of the displacement.
        const DoubleLanes move = from_bits(bits(length) ^ (word[v] & (std::uint64_t{1} << 63)));
        word[v] += word[v];
        q[v] -= move;
        if constexpr (B == Boundary::reflecting) q[v] = reflect_once(q[v], lower, upper);
        if constexpr (B == Boundary::periodic) {
          unrolled[v] -= move;
          q[v] = wrap_once(q[v], lower, upper);
        }
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kInterleaved; ++v) {
      const int at = first + v * kDoubleLanes;
      store(all_q + at, q[v]);
      if constexpr (B == Boundary::periodic) store(all_unrolled + at, unrolled[v]);
    }
  }
}

template <FieldKind K, Boundary B>
SignWalk walk_of(const Problem& p) {
  return [&p](const SignWords& signs, int first, int steps, WalkerBlock& block) {
    const int in_first_half = std::clamp(64 - first, 0, steps);
    if (in_first_half > 0) walk_half<K, B>(p, signs, 0, first, in_first_half, block);
    if (steps > in_first_half)
      walk_half<K, B>(p, signs, 1, std::max(first - 64, 0), steps - in_first_half, block);
  };
}

template <FieldKind K>
SignWalk walk_of(const Problem& p) {
  switch (p.boundary) {
    case Boundary::line:
      return walk_of<K, Boundary::line>(p);
    case Boundary::reflecting:
      return walk_of<K, Boundary::reflecting>(p);
    case Boundary::periodic:
      return walk_of<K, Boundary::periodic>(p);
    case Boundary::absorbing:
      break;
  }
  return {};
}

}  // namespace

SignWalk sign_walk(const Problem& p) {
  if (p.single_precision) return fixed_point_walk(p);
  if (p.dimensions != 1 || p.kick != Kick::rademacher) return {};
  switch (p.field.kind) {
    case FieldKind::constant:
      return walk_of<FieldKind::constant>(p);
    case FieldKind::linear:
      return walk_of<FieldKind::linear>(p);
    case FieldKind::sinusoidal:
      return walk_of<FieldKind::sinusoidal>(p);
    case FieldKind::exponential:
      return walk_of<FieldKind::exponential>(p);
    case FieldKind::power:
      return walk_of<FieldKind::power>(p);
    case FieldKind::bump:
      return walk_of<FieldKind::bump>(p);
    default:
      return {};
  }
}

}  // namespace soret::walk
