#include "soret/training/schedule.hpp"

#include <gtest/gtest.h>

namespace soret::training {
namespace {

TEST(Schedule, StepsAtItsMilestones) {
  const Schedule s{.kind = ScheduleKind::step, .learning_rate = 2, .milestones = {30, 60}, .factor = 0.5};
  EXPECT_EQ(learning_rate(s, 0), 2);
  EXPECT_EQ(learning_rate(s, 29.99), 2);
  EXPECT_EQ(learning_rate(s, 30), 1);
  EXPECT_EQ(learning_rate(s, 1000), 0.5);
}

TEST(Schedule, CosineFallsAndRestarts) {
  const Schedule s{.kind = ScheduleKind::cosine, .learning_rate = 1, .period = 10, .minimum = 0.2};
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 5), 0.6);
  EXPECT_NEAR(learning_rate(s, 9.999999), 0.2, 1e-9);
  EXPECT_DOUBLE_EQ(learning_rate(s, 10), 1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 25), 0.6);
}

// Warm-up multiplies the schedule's own value and does not delay it.
TEST(Schedule, WarmsUpLinearly) {
  Schedule s{.learning_rate = 0.8, .warm_up = 5, .warm_up_factor = 0.125};
  EXPECT_DOUBLE_EQ(learning_rate(s, 0), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(s, 2.5), 0.45);
  EXPECT_DOUBLE_EQ(learning_rate(s, 5), 0.8);
  s.kind = ScheduleKind::step;
  s.milestones = {6};
  EXPECT_DOUBLE_EQ(learning_rate(s, 6), 0.08);
}

}  // namespace
}  // namespace soret::training
