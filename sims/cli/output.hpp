#pragma once

#include <nlohmann/json.hpp>

namespace soret::cli {

/// One JSON object on stdout. Numbers that do not exist become null, bytes that are no UTF-8 (in file names)
/// the replacement character.
void print_json(const nlohmann::json& value);

}  // namespace soret::cli
