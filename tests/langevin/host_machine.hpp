#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <span>
#include <vector>

#include "soret/langevin/group_batch.hpp"

namespace soret::langevin {

/// What group_batch.hpp runs on, as plain loops. `free` bounds how many looks are kept at a time.
class HostMachine {
 public:
  explicit HostMachine(std::size_t free = std::size_t{1} << 30) : free_(free) {}

  template <class T>
  class Buffer {
   public:
    Buffer() = default;
    explicit Buffer(std::size_t size) : of_(size) {}
    explicit Buffer(std::span<const T> from) : of_(from.begin(), from.end()) {}
    T* data() const { return const_cast<T*>(of_.data()); }
    std::size_t size() const { return of_.size(); }
    std::vector<T> download(std::size_t count) const { return {of_.begin(), of_.begin() + count}; }
    void fill_bytes(int byte) {
      if (!of_.empty()) std::memset(of_.data(), byte, of_.size() * sizeof(T));
    }

   private:
    std::vector<T> of_;
  };

  /// Backwards: the order must not matter.
  template <class F>
  void each(std::int64_t n, const F& f) {
    for (std::int64_t i = n - 1; i >= 0; --i) f(i);
  }
  template <class L>
  void look(const Observe<L>& o) {
    for (std::int64_t chunk = o.chunks - 1; chunk >= 0; --chunk) {
      for (int part = 0; part < o.shape.parts(); ++part) {
        std::map<double*, std::array<double, kTallyRows>> lanes;
        for (int lane = 0; lane < kTallyRows; ++lane)
          o.sums(chunk, part, lane, [&](double* to, double x) { lanes[to][lane] = x; });
        for (auto& [to, x] : lanes) {
          for (int distance = kTallyRows / 2; distance > 0; distance /= 2) {
            const auto before = x;
            for (int lane = 0; lane < kTallyRows; ++lane) x[lane] = before[lane] + before[lane ^ distance];
          }
          *to = x[0];
        }
      }
      for (int walker = 0; walker < kChunk; ++walker)
        o.count(chunk, walker, [&](int cell) { ++o.counts_of(chunk)[cell]; });
    }
  }
  template <class F>
  void each(std::int64_t n, const F& f, const FormulaTree&) {
    each(n, f);
  }
  template <class L>
  void look(const Observe<L>& o, const FormulaTree&) {
    look(o);
  }
  void synchronize() {}
  std::size_t free_memory() const { return free_; }

 private:
  std::size_t free_;
};

}  // namespace soret::langevin
