#pragma once

#include "soret/ensemble/deep_team.hpp"
#include "tests/ensemble/team_run.hpp"

/// Runs the deep team body (the CUDA driver's) on CPU teams.
namespace soret::deep {

/// A network with all the memory that a team needs.
class DeepTeamRun {
 public:
  DeepTeamRun(const Problem& problem, std::uint32_t trajectory)
      : trajectory_(trajectory),
        shape_(deep_team_shape(problem)),
        view_(deep_team_problem(problem)),
        weights_(shape_.parameters() / 4),
        velocity_(shape_.momentum ? shape_.parameters() / 4 : 0) {
    if (problem.label_kind == Labels::teacher) {
      teacher_ = teacher_parameters(sample_problem(problem));
      view_.samples.teacher_w = teacher_.w.data();
      view_.samples.teacher_b = teacher_.b.data();
      view_.samples.teacher_v = teacher_.v.data();
    }
    if (const SampleSet* set = problem.training.get())
      view_.samples.training = {set->size, set->inputs.data(), set->targets.data(), nullptr};
    order_.resize(view_.samples.training.size);
    put_parameters(shape_, initial_parameters(problem, trajectory), floats(weights_));
  }

  /// Steps [from, to) as one launch. The scratch is poisoned: nothing may be read before it is written.
  template <class Run = two_layer::OnSerialTeam>
  void advance(std::int64_t from, std::int64_t to, Run run = {}) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<Quad> local(deep_team_layout(view_, shape_).size / 4 + 1, Quad{nan, nan, nan, nan});
    run(shape_.width, [&](const auto& team) {
      DeepTeamNetwork network(team, view_, shape_, trajectory_, floats(weights_), floats(velocity_),
                              {order_.data(), &epoch_}, floats(local));
      network.advance(from, to);
    });
  }

  std::vector<float> parameters() {
    std::vector<float> out;
    get_parameters(shape_, floats(weights_), out);
    return out;
  }

 private:
  static float* floats(std::vector<Quad>& x) { return reinterpret_cast<float*>(x.data()); }

  std::uint32_t trajectory_;
  DeepTeamShape shape_;
  DeepTeamProblem view_;
  two_layer::Parameters teacher_;
  std::vector<Quad> weights_, velocity_;  // 16-byte aligned
  std::vector<int> order_;
  std::int64_t epoch_ = -1;
};

/// Parameters after `steps` steps on the serial team.
inline std::vector<float> train_team(const Problem& problem, std::uint32_t trajectory, std::int64_t steps) {
  DeepTeamRun run(problem, trajectory);
  if (steps > 0) run.advance(0, steps);
  return run.parameters();
}

}  // namespace soret::deep
