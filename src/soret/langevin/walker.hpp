#pragma once

#include <cstddef>
#include <cstdint>

#include "soret/base/double_math.hpp"
#include "soret/base/host_device.hpp"
#include "soret/langevin/langevin.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"

/// One walker, as a thread of the device moves it. The CPU's driver takes 64 together (langevin_cpu.cpp),
/// with the same numbers.
namespace soret::langevin {

/// Coordinate k of a walker lies at data[k * stride].
struct Strided {
  double* data;
  std::ptrdiff_t stride;
  SORET_HD double& operator[](int k) const { return data[k * stride]; }
};

/// Start, with pointers to its arrays wherever the walker is.
struct StartView {
  Start::Kind kind;
  const double* centre;  ///< or null for 0
  double spread;
  const double* factor;
  const double* quantiles;
  int cells;  ///< between quantiles
};

inline StartView view_of(const Start& s) {
  return {s.kind,
          s.centre.empty() ? nullptr : s.centre.data(),
          s.spread,
          s.factor.data(),
          s.quantiles.data(),
          static_cast<int>(s.quantiles.size()) - 1};
}

namespace detail {

SORET_HD void four_normals(PhiloxBlock<std::uint32_t> words, float* z) {
  normal_pair(words.x, words.y, z[0], z[1]);
  normal_pair(words.z, words.w, z[2], z[3]);
}

SORET_HD std::uint32_t word_of(const PhiloxBlock<std::uint32_t>& block, int i) {
  return i == 0 ? block.x : i == 1 ? block.y : i == 2 ? block.z : block.w;
}

}  // namespace detail

/// Puts walker `walker` of all groups where it starts. Coordinate k has normal, or word, number k of the
/// walker's stream for starts.
SORET_HD void place_walker(const StartView& s, std::uint64_t seed, std::uint32_t walker, int d, Strided w) {
  const Stream stream{seed, Purpose::langevin_start, walker};
  for (int k = 0; k < d; ++k) w[k] = s.centre == nullptr ? 0.0 : s.centre[k];
  if (s.kind == Start::Kind::point) return;
  for (int b = 0; 4 * b < d; ++b) {
    const auto words = stream.block(static_cast<std::uint64_t>(b));
    float z[4];
    detail::four_normals(words, z);
    for (int i = 0; i < 4 && 4 * b + i < d; ++i) {
      const int k = 4 * b + i;
      // Uniform on (0, 1).
      const double u = fma(to_double(static_cast<std::int64_t>(detail::word_of(words, i))), 0x1p-32, 0x1p-33);
      if (s.kind == Start::Kind::gaussian) {
        w[k] = z[i];
      } else if (s.kind == Start::Kind::uniform) {
        w[k] += s.spread * (2.0 * u - 1.0);
      } else {
        const double x = u * s.cells;
        const int cell = x < s.cells - 1 ? static_cast<int>(x) : s.cells - 1;
        w[k] = s.quantiles[cell] + (x - cell) * (s.quantiles[cell + 1] - s.quantiles[cell]);
      }
    }
  }
  if (s.kind != Start::Kind::gaussian) return;
  // centre + F z in the place of z, from the last row up: row k needs z[0], ..., z[k].
  for (int k = d - 1; k >= 0; --k) {
    double x = s.centre == nullptr ? 0.0 : s.centre[k];
    for (int j = 0; j <= k; ++j) x += s.factor[k * d + j] * w[j];
    w[k] = x;
  }
}

/// What a walker's steps depend on besides the landscape and the scheme.
struct WalkerSettings {
  std::uint64_t seed;
  std::uint64_t burn_in;  ///< substeps
  bool has_target;
  Target target;
};

/// True if a walker, by now at `substep`, escaped so long ago that one thrown over the target by a recursion
/// that diverges has left finite range: nothing that is recorded of escapes changes any more.
SORET_HD bool long_escaped(double escaped_at, std::uint64_t substep, std::uint64_t burn_in) {
  constexpr double kSubsteps = 1024;
  return escaped_at + kSubsteps < static_cast<double>(substep) - static_cast<double>(burn_in);
}

/// Substeps [from, to), counted from the start of the burn-in, of walker `walker` of all groups: w and the
/// substep at which it escaped are what Sample says.
template <class L, class Step>
SORET_HD void move_walker(const L& landscape, const Step& step, WalkerSettings settings, std::uint32_t walker,
                          std::uint64_t from, std::uint64_t to, double* w, double& escaped_at) {
  constexpr int kD = L::kDimension;
  constexpr int kMost = kD > 0 ? kD : kMaxDimension;
  const int d = kD > 0 ? kD : landscape.dimension();
  // As many substeps as use up whole blocks of four normals.
  const int together = d % 4 == 0 ? 1 : d % 2 == 0 ? 2 : 4;
  const int blocks = together * d / 4;
  const Stream noise{settings.seed, Purpose::langevin_noise, walker};
  const Stream coins{settings.seed, Purpose::langevin_signs, walker};

  float normals[kD > 0 ? 4 : 4 * kMost];
  double z[kMost];
  double scratch[Step::kScratch * kMost];
  double signs[!Step::kSigns || kD == 1 ? 1 : kD == 2 ? 1 : 128];
  const auto take = [&](std::uint64_t substep, const float* drawn) {
    for (int k = 0; k < d; ++k) z[k] = drawn[k];
    if constexpr (Step::kSigns && kD != 1) {
      const auto bits = coins.block(substep);
      for (int i = 0; i < d * (d - 1) / 2; ++i)
        signs[i] = static_cast<double>((detail::word_of(bits, i / 32) >> (i % 32)) & 1U) * 2.0 - 1.0;
    }
    step(landscape, w, z, signs, scratch);
    if (settings.has_target) {
      const double now = static_cast<double>(substep + 1) - static_cast<double>(settings.burn_in);
      const double beyond = settings.target.direction * (w[0] - settings.target.position);
      if (beyond >= 0.0 && now < escaped_at) escaped_at = now;
    }
  };
  for (std::uint64_t round = from / together; round * together < to; ++round) {
    SORET_UNROLL
    for (int b = 0; b < blocks; ++b) detail::four_normals(noise.block(round * blocks + b), normals + 4 * b);
    const std::uint64_t first = round * together;
    if (first >= from && first + together <= to) {
      SORET_UNROLL
      for (int s = 0; s < together; ++s) take(first + s, normals + s * d);
    } else {
      for (int s = 0; s < together; ++s)
        if (first + s >= from && first + s < to) take(first + s, normals + s * d);
    }
  }
}

}  // namespace soret::langevin
