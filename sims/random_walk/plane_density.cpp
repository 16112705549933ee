#include "sims/random_walk/plane_density.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "soret/theory/gaussian_unit.hpp"
#include "soret/theory/plane_fokker_planck.hpp"

namespace soret::sims {
namespace {

/// Cells of the solver along a side, at least. Our choice: a few parts in a thousand for independent
/// coordinates, a percent or two for such that share their sign, where nothing smooths the density across g.
constexpr int kPlaneCells = 60;
/// Steps of the solver in all, about; its error falls with the square of their length.
constexpr std::size_t kTimeSteps = 160;
/// The density between two records is the mean of the solver's at so many times.
constexpr std::size_t kMeanTimes = 16;

/// The start of one coordinate, up to a factor: with what the walls fold back.
double start_shape(const walk::Problem& p, double q) {
  if (p.start == walk::Start::uniform) return 1;
  const auto bell = [&](double x) {
    const double z = (x - p.start_position) / p.start_width;
    return std::exp(-0.5 * z * z);
  };
  if (p.boundary == walk::Boundary::absorbing) return bell(q);
  double sum = 0;
  for (int image = -3; image <= 3; ++image) {
    if (p.boundary == walk::Boundary::periodic) {
      sum += bell(q + image * p.width());
    } else {
      sum += bell(q + 2 * image * p.width());
      sum += bell(2 * p.lower - q + 2 * image * p.width());
    }
  }
  return sum;
}

/// The probability that starts inside absorbing walls.
double start_probability(const walk::Problem& p) {
  if (p.start == walk::Start::uniform || p.boundary != walk::Boundary::absorbing) return 1;
  const auto below = [&](double q) { return theory::normal_cdf((q - p.start_position) / p.start_width); };
  const double inside = below(p.upper) - below(p.lower);
  return inside * inside;
}

theory::PlaneFokkerPlanck equation_of(const walk::Problem& p, const theory::PlaneGrid& grid) {
  using theory::Wall;
  const Wall wall = p.boundary == walk::Boundary::periodic    ? Wall::periodic
                    : p.boundary == walk::Boundary::absorbing ? Wall::absorbing
                                                              : Wall::no_flux;
  const walk::Amplitude amplitude(p);
  const bool shared = p.shares[0] == p.shares[1];
  return {grid, {{wall, wall}, {wall, wall}}, [&](double x, double y) {
            const std::array<double, 2> q{x, y};
            std::array<double, 2> g;
            amplitude.at(q, g);
            const double gx = p.learning_rate * g[0], gy = p.learning_rate * g[1];
            return theory::PlaneCovariance{gx * gx, shared ? gx * gy : 0, gy * gy};
          }};
}

/// The times that stand for the steps a record gathers, ascending; the last is the record's.
std::vector<double> times_of(const RandomWalkRecord& r, std::size_t k) {
  if (r.sample_every == 0) return {static_cast<double>(r.steps[k])};
  const std::int64_t first = r.steps[k - 1] / r.sample_every + 1;
  const std::int64_t count = r.steps[k] / r.sample_every - first + 1;
  std::vector<double> times;
  const auto parts = std::min<std::int64_t>(count, kMeanTimes);
  for (std::int64_t i = 0; i < parts; ++i) {
    const double sample =
        static_cast<double>(first) +
        (static_cast<double>(i) + 0.5) * static_cast<double>(count) / static_cast<double>(parts) - 0.5;
    times.push_back(sample * static_cast<double>(r.sample_every));
  }
  return times;
}

}  // namespace

std::vector<double> plane_density(const walk::Problem& p, const RandomWalkRecord& r) {
  const auto bins = static_cast<std::size_t>(r.bins);
  std::vector<double> all(r.steps.size() * bins * bins, std::numeric_limits<double>::quiet_NaN());
  const bool has_variance = p.kick != walk::Kick::student_t || p.degrees_of_freedom > 2;
  if (p.boundary == walk::Boundary::line || !has_variance || p.start == walk::Start::point) return all;

  const int factor = (kPlaneCells + r.bins - 1) / r.bins;
  const theory::Cells cells{p.lower, p.upper, r.bins * factor};
  const theory::PlaneGrid grid{cells, cells};
  theory::PlaneFokkerPlanck equation = equation_of(p, grid);
  theory::PlaneDensity state =
      theory::density_start(grid, [&](double x, double y) { return start_shape(p, x) * start_shape(p, y); });
  for (double& density : state.density) density *= start_probability(p);

  const auto per_record = static_cast<int>(std::max<std::size_t>(2, kTimeSteps / r.steps.size()));
  for (std::size_t k = 0; k < r.steps.size(); ++k) {
    const std::vector<double> times = k == 0 ? std::vector<double>{0} : times_of(r, k);
    double* const out = &all[k * bins * bins];
    std::fill_n(out, bins * bins, 0.0);
    const auto n = static_cast<int>(times.size());
    for (const double time : times) {
      if (time > state.time) equation.evolve(state, time, std::max(1, per_record / n));
      const double share = 1.0 / (n * factor * factor);
      for (int i = 0; i < cells.count; ++i)
        for (int j = 0; j < cells.count; ++j)
          out[static_cast<std::size_t>(i / factor) * bins + static_cast<std::size_t>(j / factor)] +=
              share * state.density[grid.cell(i, j)];
    }
  }
  return all;
}

}  // namespace soret::sims
