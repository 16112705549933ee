#pragma once

#include <string>

namespace soret {

/// The processor's model name, "unknown processor" where the system does not tell.
std::string cpu_name();

/// Bytes of memory that can still be had without swapping; 0 where the system does not tell.
double available_memory();

}  // namespace soret
