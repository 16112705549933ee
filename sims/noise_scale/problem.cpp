#include "sims/noise_scale/problem.hpp"

#include <fmt/format.h>

#include <cmath>

#include "soret/base/error.hpp"
#include "soret/data/dataset.hpp"
#include "soret/data/load.hpp"
#include "soret/random/fill.hpp"

namespace soret::sims {
namespace {

using Eigen::Index;
using measure::FloatMatrix;
using measure::Loss;
using measure::Matrix;
using measure::Regression;
using Inputs = NoiseScaleOptions::Inputs;
using Targets = NoiseScaleOptions::Targets;
using Start = NoiseScaleOptions::Start;

/// Standard normals, one after the other.
std::vector<float> normals(const NoiseScaleOptions& o, Purpose purpose, std::size_t count) {
  std::vector<float> out(count);
  fill_normal({o.seed, purpose, 0}, 0, out);
  return out;
}

/// Each number is N(0, 1) / sqrt(chi^2 / nu), the chi^2 from nu normals behind it.
void draw_student_t(const NoiseScaleOptions& o, std::span<float> out) {
  const auto nu = static_cast<std::size_t>(o.degrees_of_freedom);
  const auto draws = normals(o, Purpose::dataset_inputs, out.size() * (nu + 1));
  for (std::size_t i = 0; i < out.size(); ++i) {
    double chi_square = 0;
    for (std::size_t k = 1; k <= nu; ++k) {
      const double z = draws[i * (nu + 1) + k];
      chi_square += z * z;
    }
    out[i] = static_cast<float>(draws[i * (nu + 1)] / std::sqrt(chi_square / static_cast<double>(nu)));
  }
}

/// [sample][input] without the bias.
FloatMatrix draw_inputs(const NoiseScaleOptions& o) {
  FloatMatrix x(o.training_samples, o.inputs);
  const std::span<float> out(x.data(), static_cast<std::size_t>(x.size()));
  if (o.input_kind == Inputs::gaussian) fill_normal({o.seed, Purpose::dataset_inputs, 0}, 0, out);
  if (o.input_kind == Inputs::uniform) fill_uniform({o.seed, Purpose::dataset_inputs, 0}, 0, out);
  if (o.input_kind == Inputs::student_t) draw_student_t(o, out);
  return x;
}

data::Dataset read_set(const NoiseScaleOptions& o) {
  data::SampleLimit limit;
  if (o.training_samples > 0) limit.train = static_cast<std::size_t>(o.training_samples);
  limit.test = 1;
  data::TrainTest sets = data::load(o.data_kind, o.data_path, limit);
  if (sets.train.size() < static_cast<std::size_t>(o.training_samples)) {
    throw ConfigError(fmt::format("data.training_samples = {}, but {} holds {} training samples",
                                  o.training_samples, o.data_kind, sets.train.size()));
  }
  if (sets.train.features() != static_cast<std::size_t>(o.inputs)) {
    throw ConfigError(fmt::format("problem.inputs = {}, but {} has {} features: set problem.inputs = {}",
                                  o.inputs, o.data_kind, sets.train.features(), sets.train.features()));
  }
  if (o.targets == Targets::dataset && o.outputs != 1 && o.outputs != sets.train.classes) {
    throw ConfigError(fmt::format("problem.outputs = {}, but {} has {} classes: set problem.outputs = {}",
                                  o.outputs, o.data_kind, sets.train.classes, sets.train.classes));
  }
  data::rescale(data::parse_scaling(o.scaling), sets.train, sets.test);
  return std::move(sets.train);
}

FloatMatrix with_bias(const FloatMatrix& x, bool bias) {
  FloatMatrix all(x.rows(), x.cols() + (bias ? 1 : 0));
  all.leftCols(x.cols()) = x;
  if (bias) all.rightCols(1).setOnes();
  return all;
}

/// The class that a uniform number on (0, 1] chooses among outputs f with softmax probabilities.
std::int32_t drawn_class(Eigen::RowVectorXd f, double u) {
  f = (f.array() - f.maxCoeff()).exp();
  u *= f.sum();
  std::int32_t c = 0;
  for (; c + 1 < f.size() && u > f[c]; ++c) u -= f[c];
  return c;
}

/// Targets or classes drawn at the outputs f (all zero where the labels are random: then classes are equally
/// likely and a linear target is N(0, 1)).
void draw_targets(const NoiseScaleOptions& o, const Matrix& f, double noise, Regression& problem) {
  const auto n = static_cast<std::size_t>(f.rows());
  const Stream stream{o.seed, Purpose::dataset_labels, 0};
  std::vector<float> draws(n);
  if (o.loss == Loss::linear) {
    fill_normal(stream, 0, draws);
  } else {
    fill_uniform(stream, 0, draws);
  }
  if (o.loss == Loss::softmax) {
    for (std::size_t i = 0; i < n; ++i)
      problem.classes.push_back(drawn_class(f.row(static_cast<Index>(i)), draws[i]));
    return;
  }
  problem.targets.resize(f.rows());
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = static_cast<Index>(i);
    problem.targets[row] = o.loss == Loss::linear ? f(row, 0) + noise * draws[i]
                                                  : (draws[i] <= 1 / (1 + std::exp(-f(row, 0))) ? 1 : 0);
  }
}

void take_labels(const NoiseScaleOptions& o, const data::Dataset& set, Regression& problem) {
  if (o.loss == Loss::softmax) {
    problem.classes = set.labels;
    return;
  }
  problem.targets.resize(static_cast<Index>(set.size()));
  for (std::size_t i = 0; i < set.size(); ++i)
    problem.targets[static_cast<Index>(i)] = 2 * set.labels[i] >= set.classes ? 1 : 0;
}

Regression make_problem(const NoiseScaleOptions& o) {
  Regression problem;
  problem.loss = o.loss;
  problem.outputs = o.outputs;
  if (o.input_kind == Inputs::dataset) {
    const data::Dataset set = read_set(o);
    problem.inputs = with_bias(
        Eigen::Map<const FloatMatrix>(set.images.data(), static_cast<Index>(set.size()), o.inputs), o.bias);
    if (o.targets == Targets::dataset) {
      take_labels(o, set, problem);
      return problem;
    }
  } else {
    problem.inputs = with_bias(draw_inputs(o), o.bias);
  }
  const bool taught = o.targets == Targets::teacher;
  Matrix teacher = Matrix::Zero(o.outputs, problem.features());
  if (taught) {
    const auto draws = normals(o, Purpose::teacher, static_cast<std::size_t>(teacher.size()));
    teacher = Eigen::Map<const FloatMatrix>(draws.data(), teacher.rows(), teacher.cols()).cast<double>() *
              (o.teacher_scale / std::sqrt(o.inputs));
  }
  draw_targets(o, measure::product_over_inputs(problem.inputs, teacher), taught ? o.label_noise : 1, problem);
  return problem;
}

}  // namespace

std::shared_ptr<const Regression> NoisePopulations::problem(const NoiseScaleOptions& o,
                                                            const std::string& key) {
  auto& problem = problems_[key];
  if (!problem) problem = std::make_shared<const Regression>(make_problem(o));
  return problem;
}

Matrix NoisePopulations::weights(const NoiseScaleOptions& o, const Regression& problem,
                                 const std::string& key) {
  const auto found = descents_.find(key);
  OnTheWay at;
  if (found != descents_.end() && found->second.steps <= o.descent_steps) {
    at = found->second;
  } else if (o.start == Start::minimiser) {
    at.weights = measure::minimiser(problem);
  } else {
    at.weights = Matrix::Zero(problem.outputs, problem.features());
    if (o.start == Start::random) {
      const auto draws = normals(o, Purpose::initial_parameters, static_cast<std::size_t>(at.weights.size()));
      at.weights =
          Eigen::Map<const FloatMatrix>(draws.data(), at.weights.rows(), at.weights.cols()).cast<double>() *
          o.scale;
    }
  }
  measure::descend(problem, o.descent_rate, o.descent_steps - at.steps, at.weights);
  at.steps = o.descent_steps;
  descents_[key] = at;
  return at.weights;
}

std::shared_ptr<const measure::Population> NoisePopulations::of(const NoiseScaleOptions& o) {
  const std::string data_key =
      fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", static_cast<int>(o.loss), o.inputs, o.outputs,
                  o.bias, o.data_kind, o.degrees_of_freedom, static_cast<int>(o.targets), o.teacher_scale,
                  o.label_noise, o.training_samples, o.scaling, o.data_path, o.seed);
  const std::string path_key =
      fmt::format("{}|{}|{}|{}", data_key, static_cast<int>(o.start), o.scale, o.descent_rate);
  auto& made = populations_[fmt::format("{}|{}|{}", path_key, o.descent_steps, o.directions)];
  if (!made) {
    const auto data = problem(o, data_key);
    made = std::make_shared<const measure::Population>(
        measure::population(data, weights(o, *data, path_key), o.directions, o.seed));
  }
  return made;
}

}  // namespace soret::sims
