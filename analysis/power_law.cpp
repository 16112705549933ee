#include "analysis/power_law.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "analysis/bootstrap.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

Eigen::VectorXd logs(const std::vector<double>& values) {
  Eigen::VectorXd result(static_cast<Eigen::Index>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    result[static_cast<Eigen::Index>(i)] = std::log(std::abs(values[i]));
  return result;
}

bool one_sign(const std::vector<double>& values) {
  return std::ranges::all_of(values, [&](double value) { return value * values.front() > 0; });
}

}  // namespace

double PowerLaw::at(std::span<const double> keys) const {
  double value = amplitude;
  for (std::size_t k = 0; k < keys.size(); ++k)
    value *= std::pow(keys[k] / exponents[k].reference, exponents[k].value);
  return value;
}

std::optional<PowerLaw> fit_power_law(const LawData& data, std::string_view noun,
                                      std::vector<std::string>& notes) {
  const std::size_t keys = data.keys.size();
  if (keys == 0) return std::nullopt;
  for (std::size_t k = 0; k < keys; ++k)
    for (const auto& point : data.key_values)
      if (!(point[k] > 0)) {
        notes.push_back(fmt::format("no power law: {} = {} has no power", data.keys[k], shortest(point[k])));
        return std::nullopt;
      }
  // Columns: log amplitude, then the exponent of each key.
  const auto rows = static_cast<Eigen::Index>(data.values.size());
  const auto columns = static_cast<Eigen::Index>(keys) + 1;
  Eigen::MatrixXd design(rows, columns);
  Eigen::VectorXd root_weight(rows);
  for (Eigen::Index r = 0; r < rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    design(r, 0) = 1;
    for (std::size_t k = 0; k < keys; ++k)
      design(r, static_cast<Eigen::Index>(k) + 1) = std::log(data.key_values[i][k] / data.reference[k]);
    root_weight[r] = 1 / data.relative_errors[i];
  }
  auto decomposition = (root_weight.asDiagonal() * design).eval().completeOrthogonalDecomposition();
  decomposition.setThreshold(1e-9);
  if (rows < columns || decomposition.rank() < columns) {
    notes.push_back(fmt::format("no power law: {} {} do not determine the exponents of {}",
                                data.values.size(), noun, fmt::join(data.keys, " and ")));
    return std::nullopt;
  }
  const Eigen::MatrixXd solution = decomposition.pseudoInverse() * root_weight.asDiagonal();

  const Eigen::VectorXd best = solution * logs(data.values);
  std::vector<std::vector<double>> parameters(static_cast<std::size_t>(best.size()));
  for (const auto& sample : data.samples) {
    if (!one_sign(sample)) continue;
    const Eigen::VectorXd one = solution * logs(sample);
    for (std::size_t p = 0; p < parameters.size(); ++p)
      parameters[p].push_back(one[static_cast<Eigen::Index>(p)]);
  }
  const double sign = data.values.front() > 0 ? 1 : -1;
  PowerLaw law;
  const auto amplitude = spread_of(parameters[0]);
  law.amplitude = sign * std::exp(best[0]);
  law.amplitude_error = std::abs(law.amplitude) * amplitude.standard_error;
  std::tie(law.amplitude_low, law.amplitude_high) =
      std::minmax(sign * std::exp(amplitude.low), sign * std::exp(amplitude.high));
  for (std::size_t k = 0; k < keys; ++k) {
    const auto spread = spread_of(parameters[k + 1]);
    law.exponents.push_back({data.keys[k], data.reference[k], true, false,
                             best[static_cast<Eigen::Index>(k) + 1], spread.standard_error, spread.low,
                             spread.high});
  }
  law.points = data.values.size();
  const auto freedom = static_cast<double>(rows - columns);
  const Eigen::VectorXd residual = root_weight.cwiseProduct(logs(data.values) - design * best);
  law.reduced_chi2 =
      freedom > 0 ? residual.squaredNorm() / freedom : std::numeric_limits<double>::quiet_NaN();
  return law;
}

nlohmann::json power_law_json(const std::optional<PowerLaw>& law, std::string_view noun) {
  if (!law) return nullptr;
  return {{"form", fmt::format("{} = amplitude * product of (key / reference)^exponent", noun)},
          {"amplitude", finite_json(law->amplitude)},
          {"amplitude_standard_error", finite_json(law->amplitude_error)},
          {"amplitude_interval_95", {finite_json(law->amplitude_low), finite_json(law->amplitude_high)}},
          {"exponents", exponents_json(law->exponents)},
          {"points", law->points},
          {"reduced_chi2", finite_json(law->reduced_chi2)}};
}

}  // namespace soret::analysis
