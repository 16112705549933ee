#pragma once

#include <cstdint>

#include "soret/base/team.hpp"
#include "soret/walk/fixed_point_step.hpp"
#include "soret/walk/kicks.hpp"
#include "soret/walk/random_walk_start.hpp"

/// Random walks with one thread per walker, host and device: the same draws and the same operations, walker
/// by walker, as random_walk_cpu.cpp. A team is a thread block, or in the tests a CPU thread that plays one.
/// It takes one part of the walkers: some whole groups, or a segment of one group. Counts are integers, added
/// up in any order; sums are taken over the walkers of a segment along one tree and over the segments in
/// turn, so that the numbers do not depend on what else is run, nor where.
namespace soret::walk {

/// What the walkers of one request follow.
struct WalkLaw {
  double learning_rate;
  double lower, upper;
  Field field;
  double degrees_of_freedom, kick_scale;
  double origin;           ///< about which positions are summed
  double bins_per_length;  ///< of the histograms
  std::uint64_t seed;
  StartLaw start;
  Kick kick;
  Boundary boundary;
  int dimensions, bins, gammas;
  int shares[kMaxDimensions];
  int formulas;      ///< field.kind == formula: one for all coordinates, or one for each
  FixedPoint fixed;  ///< of a walk in single precision
};

/// f(i) for i < n. For D > 0 the loop is written out, n <= D times, so that what i counts stays in registers.
template <int D, class F>
SORET_HD void over(int n, F f) {
  if constexpr (D > 0) {
    SORET_UNROLL
    for (int i = 0; i < D; ++i)
      if (i < n) f(i);
  } else {
    for (int i = 0; i < n; ++i) f(i);
  }
}

/// The coordinates of a walker: D, or law.dimensions for D = 0.
template <int D>
SORET_HD int coordinates(const WalkLaw& law) {
  return D > 0 ? D : law.dimensions;
}

// ---- Amplitudes ----

template <FieldKind K, int D>
SORET_HD void profile_amplitudes(const Field& field, const double* q, double* g, int n) {
  double all = 1;
  over<D>(n, [&](int i) {
    g[i] = profile<K>(field, q[i]);
    all = i == 0 ? g[i] : all * g[i];
  });
  if (field.coupling == Coupling::product) over<D>(n, [&](int i) { g[i] = all; });
}

/// The built-in fields.
struct BuiltInAmplitudes {
  template <int D>
  SORET_HD static void evaluate(const WalkLaw& law, const double* q, double* g) {
    const int n = coordinates<D>(law);
    switch (law.field.kind) {
      case FieldKind::linear:
        return profile_amplitudes<FieldKind::linear, D>(law.field, q, g, n);
      case FieldKind::sinusoidal:
        return profile_amplitudes<FieldKind::sinusoidal, D>(law.field, q, g, n);
      case FieldKind::exponential:
        return profile_amplitudes<FieldKind::exponential, D>(law.field, q, g, n);
      case FieldKind::power:
        return profile_amplitudes<FieldKind::power, D>(law.field, q, g, n);
      case FieldKind::bump:
        return profile_amplitudes<FieldKind::bump, D>(law.field, q, g, n);
      case FieldKind::quadratic: {
        const double all = quadratic_form(law.field, q, n);
        return over<D>(n, [&](int i) { g[i] = all; });
      }
      case FieldKind::neuron:
        if constexpr (D == 2) neuron_amplitude(law.field, q[0], q[1], g[0], g[1]);
        return;
      default:
        return profile_amplitudes<FieldKind::constant, D>(law.field, q, g, n);
    }
  }
};

// ---- Kicks ----

/// The numbers of one block of a stream, as kicks.hpp describes them: four, of student_t two.
SORET_HD void kick_numbers(const WalkLaw& law, const PhiloxBlock<std::uint32_t>& b, double (&out)[4]) {
  if (law.kick == Kick::gaussian) {
    float n[4];
    normal_pair(b.x, b.y, n[0], n[1]);
    normal_pair(b.z, b.w, n[2], n[3]);
    for (int i = 0; i < 4; ++i) out[i] = static_cast<double>(n[i]);
    return;
  }
  const double u[4] = {centred_uniform(static_cast<double>(b.x)), centred_uniform(static_cast<double>(b.y)),
                       centred_uniform(static_cast<double>(b.z)), centred_uniform(static_cast<double>(b.w))};
  if (law.kick == Kick::uniform) {
    constexpr double kRoot3 = 1.7320508075688772;
    for (int i = 0; i < 4; ++i) out[i] = kRoot3 * (2.0 * u[i] - 1.0);
  } else {
    for (int i = 0; i < 2; ++i)
      out[i] = law.kick_scale * student_t(u[2 * i], u[2 * i + 1], law.degrees_of_freedom);
  }
}

/// Word k of a block.
SORET_HD std::uint32_t word_of(const PhiloxBlock<std::uint32_t>& b, int k) {
  const std::uint32_t low = (k & 1) != 0 ? b.y : b.x;
  const std::uint32_t high = (k & 1) != 0 ? b.w : b.z;
  return (k & 2) != 0 ? high : low;
}

/// x, or -x if the top bit of the word is set.
SORET_HD double signed_by(std::uint32_t word, double x) {
  return from_bits(bits(x) ^ (static_cast<std::uint64_t>(word & 0x80000000U) << 32));
}

/// The gammas of one walker, steps in turn. D of them, or up to kMaxDimensions for D = 0.
template <int D>
class WalkerKicks {
 public:
  SORET_HD WalkerKicks(const WalkLaw& law, std::uint32_t walker, std::int64_t first_step)
      : law_(law), stream_{law.seed, Purpose::walk_kicks, walker} {
    const std::int64_t within = first_step % 32;  // its word is drawn where it begins
    if (law.kick == Kick::rademacher && within != 0) {
      draw_signs(first_step);
      over<D>(law_.gammas, [&](int u) { words_[u] <<= within; });
    }
  }

  /// gamma[u] of a step for all u.
  SORET_HD void draw(std::int64_t step, double* gamma) {
    if (law_.kick == Kick::rademacher) {
      if (step % 32 == 0) draw_signs(step);
      return over<D>(law_.gammas, [&](int u) {
        gamma[u] = signed_by(words_[u], 1.0);
        words_[u] <<= 1;
      });
    }
    const int shift = law_.kick == Kick::student_t ? 1 : 2;
    over<D>(law_.gammas, [&](int u) {
      const std::int64_t number = step * law_.gammas + u;
      const std::int64_t block = number >> shift;
      if (block != drawn_) {
        kick_numbers(law_, stream_.block(static_cast<std::uint64_t>(block)), numbers_);
        drawn_ = block;
      }
      const int k = static_cast<int>(number - (block << shift));
      const double low = (k & 1) != 0 ? numbers_[1] : numbers_[0];
      const double high = (k & 1) != 0 ? numbers_[3] : numbers_[2];
      gamma[u] = (k & 2) != 0 ? high : low;
    });
  }

 private:
  SORET_HD void draw_signs(std::int64_t step) {
    over<D>(law_.gammas, [&](int u) {
      const auto block = static_cast<std::uint64_t>(step / 128 * law_.gammas + u);
      words_[u] = word_of(stream_.block(block), static_cast<int>(step / 32 % 4));
    });
  }

  const WalkLaw& law_;
  Stream stream_;
  std::int64_t drawn_ = -1;
  double numbers_[4] = {};
  std::uint32_t words_[D > 0 ? D : kMaxDimensions] = {};
};

// ---- Walkers ----

/// f(word, n) for the signs of steps [from, to) in turn, at most 32 at a time: the top bit of the word is
/// that of the first of n steps.
template <class F>
SORET_HD void over_signs(const WalkLaw& law, std::uint32_t walker, std::int64_t from, std::int64_t to, F f) {
  const Stream stream{law.seed, Purpose::walk_kicks, walker};
  for (std::int64_t step = from; step < to;) {
    const PhiloxBlock<std::uint32_t> block = stream.block(static_cast<std::uint64_t>(step / 128));
    int bit = static_cast<int>(step % 128);
    const int last = to - step < 128 - bit ? bit + static_cast<int>(to - step) : 128;
    step += last - bit;
    while (bit < last) {
      const int stop = (bit / 32 + 1) * 32 < last ? (bit / 32 + 1) * 32 : last;
      f(word_of(block, bit / 32) << (bit % 32), stop - bit);
      bit = stop;
    }
  }
}

/// One dimension, signs, no absorption: the fast path. A step takes about 23 instructions in double
/// precision, of the field, the move and the wall; a sign costs a shift and an exclusive or.
template <FieldKind K, Boundary B>
struct SignWalker {
  static constexpr int kAxes = 1;
  static constexpr int kTeams = 5;  ///< on a multiprocessor at once: the chain of a step is long
  double q[1];
  double unrolled[1];
  double absorbed_at;

  SORET_HD void advance(const WalkLaw& law, std::uint32_t walker, std::int64_t from, std::int64_t to) {
    const Field field = law.field;
    const double eta = law.learning_rate;
    const double lower = law.lower;
    const double upper = law.upper;
    double x = q[0];
    double turning = unrolled[0];
    over_signs(law, walker, from, to, [&](std::uint32_t word, int steps) {
#if defined(__CUDACC__)
#pragma unroll 8
#endif
      for (int s = 0; s < steps; ++s) {
        const double move = signed_by(word, eta * profile<K>(field, x));
        word += word;
        x -= move;
        if constexpr (B == Boundary::reflecting) x = reflect_once(x, lower, upper);
        if constexpr (B == Boundary::periodic) {
          turning -= move;
          x = wrap_once(x, lower, upper);
        }
      }
    });
    q[0] = x;
    unrolled[0] = turning;
  }
};

/// The same in fixed point and single precision, between walls; WHOLE: a sine of whole periods.
template <FieldKind K, Boundary B, bool WHOLE>
struct FixedPointWalker {
  static constexpr int kAxes = 1;
  static constexpr int kTeams = 5;
  double q[1];
  double unrolled[1];
  double absorbed_at;

  SORET_HD void advance(const WalkLaw& law, std::uint32_t walker, std::int64_t from, std::int64_t to) {
    if (from == to) return;  // where it starts, a walker is not in whole units yet
    const FixedPoint fixed = law.fixed;
    const double place = B == Boundary::periodic ? unrolled[0] : q[0];
    auto units = static_cast<std::int64_t>(nearest((place - fixed.lower) * (1 / fixed.unit)));
    auto u = static_cast<std::uint32_t>(units);
    over_signs(law, walker, from, to, [&](std::uint32_t word, int steps) {
      while (steps > 0) {
        const int count = steps < fixed.stretch ? steps : fixed.stretch;
        const std::uint32_t before = u;
#if defined(__CUDACC__)
#pragma unroll 8
#endif
        for (int s = 0; s < count; ++s) {
          u = fixed_point_step<K, B, WHOLE>(fixed, u, word);
          word += word;
        }
        if constexpr (B == Boundary::periodic) units += static_cast<std::int32_t>(u - before);
        steps -= count;
      }
    });
    q[0] = fixed.lower + fixed.unit * static_cast<double>(u);
    if constexpr (B == Boundary::periodic)
      unrolled[0] = fixed.lower + fixed.unit * static_cast<double>(units);
  }
};

/// Everything. D coordinates, in registers; or for D = 0 law.dimensions of them, in local memory.
template <int D, class Amplitudes>
struct GeneralWalker {
  static constexpr int kAxes = D > 0 ? D : kMaxDimensions;
  static constexpr int kTeams = D == 1 ? 4 : 2;
  double q[kAxes];
  double unrolled[kAxes];
  double absorbed_at;

  SORET_HD void advance(const WalkLaw& law, std::uint32_t walker, std::int64_t from, std::int64_t to) {
    const int n = coordinates<D>(law);
    WalkerKicks<D> kicks(law, walker, from);
    double g[kAxes];
    double gamma[kAxes];
    for (std::int64_t step = from; step < to; ++step) {
      if (absorbed_at >= 0) return;
      Amplitudes::template evaluate<D>(law, q, g);
      kicks.draw(step, gamma);
      over<D>(n, [&](int i) {
        const double move = displacement(gamma[D == 1 ? 0 : law.shares[i]], law.learning_rate, g[i]);
        const double next = q[i] - move;
        if (law.boundary == Boundary::reflecting) {
          q[i] = reflect(next, law.lower, law.upper);
        } else if (law.boundary == Boundary::periodic) {
          unrolled[i] = unrolled[i] - move;
          q[i] = wrap(next, law.lower, law.upper);
        } else {
          q[i] = next;
        }
      });
      if (law.boundary == Boundary::absorbing) absorb(law, step + 1);
    }
  }

  SORET_HD void start(const WalkLaw& law, std::uint32_t walker) {
    const int n = coordinates<D>(law);
    const Stream stream{law.seed, Purpose::walk_start, walker};
    absorbed_at = -1;
    over<D>(n, [&](int i) {
      const double place = start_place(law.start, stream, i);
      unrolled[i] = place;
      q[i] = law.boundary == Boundary::periodic     ? wrap(place, law.lower, law.upper)
             : law.boundary == Boundary::reflecting ? reflect(place, law.lower, law.upper)
                                                    : place;
    });
    if (law.boundary == Boundary::absorbing) absorb(law, 0);
  }

 private:
  /// Takes the walker out of the walk if it has reached a wall: it stands there from now on.
  SORET_HD void absorb(const WalkLaw& law, std::int64_t step) {
    const int n = coordinates<D>(law);
    bool outside = false;
    over<D>(n, [&](int i) { outside = outside || q[i] <= law.lower || q[i] >= law.upper; });
    if (!outside) return;
    over<D>(n, [&](int i) { q[i] = q[i] < law.lower ? law.lower : (law.upper < q[i] ? law.upper : q[i]); });
    absorbed_at = static_cast<double>(step);
  }
};

// ---- What is gathered ----

/// The bin of a place; -1 or bins for one outside. Rounding at a wall is not outside.
SORET_HD int bin_of(const WalkLaw& law, double q) {
  const bool closed = law.boundary == Boundary::reflecting || law.boundary == Boundary::periodic;
  // NaN fails every comparison and ends at the lower end.
  double x = (q - law.lower) * law.bins_per_length;
  x = select(x >= 0.0, x, closed ? 0.5 : -0.5);
  x = select(x < law.bins, x, closed ? law.bins - 0.5 : law.bins + 0.5);
  return static_cast<int>(x + 1.0) - 1;
}

/// Whole turns around the ring.
SORET_HD std::int64_t turns_of(const WalkLaw& law, double unrolled, double q) {
  return static_cast<std::int64_t>(nearest((unrolled - q) / (law.upper - law.lower)));
}

/// Adds to a number that other threads add to.
template <class T>
SORET_HD void add_to(T* total, T x) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) == 8) {
    atomicAdd(reinterpret_cast<unsigned long long*>(total), static_cast<unsigned long long>(x));
  } else {
    atomicAdd(total, x);
  }
#else
  *total += x;
#endif
}

/// The walkers of one team: groups [row, row + groups) of the ensemble, or a segment of group `row`.
struct Part {
  int law;
  int row;
  int groups;
  int segment;
  std::uint32_t first_walker;  ///< of the problem: walker 0 of group `row`
};

/// Where the counts of a group are, in units of one count.
struct CountLayout {
  int bins;
  bool plane;
  SORET_HD std::int64_t histogram() const { return 0; }
  SORET_HD std::int64_t occupied() const { return bins; }  ///< [1 + bin]; 0 and bins + 1: outside
  SORET_HD std::int64_t turns() const { return 2 * std::int64_t{bins} + 2; }
  SORET_HD std::int64_t absorbed() const { return turns() + 1; }
  SORET_HD std::int64_t absorbed_upper() const { return turns() + 2; }
  SORET_HD std::int64_t histogram_2d() const { return turns() + 3; }  ///< [bin][bin_2]
  SORET_HD std::int64_t size() const {
    return turns() + 3 + (plane ? static_cast<std::int64_t>(bins) * bins : 0);
  }
};

/// Where the sums of a segment are.
struct SumLayout {
  int axes, bins;
  bool steps;
  SORET_HD int sum() const { return 0; }        ///< [axis]
  SORET_HD int square() const { return axes; }  ///< [axis]
  SORET_HD int amplitude() const { return 2 * axes; }
  SORET_HD int time() const { return 2 * axes + 1; }
  SORET_HD int time_square() const { return 2 * axes + 2; }
  SORET_HD int drift() const { return 2 * axes + 3; }  ///< [bin]
  SORET_HD int diffusion() const { return drift() + bins; }
  SORET_HD int size() const { return drift() + (steps ? 2 * bins : 0); }
};

/// Many parts that run together: of the same number of walkers per group, bins, records and observables.
struct Ensemble {
  const WalkLaw* laws;
  const Part* parts;
  int part_count;
  int width;     ///< threads of a team
  int walkers;   ///< per group
  int size;      ///< walkers of a group in one part
  int segments;  ///< parts of a group
  int groups;
  std::int64_t sample_every;  ///< 0: never between records
  bool periodic, absorbing;   ///< some walkers are
  bool amplitudes;            ///< are wanted
  bool shared_histogram;      ///< fits the shared memory of a team
  CountLayout count;
  SumLayout sum;
  double* q;              ///< [axis][place], place = part * width + rank
  double* unrolled;       ///< likewise, where some are periodic
  double* absorbed_at;    ///< [place], where some are absorbing: step at which a wall was reached; -1
  std::uint64_t* counts;  ///< [slot][group][count.size()]
  double* sums;           ///< [slot][group][segment][sum.size()]

  SORET_HD std::uint64_t* group_counts(int slot, int group) const {
    return counts + (static_cast<std::int64_t>(slot) * groups + group) * count.size();
  }
  SORET_HD double* segment_sums(int slot, int group, int segment) const {
    return sums + ((static_cast<std::int64_t>(slot) * groups + group) * segments + segment) * sum.size();
  }
};

/// Steps [from, to). Where a sample lies among them (the first at next_sample, then every sample_every
/// steps), it is counted in a slot of the results, if `count`, and the displacement of the step after it is
/// gathered there, if that is wanted.
struct Stretch {
  std::int64_t from, to;
  std::int64_t next_sample;
  int slot;
  bool count;
};

/// What a thread knows of its place.
struct Seat {
  const WalkLaw& law;
  bool taken;  ///< by a walker
  int group;   ///< within the part
  std::int64_t place;
  std::uint32_t walker;

  SORET_HD Seat(const Ensemble& e, int part, int rank)
      : law(e.laws[e.parts[part].law]),
        group(rank / e.size),
        place(static_cast<std::int64_t>(part) * e.width + rank) {
    const Part& p = e.parts[part];
    const int k = p.segment * e.size + rank % e.size;
    taken = group < p.groups && k < e.walkers;
    walker = p.first_walker + static_cast<std::uint32_t>(group * e.walkers + k);
  }

  template <class Walker>
  SORET_HD void load(const Ensemble& e, Walker& w) const {
    const std::int64_t places = static_cast<std::int64_t>(e.part_count) * e.width;
    over<Walker::kAxes>(e.sum.axes, [&](int i) {
      w.q[i] = e.q[i * places + place];
      w.unrolled[i] = e.periodic ? e.unrolled[i * places + place] : 0;
    });
    w.absorbed_at = e.absorbing ? e.absorbed_at[place] : -1;
  }
  template <class Walker>
  SORET_HD void store(const Ensemble& e, const Walker& w) const {
    const std::int64_t places = static_cast<std::int64_t>(e.part_count) * e.width;
    over<Walker::kAxes>(e.sum.axes, [&](int i) {
      e.q[i * places + place] = w.q[i];
      if (e.periodic) e.unrolled[i * places + place] = w.unrolled[i];
    });
    if (e.absorbing) e.absorbed_at[place] = w.absorbed_at;
  }
};

/// Counts a walker in the bin of its first two coordinates.
SORET_HD void count_plane(const Ensemble& e, const WalkLaw& law, int bin, double second,
                          std::uint64_t* counts) {
  const int b = bin_of(law, second);
  if (b >= 0 && b < e.count.bins)
    add_to(&counts[e.count.histogram_2d() + static_cast<std::int64_t>(bin) * e.count.bins + b],
           std::uint64_t{1});
}

/// Puts the walkers of a part where they start.
template <class Walker, class Team>
SORET_TEAM void start_part(const Team& team, const Ensemble& e, int part) {
  team.each([&](int rank) {
    const Seat seat(e, part, rank);
    if (!seat.taken) return;
    Walker walker;
    walker.start(seat.law, seat.walker);
    seat.store(e, walker);
  });
}

/// Bytes of shared memory that advance_part() takes.
SORET_HD std::size_t advance_shared(const Ensemble& e) {
  const int groups = e.width / e.size > 1 ? e.width / e.size : 1;
  return (e.sum.steps ? static_cast<std::size_t>(e.width) * (sizeof(double) + sizeof(int)) : 0) +
         (e.shared_histogram ? static_cast<std::size_t>(groups) * e.count.bins * sizeof(std::uint32_t) : 0);
}

/// Takes the walkers of a part through a stretch of steps.
template <class Walker, class Team>
SORET_TEAM void advance_part(const Team& team, const Ensemble& e, int part, const Stretch& stretch,
                             double* shared) {
  const Part& p = e.parts[part];
  const int bins = e.count.bins;
  double* const moved = shared;  // [rank], with `moved_from`, the bin or -1
  int* const moved_from = reinterpret_cast<int*>(shared + (e.sum.steps ? e.width : 0));
  auto* const histogram =
      reinterpret_cast<std::uint32_t*>(moved_from + (e.sum.steps ? e.width : 0));  // [group][bin]
  const bool own_histogram = e.shared_histogram && stretch.count && stretch.next_sample < stretch.to;
  if (own_histogram) team.for_each(p.groups * bins, [&](int k) { histogram[k] = 0; });

  typename Team::template Private<Walker> walkers(team);
  team.each([&](int rank) {
    const Seat seat(e, part, rank);
    if (seat.taken) seat.load(e, walkers[rank]);
  });
  std::int64_t step = stretch.from;
  std::int64_t sample = stretch.next_sample;
  while (true) {
    const std::int64_t until = sample < stretch.to ? sample : stretch.to;
    const bool sampled = sample < stretch.to;
    team.each([&](int rank) {
      const Seat seat(e, part, rank);
      if (e.sum.steps && sampled) moved_from[rank] = -1;
      if (!seat.taken) return;
      Walker& walker = walkers[rank];
      const bool ring = seat.law.boundary == Boundary::periodic;
      double before = 0;
      int bin = -1;
      // Up to the sample, then its displacement: a loop, so that the code of the walk is there once.
#if defined(__CUDACC__)
#pragma unroll 1
#endif
      for (int leg = 0; leg < (sampled && e.sum.steps ? 2 : 1); ++leg) {
        walker.advance(seat.law, seat.walker, leg == 0 ? step : until, leg == 0 ? until : until + 1);
        const double place = ring ? walker.unrolled[0] : walker.q[0];
        if (leg == 1) {
          moved[rank] = place - before;
          moved_from[rank] = bin;
          break;
        }
        if (!sampled || walker.absorbed_at >= 0) break;
        before = place;
        bin = bin_of(seat.law, walker.q[0]);
        if (!stretch.count || bin < 0 || bin >= bins) continue;
        std::uint64_t* const counts = e.group_counts(stretch.slot, p.row + seat.group);
        if (own_histogram) {
          add_to(&histogram[seat.group * bins + bin], std::uint32_t{1});
        } else {
          add_to(&counts[bin], std::uint64_t{1});
        }
        if constexpr (Walker::kAxes > 1) {
          if (e.count.plane) count_plane(e, seat.law, bin, walker.q[1], counts);
        }
      }
    });
    step = until;
    if (!sampled) break;
    if (e.sum.steps) {
      ++step;
      team.barrier();
      // Every bin has one thread, which takes the walkers in turn.
      team.for_each(p.groups * bins, [&](int k) {
        const int group = k / bins;
        const int bin = k % bins;
        const int end = (group + 1) * e.size < e.width ? (group + 1) * e.size : e.width;
        double* const sums = e.segment_sums(stretch.slot, p.row + group, p.segment);
        double drift = sums[e.sum.drift() + bin];
        double diffusion = sums[e.sum.diffusion() + bin];
        for (int rank = group * e.size; rank < end; ++rank) {
          if (moved_from[rank] != bin) continue;
          drift += moved[rank];
          diffusion += 0.5 * moved[rank] * moved[rank];
        }
        sums[e.sum.drift() + bin] = drift;
        sums[e.sum.diffusion() + bin] = diffusion;
      });
    }
    sample = e.sample_every > 0 ? sample + e.sample_every : stretch.to;
  }
  team.each([&](int rank) {
    const Seat seat(e, part, rank);
    if (seat.taken) seat.store(e, walkers[rank]);
  });
  if (!own_histogram) return;
  team.barrier();
  team.for_each(p.groups * bins, [&](int k) {
    if (histogram[k] > 0)
      add_to(&e.group_counts(stretch.slot, p.row + k / bins)[k % bins], std::uint64_t{histogram[k]});
  });
}

/// Bytes of shared memory that record_part() takes.
SORET_HD std::size_t record_shared(const Ensemble& e) {
  return static_cast<std::size_t>(e.width) * sizeof(double);
}

/// Adds the values of the walkers of every group of a part, value(rank), along a tree, and hands them to
/// take(group, sum).
template <class Team, class Value, class Take>
SORET_TEAM void sum_groups(const Team& team, const Ensemble& e, int part, double* shared, Value value,
                           Take take) {
  const int width = e.width;
  const int size = e.size;
  team.each([&](int rank) { shared[rank] = value(rank); });
  team.barrier();
  int distance = 1;
  while (2 * distance < size) distance *= 2;
  for (; size > 1 && distance > 0; distance /= 2) {
    team.for_each(width, [&](int rank) {
      const int k = rank % size;
      if (k < distance && k + distance < size && rank + distance < width)
        shared[rank] = shared[rank] + shared[rank + distance];
    });
  }
  team.for_each(e.parts[part].groups, [&](int group) { take(group, shared[group * size]); });
}

/// Records the walkers of a part in a slot of the results.
template <int D, class Amplitudes, class Team>
SORET_TEAM void record_part(const Team& team, const Ensemble& e, int part, int slot, double* shared) {
  using Walker = GeneralWalker<D, Amplitudes>;
  const Part& p = e.parts[part];
  typename Team::template Private<Walker> walkers(team);
  team.each([&](int rank) {
    const Seat seat(e, part, rank);
    if (!seat.taken) return;
    Walker& w = walkers[rank];
    seat.load(e, w);
    const bool absorbed = w.absorbed_at >= 0;
    const int bins = e.count.bins;
    const int bin = bin_of(seat.law, w.q[0]);
    std::uint64_t* const counts = e.group_counts(slot, p.row + seat.group);
    const auto count = [&](std::int64_t at, std::uint64_t n = 1) { add_to(&counts[at], n); };
    if (!absorbed && bin >= 0 && bin < bins) {
      count(e.count.histogram() + bin);
      if constexpr (Walker::kAxes > 1) {
        if (e.count.plane) count_plane(e, seat.law, bin, w.q[1], counts);
      }
    }
    count(e.count.occupied() + 1 + (absorbed && w.q[0] <= seat.law.lower ? -1 : bin));
    if (seat.law.boundary == Boundary::periodic) {
      const std::int64_t turns = turns_of(seat.law, w.unrolled[0], w.q[0]);
      if (turns != 0) count(e.count.turns(), static_cast<std::uint64_t>(turns));
    }
    if (absorbed) {
      count(e.count.absorbed());
      bool upper = false;
      for (int i = 0; i < e.sum.axes; ++i) upper = upper || w.q[i] >= seat.law.upper;
      if (upper) count(e.count.absorbed_upper());
    }
  });

  const auto gather = [&](int which, auto value) {
    sum_groups(
        team, e, part, shared,
        [&](int rank) {
          const Seat seat(e, part, rank);
          return seat.taken ? value(seat, walkers[rank]) : 0.0;
        },
        [&](int group, double sum) { e.segment_sums(slot, p.row + group, p.segment)[which] = sum; });
  };
  const auto distance = [](const Seat& seat, const Walker& w, int i) {
    return (seat.law.boundary == Boundary::periodic ? w.unrolled[i] : w.q[i]) - seat.law.origin;
  };
  for (int i = 0; i < e.sum.axes; ++i) {
    gather(e.sum.sum() + i, [&](const Seat& seat, const Walker& w) { return distance(seat, w, i); });
    gather(e.sum.square() + i,
           [&](const Seat& seat, const Walker& w) { return distance(seat, w, i) * distance(seat, w, i); });
  }
  if (e.absorbing) {
    gather(e.sum.time(),
           [](const Seat&, const Walker& w) { return w.absorbed_at >= 0 ? w.absorbed_at : 0.0; });
    gather(e.sum.time_square(), [](const Seat&, const Walker& w) {
      return w.absorbed_at >= 0 ? w.absorbed_at * w.absorbed_at : 0.0;
    });
  }
  if (e.amplitudes) {
    gather(e.sum.amplitude(), [&](const Seat& seat, const Walker& w) {
      double g[Walker::kAxes];
      Amplitudes::template evaluate<D>(seat.law, w.q, g);
      double square = 0;
      for (int i = 0; i < e.sum.axes; ++i) square += g[i] * g[i];
      return sqrt(square);
    });
  }
}

}  // namespace soret::walk
