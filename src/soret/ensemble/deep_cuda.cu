#include <algorithm>
#include <exception>
#include <map>
#include <mutex>

#include "soret/base/cuda.hpp"
#include "soret/base/cuda_device.hpp"
#include "soret/base/device_team.hpp"
#include "soret/base/pace.hpp"
#include "soret/ensemble/deep_cuda.hpp"
#include "soret/ensemble/deep_team.hpp"

/// Expected rate at 100-100-100-100-100-100-1, batch 1, on an H200 (132 multiprocessors, about 1.75 GHz under
/// load), not measured: a block of 16 warps holds one network in 225 kB of shared memory, so one block shares
/// a multiprocessor with none. With half of the units on a step reads 30,000 weights forwards, reads and
/// writes 30,000 backwards: 360 kB at 128 bytes per cycle, 2800 cycles; its 23 barriers with the chains
/// between them take about as long and overlap little within one block. So between 2800 and 6000 cycles a
/// step,
///   132 * 1.75e9 / 4400 = 50 million network-steps/s, give or take a half.
namespace soret::deep {
namespace {

constexpr int kMostThreads = 32 * kDeepGroups;

struct Network {
  int problem;
  std::uint32_t trajectory;
};

/// Networks of one shape, as the kernel sees them.
struct Group {
  DeepTeamShape shape;
  const DeepTeamProblem* problems;
  const Network* networks;
  int count;
  float* states;      ///< [count][parameters of the shape]
  float* velocities;  ///< the same with momentum, else null
  int* orders;        ///< [count][order_size]
  std::size_t order_size;
  std::int64_t* epochs;  ///< [count]
  int* gone;             ///< [count]: 1 once diverged
  int local_size;
  float* local;  ///< [count][local_size], or null: in shared memory
};

/// Steps [from, to) of every network that has not diverged. SHARED_WEIGHTS: shared memory holds the weights,
/// then the scratch; otherwise the scratch where it fits.
template <bool SHARED_WEIGHTS, bool SHARED_SCRATCH>
__global__ void __launch_bounds__(kMostThreads) advance(Group g, std::int64_t from, std::int64_t to) {
  extern __shared__ float4 shared[];
  const int n = static_cast<int>(blockIdx.x);
  if (g.gone[n] != 0) return;
  const DeviceTeam<true> team(g.shape.width);
  const int size = g.shape.parameters();
  float* state = g.states + static_cast<std::size_t>(n) * size;
  float* velocity = g.velocities == nullptr ? nullptr : g.velocities + static_cast<std::size_t>(n) * size;
  float* weights = SHARED_WEIGHTS ? reinterpret_cast<float*>(shared) : state;
  float* scratch = SHARED_SCRATCH ? reinterpret_cast<float*>(shared) + (SHARED_WEIGHTS ? size : 0)
                                  : g.local + static_cast<std::size_t>(n) * g.local_size;
  if (SHARED_WEIGHTS) team.for_each(size, [&](int k) { weights[k] = state[k]; });
  DeepTeamNetwork network(team, g.problems[g.networks[n].problem], g.shape, g.networks[n].trajectory, weights,
                          velocity, two_layer::TeamOrder{g.orders + n * g.order_size, g.epochs + n}, scratch);
  network.advance(from, to);
  if (SHARED_WEIGHTS) team.for_each(size, [&](int k) { state[k] = weights[k]; });
}

using Advance = void (*)(Group, std::int64_t, std::int64_t);

/// A problem on the device, with what its pointers lead to. Sets are shared by the problems of a run.
class Uploaded {
 public:
  using Sets = std::map<const SampleSet*, std::pair<cuda::Buffer<float>, cuda::Buffer<float>>>;

  Uploaded(const Problem& p, Sets& sets) : device_(deep_team_problem(p)) {
    if (const SampleSet* set = p.training.get()) {
      auto found = sets.find(set);
      if (found == sets.end()) {
        found = sets.emplace(set, std::pair(cuda::Buffer<float>(std::span<const float>(set->inputs)),
                                            cuda::Buffer<float>(std::span<const float>(set->targets))))
                    .first;
      }
      device_.samples.training = {set->size, found->second.first.data(), found->second.second.data(),
                                  nullptr};
    }
    if (p.label_kind != Labels::teacher) return;
    const two_layer::Parameters teacher = teacher_parameters(sample_problem(p));
    w_ = cuda::Buffer<float>(std::span<const float>(teacher.w));
    b_ = cuda::Buffer<float>(std::span<const float>(teacher.b));
    v_ = cuda::Buffer<float>(std::span<const float>(teacher.v));
    device_.samples.teacher_w = w_.data();
    device_.samples.teacher_b = b_.data();
    device_.samples.teacher_v = v_.data();
  }
  const DeepTeamProblem& device() const { return device_; }

 private:
  DeepTeamProblem device_;
  cuda::Buffer<float> w_, b_, v_;
};

/// Networks of one shape on the device.
class Resident {
 public:
  Resident(const CudaDevice& device, const DeepTeamShape& shape, std::span<const Problem> problems,
           std::span<const DeepTeamProblem> device_problems, std::span<const Network> networks)
      : problems_(device_problems), networks_(networks) {
    const auto size = static_cast<std::size_t>(shape.parameters());
    g_.shape = shape;
    g_.problems = problems_.data();
    g_.networks = networks_.data();
    g_.count = static_cast<int>(networks.size());
    for (const Network& n : networks) {
      const DeepTeamProblem& p = device_problems[n.problem];
      g_.local_size = std::max(g_.local_size, deep_team_layout(p, shape).size);
      if (p.samples.sampling == Sampling::without_replacement)
        g_.order_size = std::max(g_.order_size, static_cast<std::size_t>(p.samples.training.size));
    }
    std::vector<float> states(networks.size() * size);
#pragma omp parallel for schedule(dynamic, 1)
    for (std::size_t n = 0; n < networks.size(); ++n) {
      put_parameters(shape, initial_parameters(problems[networks[n].problem], networks[n].trajectory),
                     &states[n * size]);
    }
    states_ = cuda::Buffer<float>(std::span<const float>(states));
    g_.states = states_.data();
    if (shape.momentum) {
      velocities_ = cuda::Buffer<float>(states.size());
      velocities_.fill_bytes(0);
      g_.velocities = velocities_.data();
    }
    orders_ = cuda::Buffer<int>(networks.size() * g_.order_size);
    epochs_ = cuda::Buffer<std::int64_t>(networks.size());
    epochs_.fill_bytes(0xff);  // -1
    gone_ = cuda::Buffer<int>(networks.size());
    gone_.fill_bytes(0);
    g_.orders = orders_.data();
    g_.epochs = epochs_.data();
    g_.gone = gone_.data();

    const std::size_t scratch = sizeof(float) * g_.local_size;
    const std::size_t weights = sizeof(float) * size;
    if (weights + scratch <= device.shared_memory) {
      kernel_ = advance<true, true>;
      shared_bytes_ = weights + scratch;
    } else if (scratch <= device.shared_memory) {
      kernel_ = advance<false, true>;
      shared_bytes_ = scratch;
    } else {
      kernel_ = advance<false, false>;
      local_ = cuda::Buffer<float>(networks.size() * g_.local_size);
      g_.local = local_.data();
    }
    SORET_CUDA_CHECK(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel_),
                                          cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          static_cast<int>(shared_bytes_)));
  }

  void run(std::int64_t from, std::int64_t to) {
    kernel_<<<dim3(g_.count), dim3(g_.shape.width), shared_bytes_>>>(g_, from, to);
    SORET_CUDA_CHECK(cudaGetLastError());
    SORET_CUDA_CHECK(cudaDeviceSynchronize());
  }

  std::vector<float> states() const {
    return states_.download(states_.size());
  }
  void leave_out(std::span<const int> gone) {
    SORET_CUDA_CHECK(cudaMemcpy(gone_.data(), gone.data(), gone.size_bytes(), cudaMemcpyHostToDevice));
  }

 private:
  cuda::Buffer<DeepTeamProblem> problems_;
  cuda::Buffer<Network> networks_;
  Group g_{};
  cuda::Buffer<float> states_, velocities_, local_;
  cuda::Buffer<int> orders_, gone_;
  cuda::Buffer<std::int64_t> epochs_;
  Advance kernel_ = nullptr;
  std::size_t shared_bytes_ = 0;
};

/// What has one shape and one schedule.
struct Batch {
  DeepTeamShape shape;
  std::vector<std::size_t> requests;
};

std::vector<Batch> batches(std::span<const Problem> problems, std::span<const Request> requests) {
  std::vector<Batch> all;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const DeepTeamShape shape = deep_team_shape(problems[i]);
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

/// Observables of every network that is left at one record; marks those that have diverged. Returns whether
/// any is left.
bool observe(const Batch& batch, std::span<const Problem> problems, std::span<const Request> requests,
             std::span<const Network> networks, std::size_t record, const std::vector<float>& states,
             std::vector<int>& gone, std::vector<Records>& out) {
  std::exception_ptr failure;
  std::mutex one_at_a_time;
#pragma omp parallel
  {
    std::map<int, Observer> observers;  // this thread's own
    std::vector<float> parameters;
    std::vector<double> row;
#pragma omp for schedule(dynamic, 1)
    for (std::size_t n = 0; n < networks.size(); ++n) {
      if (gone[n] != 0) continue;
      const auto r = static_cast<std::size_t>(networks[n].problem);
      const int t = static_cast<int>(networks[n].trajectory - requests[r].first_trajectory);
      try {
        get_parameters(batch.shape, &states[n * batch.shape.parameters()], parameters);
        if (!finite(parameters)) {
          gone[n] = 1;
          out[r].diverged_at[t] = requests[r].record_steps[record];
          continue;
        }
        auto found = observers.find(networks[n].problem);
        if (found == observers.end())
          found =
              observers.emplace(networks[n].problem, Observer(problems[r], requests[r].observables)).first;
        std::size_t size = 0;
        for (const Observable o : requests[r].observables) size += cells(problems[r], o);
        row.resize(size);
        found->second.measure(parameters, row);
        put_record(problems[r], requests[r], record, t, row, out[r]);
      } catch (...) {
        const std::lock_guard lock(one_at_a_time);
        failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
  return std::ranges::any_of(gone, [](int g) { return g == 0; });
}

void run_networks(const CudaDevice& device, const Batch& batch, std::span<const Problem> problems,
                  std::span<const DeepTeamProblem> device_problems, std::span<const Request> requests,
                  std::span<const Network> networks, std::vector<Records>& out) {
  Resident resident(device, batch.shape, problems, device_problems, networks);
  std::vector<int> gone(networks.size(), 0);
  const Request& first = requests[batch.requests.front()];
  Pace pace;
  std::int64_t step = 0;
  for (std::size_t record = 0; record < first.record_steps.size(); ++record) {
    while (step < first.record_steps[record]) {
      const std::int64_t steps = std::min(first.record_steps[record] - step, pace.steps());
      pace.begin();
      resident.run(step, step + steps);
      pace.end(steps);
      step += steps;
      if (first.stop != nullptr && first.stop->load(std::memory_order_relaxed)) throw Stopped{};
    }
    if (!observe(batch, problems, requests, networks, record, resident.states(), gone, out)) return;
    resident.leave_out(gone);
  }
}

}  // namespace

std::vector<Records> run_cuda(std::span<const Problem> problems, std::span<const Request> requests) {
  const CudaDevice device = require_cuda_device();
  Uploaded::Sets sets;
  std::vector<Uploaded> uploaded;
  std::vector<DeepTeamProblem> device_problems;
  std::vector<Records> out;
  uploaded.reserve(problems.size());
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (problems[i].architecture != Architecture::fully_connected)
      throw RunError("deep_ensemble on CUDA: convolutional networks run on the CPU; use --backend cpu");
    uploaded.emplace_back(problems[i], sets);
    device_problems.push_back(uploaded.back().device());
    out.push_back(empty_records(problems[i], requests[i]));
  }
  for (const Batch& batch : batches(problems, requests)) {
    std::vector<Network> networks;
    std::size_t per_network = sizeof(float) * batch.shape.parameters() * (batch.shape.momentum ? 2 : 1);
    for (const std::size_t r : batch.requests) {
      for (int t = 0; t < requests[r].trajectories; ++t)
        networks.push_back(
            {static_cast<int>(r), requests[r].first_trajectory + static_cast<std::uint32_t>(t)});
      const DeepTeamProblem& p = device_problems[r];
      per_network = std::max(per_network, sizeof(float) * (batch.shape.parameters() * 2 +
                                                           deep_team_layout(p, batch.shape).size) +
                                              sizeof(int) * p.samples.training.size);
    }
    const std::size_t fitting = std::max<std::size_t>(1, cuda::free_memory() / 10 * 8 / per_network);
    for (std::size_t first = 0; first < networks.size(); first += fitting) {
      const std::size_t count = std::min(fitting, networks.size() - first);
      run_networks(device, batch, problems, device_problems, requests,
                   std::span(networks).subspan(first, count), out);
    }
  }
  return out;
}

std::vector<float> train_cuda(const Problem& problem, std::uint32_t trajectory, std::int64_t steps) {
  const CudaDevice device = require_cuda_device();
  Uploaded::Sets sets;
  const Uploaded uploaded(problem, sets);
  const DeepTeamShape shape = deep_team_shape(problem);
  const Network network{0, trajectory};
  Resident resident(device, shape, {&problem, 1}, {&uploaded.device(), 1}, {&network, 1});
  if (steps > 0) resident.run(0, steps);
  std::vector<float> parameters;
  get_parameters(shape, resident.states().data(), parameters);
  return parameters;
}

}  // namespace soret::deep
