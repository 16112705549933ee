#pragma once

#include <functional>

#include "soret/ensemble/two_layer.hpp"

/// What the two CPU drivers share with two_layer_cpu.cpp; not for users of the module.
namespace soret::two_layer {

/// Called with (trajectory - first, record, parameters) at every recorded step; returns false if the
/// trajectory has left finite range and need not go on.
using OnRecord = std::function<bool(int, std::size_t, const Parameters&)>;

struct Span {
  std::uint32_t first = 0;
  int count = 1;
};

void run_lanes(const Problem& problem, const Parameters& teacher, Span trajectories,
               std::span<const std::int64_t> record_steps, const std::atomic<bool>* stop,
               const OnRecord& on_record);
void run_blocked(const Problem& problem, const Parameters& teacher, Span trajectories,
                 std::span<const std::int64_t> record_steps, const std::atomic<bool>* stop,
                 const OnRecord& on_record);

/// Trajectories that the blocked driver interleaves to hide latency.
inline constexpr int kBlockedGroup = 2;

inline void check_stop(const std::atomic<bool>* stop) {
  if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw Stopped{};
}

}  // namespace soret::two_layer
