#include "analysis/comparison.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

#include "analysis/collapse.hpp"
#include "analysis/curves.hpp"
#include "analysis/key_formula.hpp"
#include "analysis/scan_axes.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;
using store::Variable;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
/// What a page shows readably. Our choice.
constexpr std::size_t kMostPanels = 9, kMostMaps = 4, kMostSeries = 12;
/// Numbered things (basins, coordinates) up to so many are drawn as bars.
constexpr std::size_t kMostBars = 16;

// ---- Dimensions and laws ----

/// A dimension beyond the scan's.
struct Dimension {
  FigureAxis axis;
  std::size_t size = 0;
  std::vector<std::size_t> places{};  ///< that are shown

  const std::string& name() const { return axis.name; }
  bool is_text() const { return !axis.categories.empty(); }
  bool free() const { return places.size() > 1; }
  std::string text(std::size_t place) const {
    return is_text() ? axis.categories[place] : shortest(axis.values[place]);
  }
  /// Counts things: 0, 1, 2, ... or 1, 2, 3, ...
  bool is_index() const {
    if (is_text() || axis.name == "step" || (axis.values[0] != 0 && axis.values[0] != 1)) return false;
    for (std::size_t i = 1; i < size; ++i)
      if (axis.values[i] != axis.values[i - 1] + 1) return false;
    return true;
  }
};

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

/// The dimensions of a variable beyond those of the scan.
std::vector<std::string> further_dimensions(const Dataset& file, const Variable& variable) {
  const auto& scan = file.at("finished").dimensions;
  return {variable.dimensions.begin() + static_cast<std::ptrdiff_t>(scan.size()), variable.dimensions.end()};
}

bool has_scan_dimensions(const Dataset& file, const Variable& variable) {
  const auto& scan = file.at("finished").dimensions;
  return variable.dimensions.size() >= scan.size() &&
         std::equal(scan.begin(), scan.end(), variable.dimensions.begin());
}

/// A variable that predicts a quantity, as an array over some of the quantity's dimensions and over laws.
struct Prediction {
  const std::vector<double>* values;
  std::vector<std::size_t> extents;
  std::vector<std::optional<std::size_t>> dimension;  ///< the quantity's, for each of its own; none: the laws
  std::vector<std::string> laws;                      ///< names
  std::string law_dimension;                          ///< empty where there is a single law

  double at(std::size_t point, std::span<const std::size_t> index, std::size_t law) const {
    std::size_t offset = point;
    for (std::size_t d = 0; d < extents.size(); ++d)
      offset = offset * extents[d] + (dimension[d] ? index[*dimension[d]] : law);
    return (*values)[offset];
  }
};

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

/// The variable that states a quantity's chi-square, over the same laws; nullptr without.
const Variable* chi_square_of(const Dataset& file, const std::string& quantity) {
  for (const auto& variable : file.variables)
    if (text_attribute(variable, "chi_square_of", "") == quantity) return &variable;
  for (const char* suffix : {"_chi_square", "_chi2"})
    if (const auto* variable = file.find(quantity + suffix)) return variable;
  return nullptr;
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

// ---- Layout of a figure ----

/// One number of the quantity, and where it stands along the figure's axis.
struct Place {
  double x;
  std::size_t point;
  std::vector<std::size_t> index;  ///< [dimension]
};

class Comparer {
 public:
  Comparer(const Dataset& file, const ComparisonRequest& request)
      : file_(file),
        request_(request),
        variable_(quantity_variable(file, request.quantity)),
        values_(variable_.reals()),
        axes_(scan_axes(file, file.at("finished").dimensions)) {
    const auto* error = file.find(request.quantity + "_stderr");
    if (error) errors_ = &error->reals();
    for (const auto& name : further_dimensions(file, variable_))
      dimensions_.push_back(dimension_of(file, name));
    for (const auto& dimension : dimensions_) cells_ *= dimension.size;
    for (const auto& name : predictions_of(file, request.quantity))
      if (auto prediction = prediction_of(file, name, request.quantity, dimensions_))
        predictions_.push_back(std::move(*prediction));
    choose_points();
    choose_places();
  }

  /// An empty name if the quantity is a single number.
  std::string default_x() const {
    std::vector<const Dimension*> numeric, words;
    const Dimension* step = nullptr;
    for (const auto& dimension : dimensions_) {
      if (!dimension.free()) continue;
      if (dimension.name() == "step")
        step = &dimension;
      else
        (dimension.is_text() ? words : numeric).push_back(&dimension);
    }
    if (!numeric.empty()) return numeric[0]->name();
    if (!words.empty()) return words[0]->name();
    const ScanAxis* axis = longest_axis();
    const bool evolves = predictions_.empty() || std::ranges::any_of(predictions_, [&](const Prediction& p) {
                           return step && std::ranges::any_of(p.dimension, [&](const auto& d) {
                                    return d && &dimensions_[*d] == step;
                                  });
                         });
    if (step && (evolves || !axis)) return "step";
    if (axis) return axis->name;
    for (const auto& words_axis : axes_)
      if (words_axis.is_text() && words_axis.varies(points_)) return words_axis.name;
    return {};
  }

  Comparison run() {
    Comparison result{.quantity = variable_.name,
                      .unit = text_attribute(variable_, "units", "1"),
                      .long_name = text_attribute(variable_, "long_name", variable_.name),
                      .reference = text_attribute(variable_, "reference", ""),
                      .x = {},
                      .y = {},
                      .panels = {},
                      .notes = notes_};
    const std::string x = request_.x.empty() ? default_x() : request_.x;
    if (x.empty())
      throw InputError(fmt::format("'{}' is the single number {}: nothing to draw it over", variable_.name,
                                   shortest(values_[points_[0] * cells_])));
    if (!request_.steps.empty() && x == "step")
      throw ConfigError("--step chooses records of figures over something else; this one is over the step");
    const auto along = std::ranges::find(dimensions_, x, &Dimension::name);
    if (along != dimensions_.end())
      over_dimension(static_cast<std::size_t>(along - dimensions_.begin()), result);
    else
      over_scan(x, result);
    drop_empty(result);
    thin_out(result);
    return result;
  }

 private:
  // ---- What is shown ----

  void choose_points() {
    const auto& finished = file_.at("finished").integers();
    for (std::size_t p = 0; p < finished.size(); ++p) {
      if (!chosen(p)) continue;
      std::string fault;
      if (finished[p] == 0) fault = "not finished";
      const auto first = values_.begin() + static_cast<std::ptrdiff_t>(p * cells_);
      if (fault.empty() && std::none_of(first, first + static_cast<std::ptrdiff_t>(cells_),
                                        [](double value) { return std::isfinite(value); }))
        fault = "no numbers";
      if (fault.empty())
        points_.push_back(p);
      else
        notes_.push_back(fmt::format("left out: {}: {}", point_text(p), fault));
    }
    if (points_.empty())
      throw InputError(fmt::format("no scan point of '{}' can be drawn{}{}", variable_.name,
                                   notes_.empty() ? "" : "; ", fmt::join(notes_, "; ")));
  }

  std::string point_text(std::size_t point) const {
    std::vector<std::string> parts;
    for (const auto& axis : axes_) parts.push_back(axis.at(point));
    return parts.empty() ? "the only scan point" : fmt::format("{}", fmt::join(parts, ", "));
  }

  const ScanAxis* axis_named(const std::string& name) const {
    for (const auto& axis : axes_)
      if (axis.name == name || axis.key == name) return &axis;
    return nullptr;
  }

  bool chosen(std::size_t point) const {
    for (const auto& [name, value] : request_.chosen) {
      const auto* axis = axis_named(name);
      if (!axis) continue;
      const auto matches = [&](std::size_t p) {
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

  void choose_places() {
    for (auto& dimension : dimensions_)
      if (dimension.name() == "step") choose_steps(dimension);
    for (const auto& [name, value] : request_.chosen) {
      if (axis_named(name)) continue;
      if (name == "step") throw ConfigError("--at step: use --step N");
      const auto dimension = std::ranges::find(dimensions_, name, &Dimension::name);
      if (dimension == dimensions_.end()) {
        std::vector<std::string> known;
        for (const auto& axis : axes_) known.push_back(axis.name);
        for (const auto& d : dimensions_)
          if (d.name() != "step") known.push_back(d.name());
        throw ConfigError(fmt::format("--at {}={}: the axes of '{}' are {}{}", name, value, variable_.name,
                                      fmt::join(known, ", "), did_you_mean(name, known)));
      }
      const auto number = parse_real(value);
      std::erase_if(dimension->places, [&](std::size_t place) {
        return dimension->is_text() ? dimension->axis.categories[place] != value
                                    : !number || !equal(*number, dimension->axis.values[place]);
      });
      if (dimension->places.empty())
        throw ConfigError(
            fmt::format("--at {}={}: is not one of {}", name, value,
                        listing(dimension->size, [&](std::size_t i) { return dimension->text(i); })));
    }
  }

  void choose_steps(Dimension& step) const {
    if (request_.steps.empty()) return;
    step.places.clear();
    for (const auto wanted : request_.steps) {
      const auto found = std::ranges::find(step.axis.values, static_cast<double>(wanted));
      if (found == step.axis.values.end())
        throw ConfigError(fmt::format("--step {}: was not recorded; recorded are {}", wanted,
                                      listing(step.size, [&](std::size_t i) { return step.text(i); })));
      step.places.push_back(static_cast<std::size_t>(found - step.axis.values.begin()));
    }
  }

  /// The numeric axis with the most values; the later one of equals. nullptr if none varies.
  const ScanAxis* longest_axis() const {
    const ScanAxis* best = nullptr;
    std::size_t most = 1;
    for (const auto& axis : axes_) {
      if (axis.is_text()) continue;
      std::set<double> values;
      for (const auto p : points_) values.insert(axis.values[p]);
      if (values.size() > 1 && values.size() >= most) {
        best = &axis;
        most = values.size();
      }
    }
    return best;
  }

  // ---- Over a dimension of the quantity ----

  void over_dimension(std::size_t along, Comparison& result) {
    Dimension& dimension = dimensions_[along];
    if (!dimension.free())
      throw ConfigError(
          fmt::format("'{}' has one place only: there is nothing to draw over", dimension.name()));
    result.x = shown(dimension);
    const bool over_step = dimension.name() == "step";
    if (dimension.is_text() || (dimension.is_index() && dimension.places.size() <= kMostBars)) {
      result.kind = ComparisonKind::bars;
      result.x.categories.clear();
      for (const auto place : dimension.places) result.x.categories.push_back(dimension.text(place));
    }
    if (!over_step) last_step_unless_chosen();

    std::optional<std::size_t> across;
    if (request_.x.empty())
      for (std::size_t d = 0; d < dimensions_.size(); ++d)
        if (d != along && dimensions_[d].free() && !dimensions_[d].is_text() &&
            dimensions_[d].name() != "step")
          across = d;
    if (across) {
      result.kind = ComparisonKind::map;
      result.x.categories.clear();
      result.y = shown(dimensions_[*across]);
    }
    std::vector<std::size_t> fixed{along};
    if (across) fixed.push_back(*across);
    const auto series = series_dimensions(fixed);

    for (const std::size_t point : points_) {
      const Label own =
          point_label(point, [&](const ScanAxis& axis) { return over_step && !axis.is_text(); });
      const Label panel = with_single_step(
          point_label(point, [&](const ScanAxis& axis) { return !over_step || axis.is_text(); }));
      for (const auto& index : combinations(series)) {
        Label label = own;
        append(label, dimension_label(series, index));
        std::vector<Place> places;
        const std::vector<std::size_t> one{0};
        for (const auto y : across ? dimensions_[*across].places : one)
          for (std::size_t i = 0; i < dimension.places.size(); ++i) {
            Place place{result.kind == ComparisonKind::bars ? static_cast<double>(i)
                                                            : dimension.axis.values[dimension.places[i]],
                        point, index};
            place.index[along] = dimension.places[i];
            if (across) place.index[*across] = y;
            places.push_back(std::move(place));
          }
        auto measured = fill(label, places);
        if (!over_step) state_chi_square(point, index, series, measured);
        if (across) {
          Label all = panel;
          append(all, measured.label);
          result.panels.push_back({all, {std::move(measured)}});
        } else {
          panel_named(panel, result).series.push_back(std::move(measured));
        }
      }
    }
  }

  FigureAxis shown(const Dimension& dimension) const {
    FigureAxis axis = dimension.axis;
    axis.values.clear();
    if (!dimension.is_text())
      for (const auto place : dimension.places) axis.values.push_back(dimension.axis.values[place]);
    return axis;
  }

  // ---- Over the scan ----

  void over_scan(const std::string& x, Comparison& result) {
    last_step_unless_chosen();
    const auto* words = axis_named(x);
    if (words && !words->is_text()) words = nullptr;
    std::vector<double> at;  // [point]
    std::vector<const ScanAxis*> series_axes, panel_axes;
    if (words) {
      result.kind = ComparisonKind::bars;
      for (const auto p : points_)
        if (std::ranges::find(result.x.categories, words->texts[p]) == result.x.categories.end())
          result.x.categories.push_back(words->texts[p]);
      for (const auto& text : words->texts)
        at.push_back(
            static_cast<double>(std::ranges::find(result.x.categories, text) - result.x.categories.begin()));
      result.x.name = words->name;
    } else {
      at = formula_values(x);
      result.x.name = x;
      if (const auto* axis = axis_named(x)) {
        result.x.name = axis->name;
        result.x.unit = axis->unit;
      }
    }
    const auto along = words ? std::vector<const ScanAxis*>{words} : axes_along(at, x);
    for (const auto& axis : axes_) {
      if (std::ranges::find(along, &axis) != along.end() || !axis.varies(points_)) continue;
      (axis.is_text() ? panel_axes : series_axes).push_back(&axis);
    }

    const auto series = series_dimensions({});
    struct Row {
      Label panel, label;
      std::vector<Place> places;
    };
    std::vector<Row> rows;
    for (const std::size_t point : points_) {
      const auto label_of = [&](const std::vector<const ScanAxis*>& axes) {
        Label label;
        for (const auto* axis : axes) label.emplace_back(axis->name, axis->text(point));
        return label;
      };
      const Label panel = with_single_step(label_of(panel_axes));
      for (const auto& index : combinations(series)) {
        Label label = label_of(series_axes);
        append(label, dimension_label(series, index));
        auto row = std::ranges::find_if(
            rows, [&](const Row& candidate) { return candidate.panel == panel && candidate.label == label; });
        if (row == rows.end()) row = rows.insert(rows.end(), {panel, label, {}});
        if (std::isfinite(at[point])) row->places.push_back({at[point], point, index});
      }
    }
    for (auto& row : rows) {
      std::ranges::stable_sort(row.places, {}, &Place::x);
      panel_named(row.panel, result).series.push_back(fill(row.label, row.places));
    }
  }

  std::vector<double> formula_values(const std::string& x) const {
    try {
      return key_formula(file_, axes_, x).values;
    } catch (const ConfigError& error) {
      std::vector<std::string> own;
      for (const auto& dimension : dimensions_)
        if (dimension.size > 1) own.push_back(dimension.name());
      own.emplace_back("a formula of what is known of each scan point");
      throw ConfigError(fmt::format("--x {}: '{}' is drawn over {}; here\n{}", x, variable_.name,
                                    fmt::join(own, ", "), error.what()));
    }
  }

  /// The axes that a series runs along: of the numeric ones that change x while the others stay, the one with
  /// the most values; all numeric ones where none can change alone (a zipped scan).
  std::vector<const ScanAxis*> axes_along(const std::vector<double>& at, const std::string& x) const {
    const auto others_equal = [&](const ScanAxis& moving, std::size_t p, std::size_t q) {
      return std::ranges::all_of(
          axes_, [&](const ScanAxis& axis) { return &axis == &moving || axis.text(p) == axis.text(q); });
    };
    const ScanAxis* best = nullptr;
    std::size_t most = 0;
    std::vector<const ScanAxis*> numeric;
    for (const auto& axis : axes_) {
      if (axis.is_text()) continue;
      numeric.push_back(&axis);
      std::set<double> values;
      for (const auto p : points_)
        for (const auto q : points_)
          if (at[p] != at[q] && others_equal(axis, p, q)) values.insert(axis.values[p]);
      if (values.size() > 1 && values.size() >= most) {
        best = &axis;
        most = values.size();
      }
    }
    if (best) return {best};
    if (std::ranges::all_of(points_, [&](std::size_t p) { return at[p] == at[points_[0]]; }))
      throw ConfigError(fmt::format("--x {}: is {} at every scan point; what varies is {}", x,
                                    shortest(at[points_[0]]), varying_text()));
    return numeric;
  }

  std::string varying_text() const {
    std::vector<std::string> names;
    for (const auto& axis : axes_)
      if (axis.varies(points_)) names.push_back(axis.name);
    return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
  }

  // ---- Both ----

  void last_step_unless_chosen() {
    for (auto& dimension : dimensions_)
      if (dimension.name() == "step" && request_.steps.empty()) dimension.places = {dimension.size - 1};
  }

  /// Dimensions that are shown as several series.
  std::vector<std::size_t> series_dimensions(const std::vector<std::size_t>& used) const {
    std::vector<std::size_t> series;
    for (std::size_t d = 0; d < dimensions_.size(); ++d) {
      const auto& dimension = dimensions_[d];
      if (std::ranges::find(used, d) != used.end() || !dimension.free()) continue;
      if (dimension.places.size() > kMostSeries)
        throw ConfigError(fmt::format(
            "'{}' has {} places of '{}', too many for curves; choose one with --at {}={}", variable_.name,
            dimension.places.size(), dimension.name(), dimension.name(), dimension.text(0)));
      series.push_back(d);
    }
    return series;
  }

  /// Every combination of their places; the other dimensions at their first place.
  std::vector<std::vector<std::size_t>> combinations(const std::vector<std::size_t>& series) const {
    std::vector<std::size_t> first;
    for (const auto& dimension : dimensions_) first.push_back(dimension.places.front());
    std::vector<std::vector<std::size_t>> all{first};
    for (const auto d : series) {
      std::vector<std::vector<std::size_t>> longer;
      for (const auto& index : all)
        for (const auto place : dimensions_[d].places) {
          longer.push_back(index);
          longer.back()[d] = place;
        }
      all = std::move(longer);
    }
    return all;
  }

  template <class Pass>
  Label point_label(std::size_t point, const Pass& pass) const {
    Label label;
    for (const auto& axis : axes_)
      if (axis.varies(points_) && pass(axis)) label.emplace_back(axis.name, axis.text(point));
    return label;
  }
  Label dimension_label(const std::vector<std::size_t>& series, const std::vector<std::size_t>& index) const {
    Label label;
    for (const auto d : series) label.emplace_back(dimensions_[d].name(), dimensions_[d].text(index[d]));
    return label;
  }
  /// The record that is shown, where it is one of several.
  Label with_single_step(Label label) const {
    for (const auto& dimension : dimensions_)
      if (dimension.name() == "step" && dimension.size > 1 && !dimension.free())
        label.emplace_back("step", dimension.text(dimension.places[0]));
    return label;
  }
  static void append(Label& label, const Label& more) { label.insert(label.end(), more.begin(), more.end()); }

  static ComparisonPanel& panel_named(const Label& label, Comparison& result) {
    const auto found = std::ranges::find(result.panels, label, &ComparisonPanel::label);
    if (found != result.panels.end()) return *found;
    return result.panels.emplace_back(ComparisonPanel{label, {}});
  }

  std::size_t cell(std::size_t point, const std::vector<std::size_t>& index) const {
    std::size_t offset = point;
    for (std::size_t d = 0; d < dimensions_.size(); ++d) offset = offset * dimensions_[d].size + index[d];
    return offset;
  }

  /// (n - 3) / (n - 1) for an error from n samples: trajectories of an observable, blocks of what is derived.
  double error_scale(std::size_t point) const {
    const auto& survivors = file_.at("block_trajectories").integers();
    const std::size_t blocks = file_.size("block");
    double n = 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto one = static_cast<double>(survivors[point * blocks + b]);
      n += file_.find(variable_.name + "_block") ? one : (one > 0 ? 1 : 0);
    }
    return n > 3 ? (n - 3) / (n - 1) : kNaN;
  }

  MeasuredSeries fill(Label label, const std::vector<Place>& places) const {
    MeasuredSeries series{std::move(label), {}, {}, {}, {}};
    std::vector<double> scale;
    for (const auto& [x, point, index] : places) {
      series.x.push_back(x);
      series.mean.push_back(values_[cell(point, index)]);
      series.error.push_back(errors_ ? (*errors_)[cell(point, index)] : kNaN);
      scale.push_back(error_scale(point));
    }
    for (const auto& prediction : predictions_)
      for (std::size_t law = 0; law < prediction.laws.size(); ++law) {
        Law one{.name = prediction.laws[law], .value = {}};
        for (const auto& place : places) one.value.push_back(prediction.at(place.point, place.index, law));
        if (std::ranges::none_of(one.value, [](double value) { return std::isfinite(value); })) continue;
        double sum = 0;
        for (std::size_t i = 0; i < places.size(); ++i) {
          const double z = (series.mean[i] - one.value[i]) / series.error[i];
          if (!(series.error[i] > 0) || !std::isfinite(z) || !std::isfinite(scale[i])) continue;
          sum += scale[i] * z * z;
          ++one.degrees;
        }
        if (one.degrees > 0) one.chi_square = sum / static_cast<double>(one.degrees);
        series.laws.push_back(std::move(one));
      }
    return series;
  }

  /// The file's own chi-square, which knows what to leave out, where the series is all of a point and record.
  void state_chi_square(std::size_t point, const std::vector<std::size_t>& index,
                        const std::vector<std::size_t>& series_dims, MeasuredSeries& series) const {
    const Variable* stated = chi_square_of(file_, variable_.name);
    if (!stated || !has_scan_dimensions(file_, *stated)) return;
    for (const auto d : series_dims)
      if (dimensions_[d].name() != "step") return;
    for (const auto& dimension : dimensions_)
      if (dimension.name() != "step" && dimension.places.size() < dimension.size) return;
    for (const auto& prediction : predictions_) {
      std::size_t offset = point;
      std::optional<std::size_t> stride;  // between laws
      bool fits = true;
      for (const auto& name : further_dimensions(file_, *stated)) {
        const auto own = std::ranges::find(dimensions_, name, &Dimension::name);
        offset *= file_.size(name);
        if (stride) *stride *= file_.size(name);
        if (name == prediction.law_dimension)
          stride = 1;
        else if (name == "step" && own != dimensions_.end())
          offset += index[static_cast<std::size_t>(own - dimensions_.begin())];
        else
          fits = false;
      }
      if (!fits || stride.has_value() == prediction.law_dimension.empty()) continue;
      for (std::size_t law = 0; law < prediction.laws.size(); ++law) {
        const auto found = std::ranges::find(series.laws, prediction.laws[law], &Law::name);
        if (found == series.laws.end()) continue;
        found->chi_square = stated->reals()[offset + law * stride.value_or(0)];
        found->degrees = 0;
      }
    }
  }

  void drop_empty(Comparison& result) const {
    for (auto& panel : result.panels)
      std::erase_if(panel.series, [](const MeasuredSeries& series) {
        return std::ranges::none_of(series.mean, [](double y) { return std::isfinite(y); });
      });
    std::erase_if(result.panels, [&](const ComparisonPanel& panel) {
      if (panel.series.empty())
        result.notes.push_back(fmt::format("left out: {}: no numbers", label_text(panel.label)));
      return panel.series.empty();
    });
    if (result.panels.empty())
      throw InputError(
          fmt::format("'{}' has no numbers to draw: {}", variable_.name, fmt::join(result.notes, "; ")));
  }

  static void thin_out(Comparison& result) {
    const std::size_t most = result.kind == ComparisonKind::map ? kMostMaps : kMostPanels;
    const std::size_t count = result.panels.size();
    if (count <= most) return;
    std::vector<ComparisonPanel> kept;
    for (std::size_t i = 0; i < most; ++i)
      kept.push_back(std::move(result.panels[i * (count - 1) / (most - 1)]));
    result.panels = std::move(kept);
    result.notes.push_back(
        fmt::format("{} of {} panels are drawn; choose others with --at KEY=VALUE", most, count));
  }

  const Dataset& file_;
  const ComparisonRequest& request_;
  const Variable& variable_;
  const std::vector<double>& values_;
  const std::vector<double>* errors_ = nullptr;
  std::vector<ScanAxis> axes_;
  std::vector<Dimension> dimensions_;
  std::size_t cells_ = 1;
  std::vector<Prediction> predictions_;
  std::vector<std::size_t> points_;  ///< that are shown
  std::vector<std::string> notes_;
};

/// Two dimensions that count things, such as row and column.
bool is_matrix(const Dataset& file, const std::string& name) {
  int counting = 0;
  for (const auto& dimension : further_dimensions(file, file.at(name))) {
    const Dimension d = dimension_of(file, dimension);
    counting += d.size > 1 && d.is_index() ? 1 : 0;
  }
  return counting == 2;
}

nlohmann::json label_json(const Label& label) {
  nlohmann::json settings = nlohmann::json::object();
  for (const auto& [name, value] : label) {
    if (const auto number = parse_real(value))
      settings[name] = *number;
    else
      settings[name] = value;
  }
  return settings;
}

}  // namespace

std::string label_text(const Label& label) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : label) parts.push_back(fmt::format("{} = {}", name, value));
  return fmt::format("{}", fmt::join(parts, ", "));
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

std::vector<std::string> first_quantities(const Dataset& file) {
  const auto predicted = [&](std::vector<std::string> names) {
    std::erase_if(names, [&](const std::string& name) { return predictions_of(file, name).empty(); });
    for (std::size_t i = 1; i < names.size();)
      if (is_matrix(file, names[i]))
        names.erase(names.begin() + static_cast<std::ptrdiff_t>(i));
      else
        ++i;
    return names;
  };
  auto first = predicted(observables(file));
  if (first.empty()) first = predicted(derived_quantities(file));
  if (first.empty()) first = curve_observables(file);
  if (first.empty()) first = observables(file);
  return first;
}

std::string default_x(const Dataset& file, const std::string& quantity) {
  const ComparisonRequest request{.quantity = quantity, .x = {}, .steps = {}, .chosen = {}};
  return Comparer(file, request).default_x();
}

Comparison compare(const Dataset& file, const ComparisonRequest& request) {
  return Comparer(file, request).run();
}

bool overlayable(const Comparison& a, const Comparison& b) {
  return a.kind == b.kind && a.kind != ComparisonKind::map && a.quantity == b.quantity && a.unit == b.unit &&
         a.x.name == b.x.name && a.x.categories == b.x.categories;
}

Comparison overlay(std::span<const Comparison> comparisons, std::span<const std::string> names) {
  Comparison all = comparisons[0];
  all.panels.clear();
  all.notes.clear();
  for (std::size_t f = 0; f < comparisons.size(); ++f) {
    for (const auto& note : comparisons[f].notes) all.notes.push_back(fmt::format("{}: {}", names[f], note));
    for (ComparisonPanel panel : comparisons[f].panels) {
      for (auto& series : panel.series) series.label.emplace(series.label.begin(), "file", names[f]);
      const auto same = std::ranges::find(all.panels, panel.label, &ComparisonPanel::label);
      if (same == all.panels.end())
        all.panels.push_back(std::move(panel));
      else
        same->series.insert(same->series.end(), panel.series.begin(), panel.series.end());
    }
  }
  return all;
}

nlohmann::json comparison_json(const Comparison& comparison) {
  nlohmann::json report{{"quantity", comparison.quantity}, {"over", comparison.x.name}};
  if (comparison.kind == ComparisonKind::map) report["and_over"] = comparison.y.name;
  report["panels"] = nlohmann::json::array();
  for (const auto& panel : comparison.panels) {
    nlohmann::json one{{"settings", label_json(panel.label)}, {"series", nlohmann::json::array()}};
    for (const auto& series : panel.series) {
      nlohmann::json laws = nlohmann::json::object();
      for (const auto& law : series.laws) {
        laws[law.name] = {{"chi_square_per_degree", finite_json(law.chi_square)}};
        if (law.degrees > 0) laws[law.name]["degrees"] = law.degrees;
      }
      one["series"].push_back(
          {{"settings", label_json(series.label)}, {"places", series.mean.size()}, {"laws", laws}});
    }
    report["panels"].push_back(std::move(one));
  }
  report["notes"] = comparison.notes;
  return report;
}

}  // namespace soret::analysis
