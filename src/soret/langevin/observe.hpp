#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "soret/langevin/basins.hpp"
#include "soret/langevin/langevin.hpp"
#include "soret/langevin/tally.hpp"

/// What is recorded of a group of walkers: one number per cell and record, whose spread over the groups gives
/// the errors.
namespace soret::langevin {

enum class Observable {
  mean,            ///< [coordinate]
  covariance,      ///< [row][column], over the walkers of a group (n - 1)
  density,         ///< [position], of w_0
  density_2d,      ///< [position][position_y], of (w_0, w_1)
  occupancy,       ///< [basin], fraction of the walkers
  loss,            ///< mean of l(w)
  autocovariance,  ///< covariance of w_0 now and at step 0
  escaped,         ///< fraction of the walkers that have reached the target
  survival_time,   ///< mean over the walkers of min(escape time, now), in units of t = eta * steps
};
inline constexpr int kObservables = 9;

std::string_view name(Observable o);

struct Plan {
  std::vector<std::int64_t> records;  ///< SGD steps, ascending
  /// Snapshots per record, spread evenly over the steps since the record before; the last is at the record
  /// itself. All observables but autocovariance, escaped and survival_time are averaged over them.
  std::int64_t snapshots = 1;
  std::vector<Observable> observables;
  Histogram histogram;
  const Basins* basins = nullptr;  ///< for occupancy

  /// The steps at which walkers are looked at, and to which record each belongs.
  struct Looks {
    std::vector<std::int64_t> steps;
    std::vector<std::size_t> record;
    std::vector<std::size_t> count;  ///< [record]

    /// The last look of its record?
    bool last(std::size_t look) const {
      return look + 1 == record.size() || record[look + 1] != record[look];
    }
  };
  Looks looks() const;
  /// Numbers per record of an observable.
  std::size_t cells(Observable o, int dimension) const;
};

/// Groups of one problem that are run together.
struct Request {
  const Problem* problem;
  const Basins* basins;  ///< for occupancy, or null
  std::uint32_t first_group;
  std::uint32_t groups;
};

/// Walkers of a group at one step.
struct Walked {
  std::vector<double> w;           ///< [dimension][walker]
  std::vector<double> escaped_at;  ///< [walker], as in Sample
};

/// True if nothing that is recorded depends on where a walker goes once it has reached the target.
bool only_escapes(const Plan& plan);

/// Builds the recorded values of one group out of what tally.hpp adds up over its walkers. Problem, plan and
/// looks must outlive it.
class Summary {
 public:
  Summary(const Problem& problem, const Plan& plan, const Plan::Looks& looks, const Basins* basins);

  const TallyShape& shape() const { return shape_; }

  /// sums[shape().slots()] over the walkers at a look; each look once, in ascending order.
  void add_sums(std::size_t look, const double* sums);
  /// counts[shape().cells()] of the walkers at looks of one record; more may follow.
  void add_counts(std::size_t record, const std::uint64_t* counts);
  /// What observe_group() returns, when everything has been added.
  std::vector<double> values() &&;

 private:
  struct Part {
    Observable observable;
    std::size_t first;  ///< in values_
    std::size_t cells;  ///< per record
  };
  double* at(const Part& part, std::size_t record) {
    return values_.data() + part.first + record * part.cells;
  }

  const Problem* problem_;
  const Plan* plan_;
  const Plan::Looks* looks_;
  TallyShape shape_;
  std::vector<Part> parts_;
  std::vector<double> values_;
  std::size_t finite_;    ///< records before the first with walkers that are not
  double first_sum_ = 0;  ///< of w_0 - centre at the first look
};

/// The recorded values of one group: for each observable of the plan, [record][cell]. A group whose walkers
/// left finite range has values that are not finite from that record on.
std::vector<double> observe_group(const Problem& problem, const Plan& plan, std::uint32_t group,
                                  const std::atomic<bool>* stop = nullptr);

}  // namespace soret::langevin
