#pragma once

#include <functional>

#include "soret/ensemble/deep.hpp"

/// What the CPU drivers share with deep_cpu.cpp; not for users of the module.
namespace soret::deep {

/// Called with (record, parameters) at every recorded step; returns false if the trajectory has left finite
/// range and need not go on.
using OnRecord = std::function<bool(std::size_t, std::span<const float>)>;

/// One trajectory from its start to the last recorded step.
struct Trajectory {
  std::uint32_t index = 0;
  std::span<const std::int64_t> record_steps;
  const std::atomic<bool>* stop = nullptr;
};

/// Batch 1 without momentum: every weight is touched once forwards and once backwards.
void run_streamed(const Problem& problem, const Trajectory& trajectory, const OnRecord& on_record);
/// Any batch and momentum: matrix products of a few rows.
void run_batched(const Problem& problem, const Trajectory& trajectory, const OnRecord& on_record);
/// Convolutional networks, by src/soret/network.
void run_convolutional(const Problem& problem, const Trajectory& trajectory, const OnRecord& on_record);

/// Takes a network through the recording schedule. Network: step(step), and parameters() as a span.
template <class Network>
void follow(Network& network, const Trajectory& trajectory, std::int64_t check_every,
            const OnRecord& on_record) {
  const auto check = [&] {
    if (trajectory.stop != nullptr && trajectory.stop->load(std::memory_order_relaxed)) throw Stopped{};
  };
  std::int64_t step = 0;
  for (std::size_t record = 0; record < trajectory.record_steps.size(); ++record) {
    for (; step < trajectory.record_steps[record]; ++step) {
      if (step % check_every == 0) check();
      network.step(step);
    }
    check();
    if (!on_record(record, network.parameters())) return;
  }
}

}  // namespace soret::deep
