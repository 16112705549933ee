#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "soret/base/formula_tree.hpp"
#include "soret/walk/random_walk.hpp"
#include "soret/walk/random_walk_body.hpp"
#include "soret/walk/random_walk_sums.hpp"

/// Runs requests with one thread per walker: which walkers go together, what is launched when, and how
/// results become records. Where it runs is a Machine: a CUDA device, or in the tests the CPU. It has
///   Array<T>                           of (count) or of (span); data(), zero(first, count) and
///                                      download(first, count), when all work before has finished
///   Kernels(variant, formulas)         what runs a kind of walk: start(e), advance(e, stretch) and
///                                      record(e, slot) for all parts of an ensemble, one after the other
///   wait(), free_memory()
namespace soret::walk {

/// Which code runs a walk.
struct Variant {
  bool signs = false;   ///< the fast path, for the field and the boundary below
  bool single = false;  ///< in fixed point and single precision
  bool whole = false;   ///< of a sine of whole periods
  FieldKind kind{};
  Boundary boundary{};
  int dimensions = 1;  ///< coordinates in registers; 0: any number, in memory
  bool formula = false;
  bool operator==(const Variant&) const = default;
};

inline constexpr int kRegisterDimensions = 4;

inline Variant variant_of(const Problem& p) {
  Variant v;
  v.formula = p.field.kind == FieldKind::formula;
  v.dimensions = p.dimensions <= kRegisterDimensions ? p.dimensions : 0;
  v.signs = p.dimensions == 1 && p.kick == Kick::rademacher && p.boundary != Boundary::absorbing &&
            !v.formula && p.field.kind != FieldKind::quadratic;
  if (v.signs) v.kind = p.field.kind, v.boundary = p.boundary;
  if (p.single_precision) v.single = true, v.whole = fixed_point(p).wave.periods > 0;
  return v;
}

/// f.template operator()<Walker>() of the walker of a variant with signs.
template <FieldKind K, bool WHOLE = false, class F>
void with_sign_walker(const Variant& v, F f) {
  const bool ring = v.boundary == Boundary::periodic;
  if (v.single && ring) return f.template operator()<FixedPointWalker<K, Boundary::periodic, WHOLE>>();
  if (v.single) return f.template operator()<FixedPointWalker<K, Boundary::reflecting, WHOLE>>();
  if (ring) return f.template operator()<SignWalker<K, Boundary::periodic>>();
  if (v.boundary == Boundary::reflecting) return f.template operator()<SignWalker<K, Boundary::reflecting>>();
  f.template operator()<SignWalker<K, Boundary::line>>();
}
template <class F>
void with_sign_walker(const Variant& v, F f) {
  switch (v.kind) {
    case FieldKind::linear:
      return with_sign_walker<FieldKind::linear>(v, f);
    case FieldKind::sinusoidal:
      return v.whole ? with_sign_walker<FieldKind::sinusoidal, true>(v, f)
                     : with_sign_walker<FieldKind::sinusoidal>(v, f);
    case FieldKind::exponential:
      return with_sign_walker<FieldKind::exponential>(v, f);
    case FieldKind::power:
      return with_sign_walker<FieldKind::power>(v, f);
    case FieldKind::bump:
      return with_sign_walker<FieldKind::bump>(v, f);
    default:
      return with_sign_walker<FieldKind::constant>(v, f);
  }
}
/// f.template operator()<D>() of the number of coordinates.
template <class F>
void with_dimensions(const Variant& v, F f) {
  switch (v.dimensions) {
    case 1:
      return f.template operator()<1>();
    case 2:
      return f.template operator()<2>();
    case 3:
      return f.template operator()<3>();
    case 4:
      return f.template operator()<4>();
    default:
      return f.template operator()<0>();
  }
}

namespace driver {

/// Threads of a team at most.
inline constexpr int kTeamWidth = 256;
/// Histograms of a team up to this many bytes stay in its shared memory: with them a multiprocessor still
/// holds as many teams as its registers allow.
inline constexpr std::size_t kSharedHistogram = 24 << 10;
/// Records that wait on the machine before the host fetches them, and the bytes that they may take.
inline constexpr int kSlots = 64;
inline constexpr std::size_t kSlotBytes = std::size_t{512} << 20;
/// The host looks at the stop flag about this often.
inline constexpr double kLookSeconds = 0.2;

/// How the walkers of a group are laid out; it depends on their number alone.
struct GroupShape {
  explicit GroupShape(int walkers) {
    segments = (walkers + kTeamWidth - 1) / kTeamWidth;
    size = (walkers + segments - 1) / segments;
    together = segments == 1 ? kTeamWidth / size : 1;
    width = (together * size + kTeamGroup - 1) / kTeamGroup * kTeamGroup;
  }
  int segments;  ///< parts of a group
  int size;      ///< walkers of a group in one part
  int together;  ///< groups in a part
  int width;     ///< threads of a part
};

inline WalkLaw law_of(const Problem& p, int bins) {
  WalkLaw law{};
  law.learning_rate = p.learning_rate;
  law.lower = p.lower;
  law.upper = p.upper;
  law.field = p.field;
  law.degrees_of_freedom = p.degrees_of_freedom;
  law.kick_scale = kick_scale(p.degrees_of_freedom);
  law.origin = origin(p);
  law.bins_per_length = bins / p.width();
  law.seed = p.seed;
  law.start = {p.start, p.lower, p.width(), p.start_position, p.start_width, {}};
  law.kick = p.kick;
  law.boundary = p.boundary;
  law.dimensions = p.dimensions;
  law.bins = bins;
  law.gammas = p.gammas();
  std::ranges::copy(p.shares, law.shares);
  law.formulas = static_cast<int>(p.formulas.size());
  if (p.single_precision) law.fixed = fixed_point(p);
  return law;
}

struct Wanted {
  explicit Wanted(std::span<const Observable> observables) {
    for (const Observable o : observables) {
      amplitudes |= o == Observable::amplitude_mean;
      plane |= o == Observable::density_2d;
      steps |= o == Observable::drift_density || o == Observable::diffusion_density;
    }
  }
  bool amplitudes = false;
  bool plane = false;
  bool steps = false;
  bool operator==(const Wanted&) const = default;
};

/// One group of walkers and where its records go.
struct GroupPlace {
  std::size_t request;
  std::size_t group;  ///< within the request
  std::uint32_t first_walker;
};

/// Groups on a machine that run together.
template <class Machine>
class Resident {
 public:
  template <class T>
  using Array = typename Machine::template Array<T>;

  Resident(std::span<const Problem> problems, std::span<const Request> requests,
           std::span<const GroupPlace> groups, typename Machine::Kernels& kernels, int slots)
      : kernels_(kernels), slots_(slots) {
    const Problem& first = problems[groups[0].request];
    const Request& request = requests[groups[0].request];
    const GroupShape shape(request.walkers);
    const Wanted wanted(request.observables);
    std::vector<WalkLaw> laws;
    std::vector<Part> parts;
    for (std::size_t k = 0; k < groups.size();) {
      const std::size_t r = groups[k].request;
      if (k == 0 || groups[k - 1].request != r) laws.push_back(upload(problems[r], request.bins));
      std::size_t end = k + 1;
      while (end < groups.size() && groups[end].request == r &&
             end - k < static_cast<std::size_t>(shape.together))
        ++end;
      for (int s = 0; s < shape.segments; ++s)
        parts.push_back({static_cast<int>(laws.size()) - 1, static_cast<int>(k), static_cast<int>(end - k), s,
                         groups[k].first_walker});
      k = end;
    }
    laws_ = Array<WalkLaw>(std::span<const WalkLaw>(laws));
    parts_ = Array<Part>(std::span<const Part>(parts));
    const auto is = [&](Boundary b) {
      return std::ranges::any_of(laws, [b](const WalkLaw& law) { return law.boundary == b; });
    };
    e_ = {.laws = laws_.data(),
          .parts = parts_.data(),
          .part_count = static_cast<int>(parts.size()),
          .width = shape.width,
          .walkers = request.walkers,
          .size = shape.size,
          .segments = shape.segments,
          .groups = static_cast<int>(groups.size()),
          .sample_every = request.sample_every,
          .periodic = is(Boundary::periodic),
          .absorbing = is(Boundary::absorbing),
          .amplitudes = wanted.amplitudes,
          .shared_histogram = sizeof(std::uint32_t) * shape.together * request.bins <= kSharedHistogram,
          .count = {request.bins, wanted.plane},
          .sum = {first.dimensions, request.bins, wanted.steps},
          .q = nullptr,
          .unrolled = nullptr,
          .absorbed_at = nullptr,
          .counts = nullptr,
          .sums = nullptr};
    const std::size_t places = parts.size() * static_cast<std::size_t>(shape.width);
    const std::size_t axes = static_cast<std::size_t>(first.dimensions);
    q_ = Array<double>(axes * places);
    unrolled_ = Array<double>(e_.periodic ? axes * places : 0);
    absorbed_at_ = Array<double>(e_.absorbing ? places : 0);
    counts_ = Array<std::uint64_t>(static_cast<std::size_t>(slots) * slot_counts());
    sums_ = Array<double>(static_cast<std::size_t>(slots) * slot_sums());
    e_.q = q_.data();
    e_.unrolled = unrolled_.data();
    e_.absorbed_at = absorbed_at_.data();
    e_.counts = counts_.data();
    e_.sums = sums_.data();
    kernels_.start(e_);
  }

  /// Bytes on the machine: of one group's walkers, and of one group's results in one slot.
  static std::size_t walker_bytes(const Problem& p, const Request& r) {
    const GroupShape shape(r.walkers);
    return static_cast<std::size_t>(shape.segments) * shape.width *
           static_cast<std::size_t>(2 * p.dimensions + 1) * sizeof(double);
  }
  static std::size_t slot_bytes(const Problem& p, const Request& r) {
    const Wanted wanted(r.observables);
    const SumLayout sum{p.dimensions, r.bins, wanted.steps};
    const CountLayout count{r.bins, wanted.plane};
    return sizeof(double) * (static_cast<std::size_t>(GroupShape(r.walkers).segments) * sum.size() +
                             static_cast<std::size_t>(count.size()));
  }

  void clear(int slot) {
    counts_.zero(static_cast<std::size_t>(slot) * slot_counts(), slot_counts());
    sums_.zero(static_cast<std::size_t>(slot) * slot_sums(), slot_sums());
  }
  void advance(const Stretch& stretch) { kernels_.advance(e_, stretch); }
  void record(int slot) { kernels_.record(e_, slot); }

  /// [group][count.size()] and [group][segment][sum.size()] of a slot.
  std::vector<std::uint64_t> counts(int slot) const {
    return counts_.download(static_cast<std::size_t>(slot) * slot_counts(), slot_counts());
  }
  std::vector<double> sums(int slot) const {
    return sums_.download(static_cast<std::size_t>(slot) * slot_sums(), slot_sums());
  }
  /// [axis][place]
  std::vector<double> positions() const { return q_.download(0, q_.size()); }
  const Ensemble& ensemble() const { return e_; }
  int slots() const { return slots_; }

 private:
  std::size_t slot_counts() const { return static_cast<std::size_t>(e_.groups * e_.count.size()); }
  std::size_t slot_sums() const {
    return static_cast<std::size_t>(e_.groups) * static_cast<std::size_t>(e_.segments) *
           static_cast<std::size_t>(e_.sum.size());
  }

  WalkLaw upload(const Problem& p, int bins) {
    WalkLaw law = law_of(p, bins);
    if (p.start == Start::stationary) {
      const StationaryStart start(p);
      StationaryTable table = start.table();
      const auto nodes = static_cast<std::size_t>(table.cells) + 1;
      tables_.emplace_back(std::span<const double>(table.density, nodes));
      table.density = tables_.back().data();
      tables_.emplace_back(std::span<const double>(table.cumulative, nodes));
      table.cumulative = tables_.back().data();
      law.start.stationary = table;
    }
    return law;
  }

  typename Machine::Kernels& kernels_;
  int slots_;
  std::vector<Array<double>> tables_;
  Array<WalkLaw> laws_;
  Array<Part> parts_;
  Array<double> q_, unrolled_, absorbed_at_, sums_;
  Array<std::uint64_t> counts_;
  Ensemble e_{};
};

/// How many steps are asked for before the host looks again: it grows or shrinks until that takes
/// kLookSeconds.
class Pace {
 public:
  std::int64_t steps() const { return steps_; }
  void took(std::int64_t steps, double seconds) {
    const double fitting = static_cast<double>(steps) * kLookSeconds / std::max(seconds, 1e-6);
    steps_ = std::clamp(static_cast<std::int64_t>(std::min(fitting, 1e15)), std::int64_t{1}, 4 * steps_);
  }

 private:
  std::int64_t steps_ = 64;
};

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

/// The first sampled step between records k - 1 and k that is not before `step`; perhaps not before record k.
inline std::int64_t next_sample(const Request& r, std::size_t k, std::int64_t step) {
  if (k == 0 || r.sample_every <= 0) return kNever;
  const std::int64_t first = std::max(step, r.record_steps[k - 1] + 1);
  const std::int64_t periods = (first + r.sample_every - 1) / r.sample_every;
  return periods > kNever / r.sample_every ? kNever : periods * r.sample_every;
}

/// Sampled steps of record k, its own among them.
inline std::int64_t samples_of(const Request& r, std::size_t k) {
  if (k == 0 || r.sample_every <= 0) return 1;
  return 1 + (r.record_steps[k] - 1) / r.sample_every - r.record_steps[k - 1] / r.sample_every;
}

/// Takes the groups of a resident through a recording schedule; done(first, last) when records [first, last)
/// lie ready in slots k % slots().
template <class Machine, class Done>
void run_schedule(Machine& machine, Resident<Machine>& resident, const Request& r, Done done) {
  const bool steps_wanted = resident.ensemble().sum.steps;
  const auto slot_of = [&](std::size_t k) {
    return static_cast<int>(k % static_cast<std::size_t>(resident.slots()));
  };
  Pace pace;
  std::int64_t step = 0;
  std::size_t record = 0;
  if (!r.record_steps.empty()) resident.clear(0);
  while (record < r.record_steps.size()) {
    const std::size_t first_record = record;
    const auto start = std::chrono::steady_clock::now();
    std::int64_t queued = 0;
    while (record < r.record_steps.size() && queued < pace.steps() &&
           record - first_record < static_cast<std::size_t>(resident.slots())) {
      const std::int64_t at = r.record_steps[record];
      const std::int64_t steps = std::min(at - step, pace.steps() - queued);
      const int slot = slot_of(record);
      if (steps > 0) resident.advance({step, step + steps, next_sample(r, record, step), slot, true});
      step += steps;
      queued += steps;
      if (step < at) continue;
      resident.record(slot);
      if (steps_wanted) resident.advance({at, at + 1, at, slot, false}), ++step;
      ++record;
      ++queued;  // at least as much as a step
      if (record < r.record_steps.size() &&
          record - first_record < static_cast<std::size_t>(resident.slots()))
        resident.clear(slot_of(record));
    }
    machine.wait();
    pace.took(queued, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (r.stop != nullptr && r.stop->load(std::memory_order_relaxed)) throw Stopped{};
    if (record == first_record) continue;
    done(first_record, record);
    if (record - first_record == static_cast<std::size_t>(resident.slots()) && record < r.record_steps.size())
      resident.clear(slot_of(record));
  }
}

/// Requests that run together.
struct Batch {
  Variant variant;
  std::vector<std::size_t> requests;
};

inline bool run_together(const Problem& p, const Request& a, const Problem& q, const Request& b) {
  return variant_of(p) == variant_of(q) && p.dimensions == q.dimensions && a.walkers == b.walkers &&
         a.bins == b.bins && a.sample_every == b.sample_every &&
         Wanted(a.observables) == Wanted(b.observables) &&
         std::ranges::equal(a.record_steps, b.record_steps) &&
         std::ranges::equal(p.formulas, q.formulas, {}, &Formula::text, &Formula::text);
}

inline std::vector<Batch> batches(std::span<const Problem> problems, std::span<const Request> requests) {
  std::vector<Batch> all;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const auto same = std::ranges::find_if(all, [&](const Batch& b) {
      const std::size_t k = b.requests.front();
      return run_together(problems[k], requests[k], problems[i], requests[i]);
    });
    if (same == all.end()) {
      all.push_back({variant_of(problems[i]), {i}});
    } else {
      same->requests.push_back(i);
    }
  }
  return all;
}

inline std::vector<FormulaTree> trees(const Problem& p) {
  const std::vector<std::string> variables = formula_variables(p.dimensions);
  std::vector<FormulaTree> all;
  for (const Formula& f : p.formulas) all.emplace_back(f.text(), variables);
  return all;
}

/// Fills in what a slot holds of one group as record `k` of its sums.
inline void take_record(const Ensemble& e, std::size_t group, const std::vector<std::uint64_t>& all_counts,
                        const std::vector<double>& all_sums, std::size_t k, GroupSums& s) {
  const std::uint64_t* counts = &all_counts[group * static_cast<std::size_t>(e.count.size())];
  const auto copy = [&](std::int64_t from, std::size_t n, std::vector<std::int64_t>& to) {
    for (std::size_t i = 0; i < n; ++i)
      to[k * n + i] = static_cast<std::int64_t>(counts[static_cast<std::size_t>(from) + i]);
  };
  copy(e.count.histogram(), s.bins, s.histogram);
  copy(e.count.occupied(), s.bins + 2, s.occupied);
  copy(e.count.turns(), 1, s.turns);
  copy(e.count.absorbed(), 1, s.absorbed);
  copy(e.count.absorbed_upper(), 1, s.absorbed_upper);
  if (e.count.plane) copy(e.count.histogram_2d(), s.bins * s.bins, s.histogram_2d);
  for (int segment = 0; segment < e.segments; ++segment) {
    const std::size_t row = group * static_cast<std::size_t>(e.segments) + static_cast<std::size_t>(segment);
    const double* sums = &all_sums[row * static_cast<std::size_t>(e.sum.size())];
    const auto add = [&](int from, std::size_t n, std::vector<double>& to) {
      for (std::size_t i = 0; i < n; ++i) to[k * n + i] += sums[static_cast<std::size_t>(from) + i];
    };
    add(e.sum.sum(), s.axes, s.sum);
    add(e.sum.square(), s.axes, s.square);
    add(e.sum.amplitude(), 1, s.amplitude);
    add(e.sum.time(), 1, s.time);
    add(e.sum.time_square(), 1, s.time_square);
    if (e.sum.steps) add(e.sum.drift(), s.bins, s.drift), add(e.sum.diffusion(), s.bins, s.diffusion);
  }
}

/// Runs some groups of a batch and writes their records.
template <class Machine>
void run_groups(Machine& machine, typename Machine::Kernels& kernels, std::span<const Problem> problems,
                std::span<const Request> requests, std::span<const GroupPlace> groups, int slots,
                std::vector<Records>& out) {
  Resident<Machine> resident(problems, requests, groups, kernels, slots);
  const Ensemble& e = resident.ensemble();
  const Request& schedule = requests[groups[0].request];
  const std::size_t records = schedule.record_steps.size();
  std::vector<std::uint64_t> counts_before;  // of the last record that was taken
  const auto take = [&](std::size_t first, std::size_t last) {
    std::vector<std::vector<std::uint64_t>> counts;
    std::vector<std::vector<double>> sums;
    for (std::size_t k = first; k < last; ++k) {
      const int slot = static_cast<int>(k % static_cast<std::size_t>(slots));
      counts.push_back(resident.counts(slot));
      sums.push_back(resident.sums(slot));
    }
    // The record before goes along: a flux is a difference.
    const std::size_t before = first > 0 ? 1 : 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto& [r, group, first_walker] = groups[g];
      Request window = requests[r];
      window.record_steps = schedule.record_steps.subspan(first - before, last - first + before);
      GroupSums s(problems[r], window);
      if (before > 0) take_record(e, g, counts_before, sums[0], 0, s);
      Records& record = out[r];
      for (std::size_t k = first; k < last; ++k) {
        const std::size_t at = k - first + before;
        take_record(e, g, counts[k - first], sums[k - first], at, s);
        s.samples[at] = samples_of(schedule, k);
        const bool finite = std::all_of(&s.square[at * s.axes], &s.square[at * s.axes] + s.axes,
                                        [](double x) { return std::isfinite(x); });
        if (!finite && record.diverged_at[group] < 0) record.diverged_at[group] = schedule.record_steps[k];
      }
      const auto of_request = static_cast<std::size_t>(requests[r].groups);
      std::size_t offset = 0;
      for (const Observable o : requests[r].observables) {
        const std::size_t per_record = cells(o, problems[r], schedule.bins);
        for (std::size_t k = first; k < last; ++k)
          for (std::size_t cell = 0; cell < per_record; ++cell)
            record.values[(offset + k * per_record + cell) * of_request + group] =
                value(o, problems[r], window, s, k - first + before, cell);
        offset += per_record * records;
      }
    }
    counts_before = std::move(counts.back());
  };
  run_schedule(machine, resident, schedule, take);
}

}  // namespace driver

/// Runs requests[i] on problems[i], as run_cpu() does, up to the order of floating-point sums.
template <class Machine>
std::vector<Records> run_on(Machine& machine, std::span<const Problem> problems,
                            std::span<const Request> requests) {
  using driver::GroupPlace;
  using Resident = driver::Resident<Machine>;
  std::vector<Records> out(problems.size());
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const Request& r = requests[i];
    std::size_t total = 0;
    for (const Observable o : r.observables) total += cells(o, problems[i], r.bins) * r.record_steps.size();
    out[i].values.resize(total * static_cast<std::size_t>(r.groups));
    out[i].diverged_at.assign(static_cast<std::size_t>(r.groups), -1);
  }
  for (const driver::Batch& batch : driver::batches(problems, requests)) {
    std::vector<GroupPlace> groups;
    for (const std::size_t i : batch.requests) {
      const Request& r = requests[i];
      for (std::size_t g = 0; g < static_cast<std::size_t>(r.groups); ++g)
        groups.push_back(
            {i, g, (r.first_group + static_cast<std::uint32_t>(g)) * static_cast<std::uint32_t>(r.walkers)});
    }
    if (groups.empty()) continue;
    const std::size_t one = batch.requests.front();
    const std::size_t walkers = Resident::walker_bytes(problems[one], requests[one]);
    const std::size_t slot = Resident::slot_bytes(problems[one], requests[one]);
    const std::size_t memory = machine.free_memory() / 10 * 8;
    const std::size_t fitting = std::clamp<std::size_t>(
        std::min(memory / (walkers + slot), std::max(driver::kSlotBytes / slot, std::size_t{1})), 1,
        groups.size());
    const auto slots = static_cast<int>(std::clamp<std::size_t>(
        std::min(driver::kSlotBytes, memory - std::min(memory, fitting * walkers)) / (slot * fitting), 1,
        driver::kSlots));
    typename Machine::Kernels kernels(batch.variant, driver::trees(problems[one]),
                                      driver::Wanted(requests[one].observables).amplitudes);
    for (std::size_t first = 0; first < groups.size(); first += fitting)
      driver::run_groups(machine, kernels, problems, requests,
                         std::span(groups).subspan(first, std::min(fitting, groups.size() - first)), slots,
                         out);
  }
  return out;
}

/// The walkers' positions after `steps` steps, q[axis][walker], as positions_cpu() gives them.
template <class Machine>
std::vector<std::vector<double>> positions_on(Machine& machine, const Problem& problem,
                                              std::uint32_t first_walker, int walkers, std::int64_t steps) {
  const Request request{.groups = 1, .walkers = walkers};
  const driver::GroupPlace group{0, 0, first_walker};
  typename Machine::Kernels kernels(variant_of(problem), driver::trees(problem), false);
  driver::Resident<Machine> resident({&problem, 1}, {&request, 1}, {&group, 1}, kernels, 1);
  if (steps > 0) resident.advance({0, steps, driver::kNever, 0, false});
  machine.wait();
  const std::vector<double> q = resident.positions();
  const Ensemble& e = resident.ensemble();
  std::vector<std::vector<double>> positions(problem.dimensions);
  for (int i = 0; i < problem.dimensions; ++i)
    for (int w = 0; w < walkers; ++w)
      positions[i].push_back(
          q[(static_cast<std::size_t>(i) * e.part_count + w / e.size) * e.width + w % e.size]);
  return positions;
}

}  // namespace soret::walk
