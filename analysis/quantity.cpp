#include "analysis/quantity.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "analysis/curves.hpp"
#include "soret/base/error.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;
using store::Variable;
using Choices = std::map<std::string, std::string>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// "predicted" of covariance_predicted and covariance: what the name adds.
std::string distinct_part(const std::string& prediction, const std::string& quantity) {
  std::size_t same = 0;
  while (same < std::min(prediction.size(), quantity.size()) && prediction[same] == quantity[same]) ++same;
  if (same == quantity.size() && prediction.size() > same + 1) return prediction.substr(same + 1);
  const auto underscore = prediction.rfind('_', same);
  return underscore == std::string::npos || underscore + 1 == prediction.size()
             ? prediction
             : prediction.substr(underscore + 1);
}

/// nullopt for a variable whose dimensions do not fit.
std::optional<Prediction> prediction_of(const Dataset& file, const std::string& name,
                                        const std::string& quantity,
                                        const std::vector<Dimension>& dimensions) {
  const Variable& variable = file.at(name);
  if (!has_scan_dimensions(file, variable)) return std::nullopt;
  Prediction prediction{&variable.reals(), {}, {}, {}, {}};
  for (const auto& dimension : further_dimensions(file, variable)) {
    prediction.extents.push_back(file.size(dimension));
    const auto own = std::ranges::find(dimensions, dimension, &Dimension::name);
    if (own != dimensions.end()) {
      prediction.dimension.emplace_back(static_cast<std::size_t>(own - dimensions.begin()));
      continue;
    }
    const Dimension law = dimension_of(file, dimension);
    if (!prediction.laws.empty() || !law.is_text()) return std::nullopt;
    prediction.dimension.emplace_back(std::nullopt);
    prediction.laws = law.axis.categories;
    prediction.law_dimension = dimension;
  }
  if (prediction.laws.empty()) prediction.laws = {distinct_part(name, quantity)};
  return prediction;
}

/// Names that compare() takes.
std::vector<std::string> quantity_names(const Dataset& file) {
  auto names = observables(file);
  for (auto& name : derived_quantities(file)) names.push_back(std::move(name));
  return names;
}

const Variable& quantity_variable(const Dataset& file, const std::string& name) {
  if (!file.find("finished") || !file.find("block_trajectories"))
    throw InputError("the file is not the result of `soret run`: it has no ensembles");
  const auto known = quantity_names(file);
  if (std::ranges::find(known, name) == known.end())
    throw InputError(fmt::format("the file holds no quantity '{}'{}\nit holds: {}", name,
                                 did_you_mean(name, known), fmt::join(known, ", ")));
  return file.at(name);
}

bool equal(double a, double b) {
  return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b));
}

/// Up to a dozen, with the last one.
template <class Text>
std::string listing(std::size_t count, const Text& text) {
  constexpr std::size_t kShown = 12;
  std::vector<std::string> words;
  for (std::size_t i = 0; i < count; ++i) {
    if (count <= kShown || i < kShown - 2 || i + 1 == count)
      words.push_back(text(i));
    else if (i == kShown - 2)
      words.emplace_back("...");
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

bool is_step(std::string_view dimension) {
  return dimension == "step" || dimension.ends_with("_step");
}

std::string step_word(std::string_view long_name) {
  return long_name.empty() || long_name.find(' ') != std::string_view::npos ? "step" : std::string(long_name);
}

bool Dimension::is_index() const {
  if (is_text() || is_step(axis.name) || (axis.values[0] != 0 && axis.values[0] != 1)) return false;
  for (std::size_t i = 1; i < size; ++i)
    if (axis.values[i] != axis.values[i - 1] + 1) return false;
  return true;
}

Dimension dimension_of(const Dataset& file, const std::string& name) {
  const Variable& coordinate = file.at(name);
  Dimension dimension{
      {name, text_attribute(coordinate, "units", "1"), text_attribute(coordinate, "long_name", name)},
      file.size(name)};
  if (std::holds_alternative<std::vector<std::string>>(coordinate.data))
    dimension.axis.categories = coordinate.texts();
  else
    dimension.axis.values = as_reals(coordinate);
  dimension.places.resize(dimension.size);
  std::iota(dimension.places.begin(), dimension.places.end(), std::size_t{0});
  return dimension;
}

std::vector<std::string> further_dimensions(const Dataset& file, const Variable& variable) {
  const auto& scan = file.at("finished").dimensions;
  return {variable.dimensions.begin() + static_cast<std::ptrdiff_t>(scan.size()), variable.dimensions.end()};
}

bool has_scan_dimensions(const Dataset& file, const Variable& variable) {
  const auto& scan = file.at("finished").dimensions;
  return variable.dimensions.size() >= scan.size() &&
         std::equal(scan.begin(), scan.end(), variable.dimensions.begin());
}

double Prediction::at(std::size_t point, std::span<const std::size_t> index, std::size_t law) const {
  std::size_t offset = point;
  for (std::size_t d = 0; d < extents.size(); ++d)
    offset = offset * extents[d] + (dimension[d] ? index[*dimension[d]] : law);
  return (*values)[offset];
}

std::vector<std::string> predictions_of(const Dataset& file, const std::string& quantity) {
  std::vector<std::string> names;
  for (const auto& variable : file.variables)
    if (text_attribute(variable, "predicts", "") == quantity) names.push_back(variable.name);
  if (!names.empty()) return names;
  for (const char* suffix : {"_prediction", "_predicted"})
    if (file.find(quantity + suffix)) names.push_back(quantity + suffix);
  return names;
}

const Variable* chi_square_of(const Dataset& file, const std::string& quantity) {
  for (const auto& variable : file.variables)
    if (text_attribute(variable, "chi_square_of", "") == quantity) return &variable;
  for (const char* suffix : {"_chi_square", "_chi2"})
    if (const auto* variable = file.find(quantity + suffix)) return variable;
  return nullptr;
}

Quantity::Quantity(const Dataset& file, const std::string& name, std::span<const std::int64_t> steps,
                   const Choices& chosen)
    : file_(file), variable_(quantity_variable(file, name)), values_(variable_.reals()) {
  if (const auto* error = file.find(name + "_stderr")) errors_ = &error->reals();
  axes = scan_axes(file, file.at("finished").dimensions);
  label = label_axis(file);
  for (const auto& further : further_dimensions(file, variable_))
    dimensions.push_back(dimension_of(file, further));
  for (const auto& law : predictions_of(file, name))
    if (auto prediction = prediction_of(file, law, name, dimensions))
      predictions.push_back(std::move(*prediction));
  choose_points(chosen);
  choose_steps(steps);
  choose_places(chosen);
}

Dimension* Quantity::step() {
  const auto found = std::ranges::find_if(dimensions, is_step, &Dimension::name);
  return found == dimensions.end() ? nullptr : &*found;
}

double Quantity::value(std::size_t point, std::span<const std::size_t> index) const {
  return values_[cell(point, index)];
}
double Quantity::error(std::size_t point, std::span<const std::size_t> index) const {
  return errors_ ? (*errors_)[cell(point, index)] : kNaN;
}

bool Quantity::has_survivors(std::size_t point) const {
  const store::Variable* survivors = file_.find("block_trajectories");
  if (!survivors) return true;
  const auto& all = survivors->integers();
  const std::size_t blocks = all.size() / file_.at("finished").integers().size();
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(point * blocks);
  return std::any_of(first, first + static_cast<std::ptrdiff_t>(blocks), [](auto n) { return n > 0; });
}

void Quantity::choose_points(const Choices& chosen) {
  const auto& finished = file_.at("finished").integers();
  std::size_t cells = 1;
  for (const auto& dimension : dimensions) cells *= dimension.size;
  for (std::size_t p = 0; p < finished.size(); ++p) {
    if (!is_chosen(p, chosen)) continue;
    std::string fault;
    if (finished[p] == 0) fault = "not finished";
    const auto first = values_.begin() + static_cast<std::ptrdiff_t>(p * cells);
    if (fault.empty() && std::none_of(first, first + static_cast<std::ptrdiff_t>(cells),
                                      [](double value) { return std::isfinite(value); }))
      fault = has_survivors(p) ? "no numbers" : "all of its trajectories diverged";
    if (fault.empty()) {
      points.push_back(p);
      continue;
    }
    lost.push_back(p);
    notes.push_back(fmt::format("left out: {}: {}", point_text(p), fault));
  }
  if (points.empty())
    throw InputError(fmt::format("no scan point of '{}' can be drawn{}{}", name(), notes.empty() ? "" : "; ",
                                 fmt::join(notes, "; ")));
}

std::string Quantity::point_text(std::size_t point) const {
  if (label) return label->text(point);
  std::vector<std::string> parts;
  for (const auto& axis : axes) parts.push_back(axis.at(point));
  return parts.empty() ? "the only scan point" : fmt::format("{}", fmt::join(parts, ", "));
}

const ScanAxis* Quantity::axis_named(const std::string& name) const {
  for (const auto& axis : axes)
    if (axis.name == name || axis.key == name) return &axis;
  return label && name == label->name ? &*label : nullptr;
}

bool Quantity::is_chosen(std::size_t point, const Choices& chosen) const {
  for (const auto& [name, value] : chosen) {
    const auto* axis = axis_named(name);
    if (!axis) continue;
    const auto matches = [&, &value = value](std::size_t p) {
      if (axis->is_text()) return axis->texts[p] == value;
      const auto number = parse_real(value);
      return number && equal(*number, axis->values[p]);
    };
    const std::size_t all = file_.at("finished").integers().size();
    bool exists = false;
    std::vector<std::string> texts;
    for (std::size_t p = 0; p < all; ++p) {
      exists = exists || matches(p);
      if (std::ranges::find(texts, axis->text(p)) == texts.end()) texts.push_back(axis->text(p));
    }
    if (!exists)
      throw ConfigError(fmt::format("--at {}={}: is not one of {}", name, value,
                                    listing(texts.size(), [&](std::size_t i) { return texts[i]; })));
    if (!matches(point)) return false;
  }
  return true;
}

void Quantity::choose_places(const Choices& chosen) {
  for (const auto& [name, value] : chosen) {
    if (axis_named(name)) continue;
    if (is_step(name)) throw ConfigError("--at step: use --step N");
    const auto dimension = std::ranges::find(dimensions, name, &Dimension::name);
    if (dimension == dimensions.end()) {
      std::vector<std::string> known;
      for (const auto& axis : axes) known.push_back(axis.name);
      for (const auto& d : dimensions)
        if (!is_step(d.name())) known.push_back(d.name());
      throw ConfigError(fmt::format("--at {}={}: the axes of '{}' are {}{}", name, value, variable_.name,
                                    fmt::join(known, ", "), did_you_mean(name, known)));
    }
    const auto number = parse_real(value);
    std::erase_if(dimension->places, [&, &value = value](std::size_t place) {
      return dimension->is_text() ? dimension->axis.categories[place] != value
                                  : !number || !equal(*number, dimension->axis.values[place]);
    });
    if (dimension->places.empty())
      throw ConfigError(
          fmt::format("--at {}={}: is not one of {}", name, value,
                      listing(dimension->size, [&](std::size_t i) { return dimension->text(i); })));
  }
}

void Quantity::choose_steps(std::span<const std::int64_t> steps) {
  if (steps.empty() || !step()) return;
  Dimension& recorded = *step();
  recorded.places.clear();
  for (const auto wanted : steps) {
    const auto found = std::ranges::find(recorded.axis.values, static_cast<double>(wanted));
    if (found == recorded.axis.values.end())
      throw ConfigError(fmt::format("--step {}: was not recorded; recorded are {}", wanted,
                                    listing(recorded.size, [&](std::size_t i) { return recorded.text(i); })));
    recorded.places.push_back(static_cast<std::size_t>(found - recorded.axis.values.begin()));
  }
}

const ScanAxis* Quantity::longest_axis() const {
  const ScanAxis* best = nullptr;
  std::size_t most = 1;
  for (const auto& axis : axes) {
    if (axis.is_text()) continue;
    std::set<double> values;
    for (const auto p : points) values.insert(axis.values[p]);
    if (values.size() > 1 && values.size() >= most) {
      best = &axis;
      most = values.size();
    }
  }
  return best;
}

std::size_t Quantity::cell(std::size_t point, std::span<const std::size_t> index) const {
  std::size_t offset = point;
  for (std::size_t d = 0; d < dimensions.size(); ++d) offset = offset * dimensions[d].size + index[d];
  return offset;
}

double Quantity::error_scale(std::size_t point) const {
  const auto& survivors = file_.at("block_trajectories").integers();
  const std::size_t blocks = file_.size("block");
  double n = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    const auto one = static_cast<double>(survivors[point * blocks + b]);
    n += file_.find(name() + "_block") ? one : (one > 0 ? 1 : 0);
  }
  return n > 3 ? (n - 3) / (n - 1) : kNaN;
}

}  // namespace soret::analysis
