#include "soret/ensemble/two_layer_team.hpp"

#include <algorithm>
#include <bit>

namespace soret::two_layer {
namespace {

int ceil_div(int a, int b) {
  return (a + b - 1) / b;
}

/// A width that a team can have: a power of two within a warp, whole warps beyond.
int team_width(int threads) {
  return threads <= kTeamGroup ? static_cast<int>(std::bit_ceil(static_cast<unsigned>(threads)))
                               : ceil_div(threads, kTeamGroup) * kTeamGroup;
}

/// The fewest lanes whose tile fits registers: fewer lanes repeat less of what all threads of a row do.
bool fits_registers(const Problem& p, TeamShape& s) {
  for (s.lanes = 1; s.lanes <= kTeamGroup; s.lanes *= 2) {
    const int needed = ceil_div(p.inputs, 4 * s.lanes);
    const auto* tile = std::ranges::find_if(kRegisterTiles, [&](const auto& t) { return t.quads >= needed; });
    if (tile == std::end(kRegisterTiles) || p.hidden > kMaxTeam / s.lanes) continue;
    s.quads = tile->quads;
    s.width = team_width(p.hidden * s.lanes);
    if (s.width <= max_width(s.accumulate ? tile->registers_accumulate : tile->registers)) return true;
  }
  return false;
}

}  // namespace

TeamShape team_shape(const Problem& p) {
  TeamShape s;
  s.outputs = p.outputs;
  s.accumulate = p.batch_size > 1 || p.momentum > 0;
  s.pass = s.accumulate ? kPassSamples : 1;
  s.registers = fits_registers(p, s);
  if (!s.registers) {
    s.lanes = 1;
    while (s.lanes < kTeamGroup && 2 * s.lanes * p.hidden <= kMaxTeam && 8 * s.lanes <= p.inputs)
      s.lanes *= 2;
    s.width = team_width(std::min(p.hidden, kMaxTeam / s.lanes) * s.lanes);
    s.rows = ceil_div(p.hidden * s.lanes, s.width);
    s.quads = ceil_div(p.inputs, 4 * s.lanes);
  }
  // Enough samples to give every thread a block of random numbers to make, but no more than the teacher's
  // hidden units leave room for.
  int chunk = std::min(s.width / ceil_div(p.inputs, 4), 32);
  if (p.label_kind == Labels::teacher) chunk = std::min(chunk, 8192 / p.teacher_hidden);
  s.chunk = ceil_div(std::max(chunk, 1), s.pass) * s.pass;
  return s;
}

std::size_t state_floats(const TeamShape& s) {
  const auto width = static_cast<std::size_t>(s.width);
  const std::size_t tiles = width * 4 * tile_quads(s) * (s.accumulate ? 2 : 1);
  return (tiles + width * state_slots(s) + 3) / 4 * 4;
}

Parameters state_parameters(const Problem& p, const TeamShape& s, const float* state) {
  Parameters out;
  out.w.resize(static_cast<std::size_t>(p.hidden) * p.inputs);
  out.b.resize(p.hidden);
  out.v.resize(static_cast<std::size_t>(p.outputs) * p.hidden);
  const float* rows = state + static_cast<std::size_t>(s.width) * 4 * tile_quads(s) * (s.accumulate ? 2 : 1);
  for (int i = 0; i < p.hidden; ++i) {
    const int per_round = s.width / s.lanes;
    const int r = i / per_round;
    const int first = i % per_round * s.lanes;  // lane 0 of the row
    for (int j = 0; j < p.inputs; ++j) {
      const int quad = j / 4;
      const std::size_t k = static_cast<std::size_t>(r) * s.quads + quad % s.quads;
      const int rank = first + quad / s.quads;
      out.w[static_cast<std::size_t>(i) * p.inputs + j] = state[(k * s.width + rank) * 4 + j % 4];
    }
    out.b[i] = rows[static_cast<std::size_t>(r) * s.width + first];
    for (int c = 0; c < p.outputs; ++c)
      out.v[static_cast<std::size_t>(c) * p.hidden + i] =
          rows[(static_cast<std::size_t>(1 + c) * s.rows + r) * s.width + first];
  }
  return out;
}

}  // namespace soret::two_layer
