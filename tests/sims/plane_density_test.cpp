#include "sims/random_walk/plane_density.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "soret/theory/fokker_planck.hpp"
#include "soret/theory/walk_conventions.hpp"

namespace soret::sims {
namespace {

using theory::Wall;
using walk::Boundary;
using walk::Start;

constexpr int kBins = 9;
constexpr double kPi = 3.14159265358979323846;

walk::Problem problem(Boundary boundary) {
  walk::Problem p;
  p.dimensions = 2;
  p.learning_rate = 0.05;
  p.shares = {0, 1};
  p.boundary = boundary;
  p.field.strength = 0.5;  // g_i = 1 + sin(2 pi q_i) / 2
  return p;
}

RandomWalkRecord record(std::int64_t sample_every = 0) {
  RandomWalkRecord r;
  r.steps = {0, 40, 80, 120};
  r.sample_every = sample_every;
  r.bins = kBins;
  return r;
}

/// The same coordinate alone, at the times that `plane_density` takes, averaged over bins: [time][bin].
std::vector<std::vector<double>> line_density(const walk::Problem& p, Wall wall,
                                              const std::vector<double>& times) {
  const theory::Cells cells{0, 1, 40 * kBins};
  const auto equation =
      theory::walk_equation(cells, {wall, wall}, theory::Convention::fokker_planck, p.learning_rate,
                            [](double q) { return 1 + 0.5 * std::sin(2 * kPi * q); });
  const auto shape = [&](double q) {
    if (p.start == Start::uniform) return 1.0;
    const double z = (q - p.start_position) / p.start_width;
    return std::exp(-0.5 * z * z);
  };
  auto state = theory::density_start(cells, shape);
  std::vector<std::vector<double>> all;
  for (const double time : times) {
    if (time > 0) theory::evolve(equation, state, time);
    all.push_back(theory::coarsened(state.density, 40));
  }
  return all;
}

// Independent coordinates: the density is a product.
TEST(PlaneDensity, OfIndependentCoordinatesIsAProduct) {
  const std::pair<Boundary, Wall> boundaries[] = {{Boundary::periodic, Wall::periodic},
                                                  {Boundary::reflecting, Wall::no_flux},
                                                  {Boundary::absorbing, Wall::absorbing}};
  for (const auto& [boundary, wall] : boundaries)
    for (const Start start : {Start::uniform, Start::gaussian}) {
      auto p = problem(boundary);
      p.start = start;
      p.start_width = 0.08;  // the walls are six of these away
      const auto plane = plane_density(p, record());
      const auto line = line_density(p, wall, {0, 40, 80, 120});
      ASSERT_EQ(plane.size(), 4u * kBins * kBins);
      for (std::size_t k = 0; k < 4; ++k)
        for (std::size_t i = 0; i < kBins; ++i)
          for (std::size_t j = 0; j < kBins; ++j)
            EXPECT_NEAR(plane[(k * kBins + i) * kBins + j], line[k][i] * line[k][j],
                        0.01 * std::max(1.0, line[k][i] * line[k][j]))
                << k << " " << i << " " << j;
    }
}

TEST(PlaneDensity, IsTheMeanOverTheStepsOfARecord) {
  const auto p = problem(Boundary::periodic);
  const auto plane = plane_density(p, record(20));  // steps 20 and 40, 60 and 80, 100 and 120
  const auto line = line_density(p, Wall::periodic, {0, 20, 40, 60, 80, 100, 120});
  for (std::size_t k = 1; k < 4; ++k)
    for (std::size_t i = 0; i < kBins; ++i) {
      const double truth = 0.5 * (line[2 * k - 1][i] * line[2 * k - 1][3] + line[2 * k][i] * line[2 * k][3]);
      EXPECT_NEAR(plane[(k * kBins + i) * kBins + 3], truth, 0.01) << k << " " << i;
    }
}

TEST(PlaneDensity, KeepsAllProbabilityWhereCoordinatesMoveTogether) {
  auto p = problem(Boundary::reflecting);
  p.shares = {0, 0};
  const auto plane = plane_density(p, record());
  for (std::size_t k = 0; k < 4; ++k) {
    const auto first = plane.begin() + static_cast<std::ptrdiff_t>(k * kBins * kBins);
    EXPECT_NEAR(std::accumulate(first, first + kBins * kBins, 0.0) / (kBins * kBins), 1, 1e-9);
  }
}

TEST(PlaneDensity, IsNotANumberWhereThereIsNoDensity) {
  auto line = problem(Boundary::line);
  auto point = problem(Boundary::periodic);
  point.start = Start::point;
  auto heavy = problem(Boundary::periodic);
  heavy.kick = walk::Kick::student_t;
  heavy.degrees_of_freedom = 2;
  for (const auto& p : {line, point, heavy})
    for (const double density : plane_density(p, record())) EXPECT_TRUE(std::isnan(density));
}

}  // namespace
}  // namespace soret::sims
