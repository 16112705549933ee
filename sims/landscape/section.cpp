#include "sims/landscape/section.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "soret/base/error.hpp"
#include "soret/measure/hessian.hpp"

namespace soret::sims {
namespace {

using Kind = LandscapeOptions::Kind;
using BatchNorm = LandscapeOptions::BatchNorm;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> in_double(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

std::vector<float> combined(std::span<const double> coefficients,
                            const std::vector<std::vector<double>>& of) {
  const std::vector<std::span<const double>> vectors(of.begin(), of.end());
  return measure::combination(coefficients, vectors);
}

/// An eigenvector has no sign of its own: its largest entry is made positive.
std::vector<double> with_sign(std::vector<double> vector) {
  const auto largest = std::ranges::max_element(vector, {}, [](double v) { return std::abs(v); });
  if (*largest < 0)
    for (double& v : vector) v = -v;
  return vector;
}

double norm(const std::vector<double>& v) {
  return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

}  // namespace

LandscapeData::LandscapeData(const data::Dataset& set, network::HeadKind head, int outputs) {
  std::vector<std::uint32_t> indices(set.size());
  std::iota(indices.begin(), indices.end(), 0U);
  data::assemble(set, indices, batch);
  targets = labels(head, outputs, batch.labels);
  targets.labels = batch.labels.data();
}

Section::Section(const LandscapeOptions& options, const std::vector<TrainedNetwork>& networks, Data data)
    : options_(options),
      network_(networks[0].network),
      head_(networks[0].head()),
      batch_norm_group_(networks[0].options.model.batch_norm_group),
      data_(std::move(data)),
      origin_(networks[0].weights.parameters) {
  for (const TrainedNetwork& one : networks) {
    require_same_architecture(networks[0], one);
    require_same_data(networks[0], one);
    parameters_.push_back(in_double(one.weights.parameters));
    states_.push_back(in_double(one.weights.state));
  }
  if (options.kind == Kind::checkpoints) {
    try {
      plane_ = measure::plane_through(networks[0].weights.parameters, networks[1].weights.parameters,
                                      networks[2].weights.parameters);
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("{}, {}, {}: {}", options.from, options.to, options.third, error.what()));
    }
  }
  if (options.kind == Kind::eigenvectors) {
    const int most = std::max(options.eigenvector, options.second_eigenvector);
    if (static_cast<std::size_t>(most) > network_->parameter_count())
      throw ConfigError(fmt::format("{} = {}, but the network of {} has {} parameters",
                                    options.eigenvector > options.second_eigenvector
                                        ? "landscape.eigenvector"
                                        : "landscape.second_eigenvector",
                                    most, options.from, network_->parameter_count()));
  }
  check_groups();
}

void Section::check_groups() const {
  if (network_->state_count() == 0 || options_.batch_norm == BatchNorm::interpolate) return;
  const int batch = options_.batch_size;
  const auto check = [&](const LandscapeData& data, const char* which) {
    for (const int size : {std::min(batch, data.samples()), data.samples() % batch}) {
      if (size == 0) continue;
      const int group = batch_norm_group_ == 0 ? size : batch_norm_group_;
      if (group != 1 && size % group != 1 && size != 1) continue;
      throw ConfigError(fmt::format(
          "landscape.batch_size = {} leaves a batch-normalisation group of one of the {} {} samples; take "
          "another",
          batch, data.samples(), which));
    }
  };
  check(*data_.train, "training");
  if (options_.batch_norm == BatchNorm::batch) check(*data_.test, "test");
}

measure::LossAt<float> Section::loss(const LandscapeData& data, const LandscapePoint& point) const {
  return {.network = *network_,
          .head = head_,
          .samples = data.samples(),
          .x = data.batch.x.data(),
          .targets = data.targets,
          .parameters = point.parameters,
          .state = point.state,
          .chunk = options_.batch_size,
          .batch_statistics = options_.batch_norm == BatchNorm::batch};
}

void Section::find_directions(const std::atomic<bool>& stop) {
  if (options_.kind != Kind::eigenvectors) return;
  const std::lock_guard lock(finding_);
  if (!eigenpairs_.values.empty()) return;
  const LandscapePoint origin{combined(std::vector{1.0}, {parameters_[0]}),
                              combined(std::vector{1.0}, {states_[0]})};
  measure::SymmetricOperator hessian = measure::hessian(loss(*data_.train, origin));
  const measure::SymmetricOperator stoppable{hessian.size, [&](auto v, auto product) {
                                               if (stop) throw Stopped{};
                                               hessian.apply(v, product);
                                             }};
  const int count = std::max(options_.eigenvector, options_.second_eigenvector);
  auto pairs = measure::largest_eigenpairs(stoppable, count, options_.eigenvalue_tolerance,
                                           options_.most_products, options_.seed);
  if (!pairs.converged)
    throw RunError(
        fmt::format("the {} leading eigenvectors of {} have not converged to {} in {} products; raise "
                    "landscape.most_products or landscape.eigenvalue_tolerance",
                    count, options_.from, options_.eigenvalue_tolerance, pairs.products));
  for (auto& vector : pairs.vectors) vector = with_sign(std::move(vector));
  eigenpairs_ = std::move(pairs);
}

std::vector<std::vector<double>> Section::directions(std::uint32_t trajectory, bool second) const {
  std::vector<Doubles> both;
  for (int k = 0; k < (second ? 2 : 1); ++k) {
    if (options_.kind == Kind::eigenvectors) {
      const int rank = k == 0 ? options_.eigenvector : options_.second_eigenvector;
      both.push_back(eigenpairs_.vectors[static_cast<std::size_t>(rank - 1)]);
      continue;
    }
    Doubles direction = measure::random_vector(origin_.size(), options_.seed, trajectory, k);
    if (options_.kind == Kind::random)
      measure::normalise(direction);
    else
      measure::filter_normalise(*network_, origin_, direction);
    both.push_back(std::move(direction));
  }
  return both;
}

LandscapePoint Section::at(double alpha, double beta, std::uint32_t trajectory) const {
  LandscapePoint point;
  const auto combine = [&](std::span<const double> coefficients) {
    point = {combined(coefficients, parameters_), combined(coefficients, states_)};
  };
  switch (options_.kind) {
    case Kind::linear:
      combine(measure::linear_path(alpha));
      break;
    case Kind::curved:
      combine(measure::curved_path(alpha));
      break;
    case Kind::checkpoints:
      combine(plane_.coefficients(alpha, beta));
      break;
    default: {
      std::vector<Doubles> vectors = directions(trajectory, beta != 0);
      vectors.insert(vectors.begin(), parameters_[0]);
      point.parameters = combined(std::vector{1.0, alpha, beta}, vectors);
      point.state = combined(std::vector{1.0}, states_);
    }
  }
  // Beyond the checkpoints a combination of variances may be negative.
  for (const network::View& view : network_->state()) {
    if (!view.name.ends_with("variance")) continue;
    for (std::size_t i = 0; i < view.what.size(); ++i)
      point.state[view.offset + i] = std::max(point.state[view.offset + i], 0.0F);
  }
  return point;
}

LandscapePoint Section::with_statistics(LandscapePoint point) const {
  if (options_.batch_norm == BatchNorm::reestimate && network_->state_count() > 0)
    point.state = measure::estimated_statistics(loss(*data_.train, point));
  return point;
}

measure::Scores Section::train_scores(const LandscapePoint& point) const {
  return measure::scores(loss(*data_.train, point));
}
measure::Scores Section::test_scores(const LandscapePoint& point) const {
  return measure::scores(loss(*data_.test, point));
}

double Section::parameter_norm(const LandscapePoint& point) {
  double sum = 0;
  for (const float w : point.parameters) sum += static_cast<double>(w) * static_cast<double>(w);
  return std::sqrt(sum);
}

double Section::distance(const LandscapePoint& point) const {
  double sum = 0;
  for (std::size_t i = 0; i < origin_.size(); ++i) {
    const double d = static_cast<double>(point.parameters[i]) - parameters_[0][i];
    sum += d * d;
  }
  return std::sqrt(sum);
}

std::vector<double> Section::derived(const std::string& quantity) const {
  const bool three = options_.kind == Kind::checkpoints;
  if (quantity == "checkpoint_alpha")
    return three                ? std::vector{0.0, 1.0, plane_.s}
           : options_.is_path() ? std::vector{0.0, 1.0, kNaN}
                                : std::vector{0.0, kNaN, kNaN};
  if (quantity == "checkpoint_beta")
    return three                ? std::vector{0.0, 0.0, 1.0}
           : options_.is_path() ? std::vector{0.0, 0.0, kNaN}
                                : std::vector{0.0, kNaN, kNaN};
  if (quantity == "eigenvalue") {
    if (options_.kind != Kind::eigenvectors) return {kNaN, kNaN};
    return {eigenpairs_.values[static_cast<std::size_t>(options_.eigenvector - 1)],
            eigenpairs_.values[static_cast<std::size_t>(options_.second_eigenvector - 1)]};
  }
  switch (options_.kind) {
    case Kind::checkpoints:
      return {plane_.u_norm, plane_.v_norm};
    case Kind::random:
    case Kind::eigenvectors:
      return {1, 1};
    case Kind::filter_normalised: {
      const auto both = directions(0, true);
      return {norm(both[0]), norm(both[1])};
    }
    default: {
      Doubles u = parameters_[1];
      for (std::size_t i = 0; i < u.size(); ++i) u[i] -= parameters_[0][i];
      return {norm(u), kNaN};
    }
  }
}

}  // namespace soret::sims
