#include "analysis/table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gsl/gsl_cdf.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "analysis/bootstrap.hpp"
#include "analysis/curves.hpp"
#include "analysis/quantity.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

using store::Dataset;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kError = "_error";
/// Fractions of samples that are classified wrong: what has an accuracy. Others are called ..._error, too.
constexpr std::string_view kClassificationErrors[] = {
    "train_error",        "train_clean_error",         "validation_error",    "test_error",
    "matched_test_error", "selected_validation_error", "selected_test_error", "matched_train_error"};

std::size_t points_of(const NamedDataset& file) {
  const auto* finished = file.data.find("finished");
  if (!finished)
    throw InputError(
        fmt::format("{}: not the result of `soret run`: it has no variable 'finished'", file.name));
  return finished->integers().size();
}

/// Of the file, with what the request says instead.
TableNotes notes_of(const NamedDataset& file, const Annotations& instead) {
  const auto config = file.data.attributes.find("config");
  const auto* text =
      config == file.data.attributes.end() ? nullptr : std::get_if<std::string>(&config->second);
  Annotations annotations = text ? annotations_of(*text) : Annotations();
  for (const auto& [key, value] : instead) annotations[key] = value;
  const std::size_t points = points_of(file);
  try {
    return table_notes(annotations, points, file.data.at("finished").dimensions.size() == 1);
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}: {}", file.name, error.what()));
  }
}

bool is_error(const std::string& observable) {
  return std::ranges::find(kClassificationErrors, observable) != std::end(kClassificationErrors);
}

/// What an observable is called on its scale.
std::string shown_name(const std::string& observable, TableScale scale) {
  if (!is_error(observable) || scale == TableScale::value) return observable;
  if (scale == TableScale::percent) return observable + " (%)";
  return observable.substr(0, observable.size() - kError.size()) + "_accuracy (%)";
}

void put_on_scale(TableScale scale, TableNumber& number) {
  if (scale == TableScale::value) return;
  number.standard_error *= 100;
  const auto to = [&](double x) { return scale == TableScale::percent ? 100 * x : 100 * (1 - x); };
  number.value = to(number.value);
  number.low = to(number.low);
  number.high = to(number.high);
  if (scale == TableScale::accuracy) std::swap(number.low, number.high);
}

/// One quantity of one file.
class Numbers {
 public:
  Numbers(const NamedDataset& file, const std::string& name, const TableRequest& request)
      : request_(request), quantity_(file.data, name, steps(request, file.data, name), request.chosen) {
    if (Dimension* step = quantity_.step(); step && !request.step) step->places = {step->size - 1};
    if (const auto* blocks = file.data.find(name + "_block")) blocks_ = &blocks->reals();
    if (request.interval == IntervalKind::bootstrap && !blocks_)
      throw ConfigError(fmt::format("--interval bootstrap needs an observable; '{}' is derived", name));
  }

  const Quantity& quantity() const { return quantity_; }

  /// The scan points that are wanted, in order, those without numbers, too.
  std::vector<std::size_t> points() const {
    std::vector<std::size_t> all = quantity_.points;
    all.insert(all.end(), quantity_.lost.begin(), quantity_.lost.end());
    std::ranges::sort(all);
    return all;
  }

  /// Every combination of the places of its dimensions.
  std::vector<std::vector<std::size_t>> cells() const {
    std::vector<std::vector<std::size_t>> all{{}};
    for (const auto& dimension : quantity_.dimensions) {
      std::vector<std::vector<std::size_t>> longer;
      for (const auto& index : all)
        for (const auto place : dimension.places) {
          longer.push_back(index);
          longer.back().push_back(place);
        }
      all = std::move(longer);
    }
    return all;
  }

  TableNumber number(std::size_t point, std::span<const std::size_t> index) const {
    const Dataset& file = quantity_.file();
    TableNumber number;
    number.finished = file.at("finished").integers()[point] != 0;
    number.value = quantity_.value(point, index);
    number.standard_error = quantity_.error(point, index);
    number.low = number.high = number.deviation = kNaN;
    number.diverged = static_cast<std::size_t>(file.at("diverged").integers()[point]);
    const auto& survivors = file.at("block_trajectories").integers();
    const std::size_t blocks = file.size("block");
    std::size_t with_any = 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::int64_t n = survivors[point * blocks + b];
      number.trajectories += static_cast<std::size_t>(n);
      if (n > 0) ++with_any;
    }
    if (request_.interval == IntervalKind::bootstrap) {
      bootstrap(point, index, number);
    } else if (std::isfinite(number.standard_error)) {
      // Errors of what is derived are those of a jackknife over blocks.
      const double t = request_.interval == IntervalKind::stderr_
                           ? 1
                           : student_t95(blocks_ ? number.trajectories : with_any);
      number.low = number.value - t * number.standard_error;
      number.high = number.value + t * number.standard_error;
    }
    return number;
  }

 private:
  static std::vector<std::int64_t> steps(const TableRequest& request, const Dataset& file,
                                         const std::string& name) {
    const auto* variable = file.find(name);
    const bool over_steps = variable && std::ranges::any_of(variable->dimensions, is_step);
    return request.step && over_steps ? std::vector{*request.step} : std::vector<std::int64_t>();
  }

  void bootstrap(std::size_t point, std::span<const std::size_t> index, TableNumber& number) const {
    const Dataset& file = quantity_.file();
    const std::size_t blocks = file.size("block");
    std::size_t cell = 0;
    std::size_t cells = 1;
    for (std::size_t d = 0; d < quantity_.dimensions.size(); ++d) {
      cell = cell * quantity_.dimensions[d].size + index[d];
      cells *= quantity_.dimensions[d].size;
    }
    Curve curve;
    curve.mean = {number.value};
    for (std::size_t b = 0; b < blocks; ++b) {
      curve.blocks.push_back((*blocks_)[(point * blocks + b) * cells + cell]);
      curve.weights.push_back(
          static_cast<double>(file.at("block_trajectories").integers()[point * blocks + b]));
    }
    if (std::ranges::count_if(curve.weights, [](double n) { return n > 0; }) < 2) return;
    std::vector<double> estimates;
    for (std::uint64_t i = 0; i < request_.resamples; ++i)
      if (const auto mean = resampled_mean(curve, draw_blocks(blocks, request_.seed, i)))
        estimates.push_back((*mean)[0]);
    const Spread spread = spread_of(std::move(estimates));
    number.low = spread.low;
    number.high = spread.high;
  }

  const TableRequest& request_;
  Quantity quantity_;
  const std::vector<double>* blocks_ = nullptr;
};

/// Adds the numbers of a file.
class FileTable {
 public:
  FileTable(const NamedDataset& file, const TableRequest& request, Table& table)
      : file_(file),
        request_(request),
        table_(table),
        notes_(notes_of(file, request.annotations)),
        scale_(request.scale.value_or(notes_.scale)) {
    observables_ = !request.observables.empty()  ? request.observables
                   : !notes_.observables.empty() ? notes_.observables
                                                 : first_observable();
    referred_ = notes_.observables.empty() ? observables_[0] : notes_.observables[0];
    if (!notes_.references.empty() && scale_ != notes_.scale && is_error(referred_)) {
      table_.notes.push_back(fmt::format("{}: the published values are on the scale '{}' and are left out",
                                         file.name, kTableScales[static_cast<std::size_t>(notes_.scale)]));
      notes_.references.clear();
    }
    if (request.scale && *request.scale != TableScale::value && std::ranges::none_of(observables_, is_error))
      throw ConfigError(
          fmt::format("--scale {} is of classification errors (test_error and others); here are {}",
                      kTableScales[static_cast<std::size_t>(*request.scale)], fmt::join(observables_, ", ")));
  }

  void add() {
    std::vector<Numbers> all;
    for (const auto& observable : observables_) all.emplace_back(file_, observable, request_);
    for (const std::size_t point : all[0].points())
      for (std::size_t k = 0; k < all.size(); ++k)
        for (const auto& index : all[k].cells()) add(all[k], point, index);
    for (const auto& numbers : all)
      for (const auto& dimension : numbers.quantity().dimensions)
        if (is_step(dimension.name())) add_step(dimension);
    if (!notes_.references.empty()) {
      const std::string own = notes_.source.empty() ? "published" : notes_.source;
      if (std::ranges::find(table_.sources, own) == table_.sources.end()) table_.sources.push_back(own);
    }
  }

 private:
  std::vector<std::string> first_observable() const {
    const auto known = analysis::observables(file_.data);
    if (known.empty()) throw InputError(fmt::format("{}: holds no observable", file_.name));
    return {known[0]};
  }

  void add_step(const Dimension& dimension) {
    const std::string text =
        fmt::format("{} {}", step_word(dimension.axis.long_name), dimension.text(dimension.places[0]));
    if (std::ranges::find(table_.steps, text) == table_.steps.end()) table_.steps.push_back(text);
  }

  void add(const Numbers& numbers, std::size_t point, std::span<const std::size_t> index) {
    const Quantity& quantity = numbers.quantity();
    TableNumber number = numbers.number(point, index);
    number.place.emplace_back("file", file_.name);
    if (!notes_.labels.empty()) number.place.emplace_back("label", notes_.labels[point]);
    for (const auto& axis : quantity.axes) {
      number.place.emplace_back(axis.name, axis.text(point));
      table_.settings.insert(axis.name);
    }
    for (std::size_t d = 0; d < index.size(); ++d)
      if (!is_step(quantity.dimensions[d].name()))
        number.place.emplace_back(quantity.dimensions[d].name(), quantity.dimensions[d].text(index[d]));
    number.place.emplace_back("observable", shown_name(quantity.name(), scale_));
    if (is_error(quantity.name())) {
      put_on_scale(scale_, number);
      table_.in_percent = table_.in_percent || scale_ != TableScale::value;
    }
    if (quantity.name() == referred_ && !notes_.references.empty()) {
      number.reference = notes_.references[point];
      if (number.reference)
        number.deviation = (number.value - number.reference->value) /
                           std::hypot(number.standard_error, number.reference->error.value_or(0));
    }
    table_.numbers.push_back(std::move(number));
  }

  const NamedDataset& file_;
  const TableRequest& request_;
  Table& table_;
  TableNotes notes_;
  TableScale scale_;
  std::vector<std::string> observables_;
  std::string referred_;  ///< which the references are of
};

/// The axes that take several values, in the order of their first appearance.
std::vector<std::string> varying_axes(const Table& table) {
  std::vector<std::pair<std::string, std::set<std::string>>> values;
  for (const auto& number : table.numbers)
    for (const auto& [name, text] : number.place) {
      auto found = std::ranges::find(values, name, [](const auto& axis) { return axis.first; });
      if (found == values.end()) found = values.insert(values.end(), {name, {}});
      found->second.insert(text);
    }
  std::vector<std::string> axes;
  for (const auto& [name, texts] : values)
    if (texts.size() > 1) axes.push_back(name);
  return axes;
}

}  // namespace

std::string Table::source() const {
  return fmt::format("{}", fmt::join(sources, "; "));
}

double student_t95(std::size_t n) {
  return n < 2 ? kNaN : gsl_cdf_tdist_Pinv(0.975, static_cast<double>(n - 1));
}

Table make_table(std::span<const NamedDataset> files, const TableRequest& request) {
  Table table;
  table.interval = request.interval;
  for (const auto& file : files) FileTable(file, request, table).add();
  table.axes = varying_axes(table);
  return table;
}

}  // namespace soret::analysis
