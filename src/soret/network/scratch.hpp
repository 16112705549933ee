#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace soret::network {

/// Memory that is kept from one use to the next, begins at a cache line and grows when more is asked for.
template <class T>
class Scratch {
 public:
  T* get(std::size_t size) {
    constexpr std::size_t kLine = 64;
    if (memory_.size() < size + kLine / sizeof(T)) memory_.resize(size + kLine / sizeof(T));
    void* start = memory_.data();
    std::size_t space = memory_.size() * sizeof(T);
    return static_cast<T*>(std::align(kLine, size * sizeof(T), start, space));
  }

 private:
  std::vector<T> memory_;
};

}  // namespace soret::network
