#include "sims/train/derived.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

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

/// The place between records, linearly, at which `loss` first reaches `level`; NaN if it does not.
double crossing(std::span<const double> loss, double level) {
  for (std::size_t k = 0; k < loss.size(); ++k) {
    if (!(loss[k] <= level)) continue;
    if (k == 0) return 0;
    return static_cast<double>(k - 1) + (loss[k - 1] - level) / (loss[k - 1] - loss[k]);
  }
  return kNaN;
}

template <class T>
double at(std::span<const T> curve, double place) {
  if (std::isnan(place)) return kNaN;
  const auto k = std::min(static_cast<std::size_t>(place), curve.size() - 1);
  const double rest = place - static_cast<double>(k);
  if (rest == 0) return static_cast<double>(curve[k]);
  return static_cast<double>(curve[k]) * (1 - rest) + static_cast<double>(curve[k + 1]) * rest;
}

/// f of the ensemble, and its delete-one jackknife error over blocks with survivors (NaN for fewer than two).
template <class F>
std::pair<double, double> with_jackknife(const PointEnsemble& ensemble, const F& f) {
  const double value = f(ensemble.mean);
  std::vector<std::size_t> alive;
  double total = 0;
  for (std::size_t b = 0; b < ensemble.blocks.size(); ++b) {
    if (ensemble.survivors[b] == 0) continue;
    alive.push_back(b);
    total += static_cast<double>(ensemble.survivors[b]);
  }
  if (alive.size() < 2) return {value, kNaN};
  std::vector<double> without;
  std::vector<double> mean(ensemble.mean.size());
  for (const std::size_t b : alive) {
    const auto n = static_cast<double>(ensemble.survivors[b]);
    for (std::size_t i = 0; i < mean.size(); ++i)
      mean[i] = (ensemble.mean[i] * total - ensemble.blocks[b][i] * n) / (total - n);
    without.push_back(f(mean));
  }
  const auto count = static_cast<double>(without.size());
  double average = 0;
  for (const double x : without) average += x / count;
  double square = 0;
  for (const double x : without) square += (x - average) * (x - average);
  return {value, std::sqrt(square * (count - 1) / count)};
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
  const std::size_t records = record.steps.size();
  const auto curve = [&](std::span<const double> cells, O o) {
    const auto place = std::ranges::find(record.observables, o) - record.observables.begin();
    return cells.subspan(offsets[static_cast<std::size_t>(place)], records);
  };
  for (std::size_t q = 0; q < wanted.size(); q += 2) {
    const auto& m =
        *std::ranges::find_if(kMatched, [&](const Matched& row) { return row.name == wanted[q].what.name; });
    std::vector<double> errors;
    for (const double level : record.matched_losses) {
      const auto [value, error] = with_jackknife(ensemble, [&](std::span<const double> cells) {
        const double place = crossing(curve(cells, O::train_loss), level);
        return m.observable ? at(curve(cells, *m.observable), place)
                            : at(std::span<const std::int64_t>(record.steps), place);
      });
      values.push_back(value);
      errors.push_back(error);
    }
    values.insert(values.end(), errors.begin(), errors.end());
  }
  return values;
}

}  // namespace soret::sims
