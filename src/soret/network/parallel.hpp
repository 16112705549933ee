#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <exception>

/// Several threads for one pass. The same tasks are done whatever the number of threads, and each by one
/// thread: so no bit of a result depends on it.
namespace soret::network {

/// What OpenMP promises to whatever a task calls: one thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// Calls f(task) for every task < tasks, on several threads if `work`, the number of elementary operations of
/// all, is worth waking them. Within a parallel region (a pass per thread) the calling thread does all.
template <class F>
void each_task(int tasks, double work, F f) {
  constexpr double kWorthwhile = 1e5;  // some tens of microseconds
  if (tasks == 1 || work < kWorthwhile || omp_in_parallel() != 0 || omp_get_max_threads() == 1) {
    for (int task = 0; task < tasks; ++task) f(task);
    return;
  }
  std::exception_ptr failure;
#pragma omp parallel for schedule(static)
  for (int task = 0; task < tasks; ++task) {
    try {
      f(task);
    } catch (...) {  // must not leave the parallel region
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// `count` things in `tasks` runs of about the same length: the first of run `task`.
inline std::size_t first_of(int task, int tasks, std::size_t count) {
  return count * static_cast<std::size_t>(task) / static_cast<std::size_t>(tasks);
}

/// Calls f(first, last) for runs that make up [0, count), of things that take `work` operations each.
template <class F>
void each_run(std::size_t count, double work, F f) {
  const double all = static_cast<double>(count) * work;
  const int tasks =
      static_cast<int>(std::clamp(all / 1e4, 1.0, std::min(64.0, 1.0 + static_cast<double>(count))));
  each_task(tasks, all, [&](int task) { f(first_of(task, tasks, count), first_of(task + 1, tasks, count)); });
}

}  // namespace soret::network
