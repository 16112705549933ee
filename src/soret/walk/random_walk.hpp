#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "soret/base/formula.hpp"
#include "soret/walk/field.hpp"
#include "soret/walk/random_walk_step.hpp"

/// Inhomogeneous random walks q_i <- q_i - eta gamma g_i(q) (seed 002 section 3): many independent walkers in
/// one to eight dimensions, in groups whose averages are one sample each.
namespace soret::walk {

/// The law of gamma: mean 0 and variance 1; student_t with nu <= 2 has no variance and unit scale.
enum class Kick { rademacher, gaussian, uniform, student_t };
enum class Start { point, uniform, gaussian, stationary };

struct Problem {
  int dimensions = 1;
  double learning_rate = 0.02;  ///< eta
  Field field;
  std::vector<Formula> formulas;  ///< field.kind == formula: one for all coordinates, or one for each
  Kick kick = Kick::rademacher;
  double degrees_of_freedom = 3;  ///< nu of student_t
  /// Coordinates of equal entry share one gamma (the set U of seed 002 Eq. 7); entries run from 0 without
  /// gaps.
  std::vector<int> shares = {0};
  Boundary boundary = Boundary::periodic;
  double lower = 0;  ///< of every coordinate: the walls, or on a line the window of the histograms
  double upper = 1;
  Start start = Start::uniform;
  double start_position = 0.5;  ///< of every coordinate: the point, or the mean of the gaussian
  double start_width = 0.1;     ///< standard deviation of the gaussian
  /// Step lengths in single precision, places to 2^-32 of the domain: binary walks in one dimension between
  /// walls, of a profile of q.
  bool single_precision = false;
  std::uint64_t seed = 1;

  int gammas() const;  ///< independent gammas per step
  double width() const { return upper - lower; }
};

/// The names by which a formula calls the coordinates: q, or q1, q2, ...
std::vector<std::string> formula_variables(int dimensions);

/// Evaluates the amplitudes of a problem for many walkers; one object per thread.
class Amplitude {
 public:
  explicit Amplitude(const Problem& problem);

  /// g[i] = g_i(q) for rows q[i], g[i] of n numbers, i < dimensions; n is a multiple of eight.
  void operator()(std::span<const double* const> q, std::span<double* const> g, int n) const;
  /// At one place; q and g have one number per dimension.
  void at(std::span<const double> q, std::span<double> g) const;

 private:
  Field field_;
  int dimensions_;
  std::vector<Formula> formulas_;
};

/// Smallest and largest amplitude over a grid of the domain. Throws ConfigError, naming the place, where an
/// amplitude is negative or not finite, or where it is zero in the whole domain.
struct AmplitudeRange {
  double smallest, largest;
};
AmplitudeRange amplitude_range(const Problem& problem);

/// Throws ConfigError if the walk cannot be run: an amplitude as above, a step longer than the domain, a
/// stationary start where there is none, single precision where there is none.
void check(const Problem& problem);

/// A density on a grid of equal cells: at the nodes, and its integral up to them, from 0 to 1.
struct StationaryTable {
  double lower = 0;
  double cell = 0;  ///< width
  int cells = 0;
  const double* density = nullptr;     ///< [cells + 1], not normalised
  const double* cumulative = nullptr;  ///< [cells + 1]
};

/// The stationary density of the walk in one dimension, rho ~ 1/g^2 (the Fokker-Planck equation of seed 002
/// Eq. 8), as a table to draw from.
class StationaryStart {
 public:
  /// Throws ConfigError where there is none: more than one dimension, no walls or absorbing ones, or an
  /// amplitude that vanishes.
  explicit StationaryStart(const Problem& problem);
  /// Lives as long as this object.
  StationaryTable table() const {
    return {lower_, cell_, static_cast<int>(density_.size()) - 1, density_.data(), cumulative_.data()};
  }

 private:
  double lower_, cell_;
  std::vector<double> density_, cumulative_;
};

/// What is recorded of each group of walkers. Positions on a ring are unrolled for the moments.
enum class Observable {
  position_mean,        ///< [axis]
  position_variance,    ///< [axis], over the walkers of the group, unbiased
  amplitude_mean,       ///< mean of |g(q)|, of a neuron at batch size 1: a function of the place alone
  density,              ///< [position] of the first coordinate, per unit length
  density_2d,           ///< [position][position_2] of the first two coordinates
  flux,                 ///< [edge] net crossings of bin edges by the first coordinate per walker and step
  drift_density,        ///< [position] density times mean displacement per step
  diffusion_density,    ///< [position] density times half the mean square displacement per step
  survival,             ///< share of walkers that have not reached a wall
  absorbed_at_upper,    ///< share of walkers that left at an upper wall
  passage_time,         ///< mean over all walkers of the first-passage time, 0 for those still alive
  passage_time_square,  ///< of its square
};
inline constexpr int kObservables = 12;
std::string_view name(Observable observable);

/// Groups [first_group, first_group + groups) of `walkers` walkers; walker w of group k is walker k * walkers
/// + w of the problem, whatever the request.
struct Request {
  std::uint32_t first_group = 0;
  int groups = 0;
  int walkers = 0;                               ///< per group, at least 2
  std::span<const std::int64_t> record_steps{};  ///< ascending
  std::int64_t sample_every =
      0;         ///< histograms gather these steps too, since the last record; 0: records alone
  int bins = 1;  ///< of [lower, upper]
  std::span<const Observable> observables{};
  const std::atomic<bool>* stop = nullptr;
};

/// Thrown when *stop turned true.
struct Stopped {};

/// values: per observable, per record, per further dimension: one number for each group, groups running
/// fastest.
struct Records {
  std::vector<double> values;
  std::vector<std::int64_t> diverged_at;  ///< per group: first record with a walker out of finite range; -1
};

/// Numbers that an observable has per record.
std::size_t cells(Observable observable, const Problem& problem, int bins);

Records run_cpu(const Problem& problem, const Request& request);

/// The walkers' positions after `steps` steps, q[axis][walker], by the same code; for tests.
std::vector<std::vector<double>> positions_cpu(const Problem& problem, std::uint32_t first_walker,
                                               int walkers, std::int64_t steps);

}  // namespace soret::walk
