#include "soret/base/machine.hpp"

#include <fstream>

namespace soret {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

double available_memory() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  for (double kilobytes = 0; info >> key >> kilobytes;) {
    if (key == "MemAvailable:") return 1024 * kilobytes;
    std::getline(info, key);
  }
  return 0;
}

}  // namespace soret
