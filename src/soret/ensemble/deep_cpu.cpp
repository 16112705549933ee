#include "soret/ensemble/deep_cpu.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "soret/network/models.hpp"
#include "soret/random/fill.hpp"

namespace soret::deep {
namespace {

network::ActivationKind network_activation(Activation activation) {
  switch (activation) {
    case Activation::tanh:
      return network::ActivationKind::tanh;
    case Activation::gelu:
      return network::ActivationKind::gelu;
    default:
      return network::ActivationKind::relu;
  }
}

void run(const Problem& problem, const Trajectory& trajectory, const OnRecord& on_record) {
  if (problem.architecture == Architecture::convolutional)
    return run_convolutional(problem, trajectory, on_record);
  if (problem.batch_size == 1 && problem.momentum == 0) return run_streamed(problem, trajectory, on_record);
  run_batched(problem, trajectory, on_record);
}

}  // namespace

network::Network<float> make_network(const Problem& p) {
  const auto activation = network_activation(p.activation);
  if (p.architecture == Architecture::convolutional)
    return network::convolutional<float>(p.input, p.layers, p.width, p.pad, p.outputs, activation);
  std::vector<int> widths;
  for (int l = 0; l < p.layers; ++l) widths.push_back(p.layer_outputs(l));
  return network::multilayer_perceptron<float>(p.input, widths, activation);
}

two_layer::Problem sample_problem(const Problem& p) {
  two_layer::Problem s;
  s.inputs = p.inputs();
  s.outputs = p.outputs;
  s.activation = p.activation;
  s.leak = p.leak;
  s.loss = p.loss;
  s.input_kind = p.input_kind;
  s.radius = p.radius;
  s.label_kind = p.label_kind;
  s.teacher_hidden = p.teacher_hidden;
  s.sampling = p.sampling;
  s.batch_size = p.batch_size;
  s.seed = p.seed;
  s.training = p.training;
  s.probe = p.probe;
  return s;
}

std::vector<float> initial_parameters(const Problem& p, std::uint32_t trajectory) {
  const auto network = make_network(p);
  const Stream stream{p.seed, Purpose::initial_parameters, trajectory};
  std::vector<float> parameters(network.parameter_count(), 0.0F);
  std::uint64_t block = 0;
  for (const network::View& view : network.parameters()) {
    const std::span<float> to(parameters.data() + view.offset, view.what.size());
    const auto fan_in = static_cast<float>(view.what.fan_in);
    if (p.initialisation == Initialisation::framework_uniform) {
      const float bound = 1.0F / std::sqrt(fan_in);
      fill_uniform(stream, block, to);
      for (float& x : to) x = bound * (2.0F * x - 1.0F);
    } else if (view.what.kind == network::Parameter::Kind::weight) {
      const float scale = p.initialisation == Initialisation::he      ? std::sqrt(2.0F / fan_in)
                          : p.initialisation == Initialisation::lecun ? std::sqrt(1.0F / fan_in)
                                                                      : p.initial_scale;
      fill_normal(stream, block, to);
      for (float& x : to) x *= scale;
    }
    block += (to.size() + 3) / 4;
  }
  return parameters;
}

bool finite(std::span<const float> parameters) {
  // Counts, to vectorise; the comparison is false for NaN.
  int out_of_range = 0;
  for (const float x : parameters) out_of_range += std::abs(x) <= two_layer::kDivergenceLimit ? 0 : 1;
  return out_of_range == 0;
}

Records empty_records(const Problem& problem, const Request& request) {
  std::size_t rows = 0;
  for (const Observable o : request.observables) rows += cells(problem, o) * request.record_steps.size();
  Records records;
  records.values.assign(rows * request.trajectories, std::numeric_limits<double>::quiet_NaN());
  records.diverged_at.assign(request.trajectories, -1);
  return records;
}

void put_record(const Problem& problem, const Request& request, std::size_t record, int trajectory,
                std::span<const double> row, Records& records) {
  std::size_t offset = 0;
  const double* from = row.data();
  for (const Observable o : request.observables) {
    const auto count = static_cast<std::size_t>(cells(problem, o));
    for (std::size_t cell = 0; cell < count; ++cell)
      records.values[(offset + record * count + cell) * request.trajectories + trajectory] = *from++;
    offset += request.record_steps.size() * count;
  }
}

Records run_cpu(const Problem& problem, const Request& request) {
  Records records = empty_records(problem, request);
  Observer observer(problem, request.observables);
  std::size_t row_size = 0;
  for (const Observable o : request.observables) row_size += cells(problem, o);
  std::vector<double> row(row_size);
  for (int t = 0; t < request.trajectories; ++t) {
    run(problem,
        {request.first_trajectory + static_cast<std::uint32_t>(t), request.record_steps, request.stop},
        [&](std::size_t record, std::span<const float> parameters) {
          if (!finite(parameters)) {
            records.diverged_at[t] = request.record_steps[record];
            return false;
          }
          observer.measure(parameters, row);
          put_record(problem, request, record, t, row, records);
          return true;
        });
  }
  return records;
}

std::vector<float> train_cpu(const Problem& problem, std::uint32_t trajectory, std::int64_t steps) {
  std::vector<float> result;
  const std::array<std::int64_t, 1> record_steps = {steps};
  run(problem, {trajectory, record_steps}, [&](std::size_t, std::span<const float> parameters) {
    result.assign(parameters.begin(), parameters.end());
    return true;
  });
  return result;
}

}  // namespace soret::deep
