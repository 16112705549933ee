#pragma once

#include <algorithm>
#include <any>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "soret/base/formula_tree.hpp"
#include "soret/base/pace.hpp"
#include "soret/langevin/group_kernels.hpp"
#include "soret/langevin/linked_formula.hpp"
#include "soret/langevin/observe.hpp"
#include "soret/langevin/visit_named.hpp"
#include "soret/langevin/visit_step.hpp"

/// Many groups of many problems at once, every walker a thread of its own: what is launched, when, and what
/// is done with the results. A Machine says where that happens, a CUDA device or, in the tests, plain loops.
/// It has
///   Buffer<T>            an array in its memory: Buffer(size), Buffer(span), data(), download(count),
///                        fill_bytes(byte)
///   each(n, f)           f(i) for all i < n, in any order
///   look(o)              o.sums() and o.count() of an Observe for every chunk, part and walker
///   each(n, f, formula)  the same, where the walkers' landscape is this formula
///   look(o, formula)
///   synchronize()        waits until all that was asked for is done
///   free_memory()        in bytes
namespace soret::langevin {

/// The arrays that problems point to, in a machine's memory.
template <class Machine>
class Numbers {
 public:
  explicit Numbers(std::span<const Request> requests) {
    std::vector<double> doubles;
    std::vector<int> ints;
    std::map<const int*, std::size_t> grids;
    const auto add = [&](std::span<const double> x) {
      const std::size_t place = doubles.size();
      doubles.insert(doubles.end(), x.begin(), x.end());
      return place;
    };
    for (const Request& r : requests) {
      const Problem& p = *r.problem;
      Places at{add(p.landscape.hessian),
                add(noise_amplitude(p)),
                add(p.start.centre),
                add(p.start.factor),
                add(p.start.quantiles),
                0,
                0};
      if (r.basins != nullptr) {
        const BasinMap map = r.basins->map();
        at.maxima = add(r.basins->maxima());
        if (map.grid != nullptr) {
          const auto [found, fresh] = grids.emplace(map.grid, ints.size());
          if (fresh) ints.insert(ints.end(), map.grid, map.grid + BasinMap::kCells * BasinMap::kCells);
          at.grid = found->second;
        }
      }
      places_.push_back(at);
    }
    doubles_ = typename Machine::template Buffer<double>(std::span<const double>(doubles));
    ints_ = typename Machine::template Buffer<int>(std::span<const int>(ints));
  }

  const double* hessian(std::size_t request) const { return doubles_.data() + places_[request].hessian; }
  const double* amplitude(std::size_t request) const { return doubles_.data() + places_[request].amplitude; }

  ProblemView view(std::size_t request, const Request& r) const {
    const Problem& p = *r.problem;
    const Places& at = places_[request];
    ProblemView view{.settings = {p.seed, static_cast<std::uint64_t>(p.burn_in) * p.substeps,
                                  p.target.has_value(), p.target.value_or(Target{})},
                     .start = view_of(p.start),
                     .basins = r.basins != nullptr ? r.basins->map() : BasinMap{},
                     .burn_in = p.burn_in,
                     .substeps = p.substeps,
                     .dimension = p.landscape.dimension};
    if (view.start.centre != nullptr) view.start.centre = doubles_.data() + at.centre;
    view.start.factor = doubles_.data() + at.factor;
    view.start.quantiles = doubles_.data() + at.quantiles;
    view.basins.maxima = doubles_.data() + at.maxima;
    if (view.basins.grid != nullptr) view.basins.grid = ints_.data() + at.grid;
    return view;
  }

 private:
  struct Places {
    std::size_t hessian, amplitude, centre, factor, quantiles, maxima, grid;
  };
  std::vector<Places> places_;
  typename Machine::template Buffer<double> doubles_;
  typename Machine::template Buffer<int> ints_;
};

/// The walkers of requests whose landscapes and schemes are of the same types, in a machine's memory.
template <class Machine>
class Batch {
 public:
  template <class T>
  using Buffer = typename Machine::template Buffer<T>;

  Batch(Machine& machine, std::span<const Request> requests, std::vector<ProblemView> problems)
      : machine_(machine),
        dimension_(problems.front().dimension),
        problems_(std::span<const ProblemView>(problems)) {
    std::vector<ChunkPlace> chunks;
    std::vector<std::int64_t> first_chunk = {0};
    for (std::size_t r = 0; r < requests.size(); ++r) {
      const std::uint32_t walkers = requests[r].problem->walkers;
      for (std::uint32_t g = 0; g < requests[r].groups; ++g) {
        const auto group = static_cast<int>(first_chunk.size()) - 1;
        for (std::uint32_t first = 0; first < walkers; first += kChunk)
          chunks.push_back({static_cast<int>(r), group, (requests[r].first_group + g) * walkers + first,
                            static_cast<int>(std::min<std::uint32_t>(kChunk, walkers - first))});
        first_chunk.push_back(static_cast<std::int64_t>(chunks.size()));
      }
      start_ = std::min(start_, -requests[r].problem->burn_in);
    }
    groups_ = static_cast<std::int64_t>(first_chunk.size()) - 1;
    chunk_count_ = static_cast<std::int64_t>(chunks.size());
    chunks_ = Buffer<ChunkPlace>(std::span<const ChunkPlace>(chunks));
    first_chunk_ = Buffer<std::int64_t>(std::span<const std::int64_t>(first_chunk));
    const auto places = static_cast<std::size_t>(chunk_count_) * kChunk;
    w_ = Buffer<double>(places * dimension_);
    escaped_at_ = Buffer<double>(places);
    first_ = Buffer<double>(places);
    all_ = {chunks_.data(), problems_.data(),   static_cast<std::int64_t>(places),
            w_.data(),      escaped_at_.data(), first_.data()};
    machine_.each(all_.stride, PlaceWalkers{all_});
  }
  virtual ~Batch() = default;

  /// SGD steps [from, to) of every walker; the burn-in has negative steps.
  virtual void move(std::int64_t from, std::int64_t to, bool until_escaped) = 0;
  /// The first step of the longest burn-in.
  std::int64_t start() const { return start_; }

  /// Makes room for the results of `looks` looks at most and as many records.
  int make_room(const TallyShape& shape, std::size_t looks) {
    shape_ = shape;
    const std::size_t bytes = 8 * (static_cast<std::size_t>(chunk_count_ + groups_) * shape.slots() +
                                   static_cast<std::size_t>(groups_) * shape.cells());
    const std::size_t fitting = machine_.free_memory() / 4 / bytes;
    const std::size_t rounds = std::clamp<std::size_t>(std::min(fitting, looks), 1, kRounds);
    partial_ = Buffer<double>(rounds * chunk_count_ * shape.slots());
    sums_ = Buffer<double>(rounds * groups_ * shape.slots());
    counts_ = Buffer<unsigned long long>(rounds * groups_ * shape.cells());
    partial_.fill_bytes(0);
    counts_.fill_bytes(0);
    return static_cast<int>(rounds);
  }
  /// Looks at the walkers at SGD step `step`: the results are look number `round`, record number `record`.
  void look(std::int64_t step, bool first, bool last, std::size_t round, std::size_t record) {
    if (first && shape_.lagged) machine_.each(all_.stride, KeepFirst{all_});
    add_up(step, last, partial_.data() + round * chunk_count_ * shape_.slots(),
           counts_.data() + record * groups_ * shape_.cells());
  }
  /// sums[look][group][slot] of `looks` looks.
  std::vector<double> sums(std::size_t looks) {
    const std::size_t size = looks * groups_ * shape_.slots();
    machine_.each(static_cast<std::int64_t>(size),
                  FoldChunks{partial_.data(), first_chunk_.data(), chunk_count_, groups_, shape_.slots(),
                             sums_.data()});
    return sums_.download(size);
  }
  /// counts[record][group][cell] of `records` records, which are forgotten.
  std::vector<unsigned long long> counts(std::size_t records) {
    auto out = counts_.download(records * groups_ * shape_.cells());
    if (!out.empty()) counts_.fill_bytes(0);
    return out;
  }

  /// w[dimension][place] and escaped_at[place] (for tests).
  std::pair<std::vector<double>, std::vector<double>> walkers() const {
    return {w_.download(w_.size()), escaped_at_.download(escaped_at_.size())};
  }

 protected:
  virtual void add_up(std::int64_t step, bool last, double* partial, unsigned long long* counts) = 0;

  Machine& machine_;
  WalkersView all_{};
  TallyShape shape_;
  std::int64_t chunk_count_ = 0;

 private:
  static constexpr std::size_t kRounds = 64;

  int dimension_;
  std::int64_t groups_ = 0;
  std::int64_t start_ = 0;
  Buffer<ProblemView> problems_;
  Buffer<ChunkPlace> chunks_;
  Buffer<std::int64_t> first_chunk_;
  Buffer<double> w_, escaped_at_, first_;
  Buffer<double> partial_, sums_;
  Buffer<unsigned long long> counts_;
};

template <class Machine, class L, class Step>
class BatchOf final : public Batch<Machine> {
 public:
  BatchOf(Machine& machine, std::span<const Request> requests, std::vector<ProblemView> problems,
          std::span<const std::any> dynamics, const FormulaTree* formula)
      : Batch<Machine>(machine, requests, std::move(problems)), formula_(formula) {
    std::vector<L> landscapes;
    std::vector<Step> steps;
    for (const std::any& d : dynamics) {
      const auto& [landscape, step] = std::any_cast<const std::pair<L, Step>&>(d);
      landscapes.push_back(landscape);
      steps.push_back(step);
    }
    landscapes_ = typename Machine::template Buffer<L>(std::span<const L>(landscapes));
    steps_ = typename Machine::template Buffer<Step>(std::span<const Step>(steps));
  }

  void move(std::int64_t from, std::int64_t to, bool until_escaped) override {
    const MoveWalkers<L, Step> f{this->all_, landscapes_.data(), steps_.data(), from, to, until_escaped};
    if constexpr (kFormula)
      this->machine_.each(this->all_.stride, f, *formula_);
    else
      this->machine_.each(this->all_.stride, f);
  }

 private:
  static constexpr bool kFormula = std::is_same_v<L, LinkedFormula<1>> || std::is_same_v<L, LinkedFormula<2>>;

  void add_up(std::int64_t step, bool last, double* partial, unsigned long long* counts) override {
    const Observe<L> o{this->all_, landscapes_.data(), this->shape_, step,
                       last,       this->chunk_count_, partial,      counts};
    if constexpr (kFormula)
      this->machine_.look(o, *formula_);
    else
      this->machine_.look(o);
  }

  const FormulaTree* formula_;  ///< null where the landscape is none
  typename Machine::template Buffer<L> landscapes_;
  typename Machine::template Buffer<Step> steps_;
};

/// Requests that one batch can hold: of the same types, with the same sums.
template <class Machine>
struct BatchPlan {
  using Make = std::unique_ptr<Batch<Machine>> (*)(Machine&, const BatchPlan&);
  using Key = std::tuple<Make, int, bool, std::size_t, std::string>;
  Key key;
  std::vector<std::size_t> indices{};  ///< of the requests
  std::vector<Request> requests{};
  std::vector<ProblemView> problems{};
  std::vector<std::any> dynamics{};

  std::unique_ptr<FormulaTree> formula{};

  /// The plan must outlive the batch.
  std::unique_ptr<Batch<Machine>> make(Machine& machine) const { return std::get<Make>(key)(machine, *this); }
};

template <class Machine>
std::vector<BatchPlan<Machine>> plan_batches(const Numbers<Machine>& numbers,
                                             std::span<const Request> requests) {
  using Of = BatchPlan<Machine>;
  std::vector<Of> plans;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const Problem& p = *requests[r].problem;
    const auto add = [&](const auto& landscape) {
      using L = std::decay_t<decltype(landscape)>;
      visit_step<L>(p, noise_amplitude(p).data(), numbers.amplitude(r), [&](const auto& step) {
        using Step = std::decay_t<decltype(step)>;
        const typename Of::Make make = [](Machine& machine, const Of& of) -> std::unique_ptr<Batch<Machine>> {
          return std::make_unique<BatchOf<Machine, L, Step>>(machine, of.requests, of.problems, of.dynamics,
                                                             of.formula.get());
        };
        const typename Of::Key key = {make, p.landscape.dimension, p.target.has_value(),
                                      requests[r].basins != nullptr ? requests[r].basins->count() : 0,
                                      p.landscape.formula};
        auto found = std::ranges::find(plans, key, &Of::key);
        if (found == plans.end()) {
          found = plans.insert(plans.end(), Of{.key = key});
          if (p.landscape.kind == Landscape::Kind::formula)
            found->formula = std::make_unique<FormulaTree>(p.landscape.formula,
                                                           landscape_variables(p.landscape.dimension));
        }
        found->indices.push_back(r);
        found->requests.push_back(requests[r]);
        found->problems.push_back(numbers.view(r, requests[r]));
        found->dynamics.emplace_back(std::pair<L, Step>{landscape, step});
        if constexpr (requires { landscape.formula; })
          std::any_cast<std::pair<L, Step>&>(found->dynamics.back()).first.formula = found->formula.get();
      });
    };
    if (p.landscape.kind != Landscape::Kind::formula)
      visit_named(p.landscape, numbers.hessian(r), add);
    else if (p.landscape.dimension == 1)
      add(LinkedFormula<1>{});
    else
      add(LinkedFormula<2>{});
  }
  return plans;
}

/// Takes one batch through all looks; out[group of the batch].
template <class Machine>
void observe_batch(Machine& machine, Batch<Machine>& batch, const Plan::Looks& looks,
                   std::vector<Summary>& out, bool until_escaped, const std::atomic<bool>* stop) {
  const TallyShape shape = out.front().shape();
  const std::size_t groups = out.size();
  const auto rounds = static_cast<std::size_t>(batch.make_room(shape, looks.steps.size()));
  Pace pace;
  std::int64_t step = batch.start();
  for (std::size_t look = 0; look < looks.steps.size();) {
    const std::size_t first_look = look;
    const std::size_t first_record = looks.record[look];
    pace.begin();
    std::int64_t queued = 0;
    while (look < looks.steps.size() && queued < pace.steps() && look - first_look < rounds) {
      const std::int64_t steps = std::min(looks.steps[look] - step, pace.steps() - queued);
      if (steps > 0) batch.move(step, step + steps, until_escaped);
      step += steps;
      queued += steps;
      if (step < looks.steps[look]) continue;
      batch.look(step, look == 0, looks.last(look), look - first_look, looks.record[look] - first_record);
      ++look;
      ++queued;  // at least as much as a step
    }
    machine.synchronize();
    pace.end(queued);
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw Stopped{};
    if (look == first_look) continue;
    const auto sums = batch.sums(look - first_look);
    const auto counts = batch.counts(looks.record[look - 1] - first_record + 1);
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t i = first_look; i < look; ++i)
        out[g].add_sums(i, &sums[((i - first_look) * groups + g) * shape.slots()]);
      for (std::size_t r = 0; r * groups * shape.cells() < counts.size(); ++r)
        out[g].add_counts(first_record + r,
                          reinterpret_cast<const std::uint64_t*>(&counts[(r * groups + g) * shape.cells()]));
    }
  }
}

/// What observe_group() gives for every group of every request: [request][group].
template <class Machine>
std::vector<std::vector<std::vector<double>>> observe_groups(Machine& machine, const Plan& plan,
                                                             std::span<const Request> requests,
                                                             const std::atomic<bool>* stop) {
  std::vector<std::vector<std::vector<double>>> out(requests.size());
  const Plan::Looks looks = plan.looks();
  const Numbers<Machine> numbers(requests);
  const auto plans = plan_batches(numbers, requests);
  for (const BatchPlan<Machine>& of : plans) {
    std::vector<Summary> summaries;
    for (const Request& r : of.requests)
      for (std::uint32_t g = 0; g < r.groups; ++g) summaries.emplace_back(*r.problem, plan, looks, r.basins);
    if (summaries.empty()) continue;
    const auto batch = of.make(machine);
    observe_batch(machine, *batch, looks, summaries, only_escapes(plan), stop);
    auto summary = summaries.begin();
    for (std::size_t i = 0; i < of.requests.size(); ++i)
      for (std::uint32_t g = 0; g < of.requests[i].groups; ++g)
        out[of.indices[i]].push_back(std::move(*summary++).values());
  }
  return out;
}

/// Where the walkers of a group are after `steps` SGD steps (for tests).
template <class Machine>
Walked walk_group(Machine& machine, const Problem& problem, std::uint32_t group, std::int64_t steps) {
  const Request request{&problem, nullptr, group, 1};
  const Numbers<Machine> numbers({&request, 1});
  const auto plans = plan_batches(numbers, std::span<const Request>(&request, 1));
  const auto batch = plans.front().make(machine);
  // In two launches, so that the seam between them is tested.
  const std::int64_t middle = batch->start() + (steps - batch->start()) / 2;
  batch->move(batch->start(), middle, false);
  batch->move(middle, steps, false);
  const auto [w, escaped_at] = batch->walkers();
  const std::size_t stride = escaped_at.size();
  Walked out;
  for (int k = 0; k < problem.landscape.dimension; ++k)
    out.w.insert(out.w.end(), w.begin() + k * stride, w.begin() + k * stride + problem.walkers);
  out.escaped_at.assign(escaped_at.begin(), escaped_at.begin() + problem.walkers);
  return out;
}

}  // namespace soret::langevin
