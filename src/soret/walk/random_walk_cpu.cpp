#include <algorithm>
#include <array>
#include <cmath>

#include "soret/walk/kicks.hpp"
#include "soret/walk/random_walk.hpp"
#include "soret/walk/random_walk_start.hpp"
#include "soret/walk/random_walk_sums.hpp"
#include "soret/walk/sign_walk.hpp"

namespace soret::walk {
namespace {

constexpr int kWalkers = kBlockWalkers;

// ---- The walk of a block ----

class Walk {
 public:
  explicit Walk(const Problem& problem) : p_(problem), amplitude_(problem), by_signs_(sign_walk(problem)) {
    for (int i = 0; i < p_.dimensions; ++i) {
      g_rows_.push_back(g_[i].data());
    }
    if (p_.start == Start::stationary) law_.stationary = stationary_.emplace(p_).table();
  }

  WalkerBlock start(std::uint32_t first_walker) const {
    WalkerBlock block;
    block.q.resize(p_.dimensions);
    block.absorbed_at.fill(-1);
    for (int k = 0; k < kWalkers; ++k) {
      const Stream stream{p_.seed, Purpose::walk_start, first_walker + static_cast<std::uint32_t>(k)};
      for (int i = 0; i < p_.dimensions; ++i) block.q[i][k] = start_place(law_, stream, i);
    }
    if (p_.boundary == Boundary::periodic) {
      block.unrolled = block.q;
      for (auto& row : block.q)
        for (double& x : row) x = wrap(x, p_.lower, p_.upper);
    } else if (p_.boundary == Boundary::reflecting) {
      for (auto& row : block.q)
        for (double& x : row) x = reflect(x, p_.lower, p_.upper);
    } else if (p_.boundary == Boundary::absorbing) {
      for (int k = 0; k < kWalkers; ++k) absorb(block, k, 0);
    }
    return block;
  }

  void advance(WalkerBlock& block, Kicks& kicks, std::int64_t until) {
    while (block.step < until) {
      if (by_signs_) {
        const auto first = static_cast<int>(block.step % 128);
        const auto steps = static_cast<int>(std::min<std::int64_t>(until - block.step, 128 - first));
        by_signs_(kicks.sign_words(block.step, 0), first, steps, block);
        block.step += steps;
      } else {
        general_step(block, kicks);
        ++block.step;
      }
    }
  }

 private:
  void general_step(WalkerBlock& block, Kicks& kicks) {
    const double* q_rows[kMaxDimensions];
    for (int i = 0; i < p_.dimensions; ++i) q_rows[i] = block.q[i].data();
    amplitude_({q_rows, g_rows_.size()}, g_rows_, kWalkers);
    for (int i = 0; i < p_.dimensions; ++i) {
      const double* gamma = kicks(block.step, p_.shares[i]);
      for (int k = 0; k < kWalkers; k += kDoubleLanes) {
        DoubleLanes move = displacement(load(gamma + k), p_.learning_rate, load(g_rows_[i] + k));
        double* const at = &block.q[i][k];
        if (p_.boundary == Boundary::absorbing)
          move = select(load(&block.absorbed_at[k]) < 0.0, move, DoubleLanes{});
        const DoubleLanes next = load(at) - move;
        if (p_.boundary == Boundary::reflecting) {
          store(at, reflect(next, p_.lower, p_.upper));
        } else if (p_.boundary == Boundary::periodic) {
          store(&block.unrolled[i][k], load(&block.unrolled[i][k]) - move);
          store(at, wrap(next, p_.lower, p_.upper));
        } else {
          store(at, next);
        }
      }
    }
    if (p_.boundary == Boundary::absorbing) {
      for (int k = 0; k < kWalkers; k += kDoubleLanes) {
        LanesI64 outside{};
        for (int i = 0; i < p_.dimensions; ++i) {
          const DoubleLanes q = load(&block.q[i][k]);
          outside |= (q <= p_.lower) | (q >= p_.upper);
        }
        if (any(outside & (load(&block.absorbed_at[k]) < 0.0)))
          for (int l = 0; l < kDoubleLanes; ++l) absorb(block, k + l, block.step + 1);
      }
    }
  }

  /// Takes a walker out of the walk if it has reached a wall and stands there from now on.
  void absorb(WalkerBlock& block, int k, std::int64_t step) const {
    if (block.absorbed_at[k] >= 0) return;
    bool outside = false;
    for (int i = 0; i < p_.dimensions; ++i) {
      double& x = block.q[i][k];
      outside = outside || x <= p_.lower || x >= p_.upper;
      x = std::clamp(x, p_.lower, p_.upper);
    }
    if (outside) block.absorbed_at[k] = static_cast<double>(step);
  }

  const Problem& p_;
  Amplitude amplitude_;
  SignWalk by_signs_;
  std::optional<StationaryStart> stationary_;
  StartLaw law_{p_.start, p_.lower, p_.width(), p_.start_position, p_.start_width, {}};
  std::array<WalkerRow, kMaxDimensions> g_;
  std::vector<double*> g_rows_;
};

// ---- Counting ----

class Observer {
 public:
  Observer(const Problem& p, const Request& r)
      : p_(p),
        closed_(p.boundary == Boundary::reflecting || p.boundary == Boundary::periodic),
        bins_(r.bins),
        bins_per_length_(r.bins / p.width()),
        origin_(origin(p)),
        amplitude_(p) {}

  /// The histogram of a sampled step.
  void sample(const WalkerBlock& block, int walkers, std::size_t record, GroupSums& sums) const {
    Bins bin;
    find_bins(block.q[0], bin);
    auto* const histogram = &sums.histogram[record * sums.bins];
    if (closed_) {
      for (int k = 0; k < walkers; ++k) ++histogram[bin[k]];
    } else {
      for (int k = 0; k < walkers; ++k)
        if (counts(block, k, bin)) ++histogram[bin[k]];
    }
    if (!sums.histogram_2d.empty()) {
      Bins second;
      find_bins(block.q[1], second);
      auto* const plane = &sums.histogram_2d[record * sums.bins * sums.bins];
      for (int k = 0; k < walkers; ++k)
        if (counts(block, k, bin) && counts(block, k, second))
          ++plane[static_cast<std::size_t>(bin[k]) * sums.bins + static_cast<std::size_t>(second[k])];
    }
  }

  /// The displacements of the step that took `before` to `after`, by the place where they began.
  void displacements(const WalkerBlock& before, const WalkerBlock& after, int walkers, std::size_t record,
                     GroupSums& sums) const {
    Bins bin;
    find_bins(before.q[0], bin);
    const WalkerRow& from = p_.boundary == Boundary::periodic ? before.unrolled[0] : before.q[0];
    const WalkerRow& to = p_.boundary == Boundary::periodic ? after.unrolled[0] : after.q[0];
    for (int k = 0; k < walkers; ++k) {
      if (!counts(before, k, bin)) continue;
      const double d = to[k] - from[k];
      sums.drift[record * sums.bins + static_cast<std::size_t>(bin[k])] += d;
      sums.diffusion[record * sums.bins + static_cast<std::size_t>(bin[k])] += 0.5 * d * d;
    }
  }

  void record(const WalkerBlock& block, int walkers, std::size_t record, GroupSums& sums) const {
    for (std::size_t i = 0; i < sums.axes; ++i) {
      const WalkerRow& x = p_.boundary == Boundary::periodic ? block.unrolled[i] : block.q[i];
      double sum = 0;
      double square = 0;
      for (int k = 0; k < walkers; ++k) {
        const double d = x[k] - origin_;
        sum += d;
        square += d * d;
      }
      sums.sum[record * sums.axes + i] += sum;
      sums.square[record * sums.axes + i] += square;
      if (!std::isfinite(square) && sums.diverged_at < 0) sums.diverged_at = block.step;
    }
    if (sums.amplitudes) sums.amplitude[record] += amplitude_sum(block, walkers);
    Bins bin;
    find_bins(block.q[0], bin);
    auto* const occupied = &sums.occupied[record * (sums.bins + 2)];
    for (int k = 0; k < walkers; ++k) {
      std::int64_t b = bin[k];
      if (p_.boundary == Boundary::absorbing && block.absorbed_at[k] >= 0 && block.q[0][k] <= p_.lower)
        b = -1;
      ++occupied[1 + b];
      if (p_.boundary == Boundary::periodic)
        sums.turns[record] += std::llround((block.unrolled[0][k] - block.q[0][k]) / p_.width());
      if (block.absorbed_at[k] >= 0) {
        ++sums.absorbed[record];
        sums.time[record] += block.absorbed_at[k];
        sums.time_square[record] += block.absorbed_at[k] * block.absorbed_at[k];
        for (const auto& row : block.q)
          if (row[k] >= p_.upper) {
            ++sums.absorbed_upper[record];
            break;
          }
      }
    }
  }

 private:
  using Bins = std::array<std::int64_t, kWalkers>;

  /// |g| summed over the walkers.
  double amplitude_sum(const WalkerBlock& block, int walkers) const {
    std::array<WalkerRow, kMaxDimensions> g;
    const double* from[kMaxDimensions];
    double* to[kMaxDimensions];
    for (int i = 0; i < p_.dimensions; ++i) from[i] = block.q[i].data(), to[i] = g[i].data();
    const auto n = static_cast<std::size_t>(p_.dimensions);
    amplitude_({from, n}, {to, n}, kWalkers);
    double sum = 0;
    for (int k = 0; k < walkers; ++k) {
      double square = 0;
      for (std::size_t i = 0; i < n; ++i) square += g[i][k] * g[i][k];
      sum += std::sqrt(square);
    }
    return sum / (p_.field.kind == FieldKind::neuron ? p_.field.inverse_root_batch : 1);
  }

  /// The bin of every walker; -1 or bins for those outside. Rounding at a wall is not outside.
  void find_bins(const WalkerRow& q, Bins& bin) const {
    const double least = closed_ ? 0.5 : -0.5;
    const double most = closed_ ? bins_ - 0.5 : bins_ + 0.5;
    for (int k = 0; k < kWalkers; k += kDoubleLanes) {
      // NaN fails every comparison and ends at the lower end.
      DoubleLanes x = (load(&q[k]) - p_.lower) * bins_per_length_;
      x = select(x >= 0.0, x, broadcast(least));
      x = select(x < static_cast<double>(bins_), x, broadcast(most));
      const LanesI64 whole = __builtin_convertvector(x + 1.0, LanesI64) - 1;
      __builtin_memcpy(&bin[k], &whole, sizeof(whole));
    }
  }

  bool counts(const WalkerBlock& block, int k, const Bins& bin) const {
    return bin[k] >= 0 && bin[k] < bins_ && (p_.boundary != Boundary::absorbing || block.absorbed_at[k] < 0);
  }

  const Problem& p_;
  bool closed_;  ///< all walkers are in the domain
  int bins_;
  double bins_per_length_;
  double origin_;
  Amplitude amplitude_;
};

}  // namespace

Records run_cpu(const Problem& p, const Request& r) {
  const auto groups = static_cast<std::size_t>(r.groups);
  std::vector<std::size_t> offsets;
  std::size_t total = 0;
  for (const Observable o : r.observables) {
    offsets.push_back(total);
    total += cells(o, p, r.bins) * r.record_steps.size();
  }
  Records records{std::vector<double>(total * groups), std::vector<std::int64_t>(groups, -1)};

  Walk walk(p);
  const Observer observer(p, r);
  for (std::size_t group = 0; group < groups; ++group) {
    GroupSums sums(p, r);
    const std::uint32_t first =
        (r.first_group + static_cast<std::uint32_t>(group)) * static_cast<std::uint32_t>(r.walkers);
    for (int done = 0; done < r.walkers; done += kWalkers) {
      const int walkers = std::min(kWalkers, r.walkers - done);
      WalkerBlock block = walk.start(first + static_cast<std::uint32_t>(done));
      Kicks kicks(p, first + static_cast<std::uint32_t>(done));
      for (std::size_t k = 0; k < r.record_steps.size(); ++k) {
        const std::int64_t record_step = r.record_steps[k];
        std::int64_t sampled = k == 0 ? record_step : r.record_steps[k - 1];
        sums.samples[k] = 0;
        do {
          if (r.stop && *r.stop) throw Stopped{};
          sampled = k > 0 && r.sample_every > 0
                        ? std::min(record_step, (sampled / r.sample_every + 1) * r.sample_every)
                        : record_step;
          walk.advance(block, kicks, sampled);
          observer.sample(block, walkers, k, sums);
          ++sums.samples[k];
          if (sampled == record_step) observer.record(block, walkers, k, sums);
          if (sums.steps) {
            const WalkerBlock before = block;
            walk.advance(block, kicks, sampled + 1);
            observer.displacements(before, block, walkers, k, sums);
          }
        } while (sampled < record_step);
      }
    }
    records.diverged_at[group] = sums.diverged_at;
    for (std::size_t o = 0; o < r.observables.size(); ++o) {
      const std::size_t per_record = cells(r.observables[o], p, r.bins);
      for (std::size_t k = 0; k < r.record_steps.size(); ++k)
        for (std::size_t cell = 0; cell < per_record; ++cell)
          records.values[(offsets[o] + k * per_record + cell) * groups + group] =
              value(r.observables[o], p, r, sums, k, cell);
    }
  }
  return records;
}

std::vector<std::vector<double>> positions_cpu(const Problem& p, std::uint32_t first_walker, int walkers,
                                               std::int64_t steps) {
  std::vector<std::vector<double>> positions(p.dimensions);
  Walk walk(p);
  for (int done = 0; done < walkers; done += kWalkers) {
    const std::uint32_t first = first_walker + static_cast<std::uint32_t>(done);
    WalkerBlock block = walk.start(first);
    Kicks kicks(p, first);
    walk.advance(block, kicks, steps);
    for (int i = 0; i < p.dimensions; ++i)
      positions[i].insert(positions[i].end(), block.q[i].begin(),
                          block.q[i].begin() + std::min(kWalkers, walkers - done));
  }
  return positions;
}

}  // namespace soret::walk
