#pragma once

#include <string>

namespace soret {

/// The processor's model name, "unknown processor" where the system does not tell.
std::string cpu_name();

}  // namespace soret
