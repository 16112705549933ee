#include <gtest/gtest.h>

#include <cmath>

#include "tests/walk/host_machine.hpp"
#include "tests/walk/walks.hpp"

namespace soret::walk {
namespace {

constexpr std::uint32_t kFirst = 1000;
constexpr std::int64_t kSteps = 201;  // past a word and a block of random bits

TEST(RandomWalkBody, WalksToTheBitsOfTheCpu) {
  HostMachine machine;
  for (const Problem& p : every_walk())
    EXPECT_TRUE(same(positions_on(machine, p, kFirst, 37, kSteps), positions_cpu(p, kFirst, 37, kSteps)))
        << describe(p);
}

TEST(RandomWalkBody, LaysOutGroupsOfEverySize) {
  HostMachine machine;
  Problem p;
  p.kick = Kick::gaussian;
  for (const int walkers : {1, 2, 31, 32, 131, 255, 256, 257, 1000, 2049})
    EXPECT_EQ(positions_on(machine, p, 7, walkers, 3), positions_cpu(p, 7, walkers, 3)) << walkers;
}

/// Counts are equal, sums to the rounding of their order.
void expect_like_cpu(const std::vector<Problem>& problems, const std::vector<Request>& requests,
                     HostMachine machine = {}) {
  const auto got = run_on(machine, problems, requests);
  ASSERT_EQ(got.size(), problems.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Records expected = run_cpu(problems[i], requests[i]);
    EXPECT_EQ(got[i].diverged_at, expected.diverged_at) << describe(problems[i]);
    ASSERT_EQ(got[i].values.size(), expected.values.size());
    for (std::size_t k = 0; k < expected.values.size(); ++k) {
      if (same(got[i].values[k], expected.values[k])) continue;  // infinities and no numbers among them
      EXPECT_NEAR(got[i].values[k], expected.values[k], 1e-12 * (1 + std::abs(expected.values[k])))
          << describe(problems[i]) << " value " << k;
    }
  }
}

TEST(RandomWalkBody, RecordsEveryObservableLikeTheCpu) {
  const std::vector<std::int64_t> steps = {0, 3, 40, 65, 200};
  for (const int walkers : {5, 131, 1000}) {
    for (const int bins : {1, 37}) {
      for (const std::int64_t every : {0, 1, 7, 100}) {
        const auto request = [&](const Problem& p) {
          return Request{.first_group = 2,
                         .groups = 3,
                         .walkers = walkers,
                         .record_steps = steps,
                         .sample_every = every,
                         .bins = bins,
                         .observables = every_observable(p.dimensions)};
        };
        std::vector<Problem> problems;
        std::vector<Request> requests;
        for (const Problem& p : a_few_walks()) problems.push_back(p), requests.push_back(request(p));
        expect_like_cpu(problems, requests);
      }
    }
  }
}

TEST(RandomWalkBody, FewObservablesAndMoreBinsThanFitSharedMemory) {
  const std::vector<std::int64_t> steps = {4, 17, 32, 33};  // samples at records and between
  for (const int bins : {1, 1000, 20001}) {
    for (const Observable o : {Observable::density, Observable::flux, Observable::drift_density,
                               Observable::amplitude_mean, Observable::position_variance}) {
      const Request request{.groups = 3,
                            .walkers = 300,
                            .record_steps = steps,
                            .sample_every = 4,
                            .bins = bins,
                            .observables = {&o, 1}};
      expect_like_cpu({Problem{}}, {request});
    }
  }
}

// Neither the memory of the machine, nor how many records wait on it, nor what else runs changes a bit.
TEST(RandomWalkBody, AGroupDoesNotDependOnWhatElseRuns) {
  std::vector<std::int64_t> steps;
  for (int k = 0; k < 70; ++k) steps.push_back(3 * k);  // more than wait at a time
  const auto problems = a_few_walks();
  for (const int walkers : {19, 300}) {
    for (const Problem& p : problems) {
      const auto observables = every_observable(p.dimensions);
      const Request all{.first_group = 4,
                        .groups = 11,
                        .walkers = walkers,
                        .record_steps = steps,
                        .sample_every = 2,
                        .bins = 7,
                        .observables = observables};
      HostMachine large;
      const std::vector<Problem> twice = {p, p};
      const std::vector<Request> both = {all, all};
      const auto together = run_on(large, twice, both);
      EXPECT_EQ(together[0].values, together[1].values);
      HostMachine small{.memory = 200000};
      EXPECT_EQ(run_on(small, {&p, 1}, {&all, 1})[0].values, together[0].values) << describe(p);
      Request one = all;
      one.first_group = 9;
      one.groups = 1;
      const auto alone = run_on(large, {&p, 1}, {&one, 1});
      for (std::size_t k = 0; k < alone[0].values.size(); ++k) {
        const double with_others = together[0].values[k * 11 + 5];
        EXPECT_TRUE(same(alone[0].values[k], with_others)) << describe(p) << k;
      }
    }
  }
}

TEST(RandomWalkBody, MarksDivergenceLikeTheCpu) {
  Problem p;
  p.boundary = Boundary::line;
  p.field.kind = FieldKind::exponential;
  p.field.strength = 3;
  p.learning_rate = 1;
  const std::vector<std::int64_t> steps = {0, 1, 10, 100, 1000};
  const std::vector<Observable> observables = {Observable::position_mean, Observable::density};
  const Request r{.groups = 40, .walkers = 3, .record_steps = steps, .bins = 5, .observables = observables};
  expect_like_cpu({p}, {r});
  EXPECT_GT(std::ranges::count_if(run_cpu(p, r).diverged_at, [](auto at) { return at >= 0; }), 3);
}

TEST(RandomWalkBody, StopsWhenAsked) {
  const std::vector<std::int64_t> steps = {std::int64_t{1} << 40};
  const std::vector<Observable> observables = {Observable::density};
  const std::atomic<bool> stop = true;
  const Request r{
      .groups = 1, .walkers = 2, .record_steps = steps, .observables = observables, .stop = &stop};
  const Problem p;
  HostMachine machine;
  EXPECT_THROW(run_on(machine, {&p, 1}, {&r, 1}), Stopped);
}

}  // namespace
}  // namespace soret::walk
