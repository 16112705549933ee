#include "soret/ensemble/deep_team.hpp"

#include <algorithm>

namespace soret::deep {

DeepTeamShape deep_team_shape(const Problem& p) {
  DeepTeamShape s;
  s.inputs = p.inputs();
  s.hidden = p.width;
  s.layers = p.layers;
  s.outputs = p.outputs;
  s.momentum = p.momentum > 0;
  s.accumulate = p.batch_size > 1 || s.momentum;
  s.kept = s.accumulate ? p.batch_size : 1;
  // Enough warps to hide each other's latency, none without rows.
  const int rows = std::max(s.inputs, s.hidden);
  s.width = 32 * std::clamp((rows + kDeepRows - 1) / kDeepRows, 1, kDeepGroups);
  return s;
}

namespace {

/// Calls f(parameter, place in the state) for every parameter in the order of make_network().
template <class F>
void for_parameters(const DeepTeamShape& s, F f) {
  std::size_t at = 0;
  for (int l = 0; l < s.layers; ++l) {
    const int in = s.layer_inputs(l);
    const int out = s.layer_outputs(l);
    const auto first = static_cast<std::size_t>(4) * s.weights(l);
    const auto row = static_cast<std::size_t>(4) * DeepTeamShape::quads(out);
    for (int i = 0; i < out; ++i)
      for (int j = 0; j < in; ++j) f(at++, first + j * row + i);
    for (int i = 0; i < out; ++i) f(at++, first + in * row + i);
  }
}

}  // namespace

void put_parameters(const DeepTeamShape& s, std::span<const float> parameters, float* state) {
  std::fill_n(state, s.parameters(), 0.0F);
  for_parameters(s, [&](std::size_t k, std::size_t place) { state[place] = parameters[k]; });
}

void get_parameters(const DeepTeamShape& s, const float* state, std::vector<float>& parameters) {
  parameters.clear();
  for_parameters(s, [&](std::size_t, std::size_t place) { parameters.push_back(state[place]); });
}

}  // namespace soret::deep
