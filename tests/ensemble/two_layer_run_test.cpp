#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>

#include "soret/ensemble/two_layer_cpu.hpp"
#include "tests/ensemble/replay.hpp"

/// What may not matter to a trajectory: when it is recorded, what is recorded, and in whose company it runs.
namespace soret::two_layer {
namespace {

bool operator==(const Parameters& a, const Parameters& b) {
  const auto same = [](const std::vector<float>& x, const std::vector<float>& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
  };
  return same(a.w, b.w) && same(a.b, b.b) && same(a.v, b.v);
}

/// snapshots[trajectory][record]
using Snapshots = std::vector<std::vector<Parameters>>;

Snapshots snapshots(const Problem& p, Driver driver, Span span, const std::vector<std::int64_t>& steps) {
  Snapshots result(span.count);
  const OnRecord keep = [&](int trajectory, std::size_t record, const Parameters& parameters) {
    EXPECT_EQ(record, result[trajectory].size());
    result[trajectory].push_back(parameters);
    return true;
  };
  const auto run = driver == Driver::lanes ? run_lanes : run_blocked;
  run(p, teacher_of(p), span, steps, nullptr, keep);
  return result;
}

/// Problems that take every branch of both drivers: batches within, at and beyond a block, with and without
/// bias and momentum, fresh and fixed data.
std::vector<Problem> varied_problems() {
  std::vector<Problem> problems;
  int k = 0;
  for (const int batch : {1, 3, 16, 70}) {
    for (const float momentum : {0.0F, 0.9F}) {
      Problem p = make_problem(kShapes[k % kShapes.size()], kActivations[k % 4], kLosses[k % 3]);
      p.batch_size = batch;
      p.momentum = momentum;
      p.bias = k % 2 == 0;
      p.learning_rate = 0.01F;
      if (k % 3 == 1) {
        p.sampling = k % 2 == 0 ? Sampling::without_replacement : Sampling::with_replacement;
        p.training = std::make_shared<SampleSet>(synthetic_set(p, 11, false));
      }
      problems.push_back(p);
      ++k;
    }
  }
  return problems;
}

class TwoLayerRun : public ::testing::TestWithParam<Driver> {};

TEST_P(TwoLayerRun, RecordingDoesNotChangeATrajectory) {
  const std::vector<std::int64_t> last = {37};
  std::vector<std::int64_t> every(38);
  std::iota(every.begin(), every.end(), 0);
  const std::vector<std::int64_t> some = {0, 1, 5, 16, 32, 37};
  for (const Problem& p : varied_problems()) {
    const Snapshots rare = snapshots(p, GetParam(), {4, 3}, last);
    const Snapshots full = snapshots(p, GetParam(), {4, 3}, every);
    const Snapshots few = snapshots(p, GetParam(), {4, 3}, some);
    for (int t = 0; t < 3; ++t) {
      EXPECT_TRUE(full[t][0] == initial_parameters(p, 4 + t)) << describe(p, GetParam());
      EXPECT_TRUE(full[t][37] == rare[t][0]) << describe(p, GetParam());
      for (std::size_t r = 0; r < some.size(); ++r)
        EXPECT_TRUE(full[t][some[r]] == few[t][r]) << describe(p, GetParam()) << " step " << some[r];
    }
  }
}

TEST_P(TwoLayerRun, CompanyDoesNotChangeATrajectory) {
  const std::vector<std::int64_t> steps = {3, 20};
  for (const Problem& p : varied_problems()) {
    const Snapshots together = snapshots(p, GetParam(), {5, 19}, steps);  // more than one group of either
    for (const std::uint32_t first : {5U, 8U, 23U}) {
      const int count = first == 8 ? 3 : 1;
      const Snapshots apart = snapshots(p, GetParam(), {first, count}, steps);
      for (int t = 0; t < count; ++t) {
        for (std::size_t r = 0; r < steps.size(); ++r)
          EXPECT_TRUE(apart[t][r] == together[first - 5 + t][r]) << describe(p, GetParam());
      }
    }
    EXPECT_TRUE(train_cpu(p, 9, 20, GetParam()) == together[4][1]) << describe(p, GetParam());
    EXPECT_FALSE(together[0][1] == together[1][1]) << "two trajectories are one";
  }
}

TEST_P(TwoLayerRun, MoreObservablesChangeNothing) {
  Problem p = make_problem({7, 19, 4}, Activation::gelu, Loss::softmax);
  p.probe = std::make_shared<SampleSet>(synthetic_set(p, 9, true));
  std::vector<Observable> all;
  for (int o = 0; o < kObservables; ++o) all.push_back(static_cast<Observable>(o));
  const std::vector<std::int64_t> steps = {0, 2, 17};
  const std::size_t per_observable = steps.size() * 3;
  const Records everything = run_cpu(p, {2, 3, steps, all}, GetParam());
  ASSERT_EQ(everything.values.size(), per_observable * all.size());
  for (std::size_t o = 0; o < all.size(); ++o) {
    const std::vector<Observable> one = {all[o]};
    const Records alone = run_cpu(p, {2, 3, steps, one}, GetParam());
    ASSERT_EQ(alone.values.size(), per_observable);
    for (std::size_t k = 0; k < per_observable; ++k)
      EXPECT_EQ(alone.values[k], everything.values[o * per_observable + k]) << name(all[o]) << " " << k;
  }
}

TEST_P(TwoLayerRun, LaysRecordsOutAsDocumented) {
  const Problem p = make_problem({3, 5, 1}, Activation::relu, Loss::logistic);
  const std::vector<Observable> observables = {Observable::w_norm, Observable::v_norm};
  const std::vector<std::int64_t> steps = {0, 4, 9};
  const Records records = run_cpu(p, {6, 2, steps, observables}, GetParam());
  for (std::size_t o = 0; o < observables.size(); ++o) {
    for (std::size_t r = 0; r < steps.size(); ++r) {
      for (int t = 0; t < 2; ++t) {
        const Parameters at = train_cpu(p, 6 + t, steps[r], GetParam());
        double square = 0;
        for (const double x : o == 0 ? at.w : at.v) square += x * x;
        EXPECT_DOUBLE_EQ(records.values[(o * 3 + r) * 2 + t], std::sqrt(square));
      }
    }
  }
  EXPECT_EQ(records.diverged_at, (std::vector<std::int64_t>{-1, -1}));
}

// A rate at which the squared loss runs away from some starts and not from others.
Problem diverging_problem() {
  Problem p = make_problem({10, 10, 1}, Activation::relu, Loss::squared);
  p.learning_rate = 0.2F;
  return p;
}

TEST_P(TwoLayerRun, DivergenceIsReportedAtTheFirstRecordThatShowsIt) {
  const Problem p = diverging_problem();
  constexpr int kTrajectories = 21;
  std::vector<std::int64_t> every(121);
  std::iota(every.begin(), every.end(), 0);
  const std::vector<std::int64_t> coarse = {0, 7, 40, 41, 90, 120};
  const std::vector<Observable> observables = {Observable::v_norm, Observable::activation_rate};
  const Records full = run_cpu(p, {0, kTrajectories, every, observables}, GetParam());
  const Records rare = run_cpu(p, {0, kTrajectories, coarse, observables}, GetParam());
  int diverged = 0;
  for (int t = 0; t < kTrajectories; ++t) {
    const std::int64_t first = full.diverged_at[t];
    diverged += first >= 0 ? 1 : 0;
    if (first > 0) {
      EXPECT_TRUE(finite(train_cpu(p, t, first - 1, GetParam()))) << t;
      EXPECT_FALSE(finite(train_cpu(p, t, first, GetParam()))) << t;
    } else {
      EXPECT_TRUE(finite(train_cpu(p, t, 120, GetParam()))) << t;
    }
    const auto reported = first < 0 ? coarse.end() : std::lower_bound(coarse.begin(), coarse.end(), first);
    EXPECT_EQ(rare.diverged_at[t], reported == coarse.end() ? -1 : *reported) << t;
    // Finite before, nothing after, and the survivors as if alone.
    const Records alone = run_cpu(p, {static_cast<std::uint32_t>(t), 1, coarse, observables}, GetParam());
    EXPECT_EQ(alone.diverged_at[0], rare.diverged_at[t]);
    for (std::size_t k = 0; k < coarse.size() * observables.size(); ++k) {
      const double value = rare.values[k * kTrajectories + t];
      const bool gone = rare.diverged_at[t] >= 0 && coarse[k % coarse.size()] >= rare.diverged_at[t];
      EXPECT_EQ(std::isnan(value), gone) << t << " " << k;
      EXPECT_TRUE(gone || value == alone.values[k]) << t << " " << k;
    }
  }
  EXPECT_GT(diverged, 2);
  EXPECT_LT(diverged, kTrajectories - 2);
}

TEST_P(TwoLayerRun, DivergenceOfEveryTrajectoryEndsTheRun) {
  Problem p = make_problem({3, 5, 1}, Activation::tanh, Loss::squared);
  p.learning_rate = 1e30F;
  const std::vector<std::int64_t> steps = {0, 50, 1'000'000'000'000};
  const std::vector<Observable> observables = {Observable::w_norm};
  const Records records = run_cpu(p, {0, 5, steps, observables}, GetParam());
  EXPECT_EQ(records.diverged_at, std::vector<std::int64_t>(5, 50));
}

TEST(TwoLayerFinite, SeesEveryPart) {
  const Problem p = make_problem({17, 33, 4}, Activation::relu, Loss::squared);
  const Parameters good = initial_parameters(p, 0);
  EXPECT_TRUE(finite(good));
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    for (std::vector<float> Parameters::*part : {&Parameters::w, &Parameters::b, &Parameters::v}) {
      for (const bool last : {false, true}) {
        Parameters parameters = good;
        (last ? (parameters.*part).back() : (parameters.*part).front()) = bad;
        EXPECT_FALSE(finite(parameters));
      }
    }
  }
  Parameters large = good;
  large.w[3] = -kDivergenceLimit;
  EXPECT_TRUE(finite(large));
  large.w[3] = std::nextafter(-kDivergenceLimit, -INFINITY);
  EXPECT_FALSE(finite(large));
}

TEST_P(TwoLayerRun, StopFlagThrowsStopped) {
  const Problem p = make_problem({10, 10, 1}, Activation::relu, Loss::logistic);
  const std::vector<std::int64_t> steps = {0, 1'000'000'000'000};
  const std::vector<Observable> observables = {Observable::w_norm};
  const std::atomic<bool> stop = true;
  EXPECT_THROW(run_cpu(p, {0, 2, steps, observables, &stop}, GetParam()), Stopped);
  const std::atomic<bool> go_on = false;
  const std::vector<std::int64_t> few = {0, 5};
  EXPECT_NO_THROW(run_cpu(p, {0, 2, few, observables, &go_on}, GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Drivers, TwoLayerRun, ::testing::Values(Driver::lanes, Driver::blocked),
                         [](const auto& tested) {
                           return tested.param == Driver::lanes ? "lanes" : "blocked";
                         });

}  // namespace
}  // namespace soret::two_layer
