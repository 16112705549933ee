#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "analysis/collapse.hpp"

/// Power laws of what was measured at every scan point.
namespace soret::analysis {

/// value = amplitude * prod_k (key_k / reference_k)^exponent_k
struct PowerLaw {
  double amplitude = 0;  ///< the value at the reference values
  double amplitude_error = 0;
  double amplitude_low = 0, amplitude_high = 0;
  std::vector<Exponent> exponents;  ///< [key]
  std::size_t points = 0;           ///< that took part
  double reduced_chi2 = 0;          ///< of the fit of log |value|; NaN without degrees of freedom

  double at(std::span<const double> keys) const;
};

/// What a law is fitted to: all values of one sign, none zero.
struct LawData {
  std::vector<std::string> keys{};
  std::vector<double> reference{};                ///< [key]
  std::vector<std::vector<double>> key_values{};  ///< [point][key]
  std::vector<double> values{};                   ///< [point]
  std::vector<double> relative_errors{};          ///< [point], standard errors of log |value|
  std::vector<std::vector<double>> samples{};     ///< [resample][point], the bootstrap of the values
};

/// A weighted fit of log |value|; errors and 95% intervals are those of the refitted samples (those of
/// another sign are left out). nullopt, with the reason in `notes`, where the points do not determine the
/// exponents; they are called by `noun`: "significant rates".
std::optional<PowerLaw> fit_power_law(const LawData& data, std::string_view noun,
                                      std::vector<std::string>& notes);

/// The law as JSON, null without one; the value is called by `noun` in its form: "rate".
nlohmann::json power_law_json(const std::optional<PowerLaw>& law, std::string_view noun);

}  // namespace soret::analysis
