#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <type_traits>

#include "soret/langevin/langevin.hpp"
#include "soret/langevin/visit.hpp"
#include "soret/langevin/visit_step.hpp"
#include "soret/langevin/walker.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/neighbour_blocks.hpp"
#include "soret/random/philox.hpp"
#include "soret/random/stream.hpp"

namespace soret::langevin {
namespace {

using V = DoubleLanes;
constexpr int kVectors = kChunk / kDoubleLanes;
/// Normals drawn ahead of the steps that use them: enough for the words, the normals and the steps to have
/// loops of their own, few enough (16 KB) for the first-level cache.
constexpr int kNormalsAhead = 64;

/// The counters of block n of the streams of sixteen consecutive walkers.
PhiloxBlock<LanesU32> counters(Purpose purpose, std::uint32_t first_walker, std::uint64_t n) {
  constexpr LanesU32 kOrder = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return {broadcast(static_cast<std::uint32_t>(n)), broadcast(static_cast<std::uint32_t>(n >> 32)),
          first_walker + kOrder, broadcast(static_cast<std::uint32_t>(purpose))};
}

PhiloxKey key_of(std::uint64_t seed) {
  return Stream{seed, Purpose::langevin_noise, 0}.key();
}

PhiloxBlock<LanesU32> blocks(std::uint64_t seed, Purpose purpose, std::uint32_t first_walker,
                             std::uint64_t n) {
  return philox(counters(purpose, first_walker, n), key_of(seed));
}

/// Normals 4 first_block, ..., 4 (first_block + count) - 1 of the walkers of a chunk: out[number][kChunk].
void normals(std::uint64_t seed, std::uint32_t first_walker, std::uint64_t first_block, int count,
             float* out) {
  // All words first, then all normals: each loop alone fills the processor's units better than both in turn.
  for (int i = 0; i < kChunk; i += NeighbourBlocks::kStreams) {
    NeighbourBlocks blocks(seed, Purpose::langevin_noise, first_walker + static_cast<std::uint32_t>(i));
    for (int b = 0; b < count; ++b) {
      PhiloxBlock<LanesU32> words[2];
      blocks(first_block + b, words);
      for (int k = 0; k < 2; ++k) {
        float* const to = out + 4 * b * kChunk + i + k * kLanes;
        store(to, from_bits(words[k].x));
        store(to + kChunk, from_bits(words[k].y));
        store(to + 2 * kChunk, from_bits(words[k].z));
        store(to + 3 * kChunk, from_bits(words[k].w));
      }
    }
  }
  for (int pair = 0; pair < 2 * count; ++pair) {
    for (float* at = out + 2 * pair * kChunk; at < out + (2 * pair + 1) * kChunk; at += kLanes) {
      Lanes first, second;
      normal_pair(bits(load(at)), bits(load(at + kChunk)), first, second);
      store(at, first);
      store(at + kChunk, second);
    }
  }
}

V widened(const float* p) {
  using Floats = float __attribute__((vector_size(32), aligned(4), may_alias));
  return __builtin_convertvector(*reinterpret_cast<const Floats*>(p), V);
}

/// The walkers of a chunk.
struct Chunk {
  std::uint32_t first_walker = 0;  ///< of all groups
  std::vector<V> w;                ///< [vector][dimension]
  std::array<V, kVectors> escaped_at{};
};

/// Moves chunks forward; one instance per landscape, noise and scheme.
class Stepper {
 public:
  virtual ~Stepper() = default;
  /// Substeps first, ..., first + count - 1.
  virtual void advance(Chunk& chunk, std::uint64_t first, std::uint64_t count) = 0;
};

template <class L, class Step>
class StepperOf final : public Stepper {
 public:
  StepperOf(const L& landscape, const Step& step, const Problem& problem)
      : landscape_(landscape),
        step_(step),
        seed_(problem.seed),
        target_(problem.target),
        burn_in_(static_cast<std::uint64_t>(problem.burn_in) * problem.substeps),
        ahead_(std::max(1, kNormalsAhead / landscape.dimension())),
        normals_(static_cast<std::size_t>(ahead_ * landscape.dimension() + 6) * kChunk) {
    const int d = landscape.dimension();
    if (Step::kSigns) signs_.resize(static_cast<std::size_t>(d) * (d - 1) / 2 * kVectors);
    scratch_.resize(static_cast<std::size_t>(Step::kScratch + 1) * d);
  }

  void advance(Chunk& chunk, std::uint64_t first, std::uint64_t count) override {
    const auto d = static_cast<std::uint64_t>(landscape_.dimension());
    for (std::uint64_t done = 0; done < count;) {
      const std::uint64_t begin = first + done;
      const auto steps = static_cast<int>(std::min<std::uint64_t>(ahead_, count - done));
      const std::uint64_t first_block = begin * d / 4;
      const std::uint64_t last_block = ((begin + steps) * d + 3) / 4;
      normals(seed_, chunk.first_walker, first_block, static_cast<int>(last_block - first_block),
              normals_.data());
      const float* const z = normals_.data() + (begin * d - 4 * first_block) * kChunk;
      if (target_) {
        take<true>(chunk, begin, steps, z);
      } else {
        take<false>(chunk, begin, steps, z);
      }
      done += steps;
    }
  }

 private:
  template <bool kTarget>
  void take(Chunk& chunk, std::uint64_t begin, int steps, const float* z) {
    constexpr int kD = L::kDimension;
    if constexpr (kD > 0) {
      // Copies that stay in registers: the compiler sees every index.
      V w[kVectors * kD];
      V scratch[(Step::kScratch + 1) * kD];
      V escaped[kVectors];
      std::copy_n(chunk.w.data(), kVectors * kD, w);
      std::copy_n(chunk.escaped_at.data(), kVectors, escaped);
      using Local = std::conditional_t<std::is_trivially_copyable_v<L>, const L, const L&>;
      Local landscape = landscape_;
      loop<kTarget>(landscape, chunk.first_walker, w, escaped, scratch, begin, steps, z);
      std::copy_n(w, kVectors * kD, chunk.w.data());
      std::copy_n(escaped, kVectors, chunk.escaped_at.data());
    } else {
      loop<kTarget>(landscape_, chunk.first_walker, chunk.w.data(), chunk.escaped_at.data(), scratch_.data(),
                    begin, steps, z);
    }
  }

  template <bool kTarget>
  SORET_HD void loop(const L& landscape, std::uint32_t first_walker, V* w, V* escaped, V* scratch,
                     std::uint64_t begin, int steps, const float* z) {
    const int d = landscape.dimension();
    const Step step = step_;
    const Target target = target_.value_or(Target{});
    V* const noise = scratch + Step::kScratch * d;
    for (int s = 0; s < steps; ++s) {
      if constexpr (Step::kSigns && L::kDimension != 1) draw_signs(first_walker, begin + s, d);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        V* const here = w + v * d;
        for (int k = 0; k < d; ++k)
          noise[k] = widened(z + (static_cast<std::size_t>(s) * d + k) * kChunk + v * kDoubleLanes);
        step(landscape, here, noise, signs_.data() + v * (d * (d - 1) / 2), scratch);
        if constexpr (kTarget) {
          const V now = constant_of<V>(static_cast<double>(begin + s + 1) - static_cast<double>(burn_in_));
          const V beyond = target.direction * (here[0] - target.position);
          escaped[v] = select(beyond >= 0.0, select(now < escaped[v], now, escaped[v]), escaped[v]);
        }
      }
    }
  }

  /// Bit i of the 128 of block `substep` is sign i.
  void draw_signs(std::uint32_t first_walker, std::uint64_t substep, int d) {
    const int pairs = d * (d - 1) / 2;
    for (int half = 0; half < kChunk / kLanes; ++half) {
      const auto b = blocks(seed_, Purpose::langevin_signs, first_walker + half * kLanes, substep);
      const LanesU32 words[4] = {b.x, b.y, b.z, b.w};
      for (int i = 0; i < pairs; ++i) {
        const LanesU32 bit = (words[i / 32] >> (i % 32)) & 1U;
        signs_[(2 * half) * pairs + i] = to_double(as_signed(low_half(bit))) * 2.0 - 1.0;
        signs_[(2 * half + 1) * pairs + i] = to_double(as_signed(high_half(bit))) * 2.0 - 1.0;
      }
    }
  }

  L landscape_;
  Step step_;
  std::uint64_t seed_;
  std::optional<Target> target_;
  std::uint64_t burn_in_;
  int ahead_;                   ///< steps that the drawn normals serve
  std::vector<float> normals_;  ///< [number][kChunk]
  std::vector<V> signs_;        ///< [vector][pair]
  std::vector<V> scratch_;
};

template <class L>
std::unique_ptr<Stepper> stepper_on(const L& landscape, const Problem& p, const double* amplitude) {
  return visit_step<L>(p, amplitude, amplitude, [&](const auto& step) -> std::unique_ptr<Stepper> {
    return std::make_unique<StepperOf<L, std::decay_t<decltype(step)>>>(landscape, step, p);
  });
}

void start(const Problem& p, Chunk& chunk) {
  const int d = p.landscape.dimension;
  const StartView view = view_of(p.start);
  auto* const w = reinterpret_cast<double*>(chunk.w.data());
  for (int i = 0; i < kChunk; ++i)
    place_walker(view, p.seed, chunk.first_walker + static_cast<std::uint32_t>(i), d,
                 {w + i / kDoubleLanes * d * kDoubleLanes + i % kDoubleLanes, kDoubleLanes});
}

bool all_long_escaped(const Chunk& chunk, std::uint64_t substep, std::uint64_t burn_in) {
  const auto* const at = reinterpret_cast<const double*>(chunk.escaped_at.data());
  return std::all_of(at, at + kChunk, [&](double t) { return long_escaped(t, substep, burn_in); });
}

}  // namespace

void run_group(const Problem& p, std::uint32_t group, std::span<const std::int64_t> steps,
               const std::function<void(const Sample&)>& on_sample, const std::atomic<bool>* stop,
               bool until_escaped) {
  // Long stretches are cut so that a stop is noticed within a fraction of a second, and an escape not long
  // after the last walker's.
  const std::uint64_t stretch = until_escaped ? 1U << 10 : 1U << 16;
  const auto burn_in = static_cast<std::uint64_t>(p.burn_in) * p.substeps;
  const int d = p.landscape.dimension;
  const std::vector<double> amplitude = noise_amplitude(p);
  const auto stepper = visit(p.landscape, [&](const auto& l) { return stepper_on(l, p, amplitude.data()); });
  std::vector<double> w(static_cast<std::size_t>(d) * kChunk);
  std::array<double, kChunk> escaped_at;
  Chunk chunk;
  chunk.w.resize(static_cast<std::size_t>(kVectors) * d);
  for (std::uint32_t first = 0; first < p.walkers; first += kChunk) {
    chunk.first_walker = group * p.walkers + first;
    chunk.escaped_at.fill(constant_of<V>(std::numeric_limits<double>::infinity()));
    start(p, chunk);
    std::uint64_t now = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto then = static_cast<std::uint64_t>(steps[i] + p.burn_in) * p.substeps;
      while (now < then) {
        if (stop && *stop) throw Stopped{};
        const std::uint64_t count = std::min(stretch, then - now);
        if (!(until_escaped && all_long_escaped(chunk, now, burn_in))) stepper->advance(chunk, now, count);
        now += count;
      }
      for (int v = 0; v < kVectors; ++v) {
        for (int k = 0; k < d; ++k) store(&w[k * kChunk + v * kDoubleLanes], chunk.w[v * d + k]);
        store(&escaped_at[v * kDoubleLanes], chunk.escaped_at[v]);
      }
      on_sample({i, first, static_cast<int>(std::min<std::uint32_t>(kChunk, p.walkers - first)), w.data(),
                 escaped_at.data()});
    }
  }
}

double value(const Landscape& landscape, std::span<const double> w) {
  return visit(landscape, [&](const auto& l) { return l.value(w.data()); });
}

std::vector<double> gradient(const Landscape& landscape, std::span<const double> w) {
  std::vector<double> g(w.size());
  visit(landscape, [&](const auto& l) { l.gradient(w.data(), g.data()); });
  return g;
}

std::vector<double> hessian(const Landscape& landscape, std::span<const double> w) {
  constexpr double kStep = 1e-4;
  const std::size_t d = w.size();
  std::vector<double> x(w.begin(), w.end()), low(d), high(d), h(d * d);
  visit(landscape, [&](const auto& l) {
    for (std::size_t j = 0; j < d; ++j) {
      x[j] = w[j] + kStep;
      l.gradient(x.data(), high.data());
      x[j] = w[j] - kStep;
      l.gradient(x.data(), low.data());
      x[j] = w[j];
      for (std::size_t k = 0; k < d; ++k) h[k * d + j] = (high[k] - low[k]) / (2 * kStep);
    }
  });
  return h;
}

}  // namespace soret::langevin
