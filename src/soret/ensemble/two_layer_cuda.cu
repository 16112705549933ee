#include <algorithm>
#include <chrono>
#include <limits>
#include <map>

#include "soret/base/cuda.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/device_team.hpp"
#include "soret/ensemble/two_layer_cuda.hpp"
#include "soret/ensemble/two_layer_team.hpp"
#include "soret/ensemble/two_layer_team_observe.hpp"

/// Expected rate at 100-100-1, batch 1, on an H200 (132 multiprocessors, about 1.75 GHz under load): a team
/// of 7 warps keeps 13 quads of weights per thread in 96 registers, so 3 teams share a multiprocessor. In the
/// machine code a step takes about 310 instructions per warp (104 of them the multiply-adds of the weights),
/// about 45 for random numbers (drawn 8 samples at a time) and about 120 of one warp for the residual: 2600
/// issue slots, 650 cycles at 4 per cycle. The chain of one step, with two barriers and six shuffles, is
/// about 1100 cycles long, and three teams overlap, so issue is the bound:
///   132 * 1.75e9 / 650 = 350 million network-steps/s = 14 TFLOP/s, 24% of the fp32 peak.
/// The weights never leave the registers within a launch; each launch reads and writes 80 kB per network,
/// which is less than the multiply-adds of two steps take.
namespace soret::two_layer {
namespace {

/// Threads of a block that holds several small teams.
constexpr int kSmallTeamsBlock = 128;
/// Registers of a thread in such a block, where the teams do not have to share 65536 among them.
constexpr int small_team_registers(int quads, bool accumulate) {
  return (accumulate ? 128 : 96) + (quads > 4 ? 32 : 0);
}
/// Teams up to this width observe with more registers.
constexpr int kNarrowObserver = 512;
/// Records that wait on the device before the host fetches them.
constexpr int kRounds = 64;
/// The host looks at the stop flag and at the divergence marks about this often.
constexpr double kLookSeconds = 0.2;

struct DeviceProblem {
  TeamProblem problem;
  Needs needs;
};

struct Network {
  int problem;
  std::uint32_t trajectory;
};

/// One group of networks of one shape, as the kernels see it.
struct Group {
  TeamShape shape;
  const DeviceProblem* problems;
  const Network* networks;
  int count;
  float* states;  ///< [count][state_size]
  std::size_t state_size;
  int* orders;  ///< [count][order_size]
  std::size_t order_size;
  std::int64_t* epochs;       ///< [count]
  std::int64_t* diverged_at;  ///< [count]
  int local_size;             ///< floats of a team's local memory
  float* local;               ///< [count][local_size], or null: in shared memory
};

template <bool WHOLE_BLOCK>
__device__ int team_of_block(int width) {
  return WHOLE_BLOCK ? 0 : static_cast<int>(threadIdx.x) / width;
}
template <bool WHOLE_BLOCK>
__device__ int team_index(int width) {
  return WHOLE_BLOCK ? static_cast<int>(blockIdx.x)
                     : static_cast<int>(blockIdx.x * (blockDim.x / width)) + team_of_block<false>(width);
}

template <bool WHOLE_BLOCK>
__global__ void initialise_networks(Group g) {
  const int n = team_index<WHOLE_BLOCK>(g.shape.width);
  if (n >= g.count) return;
  const DeviceTeam<WHOLE_BLOCK> team(g.shape.width);
  initialise(team, g.problems[g.networks[n].problem].problem, g.shape, g.networks[n].trajectory,
             team_state(g.shape, g.states + n * g.state_size));
}

/// Steps [from, to) of every network that is still finite.
template <class Tile, bool ACCUMULATE, bool WHOLE_BLOCK, bool SHARED>
__device__ __forceinline__ void advance_network(const Group& g, std::int64_t from, std::int64_t to) {
  extern __shared__ float4 shared[];
  const int n = team_index<WHOLE_BLOCK>(g.shape.width);
  if (n >= g.count || g.diverged_at[n] >= 0) return;
  const DeviceTeam<WHOLE_BLOCK> team(g.shape.width);
  float* local =
      SHARED ? reinterpret_cast<float*>(shared) + team_of_block<WHOLE_BLOCK>(g.shape.width) * g.local_size
             : g.local + static_cast<std::size_t>(n) * g.local_size;
  TeamNetwork<DeviceTeam<WHOLE_BLOCK>, Tile, ACCUMULATE> network(
      team, g.problems[g.networks[n].problem].problem, g.shape, g.networks[n].trajectory,
      team_state(g.shape, g.states + n * g.state_size), {g.orders + n * g.order_size, g.epochs + n}, local);
  network.advance(from, to);
  network.finish();
}

template <int QUADS, bool ACCUMULATE, bool WHOLE_BLOCK, int REGISTERS>
__global__ void __maxnreg__(REGISTERS) advance_registers(Group g, std::int64_t from, std::int64_t to) {
  advance_network<RegisterTile<QUADS>, ACCUMULATE, WHOLE_BLOCK, true>(g, from, to);
}

template <bool ACCUMULATE, bool SHARED>
__global__ void __launch_bounds__(kMaxTeam) advance_memory(Group g, std::int64_t from, std::int64_t to) {
  advance_network<MemoryTile, ACCUMULATE, true, SHARED>(g, from, to);
}

/// Observables of every network that is still finite to out[count][kObservables]; marks the others as
/// diverged at `step`. Each team takes every `teams`-th network and works in its own [size] doubles of
/// `work`.
template <bool WHOLE_BLOCK, int REGISTERS>
__global__ void __maxnreg__(REGISTERS)
    observe_networks(Group g, std::int64_t step, double* work, std::size_t work_size, double* out) {
  const int width = g.shape.width;
  const int first = team_index<WHOLE_BLOCK>(width);
  const int teams =
      WHOLE_BLOCK ? static_cast<int>(gridDim.x) : static_cast<int>(gridDim.x * (blockDim.x / width));
  const DeviceTeam<WHOLE_BLOCK> team(width);
  for (int n = first; n < g.count; n += teams) {
    team.barrier();  // the previous network's marks have been read
    if (g.diverged_at[n] >= 0) continue;
    team.barrier();  // everybody has seen that it was finite
    const DeviceProblem& problem = g.problems[g.networks[n].problem];
    TeamObserver observer(team, problem.problem, g.shape, problem.needs,
                          team_state(g.shape, g.states + n * g.state_size), work + first * work_size);
    if (!observer.measure(out + static_cast<std::size_t>(n) * kObservables))
      team.single([&] { g.diverged_at[n] = step; });
  }
}

using Advance = void (*)(Group, std::int64_t, std::int64_t);

template <std::size_t TILE>
Advance register_kernel(const TeamShape& s, bool whole_block) {
  constexpr RegisterTileSize kTile = kRegisterTiles[TILE];
  if (s.quads != kTile.quads) {
    if constexpr (TILE + 1 < std::size(kRegisterTiles)) return register_kernel<TILE + 1>(s, whole_block);
    return nullptr;
  }
  if (!s.accumulate) {
    return whole_block
               ? advance_registers<kTile.quads, false, true, kTile.registers>
               : advance_registers<kTile.quads, false, false, small_team_registers(kTile.quads, false)>;
  }
  if constexpr (kTile.registers_accumulate > 0) {
    return whole_block ? advance_registers<kTile.quads, true, true, kTile.registers_accumulate>
                       : advance_registers<kTile.quads, true, false, small_team_registers(kTile.quads, true)>;
  }
  return nullptr;
}

Advance memory_kernel(const TeamShape& s, bool shared) {
  if (s.accumulate) return shared ? advance_memory<true, true> : advance_memory<true, false>;
  return shared ? advance_memory<false, true> : advance_memory<false, false>;
}

/// How many steps go to the device before the host looks again: it grows or shrinks until that takes
/// kLookSeconds, from a single step on, because a step of a large network may take a noticeable time.
class Pace {
 public:
  std::int64_t steps() const { return steps_; }
  void took(std::int64_t steps, double seconds) {
    const double fitting = static_cast<double>(steps) * kLookSeconds / std::max(seconds, 1e-6);
    steps_ = std::clamp(static_cast<std::int64_t>(fitting), std::int64_t{1}, 2 * steps_);
  }

 private:
  std::int64_t steps_ = 1;
};

/// The sets that problems share, on the device once each.
class Sets {
 public:
  SetView view(const SampleSet* set, int inputs, bool squares) {
    if (set == nullptr) return {};
    Stored& stored = stored_[set];
    if (stored.inputs.size() == 0) {
      stored.inputs = cuda::Buffer<float>(std::span<const float>(set->inputs));
      stored.targets = cuda::Buffer<float>(std::span<const float>(set->targets));
    }
    if (squares && stored.squares.size() == 0) {
      std::vector<double> square(static_cast<std::size_t>(set->size));
      for (std::size_t k = 0; k < set->inputs.size(); ++k)
        square[k / inputs] += static_cast<double>(set->inputs[k]) * set->inputs[k];
      stored.squares = cuda::Buffer<double>(std::span<const double>(square));
    }
    return {set->size, stored.inputs.data(), stored.targets.data(), stored.squares.data()};
  }

 private:
  struct Stored {
    cuda::Buffer<float> inputs, targets;
    cuda::Buffer<double> squares;
  };
  std::map<const SampleSet*, Stored> stored_;
};

/// A problem on the device, with what its pointers lead to.
class Uploaded {
 public:
  Uploaded(const Problem& p, std::span<const Observable> observables, Sets& sets)
      : device_{team_problem(p), needs_of(observables, p.input_kind, p.activation)} {
    device_.problem.training = sets.view(p.training.get(), p.inputs, false);
    device_.problem.probe = sets.view(p.probe.get(), p.inputs, device_.needs.forward);
    if (p.label_kind != Labels::teacher) return;
    const Parameters teacher = teacher_parameters(p);
    w_ = cuda::Buffer<float>(std::span<const float>(teacher.w));
    b_ = cuda::Buffer<float>(std::span<const float>(teacher.b));
    v_ = cuda::Buffer<float>(std::span<const float>(teacher.v));
    device_.problem.teacher_w = w_.data();
    device_.problem.teacher_b = b_.data();
    device_.problem.teacher_v = v_.data();
  }
  const DeviceProblem& device() const { return device_; }

 private:
  DeviceProblem device_;
  cuda::Buffer<float> w_, b_, v_;
};

/// Networks of one shape on the device.
class Resident {
 public:
  Resident(const CudaDevice& device, const TeamShape& shape, std::span<const DeviceProblem> problems,
           std::span<const Network> networks)
      : device_(device),
        problems_(problems),
        networks_(networks),
        whole_block_(shape.width > kTeamGroup || !shape.registers) {
    g_.shape = shape;
    g_.problems = problems_.data();
    g_.networks = networks_.data();
    g_.count = static_cast<int>(networks.size());
    const Sizes sizes(shape, problems, networks);
    g_.state_size = state_floats(shape);
    g_.order_size = sizes.order;
    g_.local_size = sizes.local;
    states_ = cuda::Buffer<float>(networks.size() * g_.state_size);
    orders_ = cuda::Buffer<int>(networks.size() * g_.order_size);
    epochs_ = cuda::Buffer<std::int64_t>(networks.size());
    epochs_.fill_bytes(0xff);  // -1
    diverged_at_ = cuda::Buffer<std::int64_t>(networks.size());
    diverged_at_.fill_bytes(0xff);
    g_.states = states_.data();
    g_.orders = orders_.data();
    g_.epochs = epochs_.data();
    g_.diverged_at = diverged_at_.data();
    choose_kernel();
    out_ = cuda::Buffer<double>(networks.size() * kObservables * kRounds);
    work_size_ = sizes.work;
    observe_teams_ = std::min(g_.count, device.multiprocessors * 2 * std::max(1, kMaxTeam / shape.width));
    work_ = cuda::Buffer<double>(static_cast<std::size_t>(observe_blocks()) * teams_per_block() * work_size_);
    launch([&](dim3 blocks, dim3 threads) {
      if (whole_block_) {
        initialise_networks<true><<<blocks, threads>>>(g_);
      } else {
        initialise_networks<false><<<blocks, threads>>>(g_);
      }
    });
  }

  /// Bytes of device memory that one network takes at most.
  static std::size_t bytes_per_network(const TeamShape& shape, std::span<const DeviceProblem> problems,
                                       std::span<const Network> networks) {
    const Sizes sizes(shape, problems, networks);
    return sizeof(float) * (state_floats(shape) + sizes.order + sizes.local) +
           sizeof(double) * (sizes.work + kObservables * kRounds + 4);
  }

  void advance(std::int64_t from, std::int64_t to) {
    launch([&](dim3 blocks, dim3 threads) { kernel_<<<blocks, threads, shared_bytes_>>>(g_, from, to); });
  }

  /// The observables at `step` as round `round` of results().
  void observe(std::int64_t step, int round) {
    double* out = out_.data() + static_cast<std::size_t>(round) * g_.count * kObservables;
    const dim3 blocks(observe_blocks());
    const dim3 threads(teams_per_block() * g_.shape.width);
    const auto kernel = !whole_block_                       ? observe_networks<false, 128>
                        : g_.shape.width <= kNarrowObserver ? observe_networks<true, 128>
                                                            : observe_networks<true, 64>;
    kernel<<<blocks, threads>>>(g_, step, work_.data(), work_size_, out);
    SORET_CUDA_CHECK(cudaGetLastError());
  }

  /// [rounds][count][kObservables]
  std::vector<double> results(int rounds) const {
    return out_.download(static_cast<std::size_t>(rounds) * g_.count * kObservables);
  }
  std::vector<std::int64_t> diverged_at() const { return diverged_at_.download(diverged_at_.size()); }
  std::vector<float> states() const { return states_.download(states_.size()); }

 private:
  /// The most that any of the group's problems needs.
  struct Sizes {
    Sizes(const TeamShape& shape, std::span<const DeviceProblem> problems,
          std::span<const Network> networks) {
      for (const Network& n : networks) {
        const DeviceProblem& p = problems[n.problem];
        local = std::max(local, team_layout(p.problem, shape).size);
        work = std::max(work, static_cast<std::size_t>(observe_layout(p.problem, shape, p.needs).size));
        if (p.problem.sampling == Sampling::without_replacement)
          order = std::max(order, static_cast<std::size_t>(p.problem.training.size));
      }
      work = (work + 3) / 4 * 4;
    }
    int local = 0;
    std::size_t work = 0;
    std::size_t order = 0;
  };

  int teams_per_block() const { return teams_per_block_; }
  int observe_blocks() const { return (observe_teams_ + teams_per_block() - 1) / teams_per_block(); }

  template <class Launch>
  void launch(Launch f) {
    const int teams = teams_per_block();
    f(dim3((g_.count + teams - 1) / teams), dim3(teams * g_.shape.width));
    SORET_CUDA_CHECK(cudaGetLastError());
  }

  void choose_kernel() {
    const std::size_t team_bytes = sizeof(float) * g_.local_size;
    if (!whole_block_) {
      const std::size_t fitting = device_.shared_memory / team_bytes;
      if (fitting == 0)
        throw RunError(
            "two_layer on CUDA: a teacher this wide does not fit shared memory; use --backend cpu");
      teams_per_block_ = std::min(kSmallTeamsBlock / g_.shape.width, static_cast<int>(fitting));
    }
    const bool shared = team_bytes * teams_per_block_ <= device_.shared_memory;
    kernel_ = g_.shape.registers && shared ? register_kernel<0>(g_.shape, whole_block_)
                                           : memory_kernel(g_.shape, shared);
    if (shared) {
      shared_bytes_ = team_bytes * teams_per_block_;
      SORET_CUDA_CHECK(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel_),
                                            cudaFuncAttributeMaxDynamicSharedMemorySize,
                                            static_cast<int>(shared_bytes_)));
    } else {
      local_ = cuda::Buffer<float>(static_cast<std::size_t>(g_.count) * g_.local_size);
      g_.local = local_.data();
    }
  }

  CudaDevice device_;
  cuda::Buffer<DeviceProblem> problems_;
  cuda::Buffer<Network> networks_;
  bool whole_block_;  ///< one team per block
  int teams_per_block_ = 1;
  Group g_{};
  cuda::Buffer<float> states_, local_;
  cuda::Buffer<int> orders_;
  cuda::Buffer<std::int64_t> epochs_, diverged_at_;
  Advance kernel_ = nullptr;
  std::size_t shared_bytes_ = 0;
  cuda::Buffer<double> out_, work_;
  std::size_t work_size_ = 0;
  int observe_teams_ = 1;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs all networks through one recording schedule. done(rounds, first record) is called when results lie
/// ready; it returns false if no network is left to follow.
template <class Done>
void run_schedule(Resident& resident, std::span<const std::int64_t> record_steps,
                  const std::atomic<bool>* stop, Done done) {
  Pace pace;
  std::int64_t step = 0;
  std::size_t record = 0;
  while (record < record_steps.size()) {
    const std::size_t first_record = record;
    const auto start = std::chrono::steady_clock::now();
    std::int64_t queued = 0;
    while (record < record_steps.size() && queued < pace.steps() && record - first_record < kRounds) {
      const std::int64_t steps = std::min(record_steps[record] - step, pace.steps() - queued);
      if (steps > 0) resident.advance(step, step + steps);
      step += steps;
      queued += steps;
      if (step < record_steps[record]) continue;
      resident.observe(step, static_cast<int>(record - first_record));
      ++record;
      ++queued;  // at least as much as a step
    }
    SORET_CUDA_CHECK(cudaDeviceSynchronize());
    pace.took(queued, seconds_since(start));
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw Stopped{};
    if (record > first_record && !done(static_cast<int>(record - first_record), first_record)) return;
  }
}

/// What has one shape and one schedule.
struct Batch {
  TeamShape shape;
  std::vector<std::size_t> requests;
};

std::vector<Batch> batches(std::span<const Problem> problems, std::span<const Request> requests) {
  std::vector<Batch> all;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const TeamShape shape = team_shape(problems[i]);
    const auto same = std::ranges::find_if(all, [&](const Batch& b) {
      return b.shape == shape &&
             std::ranges::equal(requests[b.requests.front()].record_steps, requests[i].record_steps);
    });
    if (same == all.end()) {
      all.push_back({shape, {i}});
    } else {
      same->requests.push_back(i);
    }
  }
  return all;
}

/// A network and where its results go.
struct Place {
  std::size_t request;
  std::size_t trajectory;  ///< within the request
};

void run_batch(const CudaDevice& device, const Batch& batch, std::span<const DeviceProblem> problems,
               std::span<const Request> requests, std::vector<Records>& out) {
  std::vector<Network> networks;
  std::vector<Place> places;
  for (const std::size_t r : batch.requests) {
    for (int t = 0; t < requests[r].trajectories; ++t) {
      networks.push_back({static_cast<int>(r), requests[r].first_trajectory + static_cast<std::uint32_t>(t)});
      places.push_back({r, static_cast<std::size_t>(t)});
    }
  }
  const auto record_steps = requests[batch.requests.front()].record_steps;
  const std::size_t records = record_steps.size();
  const std::size_t fitting = std::max<std::size_t>(
      1, cuda::free_memory() / 10 * 8 / Resident::bytes_per_network(batch.shape, problems, networks));
  for (std::size_t first = 0; first < networks.size(); first += fitting) {
    const std::size_t count = std::min(fitting, networks.size() - first);
    Resident resident(device, batch.shape, problems, std::span(networks).subspan(first, count));
    const auto take = [&](int rounds, std::size_t first_record) {
      const std::vector<double> values = resident.results(rounds);
      const std::vector<std::int64_t> diverged_at = resident.diverged_at();
      for (std::size_t n = 0; n < count; ++n) {
        const auto [r, t] = places[first + n];
        const auto trajectories = static_cast<std::size_t>(requests[r].trajectories);
        out[r].diverged_at[t] = diverged_at[n];
        for (int k = 0; k < rounds; ++k) {
          const std::size_t record = first_record + static_cast<std::size_t>(k);
          if (diverged_at[n] >= 0 && record_steps[record] >= diverged_at[n]) break;
          const double* found = &values[(static_cast<std::size_t>(k) * count + n) * kObservables];
          for (std::size_t o = 0; o < requests[r].observables.size(); ++o)
            out[r].values[(o * records + record) * trajectories + t] =
                found[static_cast<std::size_t>(requests[r].observables[o])];
        }
      }
      return std::ranges::any_of(diverged_at, [](std::int64_t at) { return at < 0; });
    };
    run_schedule(resident, record_steps, requests[batch.requests.front()].stop, take);
  }
}

}  // namespace

std::vector<Records> run_cuda(std::span<const Problem> problems, std::span<const Request> requests) {
  const CudaDevice device = require_cuda_device();
  Sets sets;
  std::vector<Uploaded> uploaded;
  std::vector<DeviceProblem> device_problems;
  std::vector<Records> out(problems.size());
  uploaded.reserve(problems.size());
  for (std::size_t i = 0; i < problems.size(); ++i) {
    uploaded.emplace_back(problems[i], requests[i].observables, sets);
    device_problems.push_back(uploaded.back().device());
    const auto trajectories = static_cast<std::size_t>(requests[i].trajectories);
    out[i].values.assign(requests[i].observables.size() * requests[i].record_steps.size() * trajectories,
                         std::numeric_limits<double>::quiet_NaN());
    out[i].diverged_at.assign(trajectories, -1);
  }
  for (const Batch& batch : batches(problems, requests))
    run_batch(device, batch, device_problems, requests, out);
  return out;
}

Parameters train_cuda(const Problem& problem, std::uint32_t trajectory, std::int64_t steps) {
  const CudaDevice device = require_cuda_device();
  Sets sets;
  const Uploaded uploaded(problem, {}, sets);
  const TeamShape shape = team_shape(problem);
  const Network network{0, trajectory};
  Resident resident(device, shape, {&uploaded.device(), 1}, {&network, 1});
  if (steps > 0) resident.advance(0, steps);
  return state_parameters(problem, shape, resident.states().data());
}

}  // namespace soret::two_layer
