#include "sims/cli/output.hpp"

#include <fmt/core.h>

#include <cmath>

namespace soret::cli {

void print_json(const nlohmann::json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string estimate_text(double value, double error, double low, double high) {
  if (!std::isfinite(error)) return fmt::format("{:.4g}, no error", value);
  return fmt::format("{:.4g} +- {:.2g}, 95% interval {:.4g} to {:.4g}", value, error, low, high);
}

}  // namespace soret::cli
