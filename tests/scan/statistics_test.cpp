#include "soret/scan/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/scan/toy.hpp"

namespace soret {
namespace {

TEST(Blocks, PartitionAllTrajectoriesInOrder) {
  for (const std::uint32_t trajectories : {1u, 2u, 7u, 31u, 32u, 33u, 1009u, 4'000'000'000u}) {
    for (const std::uint32_t wanted : {1u, 2u, 5u, 32u}) {
      const Blocks blocks(trajectories, wanted);
      EXPECT_EQ(blocks.count(), std::min(trajectories, wanted));
      EXPECT_EQ(blocks.first(0), 0u);
      EXPECT_EQ(blocks.first(blocks.count()), trajectories);
      const std::uint32_t smallest = trajectories / blocks.count();
      for (std::uint32_t k = 0; k < blocks.count(); ++k) {
        const std::uint32_t size = blocks.first(k + 1) - blocks.first(k);
        EXPECT_TRUE(size == smallest || size == smallest + 1) << trajectories << " " << wanted << " " << k;
        EXPECT_EQ(blocks.of(blocks.first(k)), k);
        EXPECT_EQ(blocks.of(blocks.first(k + 1) - 1), k);
      }
    }
  }
}

/// One observable with one number per step.
UnitResult unit_of(const std::vector<std::vector<double>>& rows) {
  UnitResult unit;
  for (const auto& row : rows) unit.values.insert(unit.values.end(), row.begin(), row.end());
  unit.diverged_at.assign(rows[0].size(), -1);
  return unit;
}

TEST(Summarize, HandSizedBlock) {
  const auto unit = unit_of({{9, 1, 2, 6, 9}, {9, 0, 0, 3, 9}});
  const BlockSummary block = summarize(unit, 5, 1, 3, std::vector<std::int64_t>{0, 10});
  EXPECT_EQ(block.survivors, 3);
  EXPECT_EQ(block.mean, (std::vector<double>{3, 1}));
  EXPECT_EQ(block.m2, (std::vector<double>{4 + 1 + 9, 1 + 1 + 4}));
  EXPECT_TRUE(block.diverged_at.empty());
}

TEST(Summarize, LeavesOutDivergedTrajectoriesAtAllSteps) {
  auto unit = unit_of({{1, 2, 3}, {1, 1e300, 3}});
  unit.diverged_at[1] = 10;
  const BlockSummary block = summarize(unit, 3, 0, 3, std::vector<std::int64_t>{0, 10});
  EXPECT_EQ(block.survivors, 2);
  EXPECT_EQ(block.diverged_at, (std::vector<std::int64_t>{10}));
  EXPECT_EQ(block.mean, (std::vector<double>{2, 2}));
}

TEST(Summarize, FindsValuesOutOfRangeThatNobodyReported) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  auto unit = unit_of({{1, 2, 3, 4}, {1, inf, 3, 4}, {1, 2, 3, nan}});
  unit.diverged_at[1] = 20;  // the experiment looked too late
  const BlockSummary block = summarize(unit, 4, 0, 4, std::vector<std::int64_t>{0, 10, 20});
  EXPECT_EQ(block.survivors, 2);
  EXPECT_EQ(block.diverged_at, (std::vector<std::int64_t>{10, 20}));
  EXPECT_EQ(block.mean, (std::vector<double>{2, 2, 2}));
}

/// Truth: the mean and the standard error by two plain passes over all survivors.
TEST(Combine, AgreesWithTwoPassesOverAllTrajectories) {
  constexpr std::uint32_t kTrajectories = 101;
  constexpr std::size_t kCells = 3;
  const std::vector<std::int64_t> steps{0, 1, 2};
  UnitResult unit{{}, {}};
  for (std::uint32_t t = 0; t < kTrajectories; ++t) unit.diverged_at.push_back(toy::diverged_at(0, t));
  for (std::size_t cell = 0; cell < kCells; ++cell)
    for (std::uint32_t t = 0; t < kTrajectories; ++t)
      unit.values.push_back(1e6 + toy::value(0, t, cell));  // a mean far above the spread

  const Blocks blocks(kTrajectories, 32);
  std::vector<BlockSummary> summaries;
  for (std::uint32_t k = 0; k < blocks.count(); ++k)
    summaries.push_back(
        summarize(unit, kTrajectories, blocks.first(k), blocks.first(k + 1) - blocks.first(k), steps));
  const EnsembleStatistics statistics = combine(summaries, kCells);

  for (std::size_t cell = 0; cell < kCells; ++cell) {
    long double sum = 0, n = 0, squares = 0;
    for (std::uint32_t t = 0; t < kTrajectories; ++t) {
      if (unit.diverged_at[t] >= 0) continue;
      sum += unit.values[cell * kTrajectories + t];
      ++n;
    }
    const long double mean = sum / n;
    for (std::uint32_t t = 0; t < kTrajectories; ++t) {
      if (unit.diverged_at[t] >= 0) continue;
      const long double d = unit.values[cell * kTrajectories + t] - mean;
      squares += d * d;
    }
    const auto error = static_cast<double>(std::sqrt(squares / (n - 1) / n));
    constexpr double epsilon = std::numeric_limits<double>::epsilon();
    EXPECT_NEAR(statistics.mean[cell], static_cast<double>(mean), 1e6 * 10 * epsilon);
    // A deviation is rounded to 1e6 epsilon, and the spread is about 1.
    EXPECT_NEAR(statistics.error[cell], error, error * 1e6 * 10 * epsilon);
  }
}

TEST(Combine, FewSurvivors) {
  EXPECT_TRUE(std::isnan(combine({}, 1).mean[0]));
  const std::vector<BlockSummary> none{{0, {0, 10}, {}, {}}, {0, {0}, {}, {}}};
  EXPECT_TRUE(std::isnan(combine(none, 1).mean[0]));
  EXPECT_TRUE(std::isnan(combine(none, 1).error[0]));
  const std::vector<BlockSummary> one{{0, {0}, {}, {}}, {1, {}, {2.5}, {0}}};
  EXPECT_EQ(combine(one, 1).mean[0], 2.5);
  EXPECT_TRUE(std::isnan(combine(one, 1).error[0]));
  const std::vector<BlockSummary> two{{1, {}, {2}, {0}}, {0, {0}, {}, {}}, {1, {}, {4}, {0}}};
  EXPECT_EQ(combine(two, 1).mean[0], 3);
  EXPECT_EQ(combine(two, 1).error[0], 1);  // s = sqrt(2), over sqrt(2)
}

}  // namespace
}  // namespace soret
