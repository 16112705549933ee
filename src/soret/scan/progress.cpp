#include "soret/scan/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

namespace soret {
namespace {

std::string clock_time(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace

Progress::Progress(bool quiet, double work, std::size_t points_done, std::size_t points)
    : quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) != 0),
      work_(work),
      points_done_(points_done),
      points_(points),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (line_open_) std::fputc('\n', stderr);
}

void Progress::add(double work, std::size_t trajectories, std::size_t points_finished) {
  work_done_ += work;
  trajectories_ += trajectories;
  points_done_ += points_finished;
  const Clock::duration every =
      terminal_ ? Clock::duration(std::chrono::milliseconds(200)) : Clock::duration(std::chrono::seconds(30));
  if (const auto now = Clock::now(); !quiet_ && now - last_ >= every) print(now);
}

void Progress::print(Clock::time_point now) {
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string line =
      fmt::format("{}/{} points, {:.0f}%, {:.3g} trajectories/s, {} to go", points_done_, points_,
                  100 * work_done_ / work_, static_cast<double>(trajectories_) / seconds,
                  clock_time(seconds * (work_ - work_done_) / work_done_));
  if (terminal_) {
    fmt::print(stderr, "\r{}\033[K", line);
    line_open_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

}  // namespace soret
