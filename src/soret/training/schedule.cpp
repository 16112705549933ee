#include "soret/training/schedule.hpp"

#include <cmath>
#include <numbers>

namespace soret::training {
namespace {

double without_warm_up(const Schedule& s, double position) {
  switch (s.kind) {
    case ScheduleKind::constant:
      return s.learning_rate;
    case ScheduleKind::step: {
      double rate = s.learning_rate;
      for (const double milestone : s.milestones)
        if (position >= milestone) rate *= s.factor;
      return rate;
    }
    case ScheduleKind::cosine: {
      const double turns = position / s.period;
      const double phase = std::numbers::pi * (turns - std::floor(turns));
      return s.minimum + 0.5 * (s.learning_rate - s.minimum) * (1 + std::cos(phase));
    }
  }
  return s.learning_rate;
}

}  // namespace

double learning_rate(const Schedule& s, double position) {
  const double rate = without_warm_up(s, position);
  if (position >= s.warm_up) return rate;
  return rate * (s.warm_up_factor + (1 - s.warm_up_factor) * position / s.warm_up);
}

}  // namespace soret::training
