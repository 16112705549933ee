#pragma once

#include <cstring>
#include <vector>

#include "soret/walk/random_walk_driver.hpp"

/// The machine of random_walk_driver.hpp on one CPU thread: it plays every thread block in turn.
namespace soret::walk {

/// Amplitudes of formulas: the trees that the last HostMachine::Kernels was made with.
struct TreeAmplitudes {
  static inline std::vector<FormulaTree> formulas;

  template <int D>
  static void evaluate(const WalkLaw& law, const double* q, double* g) {
    for (int i = 0; i < coordinates<D>(law); ++i)
      g[i] = formulas[law.formulas > 1 ? i : 0]({q, static_cast<std::size_t>(coordinates<D>(law))});
  }
};

struct HostMachine {
  template <class T>
  class Array {
   public:
    Array() = default;
    explicit Array(std::size_t size) : data_(size, garbage()) {}
    explicit Array(std::span<const T> from) : data_(from.begin(), from.end()) {}
    T* data() const { return data_.data(); }
    std::size_t size() const { return data_.size(); }
    void zero(std::size_t first, std::size_t count) {
      std::memset(static_cast<void*>(data_.data() + first), 0, count * sizeof(T));
    }
    std::vector<T> download(std::size_t first, std::size_t count) const {
      return {data_.begin() + static_cast<std::ptrdiff_t>(first),
              data_.begin() + static_cast<std::ptrdiff_t>(first + count)};
    }

   private:
    /// As a device leaves its memory.
    static T garbage() {
      T x;
      std::memset(static_cast<void*>(&x), 0x5a, sizeof(T));
      return x;
    }
    mutable std::vector<T> data_;
  };

  class Kernels {
   public:
    Kernels(const Variant& variant, std::vector<FormulaTree> formulas, bool /*amplitudes*/)
        : variant_(variant) {
      TreeAmplitudes::formulas = std::move(formulas);
    }
    void start(const Ensemble& e) const {
      with_dimensions(variant_, [&]<int D>() {
        for (int part = 0; part < e.part_count; ++part)
          start_part<GeneralWalker<D, BuiltInAmplitudes>>(SerialTeam(e.width), e, part);
      });
    }
    void advance(const Ensemble& e, const Stretch& stretch) const {
      if (variant_.signs) {
        with_sign_walker(variant_, [&]<class Walker>() { advance_with<Walker>(e, stretch); });
      } else {
        with_dimensions(variant_, [&]<int D>() {
          if (variant_.formula) {
            advance_with<GeneralWalker<D, TreeAmplitudes>>(e, stretch);
          } else {
            advance_with<GeneralWalker<D, BuiltInAmplitudes>>(e, stretch);
          }
        });
      }
    }
    void record(const Ensemble& e, int slot) const {
      std::vector<double> shared(record_shared(e) / sizeof(double));
      with_dimensions(variant_, [&]<int D>() {
        for (int part = 0; part < e.part_count; ++part) {
          if (variant_.formula) {
            record_part<D, TreeAmplitudes>(SerialTeam(e.width), e, part, slot, shared.data());
          } else {
            record_part<D, BuiltInAmplitudes>(SerialTeam(e.width), e, part, slot, shared.data());
          }
        }
      });
    }

   private:
    template <class Walker>
    static void advance_with(const Ensemble& e, const Stretch& stretch) {
      std::vector<double> shared(advance_shared(e) / sizeof(double) + 1);
      for (int part = 0; part < e.part_count; ++part)
        advance_part<Walker>(SerialTeam(e.width), e, part, stretch, shared.data());
    }
    Variant variant_;
  };

  void wait() {}
  std::size_t free_memory() const { return memory; }

  std::size_t memory = std::size_t{1} << 30;
};

}  // namespace soret::walk
