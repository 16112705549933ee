#include "analysis/rank_correlation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "analysis/correlation_figure.hpp"
#include "soret/base/error.hpp"
#include "tests/analysis/synthetic.hpp"

namespace soret::analysis {
namespace {

using ::testing::HasSubstr;
using Numbers = std::vector<double>;

TEST(Spearman, IsTheCorrelationOfRanks) {
  EXPECT_DOUBLE_EQ(spearman(Numbers{1, 2, 3, 4}, Numbers{1, 10, 100, 1000}), 1);
  EXPECT_DOUBLE_EQ(spearman(Numbers{1, 2, 3, 4}, Numbers{5, 4, 0, -1}), -1);
  // 1 - 6 sum d^2 / (n (n^2 - 1)) with d = 1, -1, 1, -1, 0.
  EXPECT_DOUBLE_EQ(spearman(Numbers{1, 2, 3, 4, 5}, Numbers{20, 10, 40, 30, 50}), 1 - 6.0 * 4 / 120);
  // Ranks 1.5, 1.5, 3 and 1, 2, 3: deviations -.5, -.5, 1 and -1, 0, 1.
  EXPECT_DOUBLE_EQ(spearman(Numbers{7, 7, 9}, Numbers{1, 2, 3}), 1.5 / std::sqrt(1.5 * 2));
  EXPECT_TRUE(std::isnan(spearman(Numbers{1, 1, 1}, Numbers{1, 2, 3})));
  EXPECT_TRUE(std::isnan(spearman(Numbers{1}, Numbers{1})));
}

TEST(Kendall, CountsPairs) {
  EXPECT_DOUBLE_EQ(kendall(Numbers{1, 2, 3}, Numbers{4, 5, 6}), 1);
  EXPECT_DOUBLE_EQ(kendall(Numbers{1, 2, 3, 4}, Numbers{1, 3, 2, 4}), (5 - 1) / 6.0);
  // One of three pairs is tied in x: tau-b = 2 / sqrt(2 * 3).
  EXPECT_DOUBLE_EQ(kendall(Numbers{7, 7, 9}, Numbers{1, 2, 3}), 2 / std::sqrt(6.0));
  EXPECT_TRUE(std::isnan(kendall(Numbers{1, 2, 3}, Numbers{5, 5, 5})));
}

TEST(Kendall, WithinSlicesIsBlindToWhatDiffersBetweenThem) {
  // Both rise from slice to slice, and oppose each other within.
  const Numbers x{1, 2, 3, 11, 12, 13};
  const Numbers y{3, 2, 1, 13, 12, 11};
  const std::array<std::size_t, 6> slices{0, 0, 0, 1, 1, 1};
  EXPECT_GT(kendall(x, y), 0);
  EXPECT_DOUBLE_EQ(kendall_within(x, y, slices), -1);
  const std::array<std::size_t, 6> alone{0, 1, 2, 3, 4, 5};
  EXPECT_TRUE(std::isnan(kendall_within(x, y, alone)));
}

/// y = learning_rate / batch_size at the last of its steps, something else before.
synthetic::Family family(double noise) {
  synthetic::Family f;
  f.learning_rates = {0.01, 0.03, 0.1};
  f.batch_sizes = {1, 2, 5};
  f.steps = {0, 10, 20};
  f.noise = noise;
  f.truth = [](double rate, double batch, double step) { return step < 20 ? -rate : rate / batch; };
  return f;
}

TEST(RankCorrelations, TakeTheLastRecordAndFormulas) {
  const auto file = synthetic::dataset(family(0));
  const auto all = rank_correlations(file, {{"learning_rate/batch_size", "y", "learning_rate"}});
  ASSERT_EQ(all.pairs.size(), 3u);
  EXPECT_NEAR(all.quantities[1].mean[8], 0.1 / 5, 1e-15);
  EXPECT_DOUBLE_EQ(all.pairs[0].spearman.value, 1);
  EXPECT_DOUBLE_EQ(all.pairs[0].kendall.value, 1);
  EXPECT_EQ(all.axes, (std::vector<std::string>{"learning_rate", "batch_size"}));
  // Along the learning rate y rises with it in each of three slices; along the batch size the rate is
  // constant.
  EXPECT_DOUBLE_EQ(all.pairs[2].kendall_within[0], 1);
  EXPECT_TRUE(std::isnan(all.pairs[2].kendall_within[1]));
  // Without noise, other trajectories tell the same.
  EXPECT_EQ(all.pairs[0].spearman.over_trajectories.low, 1);
  EXPECT_EQ(all.pairs[0].spearman.over_trajectories.high, 1);
}

TEST(RankCorrelations, TakeTheStepThatIsAskedFor) {
  const auto file = synthetic::dataset(family(0));
  CorrelationRequest request{{"learning_rate", "y"}};
  request.step = 10;
  EXPECT_DOUBLE_EQ(rank_correlations(file, request).pairs[0].spearman.value, -1);
  request.step = 11;
  EXPECT_THAT([&] { rank_correlations(file, request); },
              ::testing::ThrowsMessage<ConfigError>(HasSubstr("0, 10, 20")));
}

// Truth: with no signal, rho over n points has mean 0 and variance 1/(n - 1). 200 files of 9 points; the mean
// of rho has standard error 1/sqrt(200 * 8) = 0.025.
TEST(RankCorrelations, FindNothingInNoise) {
  double sum = 0;
  double squares = 0;
  constexpr int kFiles = 200;
  for (int k = 0; k < kFiles; ++k) {
    auto f = family(1);
    f.truth = [](double, double, double) { return 0.0; };
    f.blocks = 2;
    f.seed = static_cast<std::uint64_t>(k + 1);
    CorrelationRequest request{{"learning_rate/batch_size", "y"}};
    request.resamples = 0;
    const double rho = rank_correlations(synthetic::dataset(f), request).pairs[0].spearman.value;
    sum += rho;
    squares += rho * rho;
  }
  EXPECT_NEAR(sum / kFiles, 0, 5 * 0.025);
  EXPECT_NEAR(squares / kFiles, 1.0 / 8, 5 * std::sqrt(2.0 / kFiles) / 8);
}

TEST(RankCorrelations, NoiseWidensTheInterval) {
  const auto width = [](double noise) {
    const auto pair =
        rank_correlations(synthetic::dataset(family(noise)), {{"learning_rate/batch_size", "y"}}).pairs[0];
    return pair.spearman.over_trajectories.high - pair.spearman.over_trajectories.low;
  };
  EXPECT_LT(width(1e-4), width(0.05));
  EXPECT_LT(width(0.05), width(1));
}

TEST(RankCorrelations, LeaveOutPointsWithoutNumbersAndSaySo) {
  auto file = synthetic::dataset(family(0));
  std::get<std::vector<std::int64_t>>(synthetic::variable(file, "finished").data)[3] = 0;
  const auto all = rank_correlations(file, {{"learning_rate", "y"}});
  EXPECT_EQ(all.quantities[0].mean.size(), 8u);
  ASSERT_FALSE(all.notes.empty());
  EXPECT_THAT(all.notes[0], HasSubstr("learning_rate = 0.03, batch_size = 1"));
}

TEST(RankCorrelations, RefuseWhatCannotBeCorrelated) {
  const auto file = synthetic::dataset(family(0));
  const auto attempt = [&](std::vector<std::string> names) {
    return [&file, names] { rank_correlations(file, {names}); };
  };
  EXPECT_THAT(attempt({"y"}), ::testing::ThrowsMessage<ConfigError>(HasSubstr("two quantities")));
  EXPECT_THAT(attempt({"y", "y"}), ::testing::ThrowsMessage<ConfigError>(HasSubstr("twice")));
  EXPECT_THAT(attempt({"y", "z"}), ::testing::ThrowsMessage<ConfigError>(HasSubstr("'z'")));
  auto few = family(0);
  few.learning_rates = {0.1};
  few.batch_sizes = {1, 2};
  const auto two = synthetic::dataset(few);
  EXPECT_THAT(
      [&] {
        rank_correlations(two, {{"batch_size", "y"}});
      },
      ::testing::ThrowsMessage<InputError>(HasSubstr("three scan points")));
}

TEST(CorrelationFigure, HasAPanelPerPair) {
  const auto all = rank_correlations(synthetic::dataset(family(0.001)),
                                     {{"learning_rate/batch_size", "y", "learning_rate", "batch_size"}});
  const Part part = correlation_part(all);
  const auto script = figure_script({&part, 1}, ".svg");
  std::size_t panels = 0;
  for (auto at = script.find("\u03c1 = "); at != std::string::npos; at = script.find("\u03c1 = ", at + 1))
    ++panels;
  EXPECT_EQ(panels, 6u);
  EXPECT_THAT(script, HasSubstr("|B| = 5"));
}

}  // namespace
}  // namespace soret::analysis
