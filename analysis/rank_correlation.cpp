#include "analysis/rank_correlation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "analysis/curves.hpp"
#include "analysis/key_formula.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::analysis {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// From 1; ties have their mean.
std::vector<double> ranks(std::span<const double> x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return x[i]; });
  std::vector<double> rank(x.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last < order.size() && x[order[last]] == x[order[first]]) ++last;
    for (std::size_t i = first; i < last; ++i) rank[order[i]] = 0.5 * static_cast<double>(first + last + 1);
    first = last;
  }
  return rank;
}

int sign(double x) {
  return (x > 0 ? 1 : 0) - (x < 0 ? 1 : 0);
}

/// A quantity at the scan points where it is known, and how to draw it again.
struct Source {
  CorrelatedQuantity shown;                   ///< mean and error are filled later
  std::map<std::size_t, Curve> curves;        ///< [point of the file] of an observable
  std::map<std::size_t, std::size_t> record;  ///< that counts, of each
  std::vector<double> values;                 ///< [point of the file] of a formula
  bool is_formula() const { return !values.empty(); }
  bool knows(std::size_t point) const {
    return is_formula() ? std::isfinite(values[point]) : curves.contains(point);
  }
  double mean(std::size_t point) const {
    return is_formula() ? values[point] : curves.at(point).mean[record.at(point)];
  }
  double error(std::size_t point) const {
    return is_formula() ? 0 : curves.at(point).error[record.at(point)];
  }
  /// NaN where none of the drawn blocks survived.
  double drawn(std::size_t point, std::span<const int> draws) const {
    if (is_formula()) return values[point];
    const auto again = resampled_mean(curves.at(point), draws);
    return again ? (*again)[record.at(point)] : kNaN;
  }
};

/// The last record with a number, or that of the step.
std::optional<std::size_t> record_of(const Curve& curve, const std::vector<double>& steps,
                                     std::optional<std::int64_t> step) {
  if (step) {
    const auto found = std::ranges::find(steps, static_cast<double>(*step));
    if (found == steps.end()) return std::nullopt;
    const auto at = static_cast<std::size_t>(found - steps.begin());
    return std::isfinite(curve.mean[at]) ? std::optional(at) : std::nullopt;
  }
  for (std::size_t t = steps.size(); t-- > 0;)
    if (std::isfinite(curve.mean[t])) return t;
  return std::nullopt;
}

Source observable_source(const store::Dataset& file, const std::string& name,
                         const std::optional<std::int64_t>& step) {
  Source source;
  for (const Curves& family : extract_curves(file, name)) {
    source.shown = {name, family.unit, family.long_name, {}, {}};
    if (step && std::ranges::find(family.steps, static_cast<double>(*step)) == family.steps.end())
      throw ConfigError(fmt::format("--step {}: '{}' was recorded at the steps {}", *step, name,
                                    fmt::join(family.steps, ", ")));
    for (const Curve& curve : family.curves) {
      const auto record = record_of(curve, family.steps, step);
      if (!record) continue;
      source.curves[curve.point] = curve;
      source.record[curve.point] = *record;
    }
  }
  return source;
}

struct Scan {
  std::vector<ScanAxis> axes;
  std::size_t points;
};

Scan scan_of(const store::Dataset& file) {
  if (file.find("finished") == nullptr || file.find("block_trajectories") == nullptr)
    throw InputError("the file is not the result of `soret run`: it has no ensembles");
  const auto& finished = file.at("finished");
  return {scan_axes(file, finished.dimensions), finished.integers().size()};
}

Source source_of(const store::Dataset& file, const Scan& scan, const std::string& name,
                 const std::optional<std::int64_t>& step) {
  const auto known = observables(file);
  if (std::ranges::find(known, name) != known.end()) return observable_source(file, name, step);
  Source source;
  try {
    source.values = key_formula(file, scan.axes, name).values;
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("{}\nobservables are {}", error.what(), fmt::join(known, ", ")));
  }
  source.shown.name = source.shown.long_name = name;
  return source;
}

/// [point], the number of the group of points that differ in the axis alone.
std::vector<std::size_t> slices_along(const std::vector<ScanAxis>& axes, const ScanAxis& along,
                                      std::span<const std::size_t> points) {
  std::map<std::string, std::size_t> groups;
  std::vector<std::size_t> slices;
  for (const std::size_t point : points) {
    std::string others;
    for (const auto& axis : axes)
      if (axis.name != along.name) others += axis.text(point) + '\n';
    slices.push_back(groups.emplace(others, groups.size()).first->second);
  }
  return slices;
}

using Values = std::vector<std::vector<double>>;  // [quantity][point]

struct Resamples {
  std::vector<double> spearman, kendall;
};

/// The coefficients of the points at which both are numbers.
void add_resample(const std::vector<double>& x, const std::vector<double>& y, Resamples& to) {
  std::vector<double> a;
  std::vector<double> b;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) continue;
    a.push_back(x[i]);
    b.push_back(y[i]);
  }
  if (const double rho = spearman(a, b); std::isfinite(rho)) to.spearman.push_back(rho);
  if (const double tau = kendall(a, b); std::isfinite(tau)) to.kendall.push_back(tau);
}

/// Of every pair, over resamples that `draw` makes.
template <class Draw>
std::vector<Resamples> resample(std::size_t count, const std::vector<PairCorrelation>& pairs, Draw draw) {
  std::vector<Resamples> all(pairs.size());
  for (std::size_t r = 0; r < count; ++r) {
    const Values values = draw(r);
    for (std::size_t p = 0; p < pairs.size(); ++p)
      add_resample(values[pairs[p].a], values[pairs[p].b], all[p]);
  }
  return all;
}

}  // namespace

double spearman(std::span<const double> x, std::span<const double> y) {
  const auto n = static_cast<double>(x.size());
  if (x.size() < 2) return kNaN;
  const auto a = ranks(x);
  const auto b = ranks(y);
  const double mean = 0.5 * (n + 1);
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : kNaN;
}

double kendall(std::span<const double> x, std::span<const double> y) {
  double together = 0;
  double untied_x = 0;
  double untied_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const int dx = sign(x[i] - x[j]);
      const int dy = sign(y[i] - y[j]);
      together += dx * dy;
      untied_x += dx * dx;
      untied_y += dy * dy;
    }
  return untied_x > 0 && untied_y > 0 ? together / std::sqrt(untied_x * untied_y) : kNaN;
}

double kendall_within(std::span<const double> x, std::span<const double> y,
                      std::span<const std::size_t> slices) {
  std::map<std::size_t, std::pair<std::vector<double>, std::vector<double>>> groups;
  for (std::size_t i = 0; i < x.size(); ++i) {
    groups[slices[i]].first.push_back(x[i]);
    groups[slices[i]].second.push_back(y[i]);
  }
  double sum = 0;
  int count = 0;
  for (const auto& [slice, group] : groups) {
    const double tau = kendall(group.first, group.second);
    if (!std::isfinite(tau)) continue;
    sum += tau;
    ++count;
  }
  return count > 0 ? sum / count : kNaN;
}

RankCorrelations rank_correlations(const store::Dataset& file, const CorrelationRequest& request) {
  if (request.quantities.size() < 2)
    throw ConfigError(
        "a correlation is of two quantities at least; name observables of the file, or formulas "
        "such as learning_rate/batch_size");
  for (std::size_t i = 0; i < request.quantities.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (request.quantities[i] == request.quantities[j])
        throw ConfigError(fmt::format("'{}' stands twice", request.quantities[i]));

  const Scan scan = scan_of(file);
  std::vector<Source> sources;
  for (const auto& name : request.quantities) sources.push_back(source_of(file, scan, name, request.step));

  RankCorrelations all;
  std::vector<std::size_t> points;
  for (std::size_t point = 0; point < scan.points; ++point) {
    const auto lacking = std::ranges::find_if(sources, [&](const Source& s) { return !s.knows(point); });
    if (lacking == sources.end()) {
      points.push_back(point);
      continue;
    }
    std::vector<std::string> place;
    for (const auto& axis : scan.axes) place.push_back(axis.at(point));
    all.notes.push_back(
        fmt::format("{}: left out, no number for '{}'",
                    place.empty() ? "the only scan point" : fmt::format("{}", fmt::join(place, ", ")),
                    lacking->shown.name));
  }
  if (points.size() < 3)
    throw InputError(
        fmt::format("rank correlations need three scan points at least; numbers for all of {} are at {}{}",
                    fmt::join(request.quantities, ", "), points.size(),
                    all.notes.empty() ? "" : fmt::format("\n{}", fmt::join(all.notes, "\n"))));

  Values values;
  for (auto& source : sources) {
    for (const std::size_t point : points) {
      source.shown.mean.push_back(source.mean(point));
      source.shown.error.push_back(source.error(point));
    }
    all.quantities.push_back(source.shown);
    values.push_back(source.shown.mean);
  }
  std::vector<std::vector<std::size_t>> slices;
  for (const auto& axis : scan.axes) {
    if (axis.is_text() || !axis.varies(points)) continue;
    all.axes.push_back(axis.name);
    auto& settings = all.settings.emplace_back();
    for (const std::size_t point : points) settings.push_back(axis.values[point]);
    slices.push_back(slices_along(scan.axes, axis, points));
  }

  for (std::size_t b = 1; b < sources.size(); ++b)
    for (std::size_t a = 0; a < b; ++a) {
      PairCorrelation pair{
          a, b, {spearman(values[a], values[b]), {}, {}}, {kendall(values[a], values[b]), {}, {}}, {}};
      for (const auto& slice : slices)
        pair.kendall_within.push_back(kendall_within(values[a], values[b], slice));
      all.pairs.push_back(std::move(pair));
    }

  const std::size_t blocks = file.size("block");
  const auto by_trajectories = resample(request.resamples, all.pairs, [&](std::size_t r) {
    const auto draws = draw_blocks(blocks, request.seed, r);
    Values again(sources.size());
    for (std::size_t q = 0; q < sources.size(); ++q)
      for (const std::size_t point : points) again[q].push_back(sources[q].drawn(point, draws));
    return again;
  });
  const auto by_points = resample(request.resamples, all.pairs, [&](std::size_t r) {
    const auto draws = draw_blocks(points.size(), request.seed + 1, r);
    Values again(sources.size());
    for (std::size_t q = 0; q < sources.size(); ++q)
      for (std::size_t i = 0; i < points.size(); ++i)
        again[q].insert(again[q].end(), static_cast<std::size_t>(draws[i]), values[q][i]);
    return again;
  });
  for (std::size_t p = 0; p < all.pairs.size(); ++p) {
    if (blocks > 1) {
      all.pairs[p].spearman.over_trajectories = spread_of(by_trajectories[p].spearman);
      all.pairs[p].kendall.over_trajectories = spread_of(by_trajectories[p].kendall);
    } else {
      all.pairs[p].spearman.over_trajectories = all.pairs[p].kendall.over_trajectories = spread_of({});
    }
    all.pairs[p].spearman.over_points = spread_of(by_points[p].spearman);
    all.pairs[p].kendall.over_points = spread_of(by_points[p].kendall);
  }
  constexpr std::size_t kFew = 5;
  if (blocks < kFew)
    all.notes.push_back(
        fmt::format("{} block{} of trajectories: {}", blocks, blocks == 1 ? "" : "s",
                    blocks == 1 ? "no interval over trajectories" : "intervals over trajectories are rough"));
  return all;
}

nlohmann::json correlations_json(const RankCorrelations& all) {
  const auto number = [](double x) { return std::isfinite(x) ? nlohmann::json(x) : nlohmann::json(); };
  const auto spread = [&](const Spread& s) {
    return nlohmann::json{
        {"standard_error", number(s.standard_error)}, {"low", number(s.low)}, {"high", number(s.high)}};
  };
  const auto coefficient = [&](const Coefficient& c) {
    return nlohmann::json{{"value", number(c.value)},
                          {"over_trajectories", spread(c.over_trajectories)},
                          {"over_points", spread(c.over_points)}};
  };
  nlohmann::json out{
      {"quantities", nlohmann::json::array()}, {"pairs", nlohmann::json::array()}, {"notes", all.notes}};
  for (std::size_t a = 0; a < all.axes.size(); ++a) out["settings"][all.axes[a]] = all.settings[a];
  for (const auto& q : all.quantities)
    out["quantities"].push_back(
        {{"name", q.name}, {"unit", q.unit}, {"mean", q.mean}, {"standard_error", q.error}});
  for (const auto& pair : all.pairs) {
    nlohmann::json within = nlohmann::json::object();
    for (std::size_t a = 0; a < all.axes.size(); ++a) within[all.axes[a]] = number(pair.kendall_within[a]);
    out["pairs"].push_back({{"a", all.quantities[pair.a].name},
                            {"b", all.quantities[pair.b].name},
                            {"spearman", coefficient(pair.spearman)},
                            {"kendall", coefficient(pair.kendall)},
                            {"kendall_within", within}});
  }
  return out;
}

}  // namespace soret::analysis
