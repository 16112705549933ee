#pragma once

#include <cstdint>
#include <vector>

#include "soret/walk/random_walk.hpp"

/// From sums over the walkers of a group to the values of its observables, for every driver.
namespace soret::walk {

/// What is gathered of one group, per record; sums over walkers, so that the parts of a group add up.
struct GroupSums {
  GroupSums(const Problem& p, const Request& r);

  std::size_t records, bins, axes;
  std::vector<double> sum, square;         ///< [record][axis], about origin()
  std::vector<double> amplitude;           ///< [record]
  std::vector<std::int64_t> samples;       ///< [record] sampled steps since the last record
  std::vector<std::int64_t> histogram;     ///< [record][bin], all samples
  std::vector<std::int64_t> histogram_2d;  ///< [record][bin][bin_2]; empty if not wanted
  std::vector<std::int64_t> occupied;      ///< [record][1 + bin], at the record; 0 and bins + 1: outside
  std::vector<std::int64_t> turns;         ///< [record] turns around the ring so far
  bool amplitudes = false;                 ///< amplitude is wanted
  bool steps = false;                      ///< drift and diffusion are wanted
  std::vector<double> drift, diffusion;    ///< [record][bin], over the sampled steps
  std::vector<std::int64_t> absorbed, absorbed_upper;  ///< [record]
  std::vector<double> time, time_square;
  std::int64_t diverged_at = -1;
};

/// Positions are summed about this place: a point start has exactly no variance.
double origin(const Problem& p);

/// The value of one cell of an observable at a record.
double value(Observable o, const Problem& p, const Request& r, const GroupSums& s, std::size_t record,
             std::size_t cell);

}  // namespace soret::walk
