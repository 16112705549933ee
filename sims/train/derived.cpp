#include "sims/train/derived.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "sims/jackknife.hpp"

namespace soret::sims {
namespace {

using O = TrainObservable;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// What is read off where the mean training loss first falls to a level.
struct Matched {
  const char* name;
  std::optional<O> observable;  ///< none: the step itself
  const char* meaning;
};
constexpr Matched kMatched[] = {
    {"matched_step", std::nullopt, "step at which the mean training loss first falls to matched_loss"},
    {"matched_train_error", O::train_error, "training error there"},
    {"matched_test_error", O::test_error, "test error there"},
    {"matched_test_loss", O::test_loss, "test loss there"},
    {"matched_parameter_norm", O::parameter_norm, "norm of the parameters there"},
};

/// The place between records 0 to n - 1, linearly, at which loss(k) first reaches `level`; NaN if it does
/// not.
template <class F>
double crossing(std::size_t n, F loss, double level) {
  for (std::size_t k = 0; k < n; ++k) {
    if (!(loss(k) <= level)) continue;
    if (k == 0) return 0;
    return static_cast<double>(k - 1) + (loss(k - 1) - level) / (loss(k - 1) - loss(k));
  }
  return kNaN;
}

template <class F>
double interpolate(F curve, double place) {
  if (std::isnan(place)) return kNaN;
  const auto k = static_cast<std::size_t>(place);
  const double rest = place - static_cast<double>(k);
  return rest == 0 ? curve(k) : curve(k) * (1 - rest) + curve(k + 1) * rest;
}

}  // namespace

const std::vector<DerivedQuantity>& train_derived() {
  static const std::vector<DerivedQuantity> table = [] {
    std::vector<DerivedQuantity> rows;
    for (const Matched& m : kMatched) {
      const auto add = [&](const std::string& name, const std::string& meaning) {
        rows.push_back({{.name = name,
                         .long_name = meaning,
                         .reference = "compares methods at equal training loss (seed 001)",
                         .dimensions = {"matched_loss"}}});
      };
      add(m.name, m.meaning);
      add(std::string(m.name) + "_stderr", "its standard error, jackknife over blocks");
    }
    return rows;
  }();
  return table;
}

std::vector<DerivedQuantity> derived_of(const TrainRecord& record) {
  std::vector<DerivedQuantity> wanted;
  if (record.matched_losses.empty()) return wanted;
  for (std::size_t k = 0; k < std::size(kMatched); ++k) {
    if (kMatched[k].observable && !record.wants(*kMatched[k].observable)) continue;
    wanted.push_back(train_derived()[2 * k]);
    wanted.push_back(train_derived()[2 * k + 1]);
  }
  return wanted;
}

std::vector<double> derive_train(const TrainRecord& record, const std::vector<DerivedQuantity>& wanted,
                                 std::span<const std::size_t> offsets, const PointEnsemble& ensemble) {
  std::vector<double> values;
  const auto first = [&](O o) {
    return offsets[static_cast<std::size_t>(std::ranges::find(record.observables, o) -
                                            record.observables.begin())];
  };
  for (std::size_t q = 0; q < wanted.size(); q += 2) {
    const auto& m =
        *std::ranges::find_if(kMatched, [&](const Matched& row) { return row.name == wanted[q].what.name; });
    std::vector<double> errors;
    for (const double level : record.matched_losses) {
      const Estimate estimate = jackknife(ensemble, [&](const auto& at) {
        const auto curve = [&](O o) {
          return [&at, cell = first(o)](std::size_t k) { return at(cell + k); };
        };
        const double place = crossing(record.steps.size(), curve(O::train_loss), level);
        if (m.observable) return interpolate(curve(*m.observable), place);
        return interpolate([&](std::size_t k) { return static_cast<double>(record.steps[k]); }, place);
      });
      values.push_back(estimate.value);
      errors.push_back(estimate.error);
    }
    values.insert(values.end(), errors.begin(), errors.end());
  }
  return values;
}

}  // namespace soret::sims
