#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "soret/langevin/langevin.hpp"
#include "soret/langevin/visit.hpp"
#include "tests/langevin/langevin_cases.hpp"
#include "tests/oracles/langevin_oracle.hpp"

/// Every landscape, noise and scheme of the driver, walker by walker, against textbook loops; and what may
/// not matter to a walker.
namespace soret::langevin {
namespace {

oracle::Vector oracle_walk(const Problem& p, std::uint32_t walker, std::int64_t steps) {
  const auto d = static_cast<std::size_t>(p.landscape.dimension);
  const double q = p.learning_rate / p.batch_size;
  oracle::LangevinWalker o;
  o.h = p.learning_rate / p.substeps;
  o.gradient = [&](const oracle::Vector& w) { return gradient(p.landscape, w); };
  o.amplitude = [&](const oracle::Vector& w) {
    return std::sqrt(q * (p.noise.base + p.noise.slope * value(p.landscape, w)));
  };
  if (p.noise.kind != Noise::Kind::state) {
    o.factor.assign(d, oracle::Vector(d, 0.0));
    for (std::size_t k = 0; k < d; ++k)
      for (std::size_t j = 0; j < d; ++j)
        o.factor[k][j] = std::sqrt(q) * (p.noise.kind == Noise::Kind::dense ? p.noise.factor[k * d + j]
                                         : j == k                           ? p.noise.factor[k]
                                                                            : 0);
  }
  oracle::Vector w = p.start.centre, dw(d);
  for (std::uint64_t s = 0; s < static_cast<std::uint64_t>(steps + p.burn_in) * p.substeps; ++s) {
    for (std::size_t k = 0; k < d; ++k)
      dw[k] = std::sqrt(o.h) * oracle::walker_normal(p.seed, Purpose::langevin_noise, walker, s * d + k);
    const bool constant = p.noise.kind != Noise::Kind::state;
    if (p.scheme == Scheme::euler_maruyama || (constant && p.scheme == Scheme::milstein)) {
      w = o.euler(w, dw);
    } else if (p.scheme == Scheme::milstein) {
      w = o.milstein(w, dw);
    } else if (p.scheme == Scheme::heun || constant) {
      w = o.heun(w, dw);
    } else {
      const auto block = Stream{p.seed, Purpose::langevin_signs, walker}.block(s);
      std::vector<oracle::Vector> v(d, oracle::Vector(d, 0.0));
      for (std::size_t r = 0; r < d; ++r)
        for (std::size_t j = 0; j < r; ++j) {
          const auto bit = static_cast<unsigned>(r * (r - 1) / 2 + j);
          const std::uint32_t words[4] = {block.x, block.y, block.z, block.w};
          v[r][j] = (words[bit / 32] >> (bit % 32)) & 1U ? o.h : -o.h;
          v[j][r] = -v[r][j];
        }
      w = o.weak2(w, dw, v);
    }
  }
  return w;
}

/// [walker][coordinate] after `steps` steps.
std::vector<oracle::Vector> walk(const Problem& p, std::uint32_t group, std::vector<std::int64_t> steps) {
  std::vector<oracle::Vector> w(p.walkers, oracle::Vector(p.landscape.dimension));
  run_group(p, group, steps, [&](const Sample& s) {
    for (int i = 0; i < s.count; ++i)
      for (int k = 0; k < p.landscape.dimension; ++k)
        w[s.first + static_cast<std::uint32_t>(i)][k] = s.w[k * kChunk + i];
  });
  return w;
}

TEST(LangevinOracle, EveryLandscapeNoiseAndSchemeAgreesWithPlainLoops) {
  std::vector<Landscape> landscapes = named_landscapes();
  landscapes.push_back(formula(1));
  landscapes.push_back(formula(2));
  const std::vector<Problem> problems = all_problems(landscapes);
  EXPECT_GT(problems.size(), 95U);
  for (const Problem& p : problems) {
    const auto w = walk(p, 2, {9});
    for (const std::uint32_t i : {0U, 7U, 36U}) {
      const auto truth = oracle_walk(p, 2 * p.walkers + i, 9);
      for (int k = 0; k < p.landscape.dimension; ++k) {
        // The oracle differentiates s(w) numerically, to 1e-9.
        ASSERT_NEAR(w[i][k], truth[k], p.noise.kind == Noise::Kind::state ? 1e-8 : 1e-12)
            << describe(p) << ", walker " << i;
      }
    }
  }
}

TEST(LangevinRun, AWalkerDoesNotDependOnItsGroupOrOnWhenItIsLookedAt) {
  for (const Landscape& l : {double_well(), diagonal()}) {
    Problem p = problem(l, Noise::Kind::diagonal, Scheme::heun);
    p.walkers = 150;
    const auto one = walk(p, 0, {200});
    EXPECT_EQ(walk(p, 0, {1, 2, 77, 199, 200}), one);
    p.walkers = 75;
    auto two = walk(p, 0, {200});
    const auto rest = walk(p, 1, {200});
    two.insert(two.end(), rest.begin(), rest.end());
    EXPECT_EQ(two, one);
  }
}

TEST(LangevinRun, ABurnInIsTimeBeforeStepZero) {
  Problem p = problem(double_well(), Noise::Kind::diagonal, Scheme::euler_maruyama);
  p.burn_in = 0;
  const auto later = walk(p, 0, {50});
  p.burn_in = 30;
  EXPECT_EQ(walk(p, 0, {20}), later);
}

TEST(LangevinRun, TheEscapeTimeIsTheFirstSubstepBeyondTheTarget) {
  Problem p = problem(double_well(), Noise::Kind::diagonal, Scheme::euler_maruyama);
  p.burn_in = 0;
  p.start.centre = {0.1};
  p.target = Target{-0.6, -1};
  std::vector<std::int64_t> every;
  for (int s = 0; s <= 60; ++s) every.push_back(s);
  p.substeps = 1;
  std::vector<double> seen(p.walkers, std::numeric_limits<double>::infinity()), told(p.walkers);
  run_group(p, 0, every, [&](const Sample& s) {
    for (int i = 0; i < s.count; ++i) {
      const std::size_t walker = s.first + static_cast<std::uint32_t>(i);
      if (s.w[i] <= -0.6) seen[walker] = std::min(seen[walker], static_cast<double>(s.index));
      told[walker] = s.escaped_at[i];
    }
  });
  EXPECT_EQ(told, seen);
  EXPECT_GT(std::ranges::count_if(seen, [](double t) { return std::isfinite(t); }), 3);
}

/// Truth: gradient() is the derivative of value(), to the error of a central difference.
TEST(LangevinLandscape, TheGradientIsTheDerivativeOfTheValue) {
  for (const Landscape& l :
       {diagonal(), dense(), double_well(), wells(1), wells(2), mueller_brown(), formula(2)}) {
    std::vector<double> w;
    for (int k = 0; k < l.dimension; ++k) w.push_back(0.3 - 0.17 * k);
    const auto g = gradient(l, w);
    for (int k = 0; k < l.dimension; ++k) {
      const double step = 1e-5;
      auto up = w, down = w;
      up[k] += step, down[k] -= step;
      EXPECT_NEAR(g[k], (value(l, up) - value(l, down)) / (2 * step), 1e-8) << static_cast<int>(l.kind);
    }
  }
}

}  // namespace
}  // namespace soret::langevin
