#include "soret/ensemble/two_layer_cpu.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace soret::two_layer {
namespace {

/// Bytes that sixteen networks and their batch keep in use in the lanes driver.
std::size_t lanes_footprint(const Problem& p) {
  const std::size_t per_sample = p.inputs + 2 * static_cast<std::size_t>(p.hidden) + p.outputs;
  return sizeof(float) * 16 *
         (static_cast<std::size_t>(p.parameters()) * (p.momentum > 0 ? 2 : 1) + p.batch_size * per_sample);
}

}  // namespace

Driver choose_driver(const Problem& problem) {
  // Measured with `soret bench two_layer`: the lanes win up to about 50 x 50, where both take the same time.
  return lanes_footprint(problem) <= 160 * 1024 ? Driver::lanes : Driver::blocked;
}

int preferred_group(const Problem& problem) {
  return choose_driver(problem) == Driver::lanes ? 16 : kBlockedGroup;
}

bool finite(const Parameters& parameters) {
  // Counts, to vectorise; the comparison is false for NaN.
  const auto clean = [](const std::vector<float>& x) {
    int out_of_range = 0;
    for (const float value : x) out_of_range += std::abs(value) <= kDivergenceLimit ? 0 : 1;
    return out_of_range == 0;
  };
  return clean(parameters.w) && clean(parameters.b) && clean(parameters.v);
}

Records run_cpu(const Problem& problem, const Request& request, Driver driver) {
  if (driver == Driver::automatic) driver = choose_driver(problem);
  const std::size_t records = request.record_steps.size();
  const auto count = static_cast<std::size_t>(request.trajectories);
  Records out;
  out.values.assign(request.observables.size() * records * count, std::numeric_limits<double>::quiet_NaN());
  out.diverged_at.assign(count, -1);
  Observer observer(problem, request.observables);
  std::vector<double> row(request.observables.size());
  const OnRecord on_record = [&](int trajectory, std::size_t record, const Parameters& parameters) {
    if (!finite(parameters)) {
      out.diverged_at[trajectory] = request.record_steps[record];
      return false;
    }
    observer.measure(parameters, row);
    for (std::size_t o = 0; o < row.size(); ++o)
      out.values[(o * records + record) * count + trajectory] = row[o];
    return true;
  };
  const Parameters teacher =
      problem.label_kind == Labels::teacher ? teacher_parameters(problem) : Parameters{};
  const Span span{request.first_trajectory, request.trajectories};
  const auto run = driver == Driver::lanes ? run_lanes : run_blocked;
  run(problem, teacher, span, request.record_steps, request.stop, on_record);
  return out;
}

Parameters train_cpu(const Problem& problem, std::uint32_t trajectory, std::int64_t steps, Driver driver) {
  if (driver == Driver::automatic) driver = choose_driver(problem);
  Parameters result;
  const OnRecord on_record = [&](int, std::size_t, const Parameters& parameters) {
    result = parameters;
    return true;
  };
  const Parameters teacher =
      problem.label_kind == Labels::teacher ? teacher_parameters(problem) : Parameters{};
  const std::array<std::int64_t, 1> record_steps = {steps};
  const auto run = driver == Driver::lanes ? run_lanes : run_blocked;
  run(problem, teacher, {trajectory, 1}, record_steps, nullptr, on_record);
  return result;
}

}  // namespace soret::two_layer
