#include "soret/walk/kicks.hpp"

namespace soret::walk {
namespace {

constexpr LanesU32 kIota = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// Block n of the streams of sixteen walkers.
PhiloxBlock<LanesU32> sixteen_walkers(std::uint64_t seed, std::uint32_t first_walker, std::uint64_t n) {
  const Stream stream{seed, Purpose::walk_kicks, 0};
  return philox(PhiloxBlock<LanesU32>{broadcast(static_cast<std::uint32_t>(n)),
                                      broadcast(static_cast<std::uint32_t>(n >> 32)), first_walker + kIota,
                                      broadcast(static_cast<std::uint32_t>(stream.purpose))},
                stream.key());
}

/// 32-bit words of sixteen walkers as doubles, in two halves.
void widen(LanesU32 words, DoubleLanes (&out)[2]) {
  out[0] = to_double(as_signed(low_half(words)));
  out[1] = to_double(as_signed(high_half(words)));
}

}  // namespace

Kicks::Kicks(const Problem& problem, std::uint32_t first_walker)
    : kick_(problem.kick),
      nu_(problem.degrees_of_freedom),
      scale_(kick_scale(nu_)),
      gammas_(static_cast<std::uint64_t>(problem.gammas())),
      seed_(problem.seed),
      first_walker_(first_walker),
      drawn_(gammas_, -1),
      bits_(kick_ == Kick::rademacher ? gammas_ : 0) {}

void Kicks::draw_bits(std::uint64_t block, int u) {
  for (int k = 0; k < kBlockWalkers; k += kLanes) {
    const auto b = sixteen_walkers(seed_, first_walker_ + static_cast<std::uint32_t>(k), block);
    const LanesU32 words[4] = {b.x, b.y, b.z, b.w};
    for (int w = 0; w < 4; ++w) store(&bits_[u][w][k], words[w]);
  }
}

void Kicks::draw_numbers(std::uint64_t block) {
  for (int k = 0; k < kBlockWalkers; k += kLanes) {
    const auto b = sixteen_walkers(seed_, first_walker_ + static_cast<std::uint32_t>(k), block);
    if (kick_ == Kick::gaussian) {
      Lanes n[4];
      normal_pair(b.x, b.y, n[0], n[1]);
      normal_pair(b.z, b.w, n[2], n[3]);
      for (int i = 0; i < 4; ++i) {
        store(&numbers_[i][k], low_half(n[i]));
        store(&numbers_[i][k + 8], high_half(n[i]));
      }
      continue;
    }
    DoubleLanes w[4][2];
    widen(b.x, w[0]);
    widen(b.y, w[1]);
    widen(b.z, w[2]);
    widen(b.w, w[3]);
    for (int half = 0; half < 2; ++half) {
      const int at = k + half * kDoubleLanes;
      if (kick_ == Kick::uniform) {
        constexpr double kRoot3 = 1.7320508075688772;
        for (int i = 0; i < 4; ++i)
          store(&numbers_[i][at], kRoot3 * (2.0 * centred_uniform(w[i][half]) - 1.0));
      } else {
        for (int i = 0; i < 2; ++i)
          store(&numbers_[i][at], scale_ * student_t(centred_uniform(w[2 * i][half]),
                                                     centred_uniform(w[2 * i + 1][half]), nu_));
      }
    }
  }
}

const SignWords& Kicks::sign_words(std::int64_t step, int u) {
  const std::int64_t block = step / 128;
  if (drawn_[u] != block) {
    draw_bits(static_cast<std::uint64_t>(block) * gammas_ + static_cast<std::uint64_t>(u), u);
    drawn_[u] = block;
  }
  return bits_[u];
}

const double* Kicks::operator()(std::int64_t step, int u) {
  if (kick_ == Kick::rademacher) {
    const auto& words = sign_words(step, u)[step % 128 / 32];
    const auto shift = static_cast<unsigned>(step % 32);
    for (int k = 0; k < kBlockWalkers; k += kLanes) {
      const LanesU32 sign = (load(&words[k]) << shift) & 0x80000000U;
      store(&signs_[k], from_bits(bits(broadcast(1.0)) ^ (low_half(sign) << 32)));
      store(&signs_[k + kDoubleLanes], from_bits(bits(broadcast(1.0)) ^ (high_half(sign) << 32)));
    }
    return signs_.data();
  }
  const std::uint64_t per_block = kick_ == Kick::student_t ? 2 : 4;
  const std::uint64_t number = static_cast<std::uint64_t>(step) * gammas_ + static_cast<std::uint64_t>(u);
  const auto block = static_cast<std::int64_t>(number / per_block);
  if (drawn_[0] != block) {
    draw_numbers(static_cast<std::uint64_t>(block));
    drawn_[0] = block;
  }
  return numbers_[number % per_block].data();
}

}  // namespace soret::walk
