#include "soret/scan/experiment.hpp"

#include <exception>
#include <mutex>
#include <utility>

namespace soret {

void Experiment::run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
                         const std::function<void(const WorkUnit&, UnitResult&&)>& done) {
  std::mutex one_at_a_time;
  std::exception_ptr failure;  // an exception must not leave the parallel region
  std::atomic<bool> failed = false;

#pragma omp parallel for schedule(dynamic, 1)
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (stop || failed) continue;
    try {
      UnitResult result = run(units[i], stop);
      const std::lock_guard lock(one_at_a_time);
      if (!failed) done(units[i], std::move(result));
    } catch (const Stopped&) {
    } catch (...) {
      const std::lock_guard lock(one_at_a_time);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace soret
