#pragma once

#include <cstddef>
#include <vector>

#include "soret/base/host_device.hpp"

/// A team is a fixed number of threads that work on one problem in step: a CUDA thread block or part of a
/// warp (device_team.hpp), or one CPU thread that plays all of them in turn (SerialTeam). An algorithm
/// written against it runs on all three and, where its arithmetic is correctly rounded, gives the same bits:
/// every sum runs along the same tree, which depends on the width of the team alone.
///
/// A team has
///   width()                  threads: a power of two up to 32, or a multiple of 32
///   Private<T>               one T per thread, default-initialised; x[rank]
///   each(f)                  f(rank) on every thread; no barrier: for what belongs to one thread
///   for_each(n, f)           f(k) for k < n, spread over the threads, then a barrier
///   single(f)                f() on one thread, then a barrier
///   barrier()
///   sum_lanes(lanes, n, x)   Owned values x[0..n) of every thread become the sums over its group of `lanes`
///                            neighbours (a power of two up to 32)
///   sum(n, term, partial)    term(rank, k) summed over the threads for k < n, then a barrier; the sums are
///                            read with total(partial, k, width)
/// Code between these calls runs on every thread with the same values.
///
/// What for_each(), single() and sum() write, everybody may read after them. Before they overwrite what an
/// each() has read, a barrier must stand between the two.
namespace soret {

/// Elements that belong to one thread of a team, interleaved so that neighbouring threads touch neighbouring
/// elements: element k of thread r lies at data[k * width + r].
template <class T>
struct Owned {
  T* data;
  int width;
  int rank;
  SORET_HD T& operator[](int k) const { return data[static_cast<std::ptrdiff_t>(k) * width + rank]; }
};

/// Threads whose sums run along one binary tree (a warp).
inline constexpr int kTeamGroup = 32;

SORET_HD int team_groups(int width) {
  return (width + kTeamGroup - 1) / kTeamGroup;
}

/// Elements of sum()'s `partial` for n sums.
SORET_HD int partial_size(int n, int width) {
  return n * team_groups(width);
}

/// Sum k of the last sum(n, term, partial).
template <class T>
SORET_HD T total(const T* partial, int k, int width) {
  const int groups = team_groups(width);
  T x = partial[k * groups];
  for (int g = 1; g < groups; ++g) x = x + partial[k * groups + g];
  return x;
}

/// One CPU thread in the place of `width` threads.
class SerialTeam {
 public:
  explicit SerialTeam(int width) : width_(width) {}

  template <class T>
  class Private {
   public:
    explicit Private(const SerialTeam& team) : of_(static_cast<std::size_t>(team.width())) {}
    T& operator[](int rank) { return of_[static_cast<std::size_t>(rank)]; }

   private:
    std::vector<T> of_;
  };

  int width() const { return width_; }

  template <class F>
  void each(F f) const {
    for (int rank = 0; rank < width_; ++rank) f(rank);
  }
  template <class F>
  void for_each(int n, F f) const {
    for (int k = 0; k < n; ++k) f(k);
  }
  template <class F>
  void single(F f) const {
    f();
  }
  void barrier() const {}

  template <class T>
  void sum_lanes(int lanes, int n, T* x) const {
    T values[kTeamGroup];
    for (int k = 0; k < n; ++k) {
      for (int first = 0; first < width_; first += lanes) {
        for (int l = 0; l < lanes; ++l) values[l] = Owned<T>{x, width_, first + l}[k];
        butterfly(values, lanes);
        for (int l = 0; l < lanes; ++l) Owned<T>{x, width_, first + l}[k] = values[l];
      }
    }
  }

  template <class T, class Term>
  void sum(int n, Term term, T* partial) const {
    const int group = width_ < kTeamGroup ? width_ : kTeamGroup;
    T values[kTeamGroup];
    for (int k = 0; k < n; ++k) {
      for (int g = 0; g < team_groups(width_); ++g) {
        for (int l = 0; l < group; ++l) values[l] = term(g * kTeamGroup + l, k);
        butterfly(values, group);
        partial[k * team_groups(width_) + g] = values[0];
      }
    }
  }

 private:
  /// Leaves in every element the sum of all, along the tree of a warp's exclusive-or shuffles.
  template <class T>
  static void butterfly(T (&values)[kTeamGroup], int n) {
    for (int distance = n / 2; distance > 0; distance /= 2) {
      T next[kTeamGroup];
      for (int l = 0; l < n; ++l) next[l] = values[l] + values[l ^ distance];
      for (int l = 0; l < n; ++l) values[l] = next[l];
    }
  }

  int width_;
};

}  // namespace soret
