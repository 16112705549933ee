#pragma once

#include <omp.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "soret/measure/loss_at.hpp"
#include "soret/network/chunks.hpp"

/// What the measurements of a LossAt share: the memory of each thread, and the samples of a chunk.
namespace soret::measure {

/// One W per OpenMP thread, made by the thread that first asks.
template <class W>
class Workers {
 public:
  /// Before a parallel region.
  void provide() {
    const auto threads = static_cast<std::size_t>(omp_get_max_threads());
    if (workers_.size() < threads) workers_.resize(threads);
  }
  template <class... Args>
  W& mine(const Args&... args) {
    auto& worker = workers_[static_cast<std::size_t>(omp_get_thread_num())];
    if (!worker) worker = std::make_unique<W>(args...);
    return *worker;
  }

 private:
  std::vector<std::unique_ptr<W>> workers_;  ///< [thread]
};

/// Samples that a pass must hold.
template <class T>
int capacity(const LossAt<T>& loss) {
  return std::min(loss.chunk, loss.samples);
}

template <class T>
network::Mode mode_of(const LossAt<T>& loss) {
  return {.batch_statistics = loss.batch_statistics, .dropout = false};
}

template <class T>
const T* inputs_from(const LossAt<T>& loss, int first) {
  return loss.x + static_cast<std::size_t>(first) * loss.network.input().size();
}

template <class T>
network::Targets<T> targets_from(const LossAt<T>& loss, int first) {
  network::Targets<T> part = loss.targets;
  if (part.labels) part.labels += first;
  if (part.values && !part.shared)
    part.values += static_cast<std::size_t>(first) * loss.network.output().size();
  return part;
}

}  // namespace soret::measure
