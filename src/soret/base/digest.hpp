#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace soret {

/// FNV-1a over the bytes of numbers: tells contents apart, and is no defence against forgery.
class Digest {
 public:
  template <class T>
  Digest& add(std::span<const T> numbers) {
    for (const std::byte byte : std::as_bytes(numbers))
      hash_ = (hash_ ^ static_cast<std::uint64_t>(byte)) * 1099511628211ULL;
    return *this;
  }
  /// Sixteen hexadecimal digits.
  std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  std::uint64_t hash_ = 14695981039346656037ULL;
};

}  // namespace soret
