#pragma once

#include <barrier>
#include <memory>
#include <thread>
#include <vector>

#include "soret/ensemble/two_layer_team.hpp"
#include "soret/ensemble/two_layer_team_observe.hpp"

/// Runs the team body (the CUDA driver's) on CPU teams.
namespace soret::two_layer {

/// A real thread for each rank, in step through barriers: what a CUDA block does. A missing barrier in the
/// body is a data race here, which the thread sanitizer reports.
class ThreadTeam {
 public:
  struct Shared {
    explicit Shared(int team_width) : width(team_width), barrier(team_width), values(team_width) {
      const int group = std::min(width, kTeamGroup);
      for (int g = 0; g < team_groups(width); ++g) groups.push_back(std::make_unique<std::barrier<>>(group));
    }
    int width;
    std::barrier<> barrier;
    std::vector<std::unique_ptr<std::barrier<>>> groups;  // warps: a shuffle orders no more than its own
    std::vector<double> values;
  };
  ThreadTeam(Shared& shared, int rank) : shared_(shared), rank_(rank) {}

  template <class T>
  class Private {
   public:
    explicit Private(const ThreadTeam&) {}
    T& operator[](int) { return mine_; }

   private:
    T mine_{};
  };

  int width() const { return shared_.width; }
  template <class F>
  void each(F f) const {
    f(rank_);
  }
  template <class F>
  void for_each(int n, F f) const {
    for (int k = rank_; k < n; k += width()) f(k);
    barrier();
  }
  template <class F>
  void single(F f) const {
    if (rank_ == 0) f();
    barrier();
  }
  void barrier() const { shared_.barrier.arrive_and_wait(); }

  template <class T>
  void sum_lanes(int lanes, int n, T* x) const {
    for (int k = 0; k < n; ++k) {
      T& mine = Owned<T>{x, width(), rank_}[k];
      mine = butterfly(mine, lanes);
    }
  }
  template <class T, class Term>
  void sum(int n, Term term, T* partial) const {
    for (int k = 0; k < n; ++k) {
      const T x = butterfly(term(rank_, k), std::min(width(), kTeamGroup));
      if (rank_ % kTeamGroup == 0) partial[k * team_groups(width()) + rank_ / kTeamGroup] = x;
    }
    barrier();
  }

 private:
  template <class T>
  T butterfly(T x, int lanes) const {
    auto& group = *shared_.groups[rank_ / kTeamGroup];
    for (int distance = lanes / 2; distance > 0; distance /= 2) {
      shared_.values[rank_] = x;
      group.arrive_and_wait();
      x = x + static_cast<T>(shared_.values[rank_ ^ distance]);
      group.arrive_and_wait();
    }
    return x;
  }

  Shared& shared_;
  int rank_;
};

/// Calls body(team) on a team of each kind.
struct OnSerialTeam {
  template <class Body>
  void operator()(int width, Body body) const {
    body(SerialTeam(width));
  }
};
struct OnThreadTeam {
  template <class Body>
  void operator()(int width, Body body) const {
    ThreadTeam::Shared shared(width);
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < width; ++rank)
      threads.emplace_back([&, rank] { body(ThreadTeam(shared, rank)); });
  }
};

/// A network with all the memory that a team needs.
class TeamRun {
 public:
  TeamRun(const Problem& problem, std::uint32_t trajectory)
      : problem_(problem),
        trajectory_(trajectory),
        shape_(team_shape(problem)),
        view_(team_problem(problem)),
        state_(state_floats(shape_) / 4) {
    if (problem.label_kind == Labels::teacher) {
      teacher_ = teacher_parameters(problem);
      view_.teacher_w = teacher_.w.data();
      view_.teacher_b = teacher_.b.data();
      view_.teacher_v = teacher_.v.data();
    }
    view_.training = set_view(problem.training.get());
    view_.probe = set_view(problem.probe.get());
    view_.probe.squares = squares(problem.probe.get());
    order_.resize(view_.training.size);
    local_.resize(team_layout(view_, shape_).size / 4);
  }

  template <class Run = OnSerialTeam>
  void initialise(Run run = {}) {
    run(shape_.width,
        [&](const auto& team) { two_layer::initialise(team, view_, shape_, trajectory_, state()); });
  }

  /// Steps [from, to) with the given tile, as one launch.
  template <class Tile = MemoryTile, class Run = OnSerialTeam>
  void advance(std::int64_t from, std::int64_t to, Run run = {}) {
    run(shape_.width, [&]<class Team>(const Team& team) {
      if (shape_.accumulate) {
        go<TeamNetwork<Team, Tile, true>>(team, from, to);
      } else {
        go<TeamNetwork<Team, Tile, false>>(team, from, to);
      }
    });
  }

  /// False if the network has diverged.
  template <class Run = OnSerialTeam>
  bool measure(std::span<const Observable> observables, double* out, Run run = {}) {
    const Needs needs = needs_of(observables, problem_.input_kind, problem_.activation);
    // Poisoned: nothing may be read before it is written.
    std::vector<DoubleQuad> memory(observe_layout(view_, shape_, needs).size / 4 + 1,
                                   {1e300, 1e300, 1e300, 1e300});
    bool finite = false;
    run(shape_.width, [&](const auto& team) {
      TeamObserver observer(team, view_, shape_, needs, state(), reinterpret_cast<double*>(memory.data()));
      const bool ok = observer.measure(out);
      team.single([&] { finite = ok; });
    });
    return finite;
  }

  Parameters parameters() const {
    return state_parameters(problem_, shape_, reinterpret_cast<const float*>(state_.data()));
  }
  TeamState state() { return team_state(shape_, reinterpret_cast<float*>(state_.data())); }
  const TeamShape& shape() const { return shape_; }
  const TeamProblem& view() const { return view_; }
  TeamOrder order() { return {order_.data(), &epoch_}; }
  float* local() { return reinterpret_cast<float*>(local_.data()); }

 private:
  template <class Network, class Team>
  void go(const Team& team, std::int64_t from, std::int64_t to) {
    Network network(team, view_, shape_, trajectory_, state(), order(), local());
    network.advance(from, to);
    network.finish();
  }
  static SetView set_view(const SampleSet* set) {
    return set == nullptr ? SetView{} : SetView{set->size, set->inputs.data(), set->targets.data()};
  }
  const double* squares(const SampleSet* set) {
    if (set == nullptr) return nullptr;
    squares_.assign(set->size, 0.0);
    for (std::size_t k = 0; k < set->inputs.size(); ++k)
      squares_[k / problem_.inputs] += static_cast<double>(set->inputs[k]) * set->inputs[k];
    return squares_.data();
  }

  Problem problem_;
  std::uint32_t trajectory_;
  TeamShape shape_;
  TeamProblem view_;
  Parameters teacher_;
  std::vector<double> squares_;
  std::vector<Quad> state_, local_;  // 16-byte aligned
  std::vector<int> order_;
  std::int64_t epoch_ = -1;
};

/// Parameters after `steps` steps on the serial team.
inline Parameters train_team(const Problem& problem, std::uint32_t trajectory, std::int64_t steps) {
  TeamRun run(problem, trajectory);
  run.initialise();
  if (steps > 0) run.advance(0, steps);
  return run.parameters();
}

inline double largest_difference(const Parameters& a, const Parameters& b) {
  double largest = 0;
  const auto compare = [&](const std::vector<float>& x, const std::vector<float>& y) {
    if (x.size() != y.size()) largest = HUGE_VAL;
    for (std::size_t k = 0; k < std::min(x.size(), y.size()); ++k) {
      const double d = std::abs(static_cast<double>(x[k]) - y[k]);
      largest = d <= largest ? largest : d;  // a NaN counts as large
    }
  };
  compare(a.w, b.w);
  compare(a.b, b.b);
  compare(a.v, b.v);
  return std::isnan(largest) ? HUGE_VAL : largest;
}

inline bool same_bits(const Parameters& a, const Parameters& b) {
  return a.w == b.w && a.b == b.b && a.v == b.v;
}

/// Every observable, in order.
inline std::vector<Observable> all_observables() {
  std::vector<Observable> all;
  for (int k = 0; k < kObservables; ++k) all.push_back(static_cast<Observable>(k));
  return all;
}

/// A training set of 11 samples (a batch of 4 straddles its epochs) for any sampling but fresh, and 13 probe
/// samples.
inline void give_sets(Problem& p) {
  if (p.sampling != Sampling::fresh) p.training = std::make_shared<SampleSet>(synthetic_set(p, 11, false));
  p.probe = std::make_shared<SampleSet>(synthetic_set(p, 13, true));
}

}  // namespace soret::two_layer
