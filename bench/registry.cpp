#include <vector>

#include "bench/bench.hpp"

namespace soret::bench {

std::span<const Bench> benches() {
  static const std::vector<Bench> all{};
  return all;
}

}  // namespace soret::bench
