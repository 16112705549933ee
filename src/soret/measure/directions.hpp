#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "soret/base/error.hpp"

/// The matrix A of seed 003, Definition 2: p directions of R^n along which a function is looked at.
namespace soret::measure {

/// How the columns of A are drawn; the seed does not say, so all are our choice.
enum class Columns {
  identity,     ///< A = I, p = n, which is never formed
  gaussian,     ///< independent standard normal entries
  uniform,      ///< independent entries, uniform on (-1, 1]
  orthonormal,  ///< of a Gaussian matrix, made orthonormal: a random p-dimensional subspace
};

/// The names of the kinds, for a config's list of choices.
const std::vector<std::string>& columns_names();

/// Throws ConfigError, listing the names, for an unknown one.
Columns parse_columns(std::string_view name);

/// A, n x p, in doubles; without columns for the identity, whatever p is. Before they are made orthonormal,
/// column j is a function of (seed, j), so fewer columns are the first of more. Throws ConfigError unless
/// 1 <= p <= n.
Eigen::MatrixXd random_columns(Columns kind, std::size_t n, std::size_t p, std::uint64_t seed);

/// A, kept in memory, or drawn anew, some rows at a time, whenever it is used: then a product costs n p
/// draws and no memory. The numbers are the same. Products run on OpenMP threads and do not depend on how
/// many there are.
class Directions {
 public:
  /// Beyond it gaussian and uniform columns are drawn anew (our choice).
  static constexpr double kMostStoredBytes = 1 << 30;

  /// Without columns: the identity. Not explicit: a matrix is one way to have directions.
  Directions(Eigen::MatrixXd a);  // NOLINT(google-explicit-constructor)
  /// random_columns(). Throws ConfigError as that does.
  Directions(Columns kind, std::size_t n, std::size_t p, std::uint64_t seed,
             double most_stored_bytes = kMostStoredBytes);

  bool is_identity() const { return cols_ == 0; }
  bool is_stored() const { return stored_ != nullptr; }
  Eigen::Index rows() const { return rows_; }
  Eigen::Index cols() const { return cols_; }

  /// out = x + A y
  void place(const Eigen::VectorXd& x, const Eigen::VectorXd& y, Eigen::VectorXd& out) const;
  /// out = A^T g
  void project(const Eigen::VectorXd& g, Eigen::VectorXd& out) const;
  /// A^+ x, the least-squares solution, by a QR decomposition of A a few rows at a time: neither A^+ nor a
  /// copy of A is formed. Throws ConfigError unless A has full rank.
  Eigen::VectorXd coordinates(const Eigen::VectorXd& x) const;

  /// Bytes that random_columns() would take, while they are made too.
  static double bytes(Columns kind, std::size_t n, std::size_t p);

 private:
  /// Calls use(rows [first, first + count)); first is a multiple of 4.
  template <class Use>
  void with_rows(Eigen::Index first, Eigen::Index count, const Use& use) const;

  Eigen::Index rows_, cols_;
  std::shared_ptr<const Eigen::MatrixXd> stored_;
  Columns kind_ = Columns::identity;
  std::uint64_t seed_ = 0;
};

}  // namespace soret::measure
