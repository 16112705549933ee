#pragma once

#include <string_view>
#include <vector>

namespace soret::training {

enum class ScheduleKind { constant, step, cosine };
inline constexpr std::string_view kSchedules[] = {"constant", "step", "cosine"};

/// The learning rate as a function of the position in training. Positions are epochs or updates: whoever
/// calls decides once and for all.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  double learning_rate = 0.1;
  std::vector<double>
      milestones{};  ///< step: positions, ascending, from each of which the rate is multiplied by `factor`
  double factor = 0.1;
  double period =
      1;  ///< cosine: from learning_rate to minimum in half a cosine, then again (Loshchilov and Hutter 2017)
  double minimum = 0;
  double warm_up =
      0;  ///< for so long the rate grows linearly from warm_up_factor times to its value (Goyal et al. 2017)
  double warm_up_factor = 0;
};

double learning_rate(const Schedule& schedule, double position);

}  // namespace soret::training
