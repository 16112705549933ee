#include "soret/langevin/observe.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "soret/langevin/visit.hpp"

namespace soret::langevin {
namespace {

using V = DoubleLanes;

/// Sum over the walkers of a chunk, always as the same tree. Places beyond the count hold zeros.
double sum_of(const double* x) {
  V total = load(x);
  for (int i = kDoubleLanes; i < kChunk; i += kDoubleLanes) total += load(x + i);
  return sum(total);
}
double sum_of_products(const double* x, const double* y) {
  V total = load(x) * load(y);
  for (int i = kDoubleLanes; i < kChunk; i += kDoubleLanes) total += load(x + i) * load(y + i);
  return sum(total);
}

class Recorder {
 public:
  Recorder(const Problem& problem, const Plan& plan)
      : problem_(problem), plan_(plan), looks_(plan.looks()), d_(problem.landscape.dimension) {
    const std::size_t looks = looks_.steps.size();
    const std::size_t records = plan.records.size();
    for (const Observable o : plan.observables) wanted_[static_cast<std::size_t>(o)] = true;
    if (wants(Observable::mean) || wants(Observable::covariance) || wants(Observable::autocovariance))
      sums_.assign(looks * d_, 0.0);
    if (wants(Observable::covariance)) products_.assign(looks * d_ * (d_ + 1) / 2, 0.0);
    if (wants(Observable::autocovariance)) lagged_.assign(looks, 0.0);
    if (wants(Observable::loss)) loss_.assign(records, 0.0);
    if (wants(Observable::density)) counts_.assign(records * plan.histogram.bins, 0);
    if (wants(Observable::density_2d))
      counts_2d_.assign(records * plan.histogram.bins_2d * plan.histogram.bins_2d, 0);
    if (wants(Observable::occupancy)) occupancy_.assign(records * plan.basins->count(), 0);
    if (problem.target) escaped_.assign(records, 0.0), survival_.assign(records, 0.0);
    finite_.assign(records, true);
    centred_.resize(d_ * kChunk);
    first_.resize(kChunk);
  }

  const std::vector<std::int64_t>& steps() const { return looks_.steps; }

  template <class L>
  void look(const L& landscape, const Sample& s) {
    const std::size_t record = looks_.record[s.index];
    const double* const centre = problem_.start.centre.data();
    double finite = 0;
    for (std::size_t k = 0; k < d_; ++k) {
      for (int i = 0; i < kChunk; ++i) {
        const double x = i < s.count ? s.w[k * kChunk + i] - centre[k] : 0.0;
        centred_[k * kChunk + i] = x;
        finite += 0 * x;
      }
    }
    if (finite != 0) {
      finite_[record] = false;
      return;
    }
    const bool last = s.index + 1 == looks_.steps.size() || looks_.record[s.index + 1] != record;
    if (!sums_.empty())
      for (std::size_t k = 0; k < d_; ++k) sums_[s.index * d_ + k] += sum_of(&centred_[k * kChunk]);
    if (!products_.empty()) {
      double* at = &products_[s.index * d_ * (d_ + 1) / 2];
      for (std::size_t k = 0; k < d_; ++k)
        for (std::size_t j = 0; j <= k; ++j)
          *at++ += sum_of_products(&centred_[k * kChunk], &centred_[j * kChunk]);
    }
    if (!lagged_.empty()) {
      if (s.index == 0) std::copy_n(centred_.data(), kChunk, first_.data());
      lagged_[s.index] += sum_of_products(first_.data(), centred_.data());
    }
    if (!loss_.empty()) loss_[record] += total_loss(landscape, s);
    if (!counts_.empty()) count_line(record, s);
    if (!counts_2d_.empty()) count_plane(record, s);
    if (!occupancy_.empty()) count_basins(record, s);
    if (!escaped_.empty() && last) count_escapes(record, s);
  }

  std::vector<double> values() const {
    std::vector<double> out;
    for (const Observable o : plan_.observables)
      for (std::size_t record = 0; record < plan_.records.size(); ++record) append(o, record, out);
    return out;
  }

 private:
  bool wants(Observable o) const { return wanted_[static_cast<std::size_t>(o)]; }

  std::size_t bin(int k, double x, std::size_t bins) const {
    const Box& box = plan_.histogram.box;
    const double place = (x - box.low[k]) / (box.high[k] - box.low[k]) * static_cast<double>(bins);
    return place >= 0 && place < static_cast<double>(bins) ? static_cast<std::size_t>(place) : bins;
  }

  template <class L>
  double total_loss(const L& landscape, const Sample& s) {
    std::vector<V> w(d_);
    std::array<double, kChunk> loss;
    for (int v = 0; v < kChunk; v += kDoubleLanes) {
      for (std::size_t k = 0; k < d_; ++k) w[k] = load(s.w + k * kChunk + v);
      store(&loss[v], landscape.value(w.data()));
    }
    std::fill(loss.begin() + s.count, loss.end(), 0.0);
    return sum_of(loss.data());
  }

  void count_line(std::size_t record, const Sample& s) {
    const std::size_t bins = plan_.histogram.bins;
    for (int i = 0; i < s.count; ++i) {
      const std::size_t b = bin(0, s.w[i], bins);
      if (b < bins) ++counts_[record * bins + b];
    }
  }

  void count_plane(std::size_t record, const Sample& s) {
    const std::size_t bins = plan_.histogram.bins_2d;
    for (int i = 0; i < s.count; ++i) {
      const std::size_t a = bin(0, s.w[i], bins);
      const std::size_t b = bin(1, s.w[kChunk + i], bins);
      if (a < bins && b < bins) ++counts_2d_[(record * bins + a) * bins + b];
    }
  }

  void count_basins(std::size_t record, const Sample& s) {
    for (int i = 0; i < s.count; ++i)
      ++occupancy_[record * plan_.basins->count() + plan_.basins->of(s.w[i], d_ > 1 ? s.w[kChunk + i] : 0.0)];
  }

  void count_escapes(std::size_t record, const Sample& s) {
    const double now = static_cast<double>(looks_.steps[s.index]) * problem_.substeps;
    for (int i = 0; i < s.count; ++i) {
      // A walker that escaped during the burn-in has a negative or zero time: it escaped at once.
      const double at = std::max(0.0, s.escaped_at[i]);
      if (at <= now) escaped_[record] += 1;
      survival_[record] += std::min(at, now);
    }
  }

  /// Looks that belong to a record: [first, last).
  std::pair<std::size_t, std::size_t> looks_of(std::size_t record) const {
    const auto range = std::ranges::equal_range(looks_.record, record);
    return {range.begin() - looks_.record.begin(), range.end() - looks_.record.begin()};
  }

  void append(Observable o, std::size_t record, std::vector<double>& out) const {
    const std::size_t size = plan_.cells(o, static_cast<int>(d_));
    const std::size_t begin = out.size();
    out.resize(begin + size, 0.0);
    double* const to = &out[begin];
    if (std::ranges::count(finite_.begin(), finite_.begin() + static_cast<std::ptrdiff_t>(record) + 1,
                           false) > 0) {
      std::fill_n(to, size, std::numeric_limits<double>::quiet_NaN());
      return;
    }
    const auto [first, last] = looks_of(record);
    const auto n = static_cast<double>(problem_.walkers);
    const double samples = n * static_cast<double>(last - first);
    const double h = problem_.learning_rate / problem_.substeps;
    const Histogram& hist = plan_.histogram;
    switch (o) {
      case Observable::mean:
        for (std::size_t k = 0; k < d_; ++k) {
          for (std::size_t i = first; i < last; ++i) to[k] += sums_[i * d_ + k] / samples;
          to[k] += problem_.start.centre[k];
        }
        break;
      case Observable::covariance:
        for (std::size_t i = first; i < last; ++i) {
          const double* product = &products_[i * d_ * (d_ + 1) / 2];
          for (std::size_t k = 0; k < d_; ++k)
            for (std::size_t j = 0; j <= k; ++j, ++product)
              to[k * d_ + j] += (*product - sums_[i * d_ + k] * sums_[i * d_ + j] / n) /
                                ((n - 1) * static_cast<double>(last - first));
        }
        for (std::size_t k = 0; k < d_; ++k)
          for (std::size_t j = 0; j < k; ++j) to[j * d_ + k] = to[k * d_ + j];
        break;
      case Observable::autocovariance: {
        const std::size_t i = last - 1;
        to[0] = (lagged_[i] - sums_[0] * sums_[i * d_] / n) / (n - 1);
        break;
      }
      case Observable::loss:
        to[0] = loss_[record] / samples;
        break;
      case Observable::density:
        for (std::size_t b = 0; b < size; ++b)
          to[b] = static_cast<double>(counts_[record * size + b]) * static_cast<double>(size) /
                  (samples * (hist.box.high[0] - hist.box.low[0]));
        break;
      case Observable::density_2d:
        for (std::size_t b = 0; b < size; ++b)
          to[b] = static_cast<double>(counts_2d_[record * size + b]) * static_cast<double>(size) /
                  (samples * (hist.box.high[0] - hist.box.low[0]) * (hist.box.high[1] - hist.box.low[1]));
        break;
      case Observable::occupancy:
        for (std::size_t b = 0; b < size; ++b)
          to[b] = static_cast<double>(occupancy_[record * size + b]) / samples;
        break;
      case Observable::escaped:
        to[0] = escaped_[record] / n;
        break;
      case Observable::survival_time:
        to[0] = survival_[record] * h / n;
        break;
    }
  }

  const Problem& problem_;
  const Plan& plan_;
  Plan::Looks looks_;
  std::size_t d_;
  std::array<bool, kObservables> wanted_{};
  std::vector<double> sums_;                                   ///< [look][coordinate], of w - centre
  std::vector<double> products_;                               ///< [look][lower triangle]
  std::vector<double> lagged_;                                 ///< [look], of w_0 now times at the first look
  std::vector<double> loss_;                                   ///< [record]
  std::vector<std::uint64_t> counts_, counts_2d_, occupancy_;  ///< [record][cell]
  std::vector<double> escaped_, survival_;                     ///< [record]; survival in substeps
  std::vector<bool> finite_;                                   ///< [record]
  std::vector<double> centred_;                                ///< [coordinate][kChunk]
  std::vector<double> first_;                                  ///< [kChunk], w_0 at the first look
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

std::vector<double> observe_group(const Problem& problem, const Plan& plan, std::uint32_t group,
                                  const std::atomic<bool>* stop) {
  Recorder recorder(problem, plan);
  visit(problem.landscape, [&](const auto& landscape) {
    run_group(
        problem, group, recorder.steps(), [&](const Sample& s) { recorder.look(landscape, s); }, stop);
  });
  return recorder.values();
}

}  // namespace soret::langevin
