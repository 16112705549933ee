#include "soret/ensemble/two_layer_samples.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "soret/ensemble/two_layer_step.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/fill.hpp"

namespace soret::two_layer {
namespace {

int round_up(int n, int multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

void synthetic_inputs(const Problem& problem, const Stream& stream, std::uint64_t first, int count,
                      float* out) {
  const auto per_sample = static_cast<std::uint64_t>(blocks_per_sample(problem));
  const int m = problem.inputs;
  const auto draw = [&](std::uint64_t block, std::span<float> to) {
    if (problem.input_kind == Inputs::uniform) {
      fill_uniform(stream, block, to);
    } else {
      fill_normal(stream, block, to);
    }
  };
  if (per_sample * 4 == static_cast<std::uint64_t>(m)) {  // rows without gaps: one long fill
    draw(first * per_sample, {out, static_cast<std::size_t>(count) * m});
    return;
  }
  for (int r = 0; r < count; ++r) {
    float* row = out + static_cast<std::size_t>(r) * m;
    const std::uint64_t block = (first + r) * per_sample;
    draw(block, {row, static_cast<std::size_t>(m)});
    if (problem.input_kind == Inputs::ball) {
      put_in_ball(m, problem.radius, uniform<float>(stream.block(block + per_sample - 1).x), row);
    }
  }
}

/// Labels of the teacher, 16 rows at a time: lane = row.
void teacher_targets(const Problem& problem, const Parameters& teacher, int count, const float* inputs,
                     float* out) {
  std::vector<Lanes> x(problem.inputs);
  std::vector<Lanes> f(problem.outputs);
  for (int r0 = 0; r0 < count; r0 += kLanes) {
    const int rows = std::min(kLanes, count - r0);
    for (int j = 0; j < problem.inputs; ++j) {
      for (int l = 0; l < rows; ++l) x[j][l] = inputs[static_cast<std::size_t>(r0 + l) * problem.inputs + j];
    }
    teacher_outputs(problem, teacher, x.data(), f.data());
    outputs_to_targets(problem, f.data());
    for (int l = 0; l < rows; ++l) {
      for (int c = 0; c < problem.outputs; ++c)
        out[static_cast<std::size_t>(r0 + l) * problem.outputs + c] = f[c][l];
    }
  }
}

void random_targets(const Problem& problem, const Stream& stream, std::uint64_t first, int count,
                    float* out) {
  const int classes = problem.outputs;
  switch (problem.loss) {
    case Loss::logistic:
      for (int r = 0; r < count;) {  // one block gives 128 labels
        const std::uint64_t n = first + r;
        const RandomBits bits(stream, n / 128);
        for (auto k = static_cast<unsigned>(n % 128); k < 128 && r < count; ++k, ++r)
          out[r] = static_cast<float>(bits[k]);
      }
      break;
    case Loss::softmax:
      std::fill_n(out, static_cast<std::size_t>(count) * classes, 0.0F);
      for (int r = 0; r < count; ++r) {
        const std::uint64_t n = first + r;
        const auto b = stream.block(n / 4);
        const std::uint32_t words[4] = {b.x, b.y, b.z, b.w};
        out[static_cast<std::size_t>(r) * classes +
            below(words[n % 4], static_cast<std::uint32_t>(classes))] = 1.0F;
      }
      break;
    case Loss::squared: {
      const std::uint64_t begin = first * classes;
      const std::size_t lead = begin % 4;
      std::vector<float> numbers(lead + static_cast<std::size_t>(count) * classes);
      fill_normal(stream, begin / 4, numbers);
      std::copy(numbers.begin() + static_cast<std::ptrdiff_t>(lead), numbers.end(), out);
      break;
    }
  }
}

void targets(const Problem& problem, const Parameters& teacher, const Stream& stream, std::uint64_t first,
             int count, const float* inputs, float* out) {
  if (problem.label_kind == Labels::teacher) {
    teacher_targets(problem, teacher, count, inputs, out);
  } else {
    random_targets(problem, stream, first, count, out);
  }
}

}  // namespace

int blocks_per_sample(const Problem& problem) {
  return (problem.inputs + 3) / 4 + (problem.input_kind == Inputs::ball ? 1 : 0);
}

void fresh_inputs(const Problem& problem, std::uint32_t trajectory, std::uint64_t first, int count,
                  float* out) {
  synthetic_inputs(problem, {problem.seed, Purpose::inputs, trajectory}, first, count, out);
}

void fresh_targets(const Problem& problem, const Parameters& teacher, std::uint32_t trajectory,
                   std::uint64_t first, int count, const float* inputs, float* out) {
  targets(problem, teacher, {problem.seed, Purpose::labels, trajectory}, first, count, inputs, out);
}

SampleSet synthetic_set(const Problem& problem, int size, bool probe) {
  SampleSet set;
  set.size = size;
  set.inputs.resize(static_cast<std::size_t>(size) * problem.inputs);
  set.targets.resize(static_cast<std::size_t>(size) * problem.outputs);
  const Stream inputs{problem.seed, probe ? Purpose::probe_inputs : Purpose::dataset_inputs, 0};
  const Stream labels{problem.seed, probe ? Purpose::probe_labels : Purpose::dataset_labels, 0};
  synthetic_inputs(problem, inputs, 0, size, set.inputs.data());
  targets(problem, teacher_parameters(problem), labels, 0, size, set.inputs.data(), set.targets.data());
  return set;
}

void label_set(const Problem& problem, SampleSet& set, bool probe) {
  set.targets.resize(static_cast<std::size_t>(set.size) * problem.outputs);
  const Stream labels{problem.seed, probe ? Purpose::probe_labels : Purpose::dataset_labels, 0};
  targets(problem, teacher_parameters(problem), labels, 0, set.size, set.inputs.data(), set.targets.data());
}

SampleStream::SampleStream(const Problem& problem, const Parameters& teacher, std::uint32_t trajectory)
    : problem_(&problem), teacher_(&teacher), trajectory_(trajectory) {}

int SampleStream::pick(std::uint64_t n) {
  const Stream stream{problem_->seed, Purpose::sampling, trajectory_};
  const auto size = static_cast<std::uint32_t>(problem_->training->size);
  if (problem_->sampling == Sampling::with_replacement) {
    const auto b = stream.block(n / 4);
    const std::uint32_t words[4] = {b.x, b.y, b.z, b.w};
    return static_cast<int>(below(words[n % 4], size));
  }
  const auto epoch = static_cast<std::int64_t>(n / size);
  if (epoch != epoch_) {  // Fisher and Yates, with the epoch's own blocks
    std::vector<std::uint32_t> words(size);
    fill_words(stream, static_cast<std::uint64_t>(epoch) * ((size + 3) / 4), words);
    order_.resize(size);
    std::iota(order_.begin(), order_.end(), 0);
    for (std::uint32_t i = size - 1; i > 0; --i) std::swap(order_[i], order_[below(words[i], i + 1)]);
    epoch_ = epoch;
  }
  return order_[n % size];
}

void SampleStream::rows(std::uint64_t first, int count, float* inputs, int stride, float* targets_out) {
  located_.resize(static_cast<std::size_t>(count));
  locate(first, count, located_.data(), targets_out);
  for (int r = 0; r < count; ++r)
    std::copy_n(located_[r], problem_->inputs, inputs + static_cast<std::size_t>(r) * stride);
}

void SampleStream::locate(std::uint64_t first, int count, const float** inputs, float* targets_out) {
  const auto m = static_cast<std::size_t>(problem_->inputs);
  if (problem_->sampling == Sampling::fresh) {
    fresh_.resize(static_cast<std::size_t>(round_up(count, kLanes)) * m);
    fresh_inputs(*problem_, trajectory_, first, count, fresh_.data());
    fresh_targets(*problem_, *teacher_, trajectory_, first, count, fresh_.data(), targets_out);
    for (int r = 0; r < count; ++r) inputs[r] = fresh_.data() + r * m;
    return;
  }
  const SampleSet& set = *problem_->training;
  const int classes = problem_->outputs;
  for (int r = 0; r < count; ++r) {
    const auto s = static_cast<std::size_t>(pick(first + r));
    inputs[r] = set.inputs.data() + s * m;
    std::copy_n(set.targets.data() + s * classes, classes,
                targets_out + static_cast<std::size_t>(r) * classes);
  }
}

Parameters initial_parameters(const Problem& problem, std::uint32_t trajectory) {
  const Stream stream{problem.seed, Purpose::initial_parameters, trajectory};
  Parameters p;
  p.w.resize(static_cast<std::size_t>(problem.hidden) * problem.inputs);
  p.b.assign(problem.hidden, 0.0F);
  p.v.resize(static_cast<std::size_t>(problem.outputs) * problem.hidden);
  const std::uint64_t b_block = (p.w.size() + 3) / 4;
  const std::uint64_t v_block = b_block + (p.b.size() + 3) / 4;
  if (problem.initialisation == Initialisation::framework_uniform) {
    const auto draw = [&](std::uint64_t block, std::vector<float>& to, int fan_in) {
      const float bound = 1.0F / std::sqrt(static_cast<float>(fan_in));
      fill_uniform(stream, block, to);
      for (float& x : to) x = bound * (2.0F * x - 1.0F);
    };
    draw(0, p.w, problem.inputs);
    if (problem.bias) draw(b_block, p.b, problem.inputs);
    draw(v_block, p.v, problem.hidden);
    return p;
  }
  const auto scale = [&](int fan_in) {
    switch (problem.initialisation) {
      case Initialisation::he:
        return std::sqrt(2.0F / static_cast<float>(fan_in));
      case Initialisation::lecun:
        return std::sqrt(1.0F / static_cast<float>(fan_in));
      default:
        return problem.initial_scale;
    }
  };
  const auto draw = [&](std::uint64_t block, std::vector<float>& to, int fan_in) {
    fill_normal(stream, block, to);
    for (float& x : to) x *= scale(fan_in);
  };
  draw(0, p.w, problem.inputs);
  draw(v_block, p.v, problem.hidden);
  return p;
}

Parameters teacher_parameters(const Problem& problem) {
  const Stream stream{problem.seed, Purpose::teacher, 0};
  Parameters p;
  p.w.resize(static_cast<std::size_t>(problem.teacher_hidden) * problem.inputs);
  p.b.assign(problem.teacher_hidden, 0.0F);
  p.v.resize(static_cast<std::size_t>(problem.outputs) * problem.teacher_hidden);
  const auto draw = [&](std::uint64_t block, std::vector<float>& to, int fan_in) {
    fill_normal(stream, block, to);
    for (float& x : to) x /= std::sqrt(static_cast<float>(fan_in));
  };
  const std::uint64_t b_block = (p.w.size() + 3) / 4;
  draw(0, p.w, problem.inputs);
  if (problem.bias) draw(b_block, p.b, problem.inputs);
  draw(b_block + (p.b.size() + 3) / 4, p.v, problem.teacher_hidden);
  return p;
}

}  // namespace soret::two_layer
