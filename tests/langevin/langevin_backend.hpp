#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "soret/langevin/observe.hpp"
#include "tests/langevin/langevin_cases.hpp"

/// What every backend with one thread per walker must do, against the CPU's driver: written once, run by the
/// host machine and by the CUDA driver.
namespace soret::langevin {

struct BackendUnderTest {
  std::function<Walked(const Problem&, std::uint32_t group, std::int64_t steps)> walk;
  std::function<std::vector<std::vector<std::vector<double>>>(const Plan&, std::span<const Request>,
                                                              const std::atomic<bool>*)>
      observe;
};

inline Walked walk_cpu(const Problem& p, std::uint32_t group, std::int64_t steps) {
  Walked out;
  out.w.resize(static_cast<std::size_t>(p.landscape.dimension) * p.walkers);
  out.escaped_at.resize(p.walkers);
  const std::vector<std::int64_t> when = {steps};
  run_group(p, group, when, [&](const Sample& s) {
    for (int i = 0; i < s.count; ++i) {
      const std::size_t walker = s.first + static_cast<std::size_t>(i);
      for (int k = 0; k < p.landscape.dimension; ++k) out.w[k * p.walkers + walker] = s.w[k * kChunk + i];
      out.escaped_at[walker] = s.escaped_at[i];
    }
  });
  return out;
}

/// The same bits; NaN equals NaN.
inline bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

inline void expect_walks_like_the_cpu(const BackendUnderTest& backend, const Problem& p) {
  const Walked truth = walk_cpu(p, 2, 9);
  const Walked got = backend.walk(p, 2, 9);
  EXPECT_TRUE(same(got.w, truth.w)) << describe(p);
  EXPECT_TRUE(same(got.escaped_at, truth.escaped_at)) << describe(p);
}

inline void walks_to_the_bits_of_the_cpu(const BackendUnderTest& backend) {
  for (Problem p : all_problems(named_landscapes())) {
    p.walkers = 131;
    p.target = Target{0.35, -1};
    expect_walks_like_the_cpu(backend, p);
  }
}

inline Plan full_plan(const Problem& p) {
  Plan plan;
  plan.records = {0, 1, 7, 20, 21};
  plan.snapshots = 5;
  plan.observables = {Observable::covariance, Observable::loss, Observable::autocovariance,
                      Observable::density, Observable::mean};
  if (p.landscape.dimension == 2) plan.observables.push_back(Observable::density_2d);
  if (p.target) {
    plan.observables.push_back(Observable::survival_time);
    plan.observables.push_back(Observable::escaped);
  }
  plan.histogram = {{{-1.5, -1}, {1.5, 1.2}}, 19, 7};
  return plan;
}

/// muParser, a formula's tree and CUDA's functions agree to rounding; the gradient's differences of loss
/// values multiply it by 10^3, and the trajectories spread it.
inline void walks_on_formulas(const BackendUnderTest& backend) {
  for (Problem p : all_problems({formula(1), formula(2)})) {
    p.walkers = 131;
    const Walked truth = walk_cpu(p, 2, 9);
    const Walked got = backend.walk(p, 2, 9);
    for (std::size_t i = 0; i < truth.w.size(); ++i) ASSERT_NEAR(got.w[i], truth.w[i], 1e-12) << describe(p);
    Plan plan = full_plan(p);
    plan.observables = {Observable::loss, Observable::mean, Observable::covariance};
    const Request request{&p, nullptr, 1, 2};
    const auto values = backend.observe(plan, {&request, 1}, nullptr);
    for (std::uint32_t g = 0; g < 2; ++g) {
      const auto expected = observe_group(p, plan, 1 + g);
      ASSERT_EQ(values[0][g].size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(values[0][g][i], expected[i], 1e-12) << describe(p);
    }
  }
}

inline void serves_every_dimension(const BackendUnderTest& backend) {
  for (const int d : {2, 3, 4, 6, 13, 64, 255, 256}) {
    for (const bool diagonal : {true, false}) {
      Landscape l;
      l.dimension = d;
      l.diagonal = diagonal;
      l.hessian.assign(diagonal ? d : d * d, 0.01);
      for (int k = 0; k < d; ++k) l.hessian[diagonal ? k : k * d + k] = 1.0 + 0.01 * k;
      for (const auto noise : {Noise::Kind::diagonal, Noise::Kind::dense, Noise::Kind::state}) {
        Problem p = problem(l, noise, Scheme::weak2);
        if (noise == Noise::Kind::state && d > 16) p.scheme = Scheme::heun;
        p.walkers = 5;
        p.learning_rate = 0.001;
        expect_walks_like_the_cpu(backend, p);
      }
    }
  }
}

inline void starts_like_the_cpu(const BackendUnderTest& backend) {
  for (const Landscape& l : named_landscapes()) {
    const int d = l.dimension;
    Problem p = problem(l, Noise::Kind::diagonal, Scheme::heun);
    p.burn_in = 0;
    for (const auto kind :
         {Start::Kind::point, Start::Kind::uniform, Start::Kind::gaussian, Start::Kind::quantile}) {
      if (kind == Start::Kind::quantile && d > 1) continue;
      p.start.kind = kind;
      p.start.spread = 0.3;
      p.start.quantiles = {-1, -0.3, 0.1, 0.2, 0.9};
      p.start.factor.assign(d * d, 0.0);
      for (int k = 0; k < d; ++k)
        for (int j = 0; j <= k; ++j) p.start.factor[k * d + j] = 0.2 + 0.03 * k - 0.05 * j;
      const Walked truth = walk_cpu(p, 1, 0);
      EXPECT_TRUE(same(backend.walk(p, 1, 0).w, truth.w))
          << describe(p) << ", start " << static_cast<int>(kind);
      EXPECT_TRUE(same(backend.walk(p, 1, 5).w, walk_cpu(p, 1, 5).w)) << describe(p);
    }
  }
}

/// Requests of several groups each, against observe_group() of each.
inline void expect_observes_like_the_cpu(const BackendUnderTest& backend, const Plan& plan,
                                         const std::vector<Problem>& problems,
                                         const std::vector<Basins>& basins) {
  std::vector<Request> requests;
  for (std::size_t i = 0; i < problems.size(); ++i)
    requests.push_back({&problems[i], basins.empty() ? nullptr : &basins[i],
                        static_cast<std::uint32_t>(i % 3), 1 + static_cast<std::uint32_t>(i % 2) * 2});
  const auto got = backend.observe(plan, requests, nullptr);
  ASSERT_EQ(got.size(), requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(got[i].size(), requests[i].groups);
    for (std::uint32_t g = 0; g < requests[i].groups; ++g) {
      Plan own = plan;
      own.basins = requests[i].basins;
      EXPECT_TRUE(same(got[i][g], observe_group(problems[i], own, requests[i].first_group + g)))
          << describe(problems[i]) << ", group " << g;
    }
  }
}

/// All problems of one dimension in one call: several kernels, burn-ins, substeps and sizes of groups.
inline void observes_to_the_bits_of_the_cpu(const BackendUnderTest& backend) {
  std::map<int, std::vector<Problem>> by_dimension;
  for (const bool target : {false, true}) {
    by_dimension.clear();
    for (Problem p : all_problems(named_landscapes())) {
      auto& others = by_dimension[p.landscape.dimension];
      p.walkers = 60 + 70 * static_cast<std::uint32_t>(others.size() % 3);
      p.burn_in = static_cast<std::int64_t>(others.size() % 4) * 3;
      p.substeps = 1 + static_cast<int>(others.size() % 2);
      if (target) p.target = Target{0.35, -1};
      others.push_back(p);
    }
    for (const auto& [dimension, problems] : by_dimension)
      expect_observes_like_the_cpu(backend, full_plan(problems.front()), problems, {});
  }
}

inline void counts_basins_like_the_cpu(const BackendUnderTest& backend) {
  for (const Landscape& l : {double_well(), mueller_brown()}) {
    std::vector<Problem> problems;
    std::vector<Basins> basins;
    const Box box{{-2, -1}, {2, 2.5}};
    for (const double scale : {0.9, 1.0, 1.2}) {
      Problem p = problem(l, Noise::Kind::diagonal, Scheme::euler_maruyama);
      p.landscape.scale *= scale, p.landscape.barrier *= scale;
      p.start.kind = Start::Kind::uniform;
      p.start.spread = 1.1;
      p.walkers = 2300;  // more than one block of the device
      problems.push_back(p);
      basins.emplace_back(p.landscape, box);
    }
    Plan plan;
    plan.records = {3, 30};
    plan.snapshots = 4;
    plan.observables = {Observable::occupancy, Observable::density};
    plan.histogram = {box, 64, 32};
    expect_observes_like_the_cpu(backend, plan, problems, basins);
  }
}

/// A diverging recursion has values that are not finite from the same record on.
inline void marks_divergence_like_the_cpu(const BackendUnderTest& backend) {
  Problem p = problem(double_well(), Noise::Kind::diagonal, Scheme::euler_maruyama);
  p.learning_rate = 1.2;
  p.batch_size = 1;
  p.walkers = 100;
  p.burn_in = 0;
  Plan plan;
  for (int s = 0; s < 40; ++s) plan.records.push_back(s);
  plan.observables = {Observable::mean, Observable::density};
  const auto truth = observe_group(p, plan, 0);
  EXPECT_TRUE(std::isnan(truth.back()) && std::isfinite(truth.front()));
  expect_observes_like_the_cpu(backend, plan, {p}, {});
}

/// With escapes alone, walkers stop some time after they have escaped, and nothing changes.
inline void escapes_like_the_cpu(const BackendUnderTest& backend) {
  Problem p = problem(double_well(), Noise::Kind::diagonal, Scheme::euler_maruyama);
  p.substeps = 1;
  p.batch_size = 0.01;  // T = 1/4, a third of the barrier
  p.target = Target{-0.6, -1};
  p.walkers = 70;
  Plan plan;
  plan.records = {100, 4000, 9000};
  plan.observables = {Observable::escaped, Observable::survival_time};
  expect_observes_like_the_cpu(backend, plan, {p}, {});
  Plan all = plan;
  all.observables.push_back(Observable::mean);
  auto truth = observe_group(p, all, 0);
  truth.resize(2 * plan.records.size());
  EXPECT_EQ(observe_group(p, plan, 0), truth);
  EXPECT_GT(truth[2], 0.9);
}

}  // namespace soret::langevin
