#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "soret/store/result_file.hpp"

/// One observable of a result file as a family of curves, one per scan point.
namespace soret::analysis {

/// One scan point.
struct Curve {
  std::size_t point = 0;        ///< its number in the file
  std::vector<double> keys;     ///< [key], the values that set this point apart
  std::string label;            ///< "learning_rate = 0.05, batch_size = 2"
  std::vector<double> mean;     ///< [step], over surviving trajectories; NaN where not recorded
  std::vector<double> error;    ///< [step], standard error of the mean
  std::vector<double> blocks;   ///< [block][step], means over blocks of trajectories
  std::vector<double> weights;  ///< [block], surviving trajectories; 0 where all diverged
  std::int64_t diverged = 0;    ///< trajectories that were left out
};

/// All usable scan points that agree in every text axis.
struct Curves {
  std::string observable;
  std::string unit;       ///< "1" for a pure number
  std::string long_name;  ///< the observable's name where the file gives none
  std::string reference;
  std::string group;                        ///< "activation = relu", empty where no text axis varies
  std::vector<std::string> keys;            ///< numeric axes that vary, in file order
  std::vector<std::string> key_units;       ///< [key]
  std::map<std::string, double> constants;  ///< numeric settings that do not vary, from the file's config
  std::vector<double> steps;                ///< ascending
  std::string step_name = "step";           ///< what they count, in a word: "epoch"
  std::string over;                         ///< the key that the steps are the values of; empty for steps
  std::size_t block_count = 0;
  std::vector<Curve> curves;
  std::vector<std::string> skipped;  ///< scan points left out, with the reason
  store::Attributes source;          ///< the file's root attributes
};

/// The observables that the file holds: those with block means.
std::vector<std::string> observables(const store::Dataset& file);
/// What was computed from them once: predictions, fits, chi-squares.
std::vector<std::string> derived_quantities(const store::Dataset& file);
/// Those of them that are curves over `step`, without further dimensions.
std::vector<std::string> curve_observables(const store::Dataset& file);

/// The curves of one observable, one family per combination of text axes (usually one). Scan points that are
/// unfinished or that lost every trajectory are left out and listed in `skipped`. Throws InputError for an
/// unknown observable (names the nearest and all), for one with dimensions beyond scan axes and step, and if
/// no scan point is usable.
std::vector<Curves> extract_curves(const store::Dataset& file, const std::string& observable);

/// Throws ConfigError, calling the option by `option`, if an assignment names no key of the family.
void check_keys(const Curves& curves, const std::map<std::string, double>& assignments,
                std::string_view option);

/// [key], the values at which rescaled quantities equal the raw ones: as given, or the (lower) median of the
/// key's values. Throws ConfigError for a value that is not positive or names no key.
std::vector<double> reference_values(const Curves& curves, const std::map<std::string, double>& given);

/// The lower median.
double median(std::vector<double> values);

}  // namespace soret::analysis
