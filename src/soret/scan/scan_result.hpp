#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soret/scan/config.hpp"
#include "soret/scan/experiment.hpp"
#include "soret/scan/statistics.hpp"
#include "soret/store/result_file.hpp"

/// The result of a scan as it stands in the file (DESIGN section 4). With S the scan dimensions (one per
/// axis; `point` when zipped; none for a single point) and E an observable's further dimensions (in place of
/// `step` stands the dimension of the schedule that records the observable, or none):
///
///   <observable>        (S, step, E)         mean over the surviving trajectories
///   <observable>_stderr (S, step, E)         its standard error; NaN with fewer than two survivors
///   <observable>_block  (S, block, step, E)  mean over the survivors of each block, for the bootstrap
///   block_trajectories  (S, block)           survivors of each block
///   <derived>           (S, [step,] E)       computed from the point's ensemble: predictions, fits
///   diverged            (S)                  trajectories that left finite range, left out of all means
///   diverged_by_step    (S, step)            how many of them had done so by then
///   finished            (S)                  1 where the point is done; elsewhere all data are NaN or 0
///   label               (point)              names of the points of a zipped scan, where the config has some
namespace soret {

class ScanResult {
 public:
  /// All points unfinished. The experiment must outlive it.
  ScanResult(const ScanPlan& plan, const Experiment& experiment);

  const Blocks& blocks() const { return blocks_; }
  /// Of all observables together, in the order of UnitResult::values.
  std::size_t cells() const { return step_of_cell_.size(); }
  /// The recorded step of every cell.
  std::span<const std::int64_t> step_of_cell() const { return step_of_cell_; }

  bool finished(std::size_t point) const;
  /// `blocks` holds all blocks of the point, in order.
  void finish(std::size_t point, std::span<const BlockSummary> blocks);
  /// Takes over the finished points of an earlier file; throws InputError if its layout is another one.
  void take_finished(const store::Dataset& earlier);
  std::int64_t diverged() const;  ///< over all finished points

  store::Attributes& attributes() { return dataset_.attributes; }
  const store::Dataset& dataset() const { return dataset_; }

 private:
  /// Cells [first, first + size) of the point belong to one observable; its three variables by index.
  struct Slot {
    std::size_t first, size;
    std::size_t mean, error, block;
  };

  void derive(std::size_t point, const EnsembleStatistics& statistics, std::span<const BlockSummary> blocks);
  std::size_t add_variable(store::Variable variable);
  std::vector<double>& reals(std::size_t variable);
  std::vector<std::int64_t>& integers(std::size_t variable);

  /// Offset and size of a derived quantity in derive()'s numbers, and its variable.
  struct DerivedSlot {
    std::size_t first, size;
    std::size_t variable;
  };

  const Experiment& experiment_;
  Blocks blocks_;
  std::vector<std::int64_t> steps_;
  std::vector<std::int64_t> step_of_cell_;
  store::Dataset dataset_;
  std::vector<Slot> slots_;
  std::vector<DerivedSlot> derived_slots_;
  std::size_t block_trajectories_, diverged_, diverged_by_step_, finished_;
};

/// Puts what the plan says in the section [table], which numbers do not depend on, in place of what the file
/// of a scan said: attribute `config`, and `label`.
void annotate(const ScanPlan& plan, store::Dataset& file);

/// The attribute `sources` of a scan's file: "results/train.h5.checkpoints/point0-run0.h5 0123456789abcdef",
/// a line each.
std::string sources_text(const Sources& sources);
bool has_source(const store::Attributes& attributes, const std::string& file, const std::string& digest);

/// Copies the data of all points that are finished in `from`. Throws InputError if the two have different
/// dimensions, coordinates or variables.
void copy_finished(const store::Dataset& from, store::Dataset& to);

/// Up to five lines "key: 0.1 there, 0.2 here" for two resolved configs, annotations apart; empty if they say
/// the same.
std::string config_difference(const std::string& there, const std::string& here);

}  // namespace soret
