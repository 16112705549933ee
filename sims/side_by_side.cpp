#include "sims/side_by_side.hpp"

#include <omp.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace soret::sims {

void run_side_by_side(std::span<const WorkUnit> units, int threads, const std::atomic<bool>& stop,
                      const std::function<UnitResult(const WorkUnit&)>& run,
                      const std::function<void(const WorkUnit&, UnitResult&&)>& done) {
  if (units.empty()) return;
  const auto together = std::min(units.size(), static_cast<std::size_t>(threads));
  const int inside = std::max(1, threads / static_cast<int>(together));
  std::atomic<std::size_t> next = 0;
  std::mutex one_at_a_time;
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
  const auto work = [&] {
    omp_set_num_threads(inside);
    for (std::size_t i = next++; i < units.size() && !stop && !failed; i = next++) {
      try {
        UnitResult result = run(units[i]);
        const std::lock_guard lock(one_at_a_time);
        if (failed) return;
        done(units[i], std::move(result));
      } catch (const Stopped&) {
      } catch (...) {
        const std::lock_guard lock(one_at_a_time);
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (std::size_t k = 0; k < together; ++k) workers.emplace_back(work);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace soret::sims
