#include "soret/walk/random_walk_sums.hpp"

#include <array>

namespace soret::walk {

GroupSums::GroupSums(const Problem& p, const Request& r)
    : records(r.record_steps.size()),
      bins(static_cast<std::size_t>(r.bins)),
      axes(static_cast<std::size_t>(p.dimensions)),
      sum(records * axes),
      square(records * axes),
      amplitude(records),
      samples(records),
      histogram(records * bins),
      occupied(records * (bins + 2)),
      turns(records),
      absorbed(records),
      absorbed_upper(records),
      time(records),
      time_square(records) {
  for (const Observable o : r.observables) {
    if (o == Observable::amplitude_mean) amplitudes = true;
    if (o == Observable::density_2d) histogram_2d.resize(records * bins * bins);
    if (o == Observable::drift_density || o == Observable::diffusion_density) steps = true;
  }
  if (steps) drift.resize(records * bins), diffusion.resize(records * bins);
}

double origin(const Problem& p) {
  const bool around_position = p.start == Start::point || p.start == Start::gaussian;
  return around_position ? p.start_position : 0.5 * (p.lower + p.upper);
}

double value(Observable o, const Problem& p, const Request& r, const GroupSums& s, std::size_t record,
             std::size_t cell) {
  const auto walkers = static_cast<double>(r.walkers);
  const double bin_width = p.width() / r.bins;
  const auto share = [&](auto count) { return static_cast<double>(count) / walkers; };
  const double samples = walkers * static_cast<double>(s.samples[record]);
  switch (o) {
    case Observable::position_mean:
      return origin(p) + s.sum[record * s.axes + cell] / walkers;
    case Observable::position_variance: {
      const double mean = s.sum[record * s.axes + cell] / walkers;
      return (s.square[record * s.axes + cell] - walkers * mean * mean) / (walkers - 1);
    }
    case Observable::amplitude_mean:
      return s.amplitude[record] / walkers;
    case Observable::density:
      return static_cast<double>(s.histogram[record * s.bins + cell]) / (samples * bin_width);
    case Observable::density_2d:
      return static_cast<double>(s.histogram_2d[record * s.bins * s.bins + cell]) /
             (samples * bin_width * bin_width);
    case Observable::flux: {
      if (record == 0) return 0;
      const std::int64_t* now = &s.occupied[record * (s.bins + 2)];
      const std::int64_t* before = now - (s.bins + 2);
      std::int64_t net = s.turns[record] - s.turns[record - 1];
      for (std::size_t b = cell + 1; b < s.bins + 2; ++b) net += now[b] - before[b];
      return share(net) / static_cast<double>(r.record_steps[record] - r.record_steps[record - 1]);
    }
    case Observable::drift_density:
      return s.drift[record * s.bins + cell] / (samples * bin_width);
    case Observable::diffusion_density:
      return s.diffusion[record * s.bins + cell] / (samples * bin_width);
    case Observable::survival:
      return 1 - share(s.absorbed[record]);
    case Observable::absorbed_at_upper:
      return share(s.absorbed_upper[record]);
    case Observable::passage_time:
      return s.time[record] / walkers;
    case Observable::passage_time_square:
      return s.time_square[record] / walkers;
  }
  return 0;
}

std::string_view name(Observable o) {
  constexpr std::array<std::string_view, kObservables> kNames = {
      "position_mean", "position_variance",  "amplitude_mean",    "density",  "density_2d",
      "flux",          "drift_density",      "diffusion_density", "survival", "absorbed_at_upper",
      "passage_time",  "passage_time_square"};
  return kNames[static_cast<std::size_t>(o)];
}

std::size_t cells(Observable o, const Problem& p, int bins) {
  const auto n = static_cast<std::size_t>(bins);
  switch (o) {
    case Observable::position_mean:
    case Observable::position_variance:
      return static_cast<std::size_t>(p.dimensions);
    case Observable::density:
    case Observable::drift_density:
    case Observable::diffusion_density:
      return n;
    case Observable::density_2d:
      return n * n;
    case Observable::flux:
      return n + 1;
    default:
      return 1;
  }
}

}  // namespace soret::walk
