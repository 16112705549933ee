#include "soret/langevin/observe.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "soret/langevin/visit.hpp"

namespace soret::langevin {
namespace {

TallyShape tally_shape(const Problem& problem, const Plan& plan, const Basins* basins) {
  const auto wants = [&](Observable o) { return std::ranges::count(plan.observables, o) > 0; };
  TallyShape s;
  s.dimension = problem.landscape.dimension;
  s.products = wants(Observable::covariance);
  s.lagged = wants(Observable::autocovariance);
  s.means = s.products || s.lagged || wants(Observable::mean);
  s.loss = wants(Observable::loss);
  s.escapes = problem.target.has_value();
  s.histogram = plan.histogram;
  if (!wants(Observable::density)) s.histogram.bins = 0;
  if (!wants(Observable::density_2d)) s.histogram.bins_2d = 0;
  if (wants(Observable::occupancy)) s.basins = static_cast<int>(basins->count());
  return s;
}

/// What is added up of one group on the CPU.
class Recorder {
 public:
  Recorder(const Problem& problem, const Plan& plan)
      : problem_(problem),
        looks_(plan.looks()),
        summary_(problem, plan, looks_, plan.basins),
        shape_(summary_.shape()),
        basins_(plan.basins != nullptr ? plan.basins->map() : BasinMap{}),
        sums_(looks_.steps.size() * shape_.slots(), 0.0),
        counts_(plan.records.size() * shape_.cells(), 0) {}

  const std::vector<std::int64_t>& steps() const { return looks_.steps; }

  template <class L>
  void look(const L& landscape, const Sample& s) {
    if (s.index == 0) std::copy_n(s.w, kChunk, first_.data());
    const std::size_t record = looks_.record[s.index];
    const ChunkView view{.w = s.w,
                         .stride = kChunk,
                         .count = s.count,
                         .centre = problem_.start.centre.data(),
                         .first = first_.data(),
                         .escaped_at = s.escaped_at,
                         .now = static_cast<double>(steps()[s.index]) * problem_.substeps,
                         .last = looks_.last(s.index)};
    double* const sums = &sums_[s.index * shape_.slots()];
    for (int part = 0; part < shape_.parts(); ++part)
      tally_sums<DoubleLanes>(shape_, landscape, view, part, 0,
                              [&](int slot, DoubleLanes x) { sums[slot] += sum(x); });
    if (shape_.cells() == 0) return;
    std::uint64_t* const counts = &counts_[record * shape_.cells()];
    for (int i = 0; i < s.count; ++i)
      tally_counts(shape_, basins_, view, i, [&](int cell) { ++counts[cell]; });
  }

  std::vector<double> values() && {
    for (std::size_t look = 0; look < steps().size(); ++look)
      summary_.add_sums(look, &sums_[look * shape_.slots()]);
    if (shape_.cells() > 0)
      for (std::size_t record = 0; record * shape_.cells() < counts_.size(); ++record)
        summary_.add_counts(record, &counts_[record * shape_.cells()]);
    return std::move(summary_).values();
  }

 private:
  const Problem& problem_;
  Plan::Looks looks_;
  Summary summary_;
  const TallyShape& shape_;
  BasinMap basins_;
  std::vector<double> sums_;           ///< [look][slot]
  std::vector<std::uint64_t> counts_;  ///< [record][cell]
  std::array<double, kChunk> first_{};
};

}  // namespace

std::string_view name(Observable o) {
  constexpr std::array<std::string_view, kObservables> kNames = {
      "mean", "covariance",     "density", "density_2d",   "occupancy",
      "loss", "autocovariance", "escaped", "survival_time"};
  return kNames[static_cast<std::size_t>(o)];
}

Plan::Looks Plan::looks() const {
  Looks looks;
  std::int64_t before = 0;
  for (std::size_t record = 0; record < records.size(); ++record) {
    const std::int64_t span = records[record] - before;
    const std::int64_t count = std::clamp<std::int64_t>(span, 1, snapshots);
    for (std::int64_t i = 1; i <= count; ++i) {
      looks.steps.push_back(before + span * i / count);
      looks.record.push_back(record);
    }
    looks.count.push_back(static_cast<std::size_t>(count));
    before = records[record];
  }
  return looks;
}

std::size_t Plan::cells(Observable o, int dimension) const {
  switch (o) {
    case Observable::mean:
      return dimension;
    case Observable::covariance:
      return static_cast<std::size_t>(dimension) * dimension;
    case Observable::density:
      return histogram.bins;
    case Observable::density_2d:
      return histogram.bins_2d * histogram.bins_2d;
    case Observable::occupancy:
      return basins->count();
    default:
      return 1;
  }
}

bool only_escapes(const Plan& plan) {
  return std::ranges::all_of(plan.observables, [](Observable o) {
    return o == Observable::escaped || o == Observable::survival_time;
  });
}

Summary::Summary(const Problem& problem, const Plan& plan, const Plan::Looks& looks, const Basins* basins)
    : problem_(&problem),
      plan_(&plan),
      looks_(&looks),
      shape_(tally_shape(problem, plan, basins)),
      finite_(plan.records.size()) {
  std::size_t size = 0;
  for (const Observable o : plan.observables) {
    parts_.push_back({o, size,
                      o == Observable::occupancy ? static_cast<std::size_t>(shape_.basins)
                                                 : plan.cells(o, shape_.dimension)});
    size += plan.records.size() * parts_.back().cells;
  }
  values_.assign(size, 0.0);
}

void Summary::add_sums(std::size_t look, const double* sums) {
  const std::size_t record = looks_->record[look];
  const auto n = static_cast<double>(problem_->walkers);
  const double looks = static_cast<double>(looks_->count[record]);
  if (sums[TallyShape::witness] != 0) finite_ = std::min(finite_, record);
  if (look == 0 && shape_.means) first_sum_ = sums[shape_.row(0)];
  for (const Part& part : parts_) {
    double* const to = at(part, record);
    switch (part.observable) {
      case Observable::mean:
        for (int k = 0; k < shape_.dimension; ++k) {
          to[k] += sums[shape_.row(k)] / (n * looks);
          if (looks_->last(look)) to[k] += problem_->start.centre[k];
        }
        break;
      case Observable::covariance:
        for (int k = 0; k < shape_.dimension; ++k) {
          const double* const row = sums + shape_.row(k);
          for (int j = 0; j <= k; ++j) {
            double& value = to[k * shape_.dimension + j];
            value += (row[1 + j] - row[0] * sums[shape_.row(j)] / n) / ((n - 1) * looks);
            to[j * shape_.dimension + k] = value;
          }
        }
        break;
      case Observable::autocovariance:
        if (looks_->last(look))
          to[0] = (sums[TallyShape::lag] - first_sum_ * sums[shape_.row(0)] / n) / (n - 1);
        break;
      case Observable::loss:
        to[0] += sums[TallyShape::losses] / (n * looks);
        break;
      case Observable::survival_time:
        if (looks_->last(look))
          to[0] = sums[TallyShape::survival] * (problem_->learning_rate / problem_->substeps) / n;
        break;
      case Observable::density:
      case Observable::density_2d:
      case Observable::occupancy:
      case Observable::escaped:
        break;
    }
  }
}

void Summary::add_counts(std::size_t record, const std::uint64_t* counts) {
  // Whole numbers until values() divides them.
  const auto add = [&](const Part& part, int first) {
    for (std::size_t i = 0; i < part.cells; ++i)
      at(part, record)[i] += static_cast<double>(counts[first + i]);
  };
  for (const Part& part : parts_) {
    if (part.observable == Observable::density) add(part, 0);
    if (part.observable == Observable::density_2d) add(part, shape_.density_2d());
    if (part.observable == Observable::occupancy) add(part, shape_.occupancy());
    if (part.observable == Observable::escaped) add(part, shape_.escaped());
  }
}

std::vector<double> Summary::values() && {
  const Box& box = plan_->histogram.box;
  for (const Part& part : parts_) {
    const auto cells = static_cast<double>(part.cells);
    double cell = 0;  // what one walker in a cell counts there
    if (part.observable == Observable::density) cell = cells / (box.high[0] - box.low[0]);
    if (part.observable == Observable::density_2d)
      cell = cells / ((box.high[0] - box.low[0]) * (box.high[1] - box.low[1]));
    if (part.observable == Observable::occupancy || part.observable == Observable::escaped) cell = 1;
    for (std::size_t record = 0; record < plan_->records.size(); ++record) {
      const double looks =
          part.observable == Observable::escaped ? 1 : static_cast<double>(looks_->count[record]);
      for (std::size_t i = 0; i < part.cells; ++i) {
        double& value = at(part, record)[i];
        if (cell > 0) value = value * cell / (static_cast<double>(problem_->walkers) * looks);
        if (record >= finite_) value = std::numeric_limits<double>::quiet_NaN();
      }
    }
  }
  return std::move(values_);
}

std::vector<double> observe_group(const Problem& problem, const Plan& plan, std::uint32_t group,
                                  const std::atomic<bool>* stop) {
  Recorder recorder(problem, plan);
  visit(problem.landscape, [&](const auto& landscape) {
    run_group(
        problem, group, recorder.steps(), [&](const Sample& s) { recorder.look(landscape, s); }, stop,
        only_escapes(plan));
  });
  return std::move(recorder).values();
}

}  // namespace soret::langevin
