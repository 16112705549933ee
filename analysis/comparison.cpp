#include "analysis/comparison.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "analysis/key_formula.hpp"
#include "analysis/scan_axes.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;
using store::Variable;

/// What a page shows readably. Our choice.
constexpr std::size_t kMostPanels = 9, kMostMaps = 4, kMostSeries = 12;
/// Numbered things (basins, coordinates) up to so many are drawn as bars.
constexpr std::size_t kMostBars = 16;

/// One number of the quantity, and where it stands along the figure's axis.
struct Place {
  double x;
  std::size_t point;
  std::vector<std::size_t> index;  ///< [dimension]
};

class Comparer {
 public:
  Comparer(const Dataset& file, const ComparisonRequest& request)
      : request_(request), quantity_(file, request.quantity, request.steps, request.chosen) {}

  /// An empty name if the quantity is a single number.
  std::string default_x() const {
    if (const auto axes = axes_of_file(); !axes.empty()) return axes[0];
    std::vector<const Dimension*> numeric, words;
    const Dimension* step = nullptr;
    for (const auto& dimension : quantity_.dimensions) {
      if (!dimension.free()) continue;
      if (is_step(dimension.name()))
        step = &dimension;
      else
        (dimension.is_text() ? words : numeric).push_back(&dimension);
    }
    if (!numeric.empty()) return numeric[0]->name();
    if (!words.empty()) return words[0]->name();
    const ScanAxis* axis = quantity_.longest_axis();
    const bool evolves =
        quantity_.predictions.empty() || std::ranges::any_of(quantity_.predictions, [&](const Prediction& p) {
          return step && std::ranges::any_of(p.dimension, [&](const auto& d) {
                   return d && &quantity_.dimensions[*d] == step;
                 });
        });
    if (step && (evolves || !axis)) return step->name();
    if (axis) return axis->name;
    for (const auto& words_axis : quantity_.axes)
      if (words_axis.is_text() && words_axis.varies(quantity_.points)) return words_axis.name;
    return {};
  }

  Comparison run() {
    Comparison result{.quantity = quantity_.name(),
                      .unit = text_attribute(quantity_.variable(), "units", "1"),
                      .long_name = text_attribute(quantity_.variable(), "long_name", quantity_.name()),
                      .reference = text_attribute(quantity_.variable(), "reference", ""),
                      .x = {},
                      .y = {},
                      .panels = {},
                      .notes = quantity_.notes};
    const auto axes = request_.x.empty() ? axes_of_file() : std::vector<std::string>();
    const std::string y = axes.size() == 2 && request_.y.empty() ? axes[1] : request_.y;
    std::string x = request_.x.empty() ? default_x() : request_.x;
    if (const Dimension* step = quantity_.step(); step && x == "step") x = step->name();
    if (x.empty()) throw InputError(single_number_text());
    if (!request_.steps.empty() && is_step(x))
      throw ConfigError("--step chooses records of figures over something else; this one is over the step");
    const auto along = std::ranges::find(quantity_.dimensions, x, &Dimension::name);
    if (!y.empty())
      over_plane(x, y, result);
    else if (runs_with(x))
      over_dimension(static_cast<std::size_t>(quantity_.step() - quantity_.dimensions.data()), result);
    else if (along != quantity_.dimensions.end())
      over_dimension(static_cast<std::size_t>(along - quantity_.dimensions.begin()), result);
    else
      over_scan(x, result);
    drop_empty(result);
    thin_out(result);
    return result;
  }

 private:
  std::string single_number_text() const {
    const std::vector<std::size_t> first(quantity_.dimensions.size(), 0);
    return fmt::format("'{}' is the single number {}: nothing to draw it over", quantity_.name(),
                       shortest(quantity_.value(quantity_.points[0], first)));
  }

  /// Scan axes that the file wants the quantity drawn over; empty unless all of them vary.
  std::vector<std::string> axes_of_file() const {
    auto names = split_words(text_attribute(quantity_.variable(), "drawn_over", ""));
    const bool all = std::ranges::all_of(names, [&](const std::string& name) {
      const ScanAxis* axis = quantity_.axis_named(name);
      return axis && !axis->is_text() && axis->varies(quantity_.points);
    });
    if (!all || names.size() > 2) names.clear();
    return names;
  }

  /// Whether x is another quantity that is recorded at the same steps and at nothing else: then the curves
  /// run over that. Sets abscissa_.
  bool runs_with(const std::string& x) {
    const Dimension* step = quantity_.step();
    const Variable* other = quantity_.file().find(x);
    if (!step || !other || !request_.steps.empty() || quantity_.axis_named(x) ||
        !has_scan_dimensions(quantity_.file(), *other) ||
        further_dimensions(quantity_.file(), *other) != std::vector<std::string>{step->name()})
      return false;
    abscissa_.emplace(quantity_.file(), x, std::span<const std::int64_t>(),
                      std::map<std::string, std::string>());
    return true;
  }

  // ---- Over a dimension of the quantity, or what runs with its steps ----

  void over_dimension(std::size_t along, Comparison& result) {
    Dimension& dimension = quantity_.dimensions[along];
    if (!dimension.free())
      throw ConfigError(
          fmt::format("'{}' has one place only: there is nothing to draw over", dimension.name()));
    result.x = shown(dimension);
    if (abscissa_)
      result.x = {.name = abscissa_->name(),
                  .unit = text_attribute(abscissa_->variable(), "units", "1"),
                  .long_name = text_attribute(abscissa_->variable(), "long_name", abscissa_->name())};
    const bool over_step = is_step(dimension.name());
    if (!abscissa_ &&
        (dimension.is_text() || (dimension.is_index() && dimension.places.size() <= kMostBars))) {
      result.kind = ComparisonKind::bars;
      result.x.categories.clear();
      for (const auto place : dimension.places) result.x.categories.push_back(dimension.text(place));
    }
    if (!over_step) last_step_unless_chosen();

    std::optional<std::size_t> across;
    if (request_.x.empty())
      for (std::size_t d = 0; d < quantity_.dimensions.size(); ++d)
        if (d != along && quantity_.dimensions[d].free() && !quantity_.dimensions[d].is_text() &&
            !is_step(quantity_.dimensions[d].name()))
          across = d;
    if (across) {
      result.kind = ComparisonKind::map;
      result.x.categories.clear();
      result.y = shown(quantity_.dimensions[*across]);
    }
    std::vector<std::size_t> fixed{along};
    if (across) fixed.push_back(*across);
    const auto series = series_dimensions(fixed);
    const bool curves_by_words = over_step && series.empty() && words_tell_points_apart();

    for (const std::size_t point : quantity_.points) {
      const auto in_panel = [&](const ScanAxis& axis) {
        return over_step && (!axis.is_text() || curves_by_words);
      };
      Label own = point_label(point, in_panel);
      Label others = point_label(point, [&](const ScanAxis& axis) { return !in_panel(axis); });
      if (labels_tell_points_apart()) {
        own.clear();
        others.clear();
        (curves_by_words ? own : others).emplace_back(quantity_.label->name, quantity_.label->text(point));
      }
      const Label panel = with_single_step(std::move(others));
      for (const auto& index : combinations(series)) {
        Label label = own;
        append(label, dimension_label(series, index));
        std::vector<Place> places;
        const std::vector<std::size_t> one{0};
        for (const auto y : across ? quantity_.dimensions[*across].places : one)
          for (std::size_t i = 0; i < dimension.places.size(); ++i) {
            const std::vector<std::size_t> at{dimension.places[i]};
            Place place{abscissa_                             ? abscissa_->value(point, at)
                        : result.kind == ComparisonKind::bars ? static_cast<double>(i)
                                                              : dimension.axis.values[dimension.places[i]],
                        point, index};
            place.index[along] = dimension.places[i];
            if (across) place.index[*across] = y;
            places.push_back(std::move(place));
          }
        if (abscissa_) {
          std::erase_if(places, [](const Place& place) { return !std::isfinite(place.x); });
          std::ranges::stable_sort(places, {}, &Place::x);
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

  /// Methods rather than settings: then a curve each, in one panel, says more than a panel each.
  bool words_tell_points_apart() const {
    if (labels_tell_points_apart()) return quantity_.points.size() <= kMostSeries;
    std::set<Label> labels;
    for (const std::size_t point : quantity_.points)
      labels.insert(point_label(point, [](const ScanAxis& axis) { return axis.is_text(); }));
    return labels.size() > 1 && labels.size() == quantity_.points.size() && labels.size() <= kMostSeries;
  }

  /// Then they stand for all that the points differ by.
  bool labels_tell_points_apart() const {
    if (!quantity_.label) return false;
    std::set<std::string> labels;
    for (const std::size_t point : quantity_.points) labels.insert(quantity_.label->text(point));
    return labels.size() > 1 && labels.size() == quantity_.points.size();
  }

  FigureAxis shown(const Dimension& dimension) const {
    FigureAxis axis = dimension.axis;
    axis.values.clear();
    if (!dimension.is_text())
      for (const auto place : dimension.places) axis.values.push_back(dimension.axis.values[place]);
    return axis;
  }

  // ---- Over two scan axes ----

  const ScanAxis& numeric_axis(const char* option, const std::string& name) const {
    const ScanAxis* axis = quantity_.axis_named(name);
    if (!axis || axis->is_text() || !axis->varies(quantity_.points))
      throw ConfigError(fmt::format("{} {}: a map lies over two numeric scan axes; those that vary are {}",
                                    option, name, varying_text()));
    return *axis;
  }

  FigureAxis values_of(const ScanAxis& axis) const {
    std::set<double> values;
    for (const auto p : quantity_.points) values.insert(axis.values[p]);
    return {.name = axis.name, .unit = axis.unit, .values = {values.begin(), values.end()}};
  }

  /// A map for each setting of all other axes.
  void over_plane(const std::string& x, const std::string& y, Comparison& result) {
    last_step_unless_chosen();
    const ScanAxis& across = numeric_axis("--x", x);
    const ScanAxis& up = numeric_axis("--y", y);
    if (&across == &up)
      throw ConfigError(fmt::format("--x {} --y {}: a map lies over two different axes", x, y));
    result.kind = ComparisonKind::map;
    result.over_scan = true;
    result.x = values_of(across);
    result.y = values_of(up);
    const auto place = [](const FigureAxis& axis, double value) {
      return static_cast<std::size_t>(std::ranges::lower_bound(axis.values, value) - axis.values.begin());
    };
    const auto series = series_dimensions({});
    for (const std::size_t point : quantity_.points) {
      const Label settings =
          point_label(point, [&](const ScanAxis& axis) { return &axis != &across && &axis != &up; });
      const std::size_t cell =
          place(result.y, up.values[point]) * result.x.values.size() + place(result.x, across.values[point]);
      for (const auto& index : combinations(series)) {
        Label label = settings;
        append(label, dimension_label(series, index));
        ComparisonPanel& panel = panel_named(with_single_step(label), result);
        if (panel.series.empty()) {
          const std::size_t cells = result.x.values.size() * result.y.values.size();
          const std::vector<double> nothing(cells, std::numeric_limits<double>::quiet_NaN());
          panel.series.push_back({{}, {}, nothing, nothing, {}});
          for (const Mark& mark : marks_at(point, across.name, up.name)) panel.marks.push_back(mark);
        }
        panel.series[0].mean[cell] = quantity_.value(point, index);
        panel.series[0].error[cell] = quantity_.error(point, index);
      }
    }
  }

  /// Named places: a dimension D of words for which the file holds D_x (and D_y) over the scan and D alone.
  std::vector<Mark> marks_at(std::size_t point, const std::string& x, const std::string& y) const {
    std::vector<Mark> marks;
    for (const auto& names : quantity_.file().variables) {
      if (!std::holds_alternative<std::vector<std::string>>(names.data) ||
          names.dimensions != std::vector<std::string>{names.name})
        continue;
      const auto& words = std::get<std::vector<std::string>>(names.data);
      const auto places = [&](const std::string& axis) -> const std::vector<double>* {
        const Variable* variable = quantity_.file().find(names.name + "_" + axis);
        if (!variable || !has_scan_dimensions(quantity_.file(), *variable) ||
            further_dimensions(quantity_.file(), *variable) != std::vector<std::string>{names.name})
          return nullptr;
        return &variable->reals();
      };
      const auto* xs = places(x);
      const auto* ys = y.empty() ? nullptr : places(y);
      if (!xs || (!y.empty() && !ys)) continue;
      for (std::size_t k = 0; k < words.size(); ++k) {
        const std::size_t at = point * words.size() + k;
        const Mark mark{words[k], (*xs)[at], ys ? (*ys)[at] : 0};
        if (std::isfinite(mark.x) && std::isfinite(mark.y)) marks.push_back(mark);
      }
    }
    return marks;
  }

  // ---- Over the scan ----

  void over_scan(const std::string& x, Comparison& result) {
    last_step_unless_chosen();
    const auto* words = quantity_.axis_named(x);
    if (words && !words->is_text()) words = nullptr;
    std::vector<double> at;  // [point]
    std::vector<const ScanAxis*> series_axes, panel_axes;
    if (words) {
      result.kind = ComparisonKind::bars;
      for (const auto p : quantity_.points)
        if (std::ranges::find(result.x.categories, words->texts[p]) == result.x.categories.end())
          result.x.categories.push_back(words->texts[p]);
      for (const auto& text : words->texts)
        at.push_back(
            static_cast<double>(std::ranges::find(result.x.categories, text) - result.x.categories.begin()));
      result.x.name = words->name;
    } else {
      at = formula_values(x);
      result.x.name = x;
      if (const auto* axis = quantity_.axis_named(x)) {
        result.x.name = axis->name;
        result.x.unit = axis->unit;
      }
    }
    const auto along = words ? std::vector<const ScanAxis*>{words} : axes_along(at, x);
    for (const auto& axis : quantity_.axes) {
      if (std::ranges::find(along, &axis) != along.end() || !axis.varies(quantity_.points)) continue;
      if (words && words == quantity_.axis_named("label") && labels_tell_points_apart()) continue;
      (axis.is_text() ? panel_axes : series_axes).push_back(&axis);
    }

    const auto series = series_dimensions({});
    struct Row {
      Label panel, label;
      std::vector<Place> places;
    };
    std::vector<Row> rows;
    for (const std::size_t point : quantity_.points) {
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
      ComparisonPanel& panel = panel_named(row.panel, result);
      if (panel.marks.empty() && !row.places.empty())
        panel.marks = marks_at(row.places[0].point, result.x.name, "");
      panel.series.push_back(fill(row.label, row.places));
    }
  }

  std::vector<double> formula_values(const std::string& x) const {
    try {
      return key_formula(quantity_.file(), quantity_.axes, x).values;
    } catch (const ConfigError& error) {
      std::vector<std::string> own;
      for (const auto& dimension : quantity_.dimensions)
        if (dimension.size > 1) own.push_back(dimension.name());
      own.emplace_back("a formula of what is known of each scan point");
      throw ConfigError(fmt::format("--x {}: '{}' is drawn over {}; here\n{}", x, quantity_.name(),
                                    fmt::join(own, ", "), error.what()));
    }
  }

  /// The axes that a series runs along: of the numeric ones that change x while the others stay, the one with
  /// the most values; all numeric ones where none can change alone (a zipped scan).
  std::vector<const ScanAxis*> axes_along(const std::vector<double>& at, const std::string& x) const {
    const auto others_equal = [&](const ScanAxis& moving, std::size_t p, std::size_t q) {
      return std::ranges::all_of(quantity_.axes, [&](const ScanAxis& axis) {
        return &axis == &moving || axis.text(p) == axis.text(q);
      });
    };
    const ScanAxis* best = nullptr;
    std::size_t most = 0;
    std::vector<const ScanAxis*> numeric;
    for (const auto& axis : quantity_.axes) {
      if (axis.is_text()) continue;
      numeric.push_back(&axis);
      std::set<double> values;
      for (const auto p : quantity_.points)
        for (const auto q : quantity_.points)
          if (at[p] != at[q] && others_equal(axis, p, q)) values.insert(axis.values[p]);
      if (values.size() > 1 && values.size() >= most) {
        best = &axis;
        most = values.size();
      }
    }
    if (best) return {best};
    if (std::ranges::all_of(quantity_.points,
                            [&](std::size_t p) { return at[p] == at[quantity_.points[0]]; }))
      throw ConfigError(fmt::format("--x {}: is {} at every scan point; what varies is {}", x,
                                    shortest(at[quantity_.points[0]]), varying_text()));
    return numeric;
  }

  std::string varying_text() const {
    std::vector<std::string> names;
    for (const auto& axis : quantity_.axes)
      if (axis.varies(quantity_.points)) names.push_back(axis.name);
    return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
  }

  // ---- Both ----

  void last_step_unless_chosen() {
    if (Dimension* step = quantity_.step(); step && request_.steps.empty()) step->places = {step->size - 1};
  }

  /// Dimensions that are shown as several series.
  std::vector<std::size_t> series_dimensions(const std::vector<std::size_t>& used) const {
    std::vector<std::size_t> series;
    for (std::size_t d = 0; d < quantity_.dimensions.size(); ++d) {
      const auto& dimension = quantity_.dimensions[d];
      if (std::ranges::find(used, d) != used.end() || !dimension.free()) continue;
      if (dimension.places.size() > kMostSeries)
        throw ConfigError(fmt::format(
            "'{}' has {} places of '{}', too many for curves; choose one with --at {}={}", quantity_.name(),
            dimension.places.size(), dimension.name(), dimension.name(), dimension.text(0)));
      series.push_back(d);
    }
    return series;
  }

  /// Every combination of their places; the other dimensions at their first place.
  std::vector<std::vector<std::size_t>> combinations(const std::vector<std::size_t>& series) const {
    std::vector<std::size_t> first;
    for (const auto& dimension : quantity_.dimensions) first.push_back(dimension.places.front());
    std::vector<std::vector<std::size_t>> all{first};
    for (const auto d : series) {
      std::vector<std::vector<std::size_t>> longer;
      for (const auto& index : all)
        for (const auto place : quantity_.dimensions[d].places) {
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
    for (const auto& axis : quantity_.axes)
      if (axis.varies(quantity_.points) && pass(axis)) label.emplace_back(axis.name, axis.text(point));
    return label;
  }
  Label dimension_label(const std::vector<std::size_t>& series, const std::vector<std::size_t>& index) const {
    Label label;
    for (const auto d : series)
      label.emplace_back(quantity_.dimensions[d].name(), quantity_.dimensions[d].text(index[d]));
    return label;
  }
  /// The record that is shown, where it is one of several.
  Label with_single_step(Label label) const {
    for (const auto& dimension : quantity_.dimensions)
      if (is_step(dimension.name()) && dimension.size > 1 && !dimension.free())
        label.emplace_back("step", dimension.text(dimension.places[0]));
    return label;
  }
  static void append(Label& label, const Label& more) { label.insert(label.end(), more.begin(), more.end()); }

  static ComparisonPanel& panel_named(const Label& label, Comparison& result) {
    const auto found = std::ranges::find(result.panels, label, &ComparisonPanel::label);
    if (found != result.panels.end()) return *found;
    return result.panels.emplace_back(ComparisonPanel{label, {}});
  }

  MeasuredSeries fill(Label label, const std::vector<Place>& places) const {
    MeasuredSeries series{std::move(label), {}, {}, {}, {}};
    std::vector<double> scale;
    for (const auto& [x, point, index] : places) {
      series.x.push_back(x);
      series.mean.push_back(quantity_.value(point, index));
      series.error.push_back(quantity_.error(point, index));
      scale.push_back(quantity_.error_scale(point));
    }
    for (const auto& prediction : quantity_.predictions)
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
    const Variable* stated = chi_square_of(quantity_.file(), quantity_.name());
    if (!stated || !has_scan_dimensions(quantity_.file(), *stated)) return;
    for (const auto d : series_dims)
      if (!is_step(quantity_.dimensions[d].name())) return;
    for (const auto& dimension : quantity_.dimensions)
      if (!is_step(dimension.name()) && dimension.places.size() < dimension.size) return;
    for (const auto& prediction : quantity_.predictions) {
      std::size_t offset = point;
      std::optional<std::size_t> stride;  // between laws
      bool fits = true;
      for (const auto& name : further_dimensions(quantity_.file(), *stated)) {
        const auto own = std::ranges::find(quantity_.dimensions, name, &Dimension::name);
        offset *= quantity_.file().size(name);
        if (stride) *stride *= quantity_.file().size(name);
        if (name == prediction.law_dimension)
          stride = 1;
        else if (is_step(name) && own != quantity_.dimensions.end())
          offset += index[static_cast<std::size_t>(own - quantity_.dimensions.begin())];
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
          fmt::format("'{}' has no numbers to draw: {}", quantity_.name(), fmt::join(result.notes, "; ")));
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

  std::optional<Quantity> abscissa_;  ///< what the curves run over in the place of the step
  const ComparisonRequest& request_;
  Quantity quantity_;
};

}  // namespace

std::string default_x(const Dataset& file, const std::string& quantity) {
  const ComparisonRequest request{.quantity = quantity, .x = {}, .steps = {}, .chosen = {}};
  return Comparer(file, request).default_x();
}

Comparison compare(const Dataset& file, const ComparisonRequest& request) {
  return Comparer(file, request).run();
}

}  // namespace soret::analysis
