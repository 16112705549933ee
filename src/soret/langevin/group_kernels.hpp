#pragma once

#include <cmath>
#include <cstdint>

#include "soret/base/host_device.hpp"
#include "soret/langevin/basins.hpp"
#include "soret/langevin/langevin.hpp"
#include "soret/langevin/tally.hpp"
#include "soret/langevin/walker.hpp"

/// What is done to the walkers of many groups at once, each a thread of its own (group_batch.hpp says when).
namespace soret::langevin {

/// 64 neighbouring walkers of one group, as they lie in the arrays of a batch.
struct ChunkPlace {
  int request;
  int group;                   ///< of the batch
  std::uint32_t first_walker;  ///< of all groups of the problem
  int count;                   ///< at most kChunk
};

/// A problem without its landscape and its scheme.
struct ProblemView {
  WalkerSettings settings;
  StartView start;
  BasinMap basins;
  std::int64_t burn_in;  ///< SGD steps
  int substeps;
  int dimension;

  /// The substeps before SGD step `step`, which is negative during the burn-in.
  SORET_HD std::uint64_t substeps_before(std::int64_t step) const {
    return step + burn_in > 0 ? static_cast<std::uint64_t>(step + burn_in) * substeps : 0;
  }
};

/// All walkers of a batch; place i belongs to walker i % kChunk of chunk i / kChunk.
struct WalkersView {
  const ChunkPlace* chunks;
  const ProblemView* problems;  ///< [request]
  std::int64_t stride;          ///< places
  double* w;                    ///< [dimension][stride]
  double* escaped_at;           ///< [stride]
  double* first;                ///< [stride], w_0 at the first look
};

struct PlaceWalkers {
  WalkersView all;

  SORET_HD void operator()(std::int64_t i) const {
    const ChunkPlace& chunk = all.chunks[i / kChunk];
    const ProblemView& p = all.problems[chunk.request];
    place_walker(p.start, p.settings.seed, chunk.first_walker + static_cast<std::uint32_t>(i % kChunk),
                 p.dimension, {all.w + i, all.stride});
    all.escaped_at[i] = HUGE_VAL;
  }
};

/// SGD steps [from, to), counted from step 0.
template <class L, class Step>
struct MoveWalkers {
  WalkersView all;
  const L* landscapes;  ///< [request]
  const Step* steps;    ///< [request]
  std::int64_t from, to;
  bool until_escaped;

  SORET_HD void operator()(std::int64_t i) const {
    const ChunkPlace& chunk = all.chunks[i / kChunk];
    if (i % kChunk >= chunk.count) return;
    const ProblemView& p = all.problems[chunk.request];
    const std::uint64_t begin = p.substeps_before(from);
    const std::uint64_t end = p.substeps_before(to);
    double escaped_at = all.escaped_at[i];
    if (until_escaped && long_escaped(escaped_at, begin, p.settings.burn_in)) return;
    double w[L::kDimension > 0 ? L::kDimension : kMaxDimension];
    for (int k = 0; k < p.dimension; ++k) w[k] = all.w[k * all.stride + i];
    // Copies: a thread has them in registers.
    const L landscape = landscapes[chunk.request];
    const Step step = steps[chunk.request];
    move_walker(landscape, step, p.settings, chunk.first_walker + static_cast<std::uint32_t>(i % kChunk),
                begin, end, w, escaped_at);
    for (int k = 0; k < p.dimension; ++k) all.w[k * all.stride + i] = w[k];
    all.escaped_at[i] = escaped_at;
  }
};

struct KeepFirst {
  WalkersView all;
  SORET_HD void operator()(std::int64_t i) const { all.first[i] = all.w[i]; }
};

/// What tally.hpp adds up, for every chunk at one look.
template <class L>
struct Observe {
  WalkersView all;
  const L* landscapes;  ///< [request]
  TallyShape shape;
  std::int64_t step;
  bool last;
  std::int64_t chunks;
  double* partial;             ///< [chunk][slot]
  unsigned long long* counts;  ///< [group][cell]

  SORET_HD ChunkView view(std::int64_t chunk) const {
    const ProblemView& p = all.problems[all.chunks[chunk].request];
    const std::int64_t place = chunk * kChunk;
    return {all.w + place,
            static_cast<std::ptrdiff_t>(all.stride),
            all.chunks[chunk].count,
            p.start.centre,
            all.first + place,
            all.escaped_at + place,
            static_cast<double>(step) * p.substeps,
            last};
  }
  /// Calls put(sum, x) for every sum of a part, x being what one of the eight lanes adds to `sum`.
  template <class Put>
  SORET_HD void sums(std::int64_t chunk, int part, int lane, Put&& put) const {
    tally_sums<double>(shape, landscapes[all.chunks[chunk].request], view(chunk), part, lane,
                       [&](int slot, double x) { put(partial + chunk * shape.slots() + slot, x); });
  }
  /// Calls add(cell) for what one walker counts in; the group's counts start at counts_of(chunk).
  template <class Add>
  SORET_HD void count(std::int64_t chunk, int walker, Add&& add) const {
    if (walker < all.chunks[chunk].count)
      tally_counts(shape, all.problems[all.chunks[chunk].request].basins, view(chunk), walker, add);
  }
  SORET_HD unsigned long long* counts_of(std::int64_t chunk) const {
    return counts + static_cast<std::int64_t>(all.chunks[chunk].group) * shape.cells();
  }
};

/// The sums of every group at several looks, chunk after chunk.
struct FoldChunks {
  const double* partial;      ///< [look][chunk][slot]
  const std::int64_t* first;  ///< [group + 1], chunks
  std::int64_t chunks, groups;
  int slots;
  double* sums;  ///< [look][group][slot]

  SORET_HD void operator()(std::int64_t i) const {
    const std::int64_t slot = i % slots;
    const std::int64_t group = i / slots % groups;
    const double* const look = partial + i / slots / groups * chunks * slots;
    double total = 0;
    for (std::int64_t c = first[group]; c < first[group + 1]; ++c) total += look[c * slots + slot];
    sums[i] = total;
  }
};

}  // namespace soret::langevin
