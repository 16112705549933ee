#include "soret/scan/scan_result.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "soret/base/error.hpp"
#include "soret/base/memory.hpp"
#include "soret/base/text.hpp"

namespace soret {
namespace {

using store::Attributes;
using store::Dataset;
using store::Variable;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kLabel = "label";
/// Our choice: enough replicates for a bootstrap, few enough to keep. `record.blocks` overrides.
constexpr std::uint32_t kDefaultBlocks = 32;

Blocks blocks_for(const ScanPlan& plan, const Experiment& experiment) {
  const auto& values = plan.common().values();
  const std::uint32_t wanted = values.contains("record.blocks")
                                   ? static_cast<std::uint32_t>(plan.common().integer("record.blocks"))
                                   : kDefaultBlocks;
  return {experiment.trajectories(), wanted};
}

/// Throws ConfigError if the means, errors and block means of all points are more than the machine can hold.
void require_memory(const ScanPlan& plan, const Experiment& experiment, std::uint32_t blocks) {
  double cells = 0;  // per point and record
  for (const Observable& observable : experiment.observables()) {
    double size = 1;
    for (const Coordinate& coordinate : experiment.coordinates())
      if (std::ranges::find(observable.dimensions, coordinate.name) != observable.dimensions.end())
        size *= static_cast<double>(coordinate.size());
    cells += size;
  }
  const auto records = static_cast<double>(experiment.record_steps().size());
  const double bytes = 8.0 * static_cast<double>(plan.points()) * records * cells * (2.0 + blocks);
  const auto most = static_cast<double>(physical_memory_bytes());
  if (bytes > most)
    throw ConfigError(fmt::format(
        "the result would take {:.3g} GB ({} scan points, {} records, {} numbers each, in {} blocks), but "
        "the "
        "machine has {:.3g} GB: record fewer steps, cells, observables or blocks, or scan fewer points",
        bytes * 1e-9, plan.points(), records, cells, blocks, most * 1e-9));
}

Variable axis_variable(const Axis& axis, const std::string& dimension) {
  Variable variable{axis.name, {dimension}, {}, {{"long_name", axis.help}, {"key", axis.key}}};
  if (axis.type == OptionType::real) {
    auto& values = variable.data.emplace<std::vector<double>>();
    for (const std::string& text : axis.values) values.push_back(parse_real(text).value());
  } else if (axis.type == OptionType::integer) {
    auto& values = variable.data.emplace<std::vector<std::int64_t>>();
    for (const std::string& text : axis.values) values.push_back(parse_integer(text).value());
  } else {
    variable.data = axis.values;
    return variable;
  }
  variable.attributes["units"] = axis.unit;
  return variable;
}

Attributes describe(const Observable& observable, std::string_view suffix) {
  Attributes all{{"units", observable.unit},
                 {"long_name", fmt::format("{}{}", observable.long_name, suffix)}};
  if (!observable.reference.empty()) all["reference"] = observable.reference;
  if (!observable.drawn_over.empty()) all["drawn_over"] = observable.drawn_over;
  if (!observable.drawn_beside.empty()) all["drawn_beside"] = observable.drawn_beside;
  return all;
}

Attributes describe(const DerivedQuantity& quantity) {
  Attributes all = describe(quantity.what, "");
  if (!quantity.predicts.empty()) all["predicts"] = quantity.predicts;
  if (!quantity.chi_square_of.empty()) all["chi_square_of"] = quantity.chi_square_of;
  return all;
}

std::vector<std::int64_t> steps_of(const Observable& observable, const Experiment& experiment) {
  if (observable.recorded_over == "step") return experiment.record_steps();
  if (observable.recorded_over.empty()) return {experiment.record_steps().back()};
  for (const RecordSchedule& schedule : experiment.further_schedules())
    if (schedule.dimension == observable.recorded_over) return schedule.steps;
  throw std::logic_error(
      fmt::format("observable '{}' has no schedule '{}'", observable.name, observable.recorded_over));
}

/// Dimension or variable by name, as text for comparing layouts.
std::map<std::string, std::string> layout(const Dataset& dataset) {
  std::map<std::string, std::string> parts;
  for (const auto& dimension : dataset.dimensions)
    parts[dimension.name + " "] = std::to_string(dimension.size);
  for (const auto& variable : dataset.variables) {
    if (variable.name == kLabel) continue;  // may change when the run is done
    std::string& part = parts[variable.name];
    part = std::to_string(variable.data.index());
    for (const auto& name : variable.dimensions) part += " " + name;
  }
  return parts;
}

bool is_coordinate(const Variable& variable) {
  return variable.dimensions.size() == 1 && variable.dimensions[0] == variable.name;
}

/// "section.key" -> value of a resolved config.
std::map<std::string, std::string> keys_of(const std::string& config) {
  std::map<std::string, std::string> keys;
  std::string section;
  std::istringstream lines(config);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1) + ".";
    if (const auto equals = line.find('='); equals != std::string::npos)
      keys[section + std::string(trim(line.substr(0, equals)))] = trim(line.substr(equals + 1));
  }
  return keys;
}

}  // namespace

ScanResult::ScanResult(const ScanPlan& plan, const Experiment& experiment)
    : experiment_(experiment), blocks_(blocks_for(plan, experiment)), steps_(experiment.record_steps()) {
  const std::size_t points = plan.points();
  if (experiment.points() != points)
    throw std::logic_error(
        fmt::format("the experiment has {} points, its config {}", experiment.points(), points));

  require_memory(plan, experiment, blocks_.count());

  const bool zipped = plan.zip && !plan.axes.empty();
  std::vector<std::string> scan;
  std::string zipped_axes;
  if (zipped) scan = {"point"};
  for (const Axis& axis : plan.axes) {
    if (!zipped) scan.push_back(axis.name);
    zipped_axes += (zipped_axes.empty() ? "" : " ") + axis.name;
  }
  const auto shape = plan.shape();
  for (std::size_t i = 0; i < scan.size(); ++i) dataset_.dimensions.push_back({scan[i], shape[i]});
  dataset_.dimensions.push_back({"block", blocks_.count()});
  dataset_.dimensions.push_back({"step", steps_.size()});
  for (const RecordSchedule& schedule : experiment.further_schedules())
    dataset_.dimensions.push_back({schedule.dimension, schedule.steps.size()});
  for (const Coordinate& coordinate : experiment.coordinates())
    dataset_.dimensions.push_back({coordinate.name, coordinate.size()});

  for (const Axis& axis : plan.axes) add_variable(axis_variable(axis, zipped ? "point" : axis.name));
  std::vector<std::int64_t> block_index(blocks_.count());
  for (std::uint32_t k = 0; k < blocks_.count(); ++k) block_index[k] = k;
  add_variable({"block", {"block"}, block_index, {{"long_name", "block of trajectories"}, {"units", "1"}}});
  const auto add_steps = [&](const std::string& name, const std::vector<std::int64_t>& steps) {
    add_variable({name, {name}, steps, {{"long_name", experiment.step_name()}, {"units", "1"}}});
  };
  add_steps("step", steps_);
  for (const RecordSchedule& schedule : experiment.further_schedules())
    add_steps(schedule.dimension, schedule.steps);
  for (const Coordinate& coordinate : experiment.coordinates()) {
    Variable variable{coordinate.name, {coordinate.name}, {}, {{"long_name", coordinate.long_name}}};
    if (coordinate.labels.empty()) {
      variable.data = coordinate.values;
      variable.attributes["units"] = coordinate.unit;
    } else {
      variable.data = coordinate.labels;
    }
    add_variable(std::move(variable));
  }

  /// Over the scan dimensions, then `further`; all values `empty`.
  const auto add = [&]<class T>(const std::string& name, const std::vector<std::string>& further, T empty,
                                Attributes attributes) {
    std::vector<std::string> dimensions = scan;
    dimensions.insert(dimensions.end(), further.begin(), further.end());
    std::size_t size = points;
    for (const std::string& dimension : further) size *= dataset_.size(dimension);
    if (zipped) attributes["coordinates"] = zipped_axes;
    return add_variable({name, dimensions, std::vector<T>(size, empty), std::move(attributes)});
  };

  for (const Observable& observable : experiment.observables()) {
    std::vector<std::string> dimensions = observable.dimensions;
    if (!observable.recorded_over.empty()) dimensions.insert(dimensions.begin(), observable.recorded_over);
    std::vector<std::string> with_block{"block"};
    with_block.insert(with_block.end(), dimensions.begin(), dimensions.end());
    const auto attributes = [&](std::string_view suffix) { return describe(observable, suffix); };

    Slot slot{};
    slot.mean = add(observable.name, dimensions, kNaN, attributes(""));
    slot.error = add(observable.name + "_stderr", dimensions, kNaN,
                     attributes(", standard error over surviving trajectories"));
    slot.block =
        add(observable.name + "_block", with_block, kNaN, attributes(", mean of a block of trajectories"));
    slot.first = step_of_cell_.size();
    slot.size = reals(slot.mean).size() / points;
    const std::vector<std::int64_t> steps = steps_of(observable, experiment);
    for (std::size_t cell = 0; cell < slot.size; ++cell)
      step_of_cell_.push_back(steps[cell / (slot.size / steps.size())]);
    slots_.push_back(slot);
  }

  std::size_t derived_size = 0;
  for (const DerivedQuantity& quantity : experiment.derived()) {
    std::vector<std::string> dimensions = quantity.what.dimensions;
    if (quantity.over_steps) dimensions.insert(dimensions.begin(), "step");
    DerivedSlot slot{derived_size, 0, add(quantity.what.name, dimensions, kNaN, describe(quantity))};
    slot.size = reals(slot.variable).size() / points;
    derived_size += slot.size;
    derived_slots_.push_back(slot);
  }

  constexpr std::int64_t none = 0;
  const auto counts = [](std::string what) {
    return Attributes{{"units", "1"}, {"long_name", std::move(what)}};
  };
  block_trajectories_ =
      add("block_trajectories", {"block"}, none, counts("surviving trajectories of the block"));
  diverged_ = add("diverged", {}, none, counts("trajectories that left finite range and are left out"));
  diverged_by_step_ =
      add("diverged_by_step", {"step"}, none, counts("trajectories out of finite range by then"));
  finished_ = add("finished", {}, none, counts("1 where the scan point is finished"));
  annotate(plan, dataset_);
}

std::size_t ScanResult::add_variable(Variable variable) {
  dataset_.variables.push_back(std::move(variable));
  return dataset_.variables.size() - 1;
}

std::vector<double>& ScanResult::reals(std::size_t variable) {
  return std::get<std::vector<double>>(dataset_.variables[variable].data);
}

std::vector<std::int64_t>& ScanResult::integers(std::size_t variable) {
  return std::get<std::vector<std::int64_t>>(dataset_.variables[variable].data);
}

bool ScanResult::finished(std::size_t point) const {
  return dataset_.variables[finished_].integers()[point] != 0;
}

void ScanResult::finish(std::size_t point, std::span<const BlockSummary> blocks) {
  const EnsembleStatistics statistics = combine(blocks, cells());
  const auto put = [](std::vector<double>& to, std::size_t row, const std::vector<double>& from,
                      const Slot& slot) {
    std::copy_n(from.data() + slot.first, slot.size, to.data() + row * slot.size);
  };
  for (const Slot& slot : slots_) {
    put(reals(slot.mean), point, statistics.mean, slot);
    put(reals(slot.error), point, statistics.error, slot);
    for (std::size_t k = 0; k < blocks.size(); ++k)
      if (blocks[k].survivors > 0) put(reals(slot.block), point * blocks.size() + k, blocks[k].mean, slot);
  }
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    integers(block_trajectories_)[point * blocks.size() + k] = blocks[k].survivors;
    for (const std::int64_t at : blocks[k].diverged_at) {
      ++integers(diverged_)[point];
      for (std::size_t i = 0; i < steps_.size(); ++i)
        if (steps_[i] >= at) ++integers(diverged_by_step_)[point * steps_.size() + i];
    }
  }
  derive(point, statistics, blocks);
  integers(finished_)[point] = 1;
}

void ScanResult::derive(std::size_t point, const EnsembleStatistics& statistics,
                        std::span<const BlockSummary> blocks) {
  if (derived_slots_.empty()) return;
  PointEnsemble ensemble{statistics.mean, statistics.error, {}, {}};
  for (const BlockSummary& block : blocks) {
    ensemble.blocks.emplace_back(block.mean);
    ensemble.survivors.push_back(block.survivors);
  }
  const std::vector<double> values = experiment_.derive(point, ensemble);
  const DerivedSlot& last = derived_slots_.back();
  if (values.size() != last.first + last.size)
    throw std::logic_error("derived quantities have the wrong size");
  for (const DerivedSlot& slot : derived_slots_)
    std::copy_n(values.data() + slot.first, slot.size, reals(slot.variable).data() + point * slot.size);
}

void ScanResult::take_finished(const Dataset& earlier) {
  copy_finished(earlier, dataset_);
}

std::int64_t ScanResult::diverged() const {
  std::int64_t sum = 0;
  for (const std::int64_t n : dataset_.variables[diverged_].integers()) sum += n;
  return sum;
}

void copy_finished(const Dataset& from, Dataset& to) {
  if (layout(from) != layout(to))
    throw InputError("its dimensions or variables are not those of this config");
  const Variable& finished = from.at("finished");
  const std::size_t points = finished.integers().size();
  for (Variable& variable : to.variables) {
    if (variable.name == kLabel) continue;
    const Variable& source = from.at(variable.name);
    if (is_coordinate(variable)) {
      if (variable.data != source.data)
        throw InputError(fmt::format("its coordinate '{}' is not that of this config", variable.name));
      continue;
    }
    std::visit(
        [&](auto& data) {
          const auto& rows = std::get<std::remove_reference_t<decltype(data)>>(source.data);
          const std::size_t row = rows.size() / points;
          for (std::size_t point = 0; point < points; ++point)
            if (finished.integers()[point] != 0)
              std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(point * row), row,
                          data.begin() + static_cast<std::ptrdiff_t>(point * row));
        },
        variable.data);
  }
}

void annotate(const ScanPlan& plan, Dataset& file) {
  file.attributes["config"] = plan.text();
  std::erase_if(file.variables, [](const Variable& variable) { return variable.name == kLabel; });
  if (!plan.zip || plan.axes.empty()) return;
  const TableNotes notes = table_notes(plan.annotations, plan.points(), plan.zip);
  std::string coordinates;
  for (const Axis& axis : plan.axes) coordinates += (coordinates.empty() ? "" : " ") + axis.name;
  if (!notes.labels.empty()) {
    coordinates += fmt::format(" {}", kLabel);
    file.variables.push_back({kLabel,
                              {"point"},
                              notes.labels,
                              {{"long_name", "name of the scan point"}, {"key", "table.labels"}}});
  }
  for (Variable& variable : file.variables)
    if (const auto found = variable.attributes.find("coordinates"); found != variable.attributes.end())
      found->second = coordinates;
}

std::string sources_text(const Sources& sources) {
  std::string text;
  for (const auto& [file, digest] : sources)
    text += fmt::format("{}{} {}", text.empty() ? "" : "\n", file, digest);
  return text;
}

bool has_source(const store::Attributes& attributes, const std::string& file, const std::string& digest) {
  const auto found = attributes.find("sources");
  const auto* text = found == attributes.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text && ("\n" + *text + "\n").find(fmt::format("\n{} {}\n", file, digest)) != std::string::npos;
}

std::string config_difference(const std::string& there, const std::string& here) {
  constexpr int kMost = 5;
  const auto keys_there = keys_of(without_annotations(there));
  const auto keys_here = keys_of(without_annotations(here));
  auto all = keys_there;
  all.insert(keys_here.begin(), keys_here.end());

  const auto value = [](const std::map<std::string, std::string>& keys, const std::string& key) {
    const auto found = keys.find(key);
    return found == keys.end() ? std::string("absent") : found->second;
  };
  std::string text;
  int differing = 0;
  for (const auto& [key, any] : all) {
    if (value(keys_there, key) == value(keys_here, key)) continue;
    if (++differing <= kMost)
      text += fmt::format("\n  {}: {} there, {} here", key, value(keys_there, key), value(keys_here, key));
  }
  if (differing > kMost) text += fmt::format("\n  and {} more", differing - kMost);
  return text;
}

}  // namespace soret
