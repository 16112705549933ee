#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/measure/parts.hpp"

/// Eigenvalues, trace and spectral density of a symmetric matrix that is known by its products with vectors
/// alone: the Hessian of a network, or one layer's block of it.
///
/// All throw NotFinite where a product is not finite: the parameters or the data are not, or overflow.
namespace soret::measure {

struct NotFinite : RunError {
  using RunError::RunError;
};

struct SymmetricOperator {
  std::size_t size = 0;
  std::function<void(std::span<const double> v, std::span<double> product)> apply;
};

/// The block of rows and columns [first, first + count) of an operator, which is kept by reference.
SymmetricOperator block(const SymmetricOperator& whole, std::size_t first, std::size_t count);

struct Eigenpairs {
  /// The algebraically largest, descending. Those that have not converged are lower bounds (Ritz values).
  std::vector<double> values;
  std::vector<std::vector<double>> vectors;  ///< of unit length, of those that have converged
  int products = 0;                          ///< with the operator
  bool converged = true;                     ///< to the tolerance, all of them
};

/// By implicitly restarted Lanczos (Spectra) from a random vector; `tolerance` is relative to the eigenvalue.
/// Takes memory for max(2 count + 1, 20) vectors. Throws ConfigError unless 1 <= count <= size.
Eigenpairs largest_eigenpairs(const SymmetricOperator& matrix, int count, double tolerance, int most_products,
                              std::uint64_t seed);

/// All eigenvalues, ascending, of the matrix that `size` products form; takes 3 size^2 doubles.
std::vector<double> all_eigenvalues(const SymmetricOperator& matrix);

struct TraceEstimate {
  double value = 0;
  double error = 0;  ///< standard error over the probes (or draws); NaN for one
};

/// The mean of independent samples and its standard error.
TraceEstimate estimate(std::span<const double> samples);

/// Hutchinson's estimate of the traces of diagonal blocks: the mean of v_i (A v)_i over Rademacher vectors v,
/// summed over each part, one estimate each. Exact for a diagonal matrix.
std::vector<TraceEstimate> traces(const SymmetricOperator& matrix, std::span<const Part> parts, int probes,
                                  std::uint64_t seed);

/// A density as a sum of point masses.
struct SpectralDensity {
  std::vector<double> values;   ///< Ritz values, probe by probe
  std::vector<double> weights;  ///< they sum to 1
};

/// Stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017): `probes` random unit vectors, `steps` Lanczos
/// steps each with full orthogonalisation. The moments of the density up to 2 steps - 1 are those of the
/// probes exactly.
SpectralDensity spectral_density(const SymmetricOperator& matrix, int steps, int probes, std::uint64_t seed);

/// What a symmetric matrix is above a threshold, its positive part.
struct PositivePart {
  double rank = 0;             ///< eigenvalues above it
  double log_determinant = 0;  ///< the sum of their logarithms
};

PositivePart positive_part(std::span<const double> eigenvalues, double threshold);

/// By quadrature, of a matrix of `size` rows: exact where all eigenvalues were found, of low precision where
/// many lie near the threshold.
PositivePart positive_part(const SpectralDensity& density, std::size_t size, double threshold);

/// The density smoothed by Gaussians of standard deviation `width`, at `places`.
std::vector<double> smoothed(const SpectralDensity& density, std::span<const double> places, double width);

}  // namespace soret::measure
