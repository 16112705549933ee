#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include "soret/base/error.hpp"
#include "soret/walk/sign_walk.hpp"

/// Binary walks between walls in fixed point: a place is a 32-bit number u, q = lower + unit u, and the
/// length of a step is computed in single precision and rounded to whole units.
///   ring     2^32 units are the domain: turns take care of themselves
///   mirrors  2^31 units are the domain: |u| is the mirror image at either wall, because u and -u are also
///            2^32 apart
/// The lengths are off by a relative 2e-7 and half a unit, the places exact after that.
namespace soret::walk {
namespace {

using FixedRow = std::array<std::uint32_t, kBlockWalkers>;
constexpr double kTurn = 0x1p32;
/// A stretch of steps stays within so much of a ring: below a half, it is told by where it begins and ends.
constexpr double kMostTurns = 0.49;

/// A sine of a whole number of periods in 2^32 units has its phase in integers, and no reduction to do.
struct WholePeriods {
  std::uint32_t periods;
  std::uint32_t offset;              ///< phase of u = 0, less a quarter turn, in 2^-32 turns
  std::array<float, 5> coefficient;  ///< of odd powers; of the strength, in units

  /// level + strength sin(...)
  Lanes operator()(LanesU32 u, float level) const {
    // sin(2 pi (t + 1/4)) = -sin(2 pi (|t| - 1/4)) for |t| <= 1/2.
    const LanesU32 t = u * periods + offset;
    const LanesI32 r = as_signed(magnitude(t) - 0x40000000U);
    const Lanes x = to_float(r) * 0x1p-30F;
    const Lanes z = x * x;
    Lanes p = fma(z, broadcast(coefficient[4]), broadcast(coefficient[3]));
    p = fma(z, p, broadcast(coefficient[2]));
    p = fma(z, p, broadcast(coefficient[1]));
    p = fma(z, p, broadcast(coefficient[0]));
    return fma(x, p, broadcast(level));
  }
};

std::optional<WholePeriods> whole_periods(const Field& field, double lower, double unit, double scale) {
  constexpr double kMostPeriods = 4096;
  const double periods = kTurn * unit * field.inverse_period;
  const double whole = std::rint(periods);
  if (whole < 1 || whole > kMostPeriods || std::abs(periods - whole) > 1e-12 * whole) return std::nullopt;
  const double turns = (lower - field.centre) * field.inverse_period - 0.25;
  WholePeriods w{static_cast<std::uint32_t>(whole),
                 static_cast<std::uint32_t>(static_cast<std::int64_t>((turns - std::floor(turns)) * kTurn)),
                 {}};
  double power = -0.25 * scale * field.strength;  // x counts quarter turns
  for (int i = 0; i < 5; ++i, power /= 16) w.coefficient[i] = static_cast<float>(power * kSineOfTurns[i]);
  return w;
}

/// Of a profile in the domain.
double largest_amplitude(const Problem& p) {
  switch (p.field.kind) {
    case FieldKind::sinusoidal:
      return p.field.level + std::abs(p.field.strength);
    case FieldKind::bump:
      return p.field.level + std::max(p.field.strength, 0.0);
    default: {  // at an end
      std::array<double, 2> g{};
      Amplitude amplitude(p);
      amplitude.at({&p.lower, 1}, {&g[0], 1});
      amplitude.at({&p.upper, 1}, {&g[1], 1});
      return std::max(g[0], g[1]);
    }
  }
}

/// From 0, in widths of the domain: farther out, a double does not tell units apart.
constexpr double kFarthest = 65536;

struct Scale {
  double lower, unit;
  Field field;        ///< of q; level and strength are those of eta g / unit
  WholePeriods wave;  ///< of a sine of whole periods
  int stretch;        ///< steps that stay within half a turn of a ring
};

/// The length of the step from u, in units.
template <FieldKind K, bool WHOLE>
Lanes length(const Scale& s, LanesU32 u) {
  if constexpr (WHOLE) {
    return s.wave(u, static_cast<float>(s.field.level));
  } else {
    const Lanes q =
        fma(to_float(u), broadcast(static_cast<float>(s.unit)), broadcast(static_cast<float>(s.lower)));
    return profile<K>(s.field, q);
  }
}

template <FieldKind K, Boundary B, bool WHOLE>
void walk(const Scale& s, const FixedRow& signs, int first_bit, int steps, FixedRow& place) {
  constexpr int kVectors = kBlockWalkers / kLanes;
  LanesU32 u[kVectors];
  LanesU32 word[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    u[v] = load(&place[v * kLanes]);
    word[v] = load(&signs[v * kLanes]) << static_cast<unsigned>(first_bit);
  }
  for (int step = 0; step < steps; ++step) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Lanes move = from_bits(bits(length<K, WHOLE>(s, u[v])) ^ (word[v] & 0x80000000U));
      word[v] += word[v];
      u[v] -= as_unsigned(to_nearest(move));
      if constexpr (B == Boundary::reflecting) u[v] = magnitude(u[v]);
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) store(&place[v * kLanes], u[v]);
}

/// The places in units, with the turns of a ring. Exact, because they are whole numbers of units not too far
/// from 0 (kFarthest).
void to_units(const Scale& s, const WalkerRow& q, std::array<std::int64_t, kBlockWalkers>& units) {
  const double per_length = 1 / s.unit;
  for (int k = 0; k < kBlockWalkers; ++k)
    units[k] = static_cast<std::int64_t>(std::rint((q[k] - s.lower) * per_length));
}

template <FieldKind K, Boundary B, bool WHOLE>
void walk_block(const Scale& s, const SignWords& signs, int first, int steps, WalkerBlock& block) {
  std::array<std::int64_t, kBlockWalkers> units;  // on a ring: with the turns
  FixedRow place;
  to_units(s, B == Boundary::periodic ? block.unrolled[0] : block.q[0], units);
  for (int k = 0; k < kBlockWalkers; ++k) place[k] = static_cast<std::uint32_t>(units[k]);
  for (int step = first; step < first + steps;) {
    const int count = std::min({s.stretch, 32 - step % 32, first + steps - step});
    const FixedRow before = place;
    walk<K, B, WHOLE>(s, signs[step / 32], step % 32, count, place);
    if constexpr (B == Boundary::periodic)
      for (int k = 0; k < kBlockWalkers; ++k) units[k] += static_cast<std::int32_t>(place[k] - before[k]);
    step += count;
  }
  for (int k = 0; k < kBlockWalkers; ++k) {
    block.q[0][k] = s.lower + s.unit * static_cast<double>(place[k]);
    if constexpr (B == Boundary::periodic)
      block.unrolled[0][k] = s.lower + s.unit * static_cast<double>(units[k]);
  }
}

template <FieldKind K, Boundary B, bool WHOLE = false>
SignWalk walk_of(const Scale& s) {
  return [s](const SignWords& signs, int first, int steps, WalkerBlock& block) {
    walk_block<K, B, WHOLE>(s, signs, first, steps, block);
  };
}

template <Boundary B>
SignWalk walk_of(const Scale& s) {
  switch (s.field.kind) {
    case FieldKind::constant:
      return walk_of<FieldKind::constant, B>(s);
    case FieldKind::linear:
      return walk_of<FieldKind::linear, B>(s);
    case FieldKind::sinusoidal:
      return s.wave.periods > 0 ? walk_of<FieldKind::sinusoidal, B, true>(s)
                                : walk_of<FieldKind::sinusoidal, B>(s);
    case FieldKind::exponential:
      return walk_of<FieldKind::exponential, B>(s);
    case FieldKind::power:
      return walk_of<FieldKind::power, B>(s);
    case FieldKind::bump:
      return walk_of<FieldKind::bump, B>(s);
    default:
      return {};
  }
}

}  // namespace

SignWalk fixed_point_walk(const Problem& p) {
  const bool ring = p.boundary == Boundary::periodic;
  const auto refuse = [](const std::string& why) {
    throw ConfigError(
        fmt::format("walk.precision = single is for one dimension, walk.kick = rademacher, a profile of q "
                    "(constant to bump) and walk.boundary = periodic or reflecting; {}; use double",
                    why));
  };
  if (p.dimensions != 1) refuse(fmt::format("here walk.dimensions = {}", p.dimensions));
  if (p.kick != Kick::rademacher) refuse("here walk.kick is another");
  if (!ring && p.boundary != Boundary::reflecting) refuse("here walk.boundary is another");
  if (std::max(std::abs(p.lower), std::abs(p.upper)) > kFarthest * p.width())
    refuse(fmt::format("[{}, {}] is too small a domain so far from 0", p.lower, p.upper));
  Scale s{p.lower, p.width() / (ring ? kTurn : kTurn / 2), p.field, {}, 32};
  const double scale = p.learning_rate / s.unit;
  s.field.level *= scale;
  if (p.field.kind != FieldKind::exponential) s.field.strength *= scale;
  if (p.field.kind == FieldKind::sinusoidal)
    s.wave = whole_periods(p.field, p.lower, s.unit, scale).value_or(WholePeriods{});
  SignWalk walk = ring ? walk_of<Boundary::periodic>(s) : walk_of<Boundary::reflecting>(s);
  if (!walk) refuse("here the field is another");
  if (ring) {
    const double turns = p.learning_rate * largest_amplitude(p) / p.width();
    if (turns > kMostTurns) refuse(fmt::format("here a step is up to {:.3g} of the ring", turns));
    s.stretch = std::min(static_cast<int>(kMostTurns / turns), 32);
    walk = walk_of<Boundary::periodic>(s);
  }
  return walk;
}

}  // namespace soret::walk
