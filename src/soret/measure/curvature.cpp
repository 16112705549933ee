#include "soret/measure/curvature.hpp"

#include <fmt/format.h>

#include <Spectra/SymEigsSolver.h>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"

namespace soret::measure {
namespace {

using Vector = Eigen::VectorXd;

/// What is not finite would leave the solvers without an end or a meaning.
void apply(const SymmetricOperator& matrix, const double* v, double* product) {
  matrix.apply({v, matrix.size}, {product, matrix.size});
  double* const end = product + matrix.size;
  const double* const bad = std::find_if(product, end, [](double p) { return !std::isfinite(p); });
  if (bad != end) {
    throw NotFinite(
        fmt::format("row {} of a product with the Hessian is {}: the parameters or the data are not finite, "
                    "or the loss overflows",
                    bad - product, *bad));
  }
}

/// What Spectra asks of a matrix.
struct Product {
  using Scalar = double;
  const SymmetricOperator& matrix;
  int& count;

  Eigen::Index rows() const { return static_cast<Eigen::Index>(matrix.size); }
  Eigen::Index cols() const { return rows(); }
  void perform_op(const double* v, double* product) const {
    ++count;
    apply(matrix, v, product);
  }
};

/// Spectra gives away only what has converged.
class Lanczos : public Spectra::SymEigsSolver<Product> {
 public:
  using SymEigsSolver::SymEigsSolver;
  /// After compute(): all that were asked for, descending.
  Eigen::VectorXd ritz_values() const { return m_ritz_val.head(m_nev); }
};

/// Independent standard normals, four per block of the stream (seed, curvature, probe).
Vector gaussian(std::size_t size, std::uint64_t seed, std::uint32_t probe) {
  const Stream stream{seed, Purpose::curvature, probe};
  Vector v(static_cast<Eigen::Index>(size));
  for (std::size_t i = 0; i < size; i += 4) {
    const auto b = stream.block(i / 4);
    float n[4];
    normal_pair(b.x, b.y, n[0], n[1]);
    normal_pair(b.z, b.w, n[2], n[3]);
    for (std::size_t k = i; k < std::min(size, i + 4); ++k)
      v[static_cast<Eigen::Index>(k)] = static_cast<double>(n[k - i]);
  }
  return v;
}

/// +1 and -1, a bit each.
void fill_signs(std::span<double> v, std::uint64_t seed, std::uint32_t probe) {
  const Stream stream{seed, Purpose::curvature, probe};
  for (std::size_t i = 0; i < v.size(); i += 128) {
    const auto b = stream.block(i / 128);
    const std::uint32_t words[4] = {b.x, b.y, b.z, b.w};
    for (std::size_t k = i; k < std::min(v.size(), i + 128); ++k)
      v[k] = (words[(k - i) / 32] >> (k % 32) & 1U) != 0 ? -1 : 1;
  }
}

/// Column by column.
Eigen::MatrixXd formed(const SymmetricOperator& matrix) {
  const auto size = static_cast<Eigen::Index>(matrix.size);
  Eigen::MatrixXd dense(size, size);
  for (Eigen::Index i = 0; i < size; ++i) {
    const Vector unit = Vector::Unit(size, i);
    apply(matrix, unit.data(), dense.col(i).data());
  }
  return dense;
}

}  // namespace

SymmetricOperator block(const SymmetricOperator& whole, std::size_t first, std::size_t count) {
  return {count, [&whole, first, v = std::vector<double>(whole.size), p = std::vector<double>(whole.size)](
                     std::span<const double> x, std::span<double> product) mutable {
            std::ranges::copy(x, v.begin() + static_cast<std::ptrdiff_t>(first));
            whole.apply(v, p);
            std::copy_n(p.begin() + static_cast<std::ptrdiff_t>(first), product.size(), product.begin());
          }};
}

Eigenpairs largest_eigenpairs(const SymmetricOperator& matrix, int count, double tolerance, int most_products,
                              std::uint64_t seed) {
  const auto size = static_cast<Eigen::Index>(matrix.size);
  if (count < 1 || count > size)
    throw ConfigError(fmt::format("{} eigenvalues of a matrix of {} rows were asked for", count, size));
  Eigenpairs result;
  if (size < 3 || count == size) {  // more than Lanczos finds
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(formed(matrix));
    for (Eigen::Index i = size - 1; i >= size - count; --i) {
      result.values.push_back(solver.eigenvalues()[i]);
      const auto column = solver.eigenvectors().col(i);
      result.vectors.emplace_back(column.begin(), column.end());
    }
    result.products = static_cast<int>(size);
    return result;
  }
  const Eigen::Index wanted = count;
  const Eigen::Index basis = std::min<Eigen::Index>(size, std::max<Eigen::Index>(2 * wanted + 1, 20));
  Product product{matrix, result.products};
  Lanczos solver(product, wanted, basis);
  const Vector start = gaussian(matrix.size, seed, 0);
  solver.init(start.data());
  const auto restarts = std::max<Eigen::Index>(1, (most_products - basis) / (basis - wanted) + 1);
  solver.compute(Spectra::SortRule::LargestAlge, restarts, tolerance);
  result.converged = solver.info() == Spectra::CompInfo::Successful;
  const Vector values = solver.ritz_values();
  result.values.assign(values.begin(), values.end());
  const Eigen::MatrixXd vectors = solver.eigenvectors();
  for (const auto& vector : vectors.colwise()) result.vectors.emplace_back(vector.begin(), vector.end());
  return result;
}

std::vector<double> all_eigenvalues(const SymmetricOperator& matrix) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(formed(matrix), Eigen::EigenvaluesOnly);
  return {solver.eigenvalues().begin(), solver.eigenvalues().end()};
}

TraceEstimate estimate(std::span<const double> samples) {
  const auto n = static_cast<double>(samples.size());
  double mean = 0;
  for (const double s : samples) mean += s / n;
  double square = 0;
  for (const double s : samples) square += (s - mean) * (s - mean);
  return {mean, n > 1 ? std::sqrt(square / (n - 1) / n) : std::numeric_limits<double>::quiet_NaN()};
}

std::vector<TraceEstimate> traces(const SymmetricOperator& matrix, std::span<const Part> parts, int probes,
                                  std::uint64_t seed) {
  std::vector<double> v(matrix.size);
  std::vector<double> product(matrix.size);
  std::vector<std::vector<double>> samples(parts.size());
  for (int probe = 0; probe < probes; ++probe) {
    fill_signs(v, seed, static_cast<std::uint32_t>(probe));
    apply(matrix, v.data(), product.data());
    for (std::size_t k = 0; k < parts.size(); ++k) {
      double sum = 0;
      for (std::size_t i = parts[k].first; i < parts[k].last; ++i) sum += v[i] * product[i];
      samples[k].push_back(sum);
    }
  }
  std::vector<TraceEstimate> result;
  for (const auto& x : samples) result.push_back(estimate(x));
  return result;
}

SpectralDensity spectral_density(const SymmetricOperator& matrix, int steps, int probes, std::uint64_t seed) {
  const auto size = static_cast<Eigen::Index>(matrix.size);
  const Eigen::Index most = std::min<Eigen::Index>(steps, size);
  SpectralDensity density;
  for (int probe = 0; probe < probes; ++probe) {
    Eigen::MatrixXd basis(size, most);
    Vector diagonal(most);
    Vector beside(most);
    basis.col(0) = gaussian(matrix.size, seed, static_cast<std::uint32_t>(probe)).normalized();
    Eigen::Index taken = 0;
    Vector next(size);
    while (taken < most) {
      apply(matrix, basis.col(taken).data(), next.data());
      diagonal[taken] = basis.col(taken).dot(next);
      // Twice is enough (Parlett).
      for (int pass = 0; pass < 2; ++pass) {
        const auto so_far = basis.leftCols(taken + 1);
        next -= so_far * (so_far.transpose() * next);
      }
      beside[taken] = next.norm();
      ++taken;
      const double scale = diagonal.head(taken).cwiseAbs().maxCoeff() + beside.head(taken).maxCoeff();
      if (taken == most || beside[taken - 1] <= 1e-12 * scale) break;  // the probe's whole subspace is found
      basis.col(taken) = next / beside[taken - 1];
    }
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> ritz;
    ritz.computeFromTridiagonal(diagonal.head(taken), beside.head(taken - 1));
    for (Eigen::Index i = 0; i < taken; ++i) {
      density.values.push_back(ritz.eigenvalues()[i]);
      density.weights.push_back(ritz.eigenvectors()(0, i) * ritz.eigenvectors()(0, i) / probes);
    }
  }
  return density;
}

PositivePart positive_part(std::span<const double> eigenvalues, double threshold) {
  PositivePart part;
  for (const double value : eigenvalues) {
    if (!(value > threshold)) continue;
    part.rank += 1;
    part.log_determinant += std::log(value);
  }
  return part;
}

PositivePart positive_part(const SpectralDensity& density, std::size_t size, double threshold) {
  PositivePart part;
  for (std::size_t i = 0; i < density.values.size(); ++i) {
    if (!(density.values[i] > threshold)) continue;
    const double count = static_cast<double>(size) * density.weights[i];
    part.rank += count;
    part.log_determinant += count * std::log(density.values[i]);
  }
  return part;
}

std::vector<double> smoothed(const SpectralDensity& density, std::span<const double> places, double width) {
  std::vector<double> result;
  const double scale = 1 / (width * std::sqrt(2 * std::numbers::pi));
  for (const double x : places) {
    double sum = 0;
    for (std::size_t i = 0; i < density.values.size(); ++i) {
      const double z = (x - density.values[i]) / width;
      sum += density.weights[i] * scale * std::exp(-0.5 * z * z);
    }
    result.push_back(sum);
  }
  return result;
}

}  // namespace soret::measure
