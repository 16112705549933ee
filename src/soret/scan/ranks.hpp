#pragma once

#include <cstdint>

namespace soret {

/// The processes of an MPI job, started as `mpirun -n N soret run ...`; a single one without MPI. Made once
/// in a process.
class Ranks {
 public:
  Ranks();
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Waits for all ranks; true if `ok` is true on every one.
  bool all(bool ok) const;
  /// Waits for all ranks; the sum of their values.
  std::int64_t sum(std::int64_t value) const;

 private:
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace soret
