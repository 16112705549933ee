#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include "soret/base/error.hpp"
#include "soret/walk/fixed_point_step.hpp"
#include "soret/walk/sign_walk.hpp"

namespace soret::walk {
namespace {

using FixedRow = std::array<std::uint32_t, kBlockWalkers>;
constexpr double kTurn = 0x1p32;
/// A stretch of steps stays within so much of a ring: below a half, it is told by where it begins and ends.
constexpr double kMostTurns = 0.49;

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
  for (int i = 0; i < 5; ++i, power /= 16) w.coefficients[i] = static_cast<float>(power * kSineOfTurns[i]);
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

template <FieldKind K, Boundary B, bool WHOLE>
void walk(const FixedPoint& s, const FixedRow& signs, int first_bit, int steps, FixedRow& place) {
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
      u[v] = fixed_point_step<K, B, WHOLE>(s, u[v], word[v]);
      word[v] += word[v];
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) store(&place[v * kLanes], u[v]);
}

/// The places in units, with the turns of a ring. Exact, because they are whole numbers of units not too far
/// from 0 (kFarthest).
void to_units(const FixedPoint& s, const WalkerRow& q, std::array<std::int64_t, kBlockWalkers>& units) {
  const double per_length = 1 / s.unit;
  for (int k = 0; k < kBlockWalkers; ++k)
    units[k] = static_cast<std::int64_t>(std::rint((q[k] - s.lower) * per_length));
}

template <FieldKind K, Boundary B, bool WHOLE>
void walk_block(const FixedPoint& s, const SignWords& signs, int first, int steps, WalkerBlock& block) {
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
SignWalk walk_of(const FixedPoint& s) {
  return [s](const SignWords& signs, int first, int steps, WalkerBlock& block) {
    walk_block<K, B, WHOLE>(s, signs, first, steps, block);
  };
}

template <Boundary B>
SignWalk walk_of(const FixedPoint& s) {
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

FixedPoint fixed_point(const Problem& p) {
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
  if (p.field.kind > FieldKind::bump) refuse("here the field is another");
  if (std::max(std::abs(p.lower), std::abs(p.upper)) > kFarthest * p.width())
    refuse(fmt::format("[{}, {}] is too small a domain so far from 0", p.lower, p.upper));
  FixedPoint s{p.lower, p.width() / (ring ? kTurn : kTurn / 2), p.field, {}, 32};
  const double scale = p.learning_rate / s.unit;
  s.field.level *= scale;
  if (p.field.kind != FieldKind::exponential) s.field.strength *= scale;
  if (p.field.kind == FieldKind::sinusoidal)
    s.wave = whole_periods(p.field, p.lower, s.unit, scale).value_or(WholePeriods{});
  if (ring) {
    const double turns = p.learning_rate * largest_amplitude(p) / p.width();
    if (turns > kMostTurns) refuse(fmt::format("here a step is up to {:.3g} of the ring", turns));
    s.stretch = std::min(static_cast<int>(kMostTurns / turns), 32);
  }
  return s;
}

SignWalk fixed_point_walk(const Problem& p) {
  const FixedPoint s = fixed_point(p);
  return p.boundary == Boundary::periodic ? walk_of<Boundary::periodic>(s) : walk_of<Boundary::reflecting>(s);
}

}  // namespace soret::walk
