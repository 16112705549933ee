#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "soret/scan/option.hpp"

/// What a simulation hands to the scan runner: all scan points, prepared, to be run in units of trajectories.
namespace soret {

/// Trajectories [first, first + count) of one scan point. The numbers that come out for a trajectory depend
/// on the settings, the seed and the trajectory's own index alone, never on how trajectories are grouped.
struct WorkUnit {
  std::size_t point = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

/// values: for each observable in order, cells(observable) rows of `count` numbers,
/// values[offset(observable) + cell * count + (trajectory - first)]; cells run over the records of its
/// schedule, then over the observable's further dimensions (row-major, last fastest).
struct UnitResult {
  std::vector<double> values;
  /// Per trajectory: the first recorded step at which it had left finite range, or -1. A diverged
  /// trajectory's values are ignored at all steps. A value that is not finite counts as divergence at that
  /// step.
  std::vector<std::int64_t> diverged_at;
};

/// Thrown inside run() when `stop` turns true: the unit is dropped and redone on resume.
struct Stopped {};

/// The ensemble of a finished scan point; cells as in UnitResult, all observables one after the other.
struct PointEnsemble {
  std::span<const double> mean;   ///< [cell]; NaN without survivors
  std::span<const double> error;  ///< [cell], standard error; NaN with fewer than two survivors
  std::vector<std::span<const double>>
      blocks;  ///< [block][cell], means over the block's survivors; empty without any
  std::vector<std::int64_t> survivors;  ///< [block]
};

/// A quantity computed once from the ensemble of a finished point: a prediction, a fit, a chi-square. It
/// stands in the file over the scan dimensions, the step if `over_steps`, and its own dimensions. One called
/// `<name>_stderr` is the standard error of the one called `<name>`.
struct DerivedQuantity {
  Observable what;
  bool over_steps = false;
  /// The observable or derived quantity that this is a prediction of. Its dimensions are some of that one's,
  /// and at most one of names beside: the laws that predict.
  std::string predicts{};
  /// The one whose deviation from its predictions this is, per degree of freedom; over the same laws.
  std::string chi_square_of{};
};

/// Steps at which some observables are recorded; a dimension of the file.
struct RecordSchedule {
  std::string dimension;  ///< "curvature_step": a name that ends in _step
  std::vector<std::int64_t> steps;
};

/// Files that a scan's numbers depend on beside its data sets: path and a digest of what is used of it.
using Sources = std::map<std::string, std::string>;

class Experiment {
 public:
  virtual ~Experiment() = default;

  virtual std::size_t points() const = 0;
  virtual std::uint32_t trajectories() const = 0;                     ///< per scan point
  virtual const std::vector<Observable>& observables() const = 0;     ///< those that are recorded, in order
  virtual const std::vector<std::int64_t>& record_steps() const = 0;  ///< of the schedule `step`
  /// Those of observables that cost too much, or too little, to be recorded with the others.
  virtual const std::vector<RecordSchedule>& further_schedules() const {
    static const std::vector<RecordSchedule> none;
    return none;
  }
  virtual const std::vector<Coordinate>& coordinates() const = 0;  ///< of the observables' further dimensions
  /// What is computed from the ensemble of each point when it is finished.
  virtual const std::vector<DerivedQuantity>& derived() const {
    static const std::vector<DerivedQuantity> none;
    return none;
  }
  /// The derived quantities of a point, one after the other, each row-major. Called from one thread at a
  /// time; the numbers depend on the point and its ensemble alone.
  virtual std::vector<double> derive(std::size_t /*point*/, const PointEnsemble& /*ensemble*/) const {
    return {};
  }
  /// For work units that take long: true if `progress` will be told, from any thread, of parts of cost() as
  /// they are done; otherwise a unit counts when it is done.
  virtual bool report_to(const std::function<void(double cost)>& /*progress*/) { return false; }
  /// Where unfinished trajectories may be kept between runs, told before the first run(): a folder beside the
  /// output, which need not exist. What an earlier run left there is to be gone on with, or, if `fresh`, to
  /// be thrown away.
  virtual void keep_in(const std::filesystem::path& /*folder*/, bool /*fresh*/) {}
  /// A run goes on only with the same.
  virtual Sources sources() const { return {}; }
  /// What the `step` dimension counts.
  virtual std::string step_name() const { return "SGD step"; }
  /// How many trajectories of a point run together at full speed; units are made of whole multiples of it.
  virtual std::uint32_t preferred_group(std::size_t point) const = 0;
  /// Rough cost of one trajectory of this point, in any fixed unit (for ordering work and for the ETA).
  virtual double cost(std::size_t point) const = 0;

  /// Runs one unit; safe to call from several threads at once. Throws Stopped when `stop` is set.
  virtual UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) = 0;

  /// Runs many units and calls `done` once for each, from one thread at a time, in any order; returns early,
  /// leaving units out, when `stop` is set. The default is an OpenMP loop over run(); a GPU backend launches
  /// units of all points together.
  virtual void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
                       const std::function<void(const WorkUnit&, UnitResult&&)>& done);

  /// What ran it, for the file's attributes: {"cpu", "AMD EPYC, 2 threads"}.
  virtual std::string backend() const = 0;
  virtual std::string device() const = 0;
};

}  // namespace soret
