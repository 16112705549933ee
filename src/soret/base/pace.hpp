#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace soret {

/// How many steps a device is asked for before the host looks at the stop flag: it grows or shrinks until
/// that takes a fifth of a second, from a single step on, because a step of much at once may take a
/// noticeable time.
class Pace {
 public:
  std::int64_t steps() const { return steps_; }

  /// Call before `steps` steps are asked for, and after they are done.
  void begin() { begin_ = std::chrono::steady_clock::now(); }
  void end(std::int64_t steps) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin_;
    const double fitting = static_cast<double>(steps) * kSeconds / std::max(taken.count(), 1e-6);
    const double most = 2.0 * static_cast<double>(steps_);
    steps_ = std::max(std::int64_t{1}, static_cast<std::int64_t>(std::min(fitting, most)));
  }

 private:
  static constexpr double kSeconds = 0.2;
  std::int64_t steps_ = 1;
  std::chrono::steady_clock::time_point begin_{};
};

}  // namespace soret
