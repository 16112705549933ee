#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// Walkers on a loss landscape l(w): SGD with Gaussian gradient noise of covariance C(w) / |B|,
///
///   w <- w - eta (grad l(w) + xi),  xi ~ N(0, C(w) / |B|)                 (seed 003 Eqs. 9-16)
///
/// and its stochastic differential equation in the time t = eta * steps (seed 003 Eqs. 17-24, Ito),
///
///   dw = -grad l dt + sqrt(eta C(w) / |B|) dW.
namespace soret::langevin {

/// What a landscape is made of; landscape.hpp has the formulas.
struct Landscape {
  enum class Kind { quadratic, double_well, wells, mueller_brown, formula };
  struct Well {
    double centre[2] = {0, 0};
    double depth = 0;
    double curvature = 1;
  };

  Kind kind = Kind::quadratic;
  int dimension = 1;
  bool diagonal = true;         ///< quadratic: `hessian` holds the diagonal only
  std::vector<double> hessian;  ///< quadratic: [dimension] or [dimension][dimension]
  double barrier = 1;           ///< double_well: height above the minima at tilt 0
  double width = 1;             ///< double_well: distance of the minima from 0 at tilt 0
  double tilt = 0;              ///< double_well
  std::vector<Well> wells{};    ///< wells
  double sharpness = 1;         ///< wells
  double scale = 1;             ///< mueller_brown
  std::string formula{};        ///< formula: of x, or of x and y
};

/// C(w), per sample.
struct Noise {
  enum class Kind {
    diagonal,  ///< C_kk = factor[k]^2
    dense,     ///< C = F F^T, F = factor[dimension][dimension], lower triangle
    state,     ///< C = (base + slope l(w)) I
  };
  Kind kind = Kind::diagonal;
  std::vector<double> factor;
  double base = 1;
  double slope = 0;
};

/// How a step of size h = eta / substeps is taken. For noise that does not depend on w, milstein is
/// euler_maruyama and weak2 is heun.
enum class Scheme {
  euler_maruyama,  ///< with one substep this is SGD itself
  milstein,        ///< strong order 1; state noise in one dimension only
  heun,            ///< stochastic Heun on the Stratonovich form of the same Ito equation
  weak2,           ///< Platen's explicit scheme of weak order 2 (Kloeden and Platen, section 15.1)
};

/// Where the walkers start.
struct Start {
  enum class Kind {
    point,     ///< all at `centre`
    uniform,   ///< centre +- spread in every coordinate
    gaussian,  ///< centre + F z, F = factor[dimension][dimension] with zeros above its diagonal
    quantile,  ///< one dimension: linear interpolation between evenly spaced `quantiles`
  };
  Kind kind = Kind::point;
  std::vector<double> centre;  ///< [dimension]
  double spread = 1;
  std::vector<double> factor{};
  std::vector<double> quantiles{};
};

/// The walker has escaped once direction * (w_0 - position) >= 0, looked at after every substep.
struct Target {
  double position = 0;
  double direction = 1;
};

struct Problem {
  Landscape landscape;
  Noise noise;
  Start start;
  Scheme scheme = Scheme::euler_maruyama;
  double learning_rate = 0.1;
  double batch_size = 1;
  int substeps = 1;
  std::int64_t burn_in = 0;      ///< SGD steps before step 0
  std::uint32_t walkers = 1024;  ///< of one group
  std::uint64_t seed = 1;
  std::optional<Target> target{};

  /// eta / (2 |B|): times the noise's variance it is the temperature T of exp(-l / T), seed 003 Eq. 25.
  double temperature_per_variance() const { return learning_rate / (2 * batch_size); }
};

inline constexpr int kMaxDimension = 256;

/// Walkers that are computed together: eight vectors, enough independent chains to hide the latency of a
/// step.
inline constexpr int kChunk = 64;

/// Walkers first, first + 1, ... of a group at one of the sample steps.
struct Sample {
  std::size_t index;    ///< into the sample steps
  std::uint32_t first;  ///< counted within the group
  int count;            ///< at most kChunk
  const double* w;      ///< [dimension][kChunk]
  const double*
      escaped_at;  ///< [kChunk] in substeps since step 0, infinite before the escape; if a target is set
};

/// Thrown when `stop` turned true.
struct Stopped {};

/// Runs the walkers of one group and calls on_sample for every chunk at each of the ascending `steps` (SGD
/// steps after the burn-in). A walker is a function of the problem and of its own index, group * walkers + i:
/// normal number (substep * dimension + k), counted from the start of the burn-in, drives coordinate k. With
/// `until_escaped`, a chunk whose walkers have all escaped some time ago stays where it is.
/// Throws ConfigError for a formula that muParser refuses.
void run_group(const Problem& problem, std::uint32_t group, std::span<const std::int64_t> steps,
               const std::function<void(const Sample&)>& on_sample, const std::atomic<bool>* stop = nullptr,
               bool until_escaped = false);

/// l, its gradient and its Hessian (central differences of the gradient) at one point w[dimension].
double value(const Landscape& landscape, std::span<const double> w);
std::vector<double> gradient(const Landscape& landscape, std::span<const double> w);
std::vector<double> hessian(const Landscape& landscape, std::span<const double> w);  ///< [d][d]

}  // namespace soret::langevin
