#include "sims/sharpness/sharpness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "sims/sharpness/options.hpp"
#include "sims/sharpness/problem.hpp"
#include "sims/side_by_side.hpp"
#include "sims/stoppable.hpp"
#include "soret/base/error.hpp"
#include "soret/base/machine.hpp"
#include "soret/measure/difference_hessian.hpp"
#include "soret/measure/perturbed_loss.hpp"
#include "soret/training/trainer.hpp"

namespace soret::sims {
namespace {

using measure::Differentiable;
using measure::Directions;
using measure::SymmetricOperator;
using O = SharpnessObservable;

constexpr std::size_t kMostBestPoint = 4096;  // numbers of best_point: a file should hold them
const std::vector<double> kQuantiles = {0.05, 0.25, 0.5, 0.75, 0.95};

std::vector<DerivedQuantity> sharpness_derived() {
  return {{{.name = "sharpness_quantile",
            .unit = "percent",
            .long_name = "quantiles of phi over trajectories, each with a random A of its own",
            .reference = "seed 003 Eqs. 2-3",
            .dimensions = {"quantile"}}}};
}

/// Between the order statistics, linearly.
double quantile(const std::vector<double>& ascending, double q) {
  const double place = q * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  const double part = place - static_cast<double>(below);
  return (1 - part) * ascending[below] + part * ascending[above];
}

/// One scan point.
struct Point {
  SharpnessPoint options;
  std::shared_ptr<const MeasuredFunction> f;

  std::size_t arguments() const { return f->x.size(); }
  std::size_t columns() const {
    if (options.matrix.given) return static_cast<std::size_t>(options.matrix.entries.cols());
    return options.matrix.kind == measure::Columns::identity ? arguments() : options.matrix.columns;
  }
  bool is_dense() const { return arguments() <= static_cast<std::size_t>(options.dense_parameters); }
};

/// A, of a trajectory's own seed.
Directions directions_of(const Point& p, std::uint64_t seed) {
  const MatrixOptions& m = p.options.matrix;
  if (m.given) return {m.entries};
  return {m.kind, p.arguments(), p.columns(), seed};
}

/// Bytes of A.
double bytes_of_matrix(const Point& p) {
  const MatrixOptions& m = p.options.matrix;
  if (m.given) return 0;
  const double bytes = Directions::bytes(m.kind, p.arguments(), p.columns());
  const bool drawn_anew = m.kind != measure::Columns::orthonormal && bytes > Directions::kMostStoredBytes;
  return drawn_anew ? 0 : bytes;
}

/// What a trajectory computes from; each at the first question.
class Measurement {
 public:
  Measurement(const Point& p, std::uint32_t trajectory, const std::atomic<bool>& stop)
      : p_(p),
        seed_(training::run_seed(p.options.seed, trajectory)),
        stop_(stop),
        f_(stoppable(p.f->function(), stop)) {}

  /// The numbers of an observable.
  std::vector<double> operator()(O o) {
    switch (o) {
      case O::function_value:
        return {f_.value(p_.f->x)};
      case O::gradient_norm:
        return {gradient_norm()};
      case O::sharpness:
        return {box().phi};
      case O::maximum:
        return {box().maximum};
      case O::evaluations:
        return {static_cast<double>(box().evaluations)};
      case O::gradient_evaluations:
        return {static_cast<double>(box().gradients)};
      case O::converged:
        return {box().converged ? 1.0 : 0.0};
      case O::best_point:
        return box().best;
      case O::exact_sharpness:
        return {exact().phi};
      case O::maximiser_gap:
        return {exact().phi == 0 ? 0 : 1 - box().phi / exact().phi};
      case O::sam_sharpness:
        return {ball().rise};
      case O::sam_step_sharpness:
        return {ball().first_step};
      case O::sam_evaluations:
        return {static_cast<double>(ball().evaluations)};
      case O::sam_converged:
        return {ball().converged ? 1.0 : 0.0};
      case O::expected_sharpness:
        return {expected().value};
      case O::expected_sharpness_draw_error:
        return {expected().error};
      case O::lambda_max:
        return {lambda_max().value};
      case O::lambda_max_converged:
        return {lambda_max().converged ? 1.0 : 0.0};
      case O::hessian_trace:
        return {trace().value};
      case O::hessian_trace_probe_error:
        return {trace().error};
      case O::log_determinant:
        return {positive().log_determinant};
      case O::positive_eigenvalues:
        return {positive().rank};
    }
    return {};
  }

 private:
  double gradient_norm() {
    std::vector<double> slope(p_.arguments());
    if (f_.gradient) {
      f_.gradient(p_.f->x, slope);
    } else {
      measure::difference_gradient(f_, p_.f->x, slope);
    }
    return std::sqrt(std::inner_product(slope.begin(), slope.end(), slope.begin(), 0.0));
  }

  const Directions& directions() {
    if (!directions_) directions_ = directions_of(p_, seed_);
    return *directions_;
  }
  const measure::Sharpness& search(std::optional<measure::Sharpness>& found, measure::Maximiser maximiser) {
    if (!found) {
      measure::SharpnessOptions options = p_.options.box;
      options.maximiser = maximiser;
      options.seed = seed_;
      found = measure::sharpness(f_, p_.f->x, directions(), options);
    }
    return *found;
  }
  const measure::Sharpness& box() { return search(box_, p_.options.box.maximiser); }
  const measure::Sharpness& exact() { return search(exact_, measure::Maximiser::vertices); }

  const measure::BallSharpness& ball() {
    if (!ball_) {
      measure::BallOptions options = p_.options.ball;
      options.seed = seed_;
      ball_ = measure::ball_sharpness(f_, p_.f->x, options);
    }
    return *ball_;
  }
  const measure::TraceEstimate& expected() {
    if (!expected_)
      expected_ = measure::expected_sharpness(f_, p_.f->x, p_.options.deviation, p_.options.draws, seed_);
    return *expected_;
  }

  const SymmetricOperator& hessian() {
    if (!hessian_) {
      hessian_ = stoppable(p_.f->hessian(), stop_);
    }
    return *hessian_;
  }
  const std::vector<double>& eigenvalues() {
    if (eigenvalues_.empty()) eigenvalues_ = measure::all_eigenvalues(hessian());
    return eigenvalues_;
  }
  struct Largest {
    double value;
    bool converged;
  };
  Largest lambda_max() {
    if (p_.is_dense()) return {eigenvalues().back(), true};
    if (!largest_) {
      const auto found = measure::largest_eigenpairs(hessian(), 1, p_.options.eigenvalue_tolerance,
                                                     p_.options.most_products, seed_);
      largest_ = {found.values[0], found.converged};
    }
    return *largest_;
  }
  measure::TraceEstimate trace() {
    if (p_.is_dense()) return {std::accumulate(eigenvalues().begin(), eigenvalues().end(), 0.0), 0};
    if (!trace_) {
      const measure::Part whole{"network", 0, p_.arguments()};
      trace_ = measure::traces(hessian(), {&whole, 1}, p_.options.probes, seed_)[0];
    }
    return *trace_;
  }
  measure::PositivePart positive() {
    if (p_.is_dense()) return measure::positive_part(eigenvalues(), p_.options.threshold);
    if (!positive_)
      positive_ = measure::positive_part(
          measure::spectral_density(hessian(), p_.options.lanczos_steps, p_.options.probes, seed_),
          p_.arguments(), p_.options.threshold);
    return *positive_;
  }

  const Point& p_;
  std::uint64_t seed_;
  const std::atomic<bool>& stop_;
  Differentiable f_;
  std::optional<Directions> directions_;
  std::optional<measure::Sharpness> box_, exact_;
  std::optional<measure::BallSharpness> ball_;
  std::optional<measure::TraceEstimate> expected_, trace_;
  std::optional<SymmetricOperator> hessian_;
  std::optional<Largest> largest_;
  std::optional<measure::PositivePart> positive_;
  std::vector<double> eigenvalues_;
};

class SharpnessExperiment : public Experiment {
 public:
  SharpnessExperiment(const ScanPlan& plan, const Backend& backend)
      : record_(sharpness_record(plan.common())), threads_(backend.threads) {
    if (backend.kind == Backend::Kind::cuda)
      throw ConfigError("--backend cuda: simulation = sharpness runs on the CPU");
    const auto all = sharpness_observables();
    for (const O o : record_.observables) observables_.push_back(all[static_cast<std::size_t>(o)]);
    check_sharpness(plan);
    MeasuredFunctions functions;
    for (std::size_t i = 0; i < plan.points(); ++i) {
      const Settings settings = plan.at(i);
      Point point{sharpness_point(settings), nullptr};
      point.f = functions(point.options, settings);
      check(point);
      check_memory(point, plan.points() * record_.trajectories);
      points_.push_back(std::move(point));
    }
    sources_ = functions.sources();
    if (record_.wants(O::best_point)) add_columns();
    // The blocks of the ensemble are single trajectories then.
    const bool keeps_all = plan.common().integer("record.blocks") >= record_.trajectories;
    if (record_.wants(O::sharpness) && keeps_all && record_.trajectories > 1) {
      derived_ = sharpness_derived();
      coordinates_.push_back(
          {.name = "quantile", .long_name = "part of the trajectories that is below", .values = kQuantiles});
    }
  }

  std::size_t points() const override { return points_.size(); }
  std::uint32_t trajectories() const override { return record_.trajectories; }
  const std::vector<Observable>& observables() const override { return observables_; }
  const std::vector<std::int64_t>& record_steps() const override { return steps_; }
  const std::vector<Coordinate>& coordinates() const override { return coordinates_; }
  Sources sources() const override { return sources_; }
  std::string step_name() const override { return "0: measured once"; }
  const std::vector<DerivedQuantity>& derived() const override { return derived_; }
  std::vector<double> derive(std::size_t /*point*/, const PointEnsemble& ensemble) const override {
    if (derived_.empty()) return {};
    std::size_t cell = 0;
    for (std::size_t k = 0; record_.observables[k] != O::sharpness; ++k)
      cell += record_.observables[k] == O::best_point ? points_[0].columns() : 1;
    std::vector<double> values;
    for (std::size_t block = 0; block < ensemble.blocks.size(); ++block)
      if (ensemble.survivors[block] > 0) values.push_back(ensemble.blocks[block][cell]);
    std::ranges::sort(values);
    std::vector<double> result;
    for (const double q : kQuantiles)
      result.push_back(values.empty() ? std::numeric_limits<double>::quiet_NaN() : quantile(values, q));
    return result;
  }
  std::uint32_t preferred_group(std::size_t /*point*/) const override { return 1; }
  double cost(std::size_t i) const override {
    const Point& p = points_[i];
    return static_cast<double>(p.arguments()) * p.options.box.starts * p.options.box.most_iterations;
  }

  UnitResult run(const WorkUnit& unit, const std::atomic<bool>& stop) override {
    UnitResult result{{}, std::vector<std::int64_t>(unit.count, -1)};
    for (std::uint32_t t = 0; t < unit.count; ++t) {
      const std::vector<double> row = measure(unit.point, unit.first + t, stop);
      result.values.resize(row.size() * unit.count);
      for (std::size_t cell = 0; cell < row.size(); ++cell) result.values[cell * unit.count + t] = row[cell];
    }
    return result;
  }
  void run_all(std::span<const WorkUnit> units, const std::atomic<bool>& stop,
               const std::function<void(const WorkUnit&, UnitResult&&)>& done) override {
    run_side_by_side(
        units, threads_, stop, [&](const WorkUnit& unit) { return run(unit, stop); }, done);
  }

  std::string backend() const override { return "cpu"; }
  std::string device() const override {
    return fmt::format("{}, {} thread{}", cpu_name(), threads_, threads_ == 1 ? "" : "s");
  }

 private:
  std::vector<double> measure(std::size_t point, std::uint32_t trajectory,
                              const std::atomic<bool>& stop) const {
    std::vector<double> row;
    try {
      Measurement measurement(points_[point], trajectory, stop);
      for (const O o : record_.observables) {
        const auto numbers = measurement(o);
        row.insert(row.end(), numbers.begin(), numbers.end());
      }
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("scan point {}: {}", point, error.what()));
    }
    return row;
  }

  bool wants_box() const {
    return record_.wants_any({O::sharpness, O::maximum, O::evaluations, O::gradient_evaluations, O::converged,
                              O::best_point, O::exact_sharpness, O::maximiser_gap});
  }
  bool wants_exact() const { return record_.wants_any({O::exact_sharpness, O::maximiser_gap}); }

  void check(const Point& p) const {
    const MatrixOptions& m = p.options.matrix;
    const std::size_t n = p.arguments();
    if (m.given && static_cast<std::size_t>(m.entries.rows()) != n)
      throw ConfigError(
          fmt::format("matrix.entries has {} rows, but f has {} arguments", m.entries.rows(), n));
    if (p.columns() > n)
      throw ConfigError(fmt::format("{} = {}, but f has {} arguments; allowed: 1 to {}",
                                    m.given ? "columns of matrix.entries" : "matrix.columns", p.columns(), n,
                                    n));
    if (m.given) measure::box_half_widths(p.f->x, m.entries, p.options.box.epsilon);  // has full rank
    if (p.options.function.is_analytic() && wants_box() && 1 + p.f->function().value(p.f->x) == 0)
      throw ConfigError(
          "f(x) is -1, where the sharpness (Definition 2) divides by 1 + f(x) = 0; add a constant to f or "
          "move function.point");
    const bool vertices = wants_box() && p.options.box.maximiser == measure::Maximiser::vertices;
    if ((vertices || wants_exact()) && p.columns() > measure::kMostVertexColumns)
      throw ConfigError(fmt::format(
          "{} visits all vertices of the box, which has {} dimensions; allowed: up to {} (matrix.columns)",
          vertices ? "sharpness.maximiser = vertices"
                   : "record.observables with exact_sharpness or maximiser_gap",
          p.columns(), measure::kMostVertexColumns));
    if (wants_exact() && !p.f->convex)
      throw ConfigError(
          "record.observables names exact_sharpness or maximiser_gap, which are of convex functions: those "
          "of "
          "Table 1, or a formula with function.convex = true");
    const double draws = p.options.draws;
    if (draws < 2 && record_.wants(O::expected_sharpness_draw_error))
      throw ConfigError("expected_sharpness_draw_error needs gaussian.draws of at least 2");
    if (p.options.probes < 2 && !p.is_dense() && record_.wants(O::hessian_trace_probe_error))
      throw ConfigError("hessian_trace_probe_error needs curvature.probes of at least 2");
  }

  /// Throws ConfigError where trajectories of a point would need more memory than there is; says what a large
  /// A takes.
  void check_memory(const Point& p, std::size_t runs) {
    constexpr double kGiB = 1 << 30;
    const auto together = std::min(runs, static_cast<std::size_t>(threads_));
    const int inside = std::max(1, threads_ / static_cast<int>(together));
    const auto n = static_cast<double>(p.arguments());
    const double matrix = wants_box() ? bytes_of_matrix(p) : 0;
    const auto columns = static_cast<double>(p.columns());
    // Ten pairs of the quasi-Newton model twice, and what is held of the best point and the current ones.
    double vectors = wants_box() ? 52 * columns + 8 * n : 8 * n;
    if (record_.wants_any({O::lambda_max, O::lambda_max_converged, O::hessian_trace, O::log_determinant,
                           O::positive_eigenvalues}))
      vectors += p.is_dense() ? 3 * n * n : std::max(24.0, 2.0 + p.options.lanczos_steps) * n;
    const double run =
        matrix + sizeof(double) * vectors + p.f->kept_bytes + std::min(inside, p.f->chunks) * p.f->pass_bytes;
    const double needed = static_cast<double>(together) * run;
    const double available = available_memory();
    if (available != 0 && needed >= available)
      throw ConfigError(fmt::format(
          "a trajectory of {} parameters and {} columns takes about {:.1f} GiB, {} at a time {:.1f} GiB, and "
          "{:.1f} GiB are free; take a smaller matrix.columns or measure.chunk, or --threads 1",
          p.arguments(), p.columns(), run / kGiB, together, needed / kGiB, available / kGiB));
    if (matrix > kGiB / 8 && matrix > said_) {
      fmt::print(stderr, "note: A of {} x {} takes {:.2f} GiB, {} at a time\n", p.arguments(), p.columns(),
                 matrix / kGiB, together);
      said_ = matrix;
    }
  }

  void add_columns() {
    const std::size_t p = points_[0].columns();
    for (const Point& point : points_)
      if (point.columns() != p || p > kMostBestPoint)
        throw ConfigError(
            fmt::format("record.observables names best_point, which needs the same number of columns at all "
                        "scan points, at "
                        "most {}; here are {} and {}",
                        kMostBestPoint, p, point.columns()));
    Coordinate column{.name = "column", .long_name = "column of A"};
    for (std::size_t j = 1; j <= p; ++j) column.values.push_back(static_cast<double>(j));
    coordinates_.push_back(std::move(column));
  }

  SharpnessRecord record_;
  int threads_;
  double said_ = 0;  // bytes of the largest A that was said to be so
  std::vector<Point> points_;
  Sources sources_;
  std::vector<Observable> observables_;
  std::vector<Coordinate> coordinates_;
  std::vector<DerivedQuantity> derived_;
  std::vector<std::int64_t> steps_ = {0};
};

std::unique_ptr<Experiment> prepare(const ScanPlan& plan, const Backend& backend) {
  return std::make_unique<SharpnessExperiment>(plan, backend);
}

}  // namespace

const Simulation& sharpness_simulation() {
  static const Simulation simulation{
      .name = "sharpness",
      .summary =
          "(C_eps, A)-sharpness and other measures of flatness, of formulas and trained networks (seed 003)",
      .options = sharpness_options(),
      .observables = sharpness_observables(),
      .derived = sharpness_derived(),
      .prepare = prepare,
  };
  return simulation;
}

}  // namespace soret::sims
