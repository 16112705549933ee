#pragma once

#include <cstddef>

namespace soret {

/// Largest resident size that this process has had so far, in bytes.
std::size_t peak_memory_bytes();

/// What the machine has, in bytes.
std::size_t physical_memory_bytes();

}  // namespace soret
