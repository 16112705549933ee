#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "soret/scan/config.hpp"
#include "soret/scan/experiment.hpp"
#include "soret/store/result_file.hpp"
#include "tests/same_data.hpp"

/// A simulation whose every number is a hash of (point, trajectory, cell): what the file must hold is known
/// without running anything.
namespace soret::toy {

inline std::uint64_t hash(std::uint64_t a, std::uint64_t b, std::uint64_t c) {
  std::uint64_t x = a * 0x9E3779B97F4A7C15u + b * 0xC2B2AE3D27D4EB4Fu + c * 0x165667B19E3779F9u + 1;
  for (int round = 0; round < 3; ++round) {
    x ^= x >> 31;
    x *= 0xBF58476D1CE4E5B9u;
  }
  return x ^ (x >> 29);
}

inline double value(std::size_t point, std::uint32_t trajectory, std::size_t cell) {
  return static_cast<double>(hash(point, trajectory, cell) >> 11) * 0x1p-50 - 3 + static_cast<double>(cell);
}

inline const std::vector<std::int64_t> kSteps{0, 10, 20, 40, 80};
inline const std::vector<std::int64_t> kSlowSteps{10, 80};

/// Every seventh trajectory or so diverges; all of point 2; all but trajectory 4 of point 3.
inline std::int64_t diverged_at(std::size_t point, std::uint32_t trajectory) {
  const std::uint64_t h = hash(point, trajectory, 1'000'000);
  const bool diverges = point == 2 || (point == 3 ? trajectory != 4 : h % 7 == 0);
  return diverges ? kSteps[h / 7 % kSteps.size()] : -1;
}

inline std::optional<std::vector<Option>> options(std::string_view simulation) {
  if (simulation != "toy") return std::nullopt;
  return std::vector<Option>{
      {.key = "walk.drift",
       .type = OptionType::real,
       .default_value = "0.1",
       .help = "mean velocity",
       .unit = "m s-1"},
      {.key = "walk.length", .type = OptionType::integer, .default_value = "3", .help = "sites"},
      {.key = "walk.wall", .type = OptionType::text, .default_value = "soft", .help = "kind of wall"},
      {.key = "ensemble.trajectories",
       .type = OptionType::integer,
       .default_value = "13",
       .help = "per point"},
      {.key = "ensemble.seed", .type = OptionType::integer, .default_value = "17", .help = "seed"},
      {.key = "record.blocks", .type = OptionType::integer, .default_value = "5", .help = "blocks"}};
}

inline ScanPlan plan(const std::string& settings = "") {
  const std::vector<std::string> known{"toy"};
  return parse_config("simulation = toy\n" + settings, "toy.cfg", {}, options, known);
}

class Experiment : public soret::Experiment {
 public:
  explicit Experiment(const ScanPlan& plan, std::uint32_t group = 1)
      : points_(plan.points()),
        trajectories_(static_cast<std::uint32_t>(plan.common().integer("ensemble.trajectories"))),
        group_(group),
        runs_(points_ * trajectories_) {}

  std::size_t points() const override { return points_; }
  std::uint32_t trajectories() const override { return trajectories_; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return kSteps; }
  const std::vector<RecordSchedule>& further_schedules() const override { return schedules_; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  std::uint32_t preferred_group(std::size_t) const override { return group_; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  /// The largest mean of all cells; the mean speed times 1 and 2, at every step.
  std::vector<double> derive(std::size_t, const PointEnsemble& ensemble) const override {
    std::vector<double> values{*std::ranges::max_element(ensemble.mean)};
    for (std::size_t step = 0; step < kSteps.size(); ++step)
      for (const double factor : {1.0, 2.0}) values.push_back(factor * ensemble.mean[step]);
    return values;
  }
  double cost(std::size_t point) const override { return 1.0 + static_cast<double>(point % 3); }
  std::string backend() const override { return backend_; }
  std::string device() const override { return "toy"; }

  /// First the speed at every step, then the density at every step and position, then the force at the slow
  /// steps, then the age.
  static constexpr std::size_t kPlaces = 3;
  std::size_t cells() const { return kSteps.size() * (1 + kPlaces) + kSlowSteps.size() + 1; }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    if (stop) throw Stopped{};
    UnitResult result{std::vector<double>(cells() * unit.count), std::vector<std::int64_t>(unit.count)};
    for (std::uint32_t t = 0; t < unit.count; ++t) {
      const std::uint32_t trajectory = unit.first + t;
      ++runs_[unit.point * trajectories_ + trajectory];
      result.diverged_at[t] = diverged_at(unit.point, trajectory);
      const std::int64_t at = result.diverged_at[t];
      for (std::size_t cell = 0; cell < cells(); ++cell)
        result.values[cell * unit.count + t] = at < 0 || step_of(cell) < at
                                                   ? value(unit.point, trajectory, cell)
                                                   : std::numeric_limits<double>::quiet_NaN();
    }
    if (after_unit) after_unit(++units_);
    return result;
  }

  /// How often trajectories were run, over all points.
  std::size_t runs() const {
    std::size_t sum = 0;
    for (const auto& n : runs_) sum += static_cast<std::size_t>(n);
    return sum;
  }

  std::function<void(int)> after_unit;  ///< gets the number of units run so far
  std::string backend_ = "cpu";

 private:
  static std::int64_t step_of(std::size_t cell) {
    if (cell < kSteps.size()) return kSteps[cell];
    cell -= kSteps.size();
    if (cell < kSteps.size() * kPlaces) return kSteps[cell / kPlaces];
    cell -= kSteps.size() * kPlaces;
    return cell < kSlowSteps.size() ? kSlowSteps[cell] : kSteps.back();
  }

  std::size_t points_;
  std::uint32_t trajectories_, group_;
  std::vector<std::atomic<int>> runs_;
  std::atomic<int> units_ = 0;
  std::vector<Observable> observables_{{"speed", "m s-1", "speed of the walker", "seed 002 Eq. 5"},
                                       {"density", "m-1", "density of walkers", "", {"position"}},
                                       {"force", "N", "force on the walker", "", {}, "slow_step"},
                                       {"age", "s", "age at the end", "", {}, ""}};
  std::vector<RecordSchedule> schedules_{{"slow_step", kSlowSteps}};
  std::vector<Coordinate> coordinates_{{"position", "m", "place", {-1.5, 0.25, 7}, {}},
                                       {"convention", "1", "how it is counted", {}, {"once", "twice"}}};
  std::vector<DerivedQuantity> derived_{{{"peak", "1", "largest mean", "", {}}, false},
                                        {{"counted_speed", "m s-1", "speed", "", {"convention"}}, true}};
};

/// A test with a folder of its own.
class InFolder : public ::testing::Test {
 protected:
  InFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "soret_scan_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~InFolder() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path file(const std::string& name = "out.h5") const { return folder_ / name; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      names.push_back(entry.path().filename().string());
    return names;
  }

  std::filesystem::path folder_;
};

template <class Error, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing of this kind was thrown";
  return "";
}

}  // namespace soret::toy
