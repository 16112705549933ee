#include "sims/cli/output.hpp"

#include <fmt/core.h>

namespace soret::cli {

void print_json(const nlohmann::json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace soret::cli
