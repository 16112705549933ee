#include "soret/measure/directions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/QR>
#include <algorithm>
#include <limits>
#include <span>

#include "soret/network/chunks.hpp"
#include "soret/random/fill.hpp"
#include "soret/random/stream.hpp"

namespace soret::measure {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// Rows of a product that are computed together: whole blocks of the streams, few enough to stay in cache.
constexpr int kRows = 2048;

/// Entries [first, first + size of out) of column j.
void draw(Columns kind, std::uint64_t seed, Eigen::Index j, Eigen::Index first, std::vector<float>& draws,
          Eigen::Ref<Vector> out) {
  constexpr Eigen::Index kPerBlock = 4;
  const Stream stream{seed, Purpose::sharpness_matrix, static_cast<std::uint32_t>(j)};
  const auto from = static_cast<std::uint64_t>(first / kPerBlock);
  draws.resize(static_cast<std::size_t>(out.size()));
  const Eigen::Map<const Eigen::VectorXf> drawn(draws.data(), out.size());
  if (kind == Columns::uniform) {
    fill_uniform(stream, from, draws);
    out = 2 * drawn.cast<double>().array() - 1;
  } else {
    fill_normal(stream, from, draws);
    out = drawn.cast<double>();
  }
}

void require_columns(std::size_t n, std::size_t p) {
  if (p < 1 || p > n)
    throw ConfigError(
        fmt::format("A of the sharpness has {} columns; allowed: 1 to {}, the function's arguments", p, n));
}

bool stays_within(Columns kind, std::size_t n, std::size_t p, double bytes) {
  return kind == Columns::identity || kind == Columns::orthonormal || Directions::bytes(kind, n, p) <= bytes;
}

}  // namespace

const std::vector<std::string>& columns_names() {
  static const std::vector<std::string> names = {"identity", "gaussian", "uniform", "orthonormal"};
  return names;
}

Columns parse_columns(std::string_view name) {
  const auto& names = columns_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end())
    throw ConfigError(
        fmt::format("unknown kind of matrix A \"{}\"; allowed: {}", name, fmt::join(names, ", ")));
  return static_cast<Columns>(found - names.begin());
}

Matrix random_columns(Columns kind, std::size_t n, std::size_t p, std::uint64_t seed) {
  const auto rows = static_cast<Eigen::Index>(n);
  const auto count = static_cast<Eigen::Index>(p);
  if (kind == Columns::identity) return {rows, 0};
  require_columns(n, p);
  Matrix a(rows, count);
  std::vector<float> draws;
  for (Eigen::Index j = 0; j < count; ++j) draw(kind, seed, j, 0, draws, a.col(j));
  if (kind == Columns::orthonormal)
    a = Eigen::HouseholderQR<Matrix>(a).householderQ() * Matrix::Identity(rows, count);
  return a;
}

double Directions::bytes(Columns kind, std::size_t n, std::size_t p) {
  if (kind == Columns::identity) return 0;
  const double copies = kind == Columns::orthonormal ? 3 : 1;
  return copies * sizeof(double) * static_cast<double>(n) * static_cast<double>(p);
}

Directions::Directions(Matrix a)
    : rows_(a.rows()), cols_(a.cols()), stored_(std::make_shared<const Matrix>(std::move(a))) {}

Directions::Directions(Columns kind, std::size_t n, std::size_t p, std::uint64_t seed,
                       double most_stored_bytes)
    : rows_(static_cast<Eigen::Index>(n)),
      cols_(kind == Columns::identity ? 0 : static_cast<Eigen::Index>(p)),
      kind_(kind),
      seed_(seed) {
  if (kind != Columns::identity) require_columns(n, p);
  if (stays_within(kind, n, p, most_stored_bytes))
    stored_ = std::make_shared<const Matrix>(random_columns(kind, n, p, seed));
}

template <class Use>
void Directions::with_rows(Eigen::Index first, Eigen::Index count, const Use& use) const {
  if (stored_) {
    use(stored_->middleRows(first, count));
    return;
  }
  Matrix rows(count, cols_);
  std::vector<float> draws;
  for (Eigen::Index j = 0; j < cols_; ++j) draw(kind_, seed_, j, first, draws, rows.col(j));
  use(rows);
}

void Directions::place(const Vector& x, const Vector& y, Vector& out) const {
  out.resize(x.size());
  if (is_identity()) {
    out = x + y;
    return;
  }
  network::for_each_chunk(
      static_cast<int>(rows_), kRows,
      [&](const network::Chunk& chunk) {
        with_rows(chunk.first, chunk.count, [&](const auto& rows) {
          out.segment(chunk.first, chunk.count) = x.segment(chunk.first, chunk.count) + rows * y;
        });
      },
      [](const network::Chunk&) {});
}

void Directions::project(const Vector& g, Vector& out) const {
  if (is_identity()) {
    out = g;
    return;
  }
  out = Vector::Zero(cols_);
  const auto chunks = (rows_ + kRows - 1) / kRows;
  std::vector<Vector> parts(static_cast<std::size_t>(chunks));
  network::for_each_chunk(
      static_cast<int>(rows_), kRows,
      [&](const network::Chunk& chunk) {
        with_rows(chunk.first, chunk.count, [&](const auto& rows) {
          parts[static_cast<std::size_t>(chunk.first / kRows)] =
              rows.transpose() * g.segment(chunk.first, chunk.count);
        });
      },
      [&](const network::Chunk& chunk) { out += parts[static_cast<std::size_t>(chunk.first / kRows)]; });
}

/// R and Q^T x are those of the rows so far, put above the next rows: the QR decomposition of (A x) keeps
/// both together.
Vector Directions::coordinates(const Vector& x) const {
  if (is_identity()) return x;
  const Eigen::Index p = cols_;
  constexpr Eigen::Index kFewest = 512;
  const Eigen::Index most_rows = std::max(kFewest, (p + 3) / 4 * 4);
  Matrix triangle = Matrix::Zero(p + 1, p + 1);
  for (Eigen::Index first = 0; first < rows_; first += most_rows) {
    const Eigen::Index count = std::min(most_rows, rows_ - first);
    Matrix stack(p + 1 + count, p + 1);
    stack.topRows(p + 1) = triangle;
    with_rows(first, count, [&](const auto& rows) { stack.bottomLeftCorner(count, p) = rows; });
    stack.col(p).tail(count) = x.segment(first, count);
    const Eigen::HouseholderQR<Matrix> qr(stack);
    triangle = qr.matrixQR().topRows(p + 1).triangularView<Eigen::Upper>();
  }
  Eigen::ColPivHouseholderQR<Matrix> qr(triangle.topLeftCorner(p, p));
  qr.setThreshold(static_cast<double>(rows_) * std::numeric_limits<double>::epsilon());
  if (qr.rank() < p)
    throw ConfigError(
        fmt::format("the matrix A of the sharpness has rank {} only, of {} columns", qr.rank(), p));
  return qr.solve(triangle.col(p).head(p));
}

}  // namespace soret::measure
