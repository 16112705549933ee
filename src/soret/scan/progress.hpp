#pragma once

#include <chrono>
#include <cstddef>

namespace soret {

/// One line on stderr: rewritten in place on a terminal, repeated now and then in a pipe.
class Progress {
 public:
  /// `work` is what is left to do, in any unit; the first `points_done` of `points` were there before.
  Progress(bool quiet, double work, std::size_t points_done, std::size_t points);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void add(double work, std::size_t trajectories, std::size_t points_finished);

 private:
  using Clock = std::chrono::steady_clock;
  void print(Clock::time_point now);

  bool quiet_;
  bool terminal_;
  double work_, work_done_ = 0;
  std::size_t points_done_, points_;
  std::size_t trajectories_ = 0;
  Clock::time_point start_, last_;
  bool line_open_ = false;
};

}  // namespace soret
