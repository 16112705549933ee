#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace soret::cli {

/// One JSON object on stdout. Numbers that do not exist become null, bytes that are no UTF-8 (in file names)
/// the replacement character.
void print_json(const nlohmann::json& value);

/// "1.916 +- 0.0061, 95% interval 1.904 to 1.928"; "1.821, no error" where the error is not finite.
std::string estimate_text(double value, double error, double low, double high);

}  // namespace soret::cli
