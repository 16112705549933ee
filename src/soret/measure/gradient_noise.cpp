#include "soret/measure/gradient_noise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "soret/base/error.hpp"
#include "soret/random/fill.hpp"

namespace soret::measure {
namespace {

using Index = Eigen::Index;

/// Samples of a batch that are gathered for one matrix product: they stay in cache, whatever the batch.
constexpr std::size_t kGathered = 128;

/// A unit vector in parameter space, drawn for the given index.
Matrix random_direction(const Regression& problem, std::uint64_t seed, std::uint32_t index) {
  std::vector<float> draws(static_cast<std::size_t>(problem.parameters()));
  fill_unit_sphere({seed, Purpose::directions, index}, 0, draws);
  const Matrix u =
      Eigen::Map<const FloatMatrix>(draws.data(), problem.outputs, problem.features()).cast<double>();
  return u / u.norm();
}

/// g_i . u of every sample.
Vector along(const Regression& problem, const Matrix& residuals, const Matrix& u) {
  return product_over_inputs(problem.inputs, u).cwiseProduct(residuals).rowwise().sum();
}

/// The eigenvector of F with the largest eigenvalue.
Matrix leading_direction(const Population& p, std::uint64_t seed) {
  constexpr int kMostIterations = 200;
  constexpr double kSettled =
      1e-8;  // relative change of the eigenvalue: its error is that of the vector squared
  Matrix u = random_direction(*p.problem, seed, 0);
  double eigenvalue = 0;
  for (int iteration = 0; iteration < kMostIterations; ++iteration) {
    const Vector a = along(*p.problem, p.residuals, u).array() - p.mean.cwiseProduct(u).sum();
    // sum_i a_i (g_i - gbar) = sum_i a_i g_i, for the a_i sum to zero.
    const Matrix weighted = p.residuals.array().colwise() * a.array();
    Matrix next = product_over_samples(weighted, p.problem->inputs) / p.samples();
    const double norm = next.norm();
    if (!(norm > 0)) return u;
    u = next / norm;
    if (std::abs(norm - eigenvalue) <= kSettled * norm) break;
    eigenvalue = norm;
  }
  return u;
}

}  // namespace

double covariance_factor(CovarianceLaw law, int samples, int batch_size) {
  const double n = samples;
  const double b = batch_size;
  switch (law) {
    case CovarianceLaw::eq14:
      return n * (n - b) / b;
    case CovarianceLaw::eq14_unbiased:
      return n * (n - b) / b * n / (n - 1);
    case CovarianceLaw::eq15:
      return n * n / b;
    case CovarianceLaw::eq15_unbiased:
      return n * n / b * n / (n - 1);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

CovarianceLaw exact_law(Sampling sampling) {
  return sampling == Sampling::with_replacement ? CovarianceLaw::eq15 : CovarianceLaw::eq14_unbiased;
}

Population population(std::shared_ptr<const Regression> problem, const Matrix& weights, int directions,
                      std::uint64_t seed) {
  constexpr double kRounding = 1e-20;  // squared gradients this much smaller than those at zero are rounding
  if (problem->samples() < 2)
    throw ConfigError("data.training_samples = 1: a single gradient has no noise; use at least 2");
  Population p;
  p.problem = std::move(problem);
  const Regression& r = *p.problem;
  p.residuals = residuals(r, weights);
  p.mean = mean_gradient(r, p.residuals);
  p.mean_square = p.mean.squaredNorm();
  const Vector input_squares = r.inputs.cast<double>().rowwise().squaredNorm();
  p.squares = p.residuals.rowwise().squaredNorm().cwiseProduct(input_squares);
  p.trace = std::max(0.0, p.squares.mean() - p.mean_square);

  const Matrix at_zero = residuals(r, Matrix::Zero(r.outputs, r.features()));
  const double scale = at_zero.rowwise().squaredNorm().cwiseProduct(input_squares).mean();
  // An interpolating point leaves rounding errors for gradients, equal gradients leave them for the
  // difference.
  if (!(p.trace > kRounding * scale) || !(p.trace > 1e-13 * p.squares.mean())) {
    throw ConfigError(
        "all per-sample gradients are equal at this point (the loss of every single sample is minimal, or "
        "the "
        "samples are the same): there is no gradient noise to measure; use more data.training_samples or "
        "another "
        "point.start");
  }

  p.projections.resize(p.samples(), 1 + directions);
  for (int d = 0; d <= directions; ++d) {
    const Matrix u =
        d == 0 ? leading_direction(p, seed) : random_direction(r, seed, static_cast<std::uint32_t>(d));
    const Vector a = along(r, p.residuals, u);
    p.projections.col(d) = a.array() - a.mean();
  }
  p.variances = p.projections.colwise().squaredNorm().transpose() / p.samples();
  return p;
}

Matrix gradient_covariance(const Population& p) {
  const Regression& r = *p.problem;
  Matrix f = Matrix::Zero(r.parameters(), r.parameters());
  for (Index i = 0; i < p.samples(); ++i) {
    const Matrix g = p.residuals.row(i).transpose() * r.inputs.row(i).cast<double>() - p.mean;
    const Eigen::Map<const Vector> v(g.data(), g.size());
    f.noalias() += v * v.transpose();
  }
  return f / p.samples();
}

Vector exact_excess_kurtosis(const Population& p, int batch_size, Sampling sampling) {
  const double n = p.samples();
  const double b = batch_size;
  const Vector p2 = p.projections.array().square().colwise().sum().transpose();
  const Vector p4 = p.projections.array().square().square().colwise().sum().transpose();
  if (sampling == Sampling::with_replacement) return (n * p4.array() / p2.array().square() - 3) / b;
  // E S^4 of the sum S of b different numbers of a population whose sum is zero: the chance that k given
  // samples are in the batch times the sum over k different samples, of the terms a^4, a^3 b + a^2 b^2, a^2 b
  // c, a b c d.
  const double one = b / n;
  const double two = one * (b - 1) / (n - 1);
  const double three = n > 2 ? two * (b - 2) / (n - 2) : 0;
  const double four = n > 3 ? three * (b - 3) / (n - 3) : 0;
  const Eigen::ArrayXd square = p2.array().square();
  const Eigen::ArrayXd fourth = one * p4.array() + two * (3 * square - 7 * p4.array()) +
                                three * (12 * p4.array() - 6 * square) + four * (3 * square - 6 * p4.array());
  const Eigen::ArrayXd variance = b * (n - b) / (n * (n - 1)) * p2.array();
  return fourth / variance.square() - 3;
}

BatchSampler::BatchSampler(int samples, int batch_size, Sampling sampling, std::uint64_t seed,
                           std::uint32_t trajectory)
    : sampling_(sampling),
      seed_(seed),
      trajectory_(trajectory),
      words_(static_cast<std::size_t>(batch_size)),
      batch_(static_cast<std::size_t>(batch_size)),
      order_(static_cast<std::size_t>(samples)) {
  std::iota(order_.begin(), order_.end(), 0U);
}

std::span<const std::uint32_t> BatchSampler::next() {
  const std::uint64_t blocks = (batch_.size() + 3) / 4;
  fill_words({seed_, Purpose::sampling, trajectory_}, batches_++ * blocks, words_);
  const auto n = static_cast<std::uint32_t>(order_.size());
  if (sampling_ == Sampling::with_replacement) {
    for (std::size_t i = 0; i < batch_.size(); ++i) batch_[i] = below(words_[i], n);
    return batch_;
  }
  for (std::uint32_t i = 0; i < batch_.size(); ++i) {
    std::swap(order_[i], order_[i + below(words_[i], n - i)]);
    batch_[i] = order_[i];
  }
  return batch_;
}

double batch_count(int samples, int batch_size, Sampling sampling) {
  if (sampling == Sampling::with_replacement) return std::pow(samples, batch_size);
  double count = 1;
  for (int k = 1; k <= batch_size; ++k) count = count * (samples - batch_size + k) / k;
  return std::round(count);
}

void for_each_batch(int samples, int batch_size, Sampling sampling,
                    const std::function<void(std::span<const std::uint32_t>)>& visit) {
  const auto n = static_cast<std::uint32_t>(samples);
  const auto size = static_cast<std::size_t>(batch_size);
  const bool with = sampling == Sampling::with_replacement;
  std::vector<std::uint32_t> batch(size, 0U);
  if (!with) std::iota(batch.begin(), batch.end(), 0U);
  for (;;) {
    visit(batch);
    // The next tuple, or the next ascending one: raise the last place that can be raised, restart those
    // behind.
    std::size_t place = size;
    const auto most = [&](std::size_t at) {
      return with ? n - 1 : n - static_cast<std::uint32_t>(size - at);
    };
    while (place > 0 && batch[place - 1] == most(place - 1)) --place;
    if (place == 0) return;
    ++batch[place - 1];
    for (; place < size; ++place) batch[place] = with ? 0U : batch[place - 1] + 1;
  }
}

NoiseMeasurement::NoiseMeasurement(const Population& population, int batch_size, Wanted wanted)
    : population_(population),
      wanted_(wanted),
      scale_(static_cast<double>(population.samples()) / batch_size) {
  const Index rows = population.mean.rows();
  const Index cols = population.mean.cols();
  if (wanted.vectors || wanted.matrix) {
    const auto gathered = std::min(static_cast<Index>(kGathered), static_cast<Index>(batch_size));
    inputs_.resize(gathered, cols);
    residuals_.resize(gathered, rows);
    sum_ = diagonal_ = Matrix::Zero(rows, cols);
  }
  if (wanted.matrix) matrix_ = Matrix::Zero(rows * cols, rows * cols);
  if (wanted.projections) along_.resize(static_cast<std::size_t>(population.projections.cols()));
}

void NoiseMeasurement::add(std::span<const std::uint32_t> batch) {
  ++batches_;
  for (std::size_t u = 0; u < along_.size(); ++u) {
    double total = 0;
    for (const std::uint32_t i : batch) total += population_.projections(i, static_cast<Index>(u));
    along_[u].push_back(scale_ * total);
  }
  if (inputs_.size() == 0) return;

  const Regression& problem = *population_.problem;
  gradient_.setZero(sum_.rows(), sum_.cols());
  double squares = 0;
  for (std::size_t first = 0; first < batch.size(); first += kGathered) {
    const auto part = batch.subspan(first, std::min(kGathered, batch.size() - first));
    const auto rows = static_cast<Index>(part.size());
    for (Index k = 0; k < rows; ++k) {
      const std::uint32_t i = part[static_cast<std::size_t>(k)];
      inputs_.row(k) = problem.inputs.row(i).cast<double>();
      residuals_.row(k) = population_.residuals.row(i);
      squares += population_.squares[i];
    }
    gradient_.noalias() += residuals_.topRows(rows).transpose() * inputs_.topRows(rows);
  }
  const auto size = static_cast<double>(batch.size());
  sample_square_ += squares / size;
  batch_square_ += gradient_.squaredNorm() / (size * size);

  gradient_ = scale_ * gradient_ - static_cast<double>(population_.samples()) * population_.mean;  // psi
  sum_ += gradient_;
  square_ += gradient_.squaredNorm();
  diagonal_ += gradient_.cwiseAbs2();
  if (wanted_.matrix) {
    const Eigen::Map<const Vector> psi(gradient_.data(), gradient_.size());
    matrix_.noalias() += psi * psi.transpose();
  }
}

SignalAndNoise signal_and_noise(double sample_square, double batch_square, int batch_size, int samples,
                                Sampling sampling) {
  const double left_out = sampling == Sampling::with_replacement ? 0 : 1.0 / samples;
  const double one = 1 - left_out;
  const double batch = 1.0 / batch_size - left_out;
  return {.gradient_square = (batch_square * one - sample_square * batch) / (one - batch),
          .trace = (sample_square - batch_square) / (one - batch)};
}

}  // namespace soret::measure
