#include "sims/langevin/options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/formula.hpp"
#include "soret/base/text.hpp"
#include "soret/langevin/equilibrium.hpp"
#include "soret/langevin/landscape.hpp"
#include "soret/random/fill.hpp"

namespace soret::sims {
namespace {

using langevin::Box;
using langevin::Landscape;
using langevin::Noise;
using langevin::Problem;
using langevin::Scheme;
using langevin::Start;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Several numbers of one setting, which may repeat: a free text, not a scan axis.
Option numbers(std::string key, std::string value, std::string help) {
  return {
      .key = std::move(key), .default_value = std::move(value), .help = std::move(help), .scannable = false};
}

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (int o = 0; o < langevin::kObservables; ++o)
    names.emplace_back(langevin::name(static_cast<langevin::Observable>(o)));
  return names;
}

std::vector<double> numbers(const Settings& s, const std::string& key) {
  std::vector<double> out;
  for (const std::string& word : split_words(s.text(key))) {
    const auto number = parse_real(word);
    if (!number) throw ConfigError(fmt::format("{}: '{}' is not a number", key, word));
    out.push_back(*number);
  }
  return out;
}

void require_size(const std::string& key, const std::vector<double>& x, std::size_t size,
                  const std::string& why) {
  if (x.size() != size)
    throw ConfigError(
        fmt::format("{} has {} number{}, but {}", key, x.size(), x.size() == 1 ? "" : "s", why));
}

/// A matrix uniform over the rotations and reflections: the orthogonal factor of a Gaussian one.
Matrix random_orthogonal(int d, std::uint64_t seed) {
  std::vector<float> z(static_cast<std::size_t>(d) * d);
  fill_normal({seed, Purpose::initial_parameters, 0}, 0, z);
  Matrix gaussian(d, d);
  for (std::size_t i = 0; i < z.size(); ++i) gaussian.data()[i] = z[i];
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr{Eigen::MatrixXd(gaussian)};
  Eigen::MatrixXd q = qr.householderQ();
  for (int k = 0; k < d; ++k)
    if (qr.matrixQR()(k, k) < 0) q.col(k) *= -1;
  return q;
}

/// F with F F^T = C, lower triangle. Throws ConfigError unless C is symmetric and positive semidefinite.
std::vector<double> factor(const Matrix& c, const std::string& what) {
  const auto d = c.rows();
  const double scale = c.cwiseAbs().maxCoeff();
  for (Eigen::Index i = 0; i < d; ++i)
    for (Eigen::Index j = 0; j < i; ++j)
      if (std::abs(c(i, j) - c(j, i)) > 1e-12 * scale)
        throw ConfigError(fmt::format("{} is not symmetric: entry ({}, {}) is {}, entry ({}, {}) is {}", what,
                                      i + 1, j + 1, c(i, j), j + 1, i + 1, c(j, i)));
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen{Eigen::MatrixXd(c)};
  const double least = eigen.eigenvalues().minCoeff();
  if (least < -1e-12 * scale)
    throw ConfigError(fmt::format(
        "{} is no covariance: its least eigenvalue is {:.6g}; all must be at least 0", what, least));
  // C = B B^T with B = Q sqrt(Lambda); B^T = Q' R gives C = R^T R, so R^T is the triangle, C singular or not.
  const Eigen::MatrixXd b = eigen.eigenvectors() * eigen.eigenvalues().cwiseMax(0).cwiseSqrt().asDiagonal();
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr{Eigen::MatrixXd(b.transpose())};
  const Matrix f = Eigen::MatrixXd(qr.matrixQR().triangularView<Eigen::Upper>()).transpose();
  return {f.data(), f.data() + f.size()};
}

Landscape landscape(const Settings& s) {
  Landscape l;
  const std::string& kind = s.text("landscape.kind");
  l.dimension = static_cast<int>(s.integer("landscape.dimension"));
  const auto require_dimension = [&](int most) {
    if (l.dimension > most)
      throw ConfigError(fmt::format("landscape.kind = {} has {}, so landscape.dimension = {} is too large",
                                    kind, most == 1 ? "one dimension" : "one or two dimensions",
                                    l.dimension));
  };
  if (kind == "quadratic") {
    std::vector<double> spectrum = numbers(s, "landscape.spectrum");
    if (spectrum.empty()) {
      for (int k = 1; k <= l.dimension; ++k)
        spectrum.push_back(std::pow(static_cast<double>(k), -s.real("landscape.spectrum_power")));
    } else if (l.dimension == 1) {
      l.dimension = static_cast<int>(spectrum.size());
    }
    require_size("landscape.spectrum", spectrum, l.dimension,
                 fmt::format("landscape.dimension = {}", l.dimension));
    if (l.dimension > langevin::kMaxDimension)
      throw ConfigError(
          fmt::format("landscape.spectrum has {} numbers; at most {}", l.dimension, langevin::kMaxDimension));
    for (double& h : spectrum) h *= s.real("landscape.curvature");
    l.hessian = std::move(spectrum);
    if (s.flag("landscape.rotated") && l.dimension > 1) {
      const Matrix q = random_orthogonal(l.dimension, static_cast<std::uint64_t>(s.integer("ensemble.seed")));
      const Matrix h =
          q * Eigen::Map<const Eigen::VectorXd>(l.hessian.data(), l.dimension).asDiagonal() * q.transpose();
      const Matrix symmetric = 0.5 * (h + Matrix(h.transpose()));
      l.diagonal = false;
      l.hessian.assign(symmetric.data(), symmetric.data() + symmetric.size());
    }
  } else if (kind == "double_well") {
    require_dimension(1);
    l.kind = Landscape::Kind::double_well;
    l.barrier = s.real("landscape.barrier");
    l.width = s.real("landscape.width");
    l.tilt = s.real("landscape.tilt");
  } else if (kind == "wells") {
    require_dimension(2);
    l.kind = Landscape::Kind::wells;
    l.sharpness = s.real("landscape.sharpness");
    const auto x = numbers(s, "landscape.well_x");
    auto y = numbers(s, "landscape.well_y");
    const auto depth = numbers(s, "landscape.well_depth");
    const auto curvature = numbers(s, "landscape.well_curvature");
    constexpr std::size_t kMost = langevin::Wells<1>::kMost;
    if (x.empty() || x.size() > kMost)
      throw ConfigError(
          fmt::format("landscape.well_x lists {} wells; 1 to {} are possible", x.size(), kMost));
    const std::string why = fmt::format("landscape.well_x lists {} wells", x.size());
    if (!y.empty()) l.dimension = 2;
    if (y.empty()) y.assign(x.size(), 0.0);
    require_size("landscape.well_y", y, x.size(), why);
    require_size("landscape.well_depth", depth, x.size(), why);
    require_size("landscape.well_curvature", curvature, x.size(), why);
    for (std::size_t k = 0; k < x.size(); ++k) {
      if (!(curvature[k] > 0))
        throw ConfigError(fmt::format("landscape.well_curvature: {} must be positive", curvature[k]));
      l.wells.push_back({{x[k], y[k]}, depth[k] * s.real("landscape.depth_scale"), curvature[k]});
    }
  } else if (kind == "mueller_brown") {
    require_dimension(2);
    l.kind = Landscape::Kind::mueller_brown;
    l.dimension = 2;
    l.scale = s.real("landscape.scale");
  } else {
    require_dimension(2);
    l.kind = Landscape::Kind::formula;
    l.formula = s.text("landscape.formula");
    try {
      Formula(l.formula,
              l.dimension == 1 ? std::vector<std::string>{"x"} : std::vector<std::string>{"x", "y"});
    } catch (const ConfigError& error) {
      throw ConfigError(fmt::format("landscape.formula: {}", error.what()));
    }
  }
  return l;
}

Noise noise(const Settings& s, const Landscape& l) {
  Noise n;
  const std::string& kind = s.text("noise.kind");
  const double variance = s.real("noise.variance");
  const auto d = static_cast<std::size_t>(l.dimension);
  const std::string why = fmt::format("the landscape has {} dimension{}", d, d == 1 ? "" : "s");
  n.base = variance;
  if (kind == "isotropic") {
    n.factor.assign(d, std::sqrt(variance));
  } else if (kind == "spectrum") {
    n.factor = numbers(s, "noise.spectrum");
    require_size("noise.spectrum", n.factor, d, why);
    for (double& x : n.factor) {
      if (x < 0)
        throw ConfigError(fmt::format("noise.spectrum: {} is no variance; all must be at least 0", x));
      x = std::sqrt(variance * x);
    }
  } else if (kind == "matrix") {
    const std::vector<double> entries = numbers(s, "noise.matrix");
    require_size("noise.matrix", entries, d * d, why);
    n.kind = Noise::Kind::dense;
    n.factor =
        factor(variance * Eigen::Map<const Matrix>(entries.data(), l.dimension, l.dimension), "noise.matrix");
  } else if (kind == "hessian") {
    if (l.kind != Landscape::Kind::quadratic)
      throw ConfigError(
          "noise.kind = hessian needs landscape.kind = quadratic: elsewhere the Hessian is indefinite "
          "between "
          "minima and is no covariance");
    if (std::ranges::min(l.hessian) < 0 && l.diagonal)
      throw ConfigError("noise.kind = hessian: the Hessian has a negative eigenvalue and is no covariance");
    if (l.diagonal) {
      for (const double h : l.hessian) n.factor.push_back(std::sqrt(variance * h));
    } else {
      n.kind = Noise::Kind::dense;
      n.factor = factor(variance * Eigen::Map<const Matrix>(l.hessian.data(), l.dimension, l.dimension),
                        "noise.kind = hessian: the Hessian");
    }
  } else {
    n.kind = Noise::Kind::state;
    n.slope = s.real("noise.slope");
  }
  return n;
}

double loss_at(const Landscape& l, double x, double y) {
  const double w[2] = {x, y};
  return langevin::value(l, {w, static_cast<std::size_t>(l.dimension)});
}

/// Where the walkers are at rest: out to a loss of 12 temperatures above the least.
Box automatic_box(const Problem& p) {
  const Landscape& l = p.landscape;
  Box box{{-1, -1}, {1, 1}};
  if (l.kind == Landscape::Kind::quadratic) {
    const auto covariance = langevin::stationary_covariance(p, langevin::CovarianceLaw::continuous);
    for (int k = 0; k < std::min(2, l.dimension); ++k) {
      const double sigma = std::sqrt(covariance[static_cast<std::size_t>(k) * (l.dimension + 1)]);
      const double reach = std::isfinite(sigma) && sigma > 0 ? 5 * sigma : 1;
      box.low[k] = -reach, box.high[k] = reach;
    }
    return box;
  }
  if (l.kind == Landscape::Kind::double_well) box = {{-1.5 * l.width, 0}, {1.5 * l.width, 0}};
  if (l.kind == Landscape::Kind::mueller_brown) box = {{-1.5, -0.3}, {1.1, 2.0}};
  if (l.kind == Landscape::Kind::wells) {
    for (int k = 0; k < 2; ++k) {
      box.low[k] = box.high[k] = l.wells[0].centre[k];
      for (const auto& well : l.wells) {
        const double reach = 1 / std::sqrt(well.curvature);
        box.low[k] = std::min(box.low[k], well.centre[k] - reach);
        box.high[k] = std::max(box.high[k], well.centre[k] + reach);
      }
    }
  }
  constexpr int kPlaces = 64;
  constexpr int kMostGrowth = 40;
  const double above = 12 * langevin::temperature(p);
  for (int growth = 0; growth < kMostGrowth; ++growth) {
    double least = std::numeric_limits<double>::infinity();
    double least_at_edge = least;
    for (int i = 0; i <= kPlaces; ++i) {
      const int last = l.dimension == 1 ? 0 : kPlaces;
      for (int j = 0; j <= last; ++j) {
        const double x = box.low[0] + (box.high[0] - box.low[0]) * i / kPlaces;
        const double y = box.low[1] + (box.high[1] - box.low[1]) * j / kPlaces;
        const double loss = loss_at(l, x, y);
        if (std::isnan(loss))
          throw ConfigError(
              fmt::format("the landscape is not a number at x = {:.6g}{}: set record.range to "
                          "where it is one, or correct landscape.formula",
                          x, l.dimension == 1 ? "" : fmt::format(", y = {:.6g}", y)));
        least = std::min(least, loss);
        if (i == 0 || i == kPlaces || (l.dimension == 2 && (j == 0 || j == kPlaces)))
          least_at_edge = std::min(least_at_edge, loss);
      }
    }
    if (least_at_edge > least + above) return box;
    for (int k = 0; k < l.dimension; ++k) {
      const double more = 0.05 * (box.high[k] - box.low[k]);
      box.low[k] -= more, box.high[k] += more;
    }
  }
  throw ConfigError(
      "record.range = auto, but the landscape does not rise 12 temperatures above its least value within "
      "reach: set record.range");
}

Box box_of(const Settings& s, const Problem& p) {
  if (s.text("record.range") == "auto") return automatic_box(p);
  const std::vector<double> x = numbers(s, "record.range");
  const int d = std::min(2, p.landscape.dimension);
  if (x.size() != 2 && x.size() != 2 * static_cast<std::size_t>(d))
    throw ConfigError(fmt::format("record.range has {} numbers; write auto, `low high`{}", x.size(),
                                  d == 2 ? " or `x_low x_high y_low y_high`" : ""));
  Box box{{x[0], x[x.size() - 2]}, {x[1], x[x.size() - 1]}};
  for (int k = 0; k < d; ++k)
    if (!(box.low[k] < box.high[k]))
      throw ConfigError(fmt::format("record.range: {} must be below {}", box.low[k], box.high[k]));
  return box;
}

Start start(const Settings& s, const Problem& p, const LangevinPoint& point) {
  Start start;
  const auto d = static_cast<std::size_t>(p.landscape.dimension);
  const std::string& kind = s.text("start.kind");
  start.centre = numbers(s, "start.point");
  if (start.centre.empty()) start.centre.assign(d, 0.0);
  require_size("start.point", start.centre, d,
               fmt::format("the landscape has {} dimension{}", d, d == 1 ? "" : "s"));
  start.spread = s.real("start.spread");
  if (kind == "minimum") {
    const auto k = static_cast<std::size_t>(s.integer("start.minimum"));
    if (d > 2) return start;  // a quadratic's minimum
    if (k >= point.minima.size())
      throw ConfigError(fmt::format("start.minimum = {}, but the landscape has {} {} (counted from 0)", k,
                                    point.minima.size(),
                                    point.minima.size() == 1 ? "minimum" : "minima within record.range"));
    start.centre = point.minima[k].position;
  } else if (kind == "uniform") {
    start.kind = Start::Kind::uniform;
  } else if (kind == "gaussian") {
    start.kind = Start::Kind::gaussian;
    start.factor.assign(d * d, 0.0);
    for (std::size_t k = 0; k < d; ++k) start.factor[k * (d + 1)] = start.spread;
  } else if (kind == "stationary") {
    start.centre.assign(d, 0.0);
    auto covariance = langevin::stationary_covariance(p, langevin::CovarianceLaw::scheme);
    if (!covariance.empty() && p.noise.kind != Noise::Kind::state) {
      if (!std::isfinite(covariance[0]))
        throw ConfigError(
            "start.kind = stationary, but the walk has no stationary state: learning_rate times the largest "
            "curvature must be below 2, and all curvatures above 0");
      start.kind = Start::Kind::gaussian;
      start.factor =
          factor(Eigen::Map<const Matrix>(covariance.data(), p.landscape.dimension, p.landscape.dimension),
                 "the stationary covariance");
    } else {
      start.kind = Start::Kind::quantile;
      start.quantiles = langevin::stationary_quantiles(p, point.box, 1U << 14);
      if (start.quantiles.empty())
        throw ConfigError(
            "start.kind = stationary is known for quadratic landscapes with constant noise and for "
            "one-dimensional ones; use point, minimum, uniform or gaussian, with start.burn_in");
    }
  }
  return start;
}

std::optional<langevin::Target> target(const Settings& s, const Problem& p, const LangevinPoint& point) {
  const auto wanted = s.list("record.observables");
  if (std::ranges::find(wanted, "escaped") == wanted.end() &&
      std::ranges::find(wanted, "survival_time") == wanted.end())
    return std::nullopt;
  const double from = p.start.centre[0];
  const std::string& word = s.text("escape.target");
  if (word != "auto") {
    const auto position = parse_real(word);
    if (!position) throw ConfigError(fmt::format("escape.target = {} is neither auto nor a number", word));
    return langevin::Target{*position, *position >= from ? 1.0 : -1.0};
  }
  std::optional<double> above, below;
  for (const auto& minimum : point.minima) {
    const double x = minimum.position[0];
    if (x > from + 1e-6 && !above) above = x;
    if (x < from - 1e-6) below = x;
  }
  if (!above && !below)
    throw ConfigError(
        "escape.target = auto needs a second minimum within record.range; set it to a value of the first "
        "coordinate");
  return above ? langevin::Target{*above, 1} : langevin::Target{*below, -1};
}

constexpr std::array<std::pair<const char*, Scheme>, 5> kSchemes = {
    {{"sgd", Scheme::euler_maruyama},
     {"euler_maruyama", Scheme::euler_maruyama},
     {"milstein", Scheme::milstein},
     {"heun", Scheme::heun},
     {"weak2", Scheme::weak2}}};

std::vector<std::string> scheme_names() {
  std::vector<std::string> names;
  for (const auto& [name, scheme] : kSchemes) names.emplace_back(name);
  return names;
}

void check_scheme(const Settings& s, const Problem& p) {
  const std::string& word = s.text("langevin.scheme");
  const bool state = p.noise.kind == Noise::Kind::state;
  if (word == "sgd" && p.substeps != 1)
    throw ConfigError(fmt::format(
        "langevin.scheme = sgd takes one step per step, but langevin.substeps = {}; use euler_maruyama",
        p.substeps));
  if (p.scheme == Scheme::milstein && state && p.landscape.dimension > 1)
    throw ConfigError(
        "langevin.scheme = milstein with noise.kind = state needs one dimension: in more the noise does not "
        "commute; use weak2, heun or euler_maruyama");
  if (p.scheme == Scheme::weak2 && state && p.landscape.dimension > 16)
    throw ConfigError(fmt::format(
        "langevin.scheme = weak2 with noise.kind = state has at most 16 dimensions, not {}; use heun",
        p.landscape.dimension));
}

}  // namespace

std::vector<Option> langevin_options() {
  return {
      text("landscape.kind", "quadratic", {"quadratic", "double_well", "wells", "mueller_brown", "formula"},
           "quadratic: w H w / 2; double_well: barrier ((w/width)^2 - 1)^2 + tilt w/width; wells: soft "
           "minimum of parabolas; mueller_brown; formula: yours"),
      {.key = "landscape.dimension",
       .type = OptionType::integer,
       .default_value = "1",
       .help = "of quadratic; 1 or 2 of wells and formula; the others fix it",
       .min = 1,
       .max = langevin::kMaxDimension,
       .scannable = false},
      real("landscape.curvature", "1", kAny, "quadratic: factor of all eigenvalues of H"),
      numbers("landscape.spectrum", "",
              "quadratic: the eigenvalues; empty: k^-spectrum_power, k = 1, 2, ..."),
      real("landscape.spectrum_power", "0", kAny, "quadratic: exponent of the power law"),
      {.key = "landscape.rotated",
       .type = OptionType::flag,
       .default_value = "false",
       .help = "quadratic: H has a random eigenbasis (drawn from the seed) instead of the axes"},
      positive(real("landscape.barrier", "1", 0, "double_well: height of the barrier at tilt 0")),
      positive(real("landscape.width", "1", 0, "double_well: distance of the minima from 0 at tilt 0")),
      real("landscape.tilt", "0", kAny, "double_well: raises the right minimum by about 2 tilt"),
      numbers("landscape.well_x", "-1 1", "wells: where they are"),
      numbers("landscape.well_y", "", "wells: in two dimensions"),
      numbers("landscape.well_depth", "0 0", "wells: loss at their bottoms"),
      numbers("landscape.well_curvature", "8 8",
              "wells: second derivative there, the same in all directions"),
      real("landscape.depth_scale", "1", kAny, "wells: factor of all depths"),
      positive(real("landscape.sharpness", "8", 0,
                    "wells: s of -1/s log sum exp(-s parabola); the larger, the sharper the ridges")),
      positive(real("landscape.scale", "0.01", 0, "mueller_brown: factor of the potential (our choice)")),
      fixed(text("landscape.formula", "", {}, "formula: l of x, or of x and y: x^4/4 - x^2/2")),

      text("noise.kind", "isotropic", {"isotropic", "spectrum", "matrix", "hessian", "state"},
           "covariance C of one sample's gradient: variance times 1, diag(spectrum), matrix or H; state: "
           "(variance + slope l(w)) times 1"),
      real("noise.variance", "1", 0, "sigma^2, of one coordinate"),
      numbers("noise.spectrum", "", "spectrum: variance of every coordinate"),
      numbers("noise.matrix", "", "matrix: the entries, row by row"),
      real("noise.slope", "1", 0, "state: how the variance grows with the loss"),

      positive(real("sgd.learning_rate", "0.05", 0, "learning rate eta")),
      integer("sgd.batch_size", "1", 1, "samples |B| per step: the noise has covariance C/|B|"),
      fixed(integer("sgd.steps", "1000", 1, "SGD steps; the time of the SDE is eta times them")),

      text("langevin.scheme", "sgd", scheme_names(),
           "sgd: the recursion itself; the others integrate dw = -grad l dt + sqrt(eta C/|B|) dW (Ito) in "
           "steps of eta/substeps; heun and weak2 are the same where the noise is constant"),
      integer("langevin.substeps", "1", 1, "steps of the integrator per SGD step"),

      text("start.kind", "point", {"point", "minimum", "uniform", "gaussian", "stationary"},
           "at start.point; at a minimum; spread around start.point; in the stationary state"),
      numbers("start.point", "", "where; empty: the origin"),
      integer("start.minimum", "0", 0, "minimum: which, counted along x from 0"),
      positive(real("start.spread", "1", 0, "uniform: half the width; gaussian: standard deviation")),
      integer("start.burn_in", "0", 0, "SGD steps before step 0"),

      fixed(text("escape.target", "auto", {},
                 "escaped beyond this value of the first coordinate; auto: the next minimum")),

      fixed(integer("ensemble.walkers", "1024", 2, "walkers per group; whole multiples of 32 cost least")),
      fixed(
          integer("ensemble.groups", "64", 2,
                  "groups per scan point: every mean and count is one number per group, and the errors come "
                  "from their spread")),
      {.key = "ensemble.seed",
       .type = OptionType::integer,
       .default_value = "1",
       .help = "seed of every random stream; a walker draws the same numbers at every scan point",
       .min = 0,
       .max = 9007199254740992.0},

      {.key = "record.observables",
       .type = OptionType::list,
       .default_value = "mean covariance",
       .help = "what to record",
       .choices = observable_names(),
       .scannable = false},
      fixed(text("record.schedule", "linear", {"linear", "log"},
                 "linear: every `every` steps; log: `points` steps evenly in log(step)")),
      fixed(integer("record.every", "100", 1, "steps between records of the linear schedule")),
      fixed(integer("record.points", "50", 2, "records of the log schedule, as far as they are distinct")),
      fixed(integer("record.snapshots", "1", 1,
                    "a record averages this many snapshots, spread evenly since the record before", 1e6)),
      fixed(integer("record.bins", "64", 2, "bins of density", 1e6)),
      fixed(integer("record.bins_2d", "32", 2, "bins of density_2d along each coordinate", 4096)),
      numbers(
          "record.range", "auto",
          "what the bins cover and where minima are looked for: low high [y_low y_high]; auto: 5 standard "
          "deviations of a quadratic, else out to 12 temperatures"),
      fixed(integer("record.blocks", "32", 1, "groups are kept as this many block means for the bootstrap")),
  };
}

std::vector<soret::Observable> langevin_observables() {
  const auto row = [](langevin::Observable o, std::string meaning, std::string reference,
                      std::vector<std::string> dimensions) {
    return soret::Observable{.name = std::string(langevin::name(o)),
                             .long_name = std::move(meaning),
                             .reference = std::move(reference),
                             .dimensions = std::move(dimensions)};
  };
  using O = langevin::Observable;
  return {
      row(O::mean, "mean position", "", {"coordinate"}),
      row(O::covariance, "covariance of the position over the walkers of a group", "seed 003 section 5.3",
          {"row", "column"}),
      row(O::density, "density of the first coordinate, mean over each bin", "seed 003 Eq. 25", {"position"}),
      row(O::density_2d, "density of the first two coordinates, mean over each bin", "seed 003 Eq. 25",
          {"position", "position_y"}),
      row(O::occupancy, "fraction of the walkers in the basin of each minimum", "seed 003 Eq. 26", {"basin"}),
      row(O::loss, "mean loss of the walkers", "", {}),
      row(O::autocovariance, "covariance of the first coordinate with itself at step 0", "", {}),
      row(O::escaped, "fraction of the walkers that have reached escape.target", "", {}),
      row(O::survival_time, "mean over walkers of min(escape time, now), in t = learning_rate * steps", "",
          {}),
  };
}

LangevinPoint langevin_point(const Settings& s, const Box* box) {
  LangevinPoint point;
  Problem& p = point.problem;
  p.landscape = landscape(s);
  p.noise = noise(s, p.landscape);
  p.learning_rate = s.real("sgd.learning_rate");
  p.batch_size = static_cast<double>(s.integer("sgd.batch_size"));
  p.substeps = static_cast<int>(s.integer("langevin.substeps"));
  p.scheme = std::ranges::find(kSchemes, s.text("langevin.scheme"), [](const auto& x) {
               return std::string(x.first);
             })->second;
  p.burn_in = s.integer("start.burn_in");
  p.walkers = static_cast<std::uint32_t>(s.integer("ensemble.walkers"));
  p.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));
  check_scheme(s, p);

  point.box = box ? *box : box_of(s, p);
  if (p.landscape.dimension <= 2 && p.landscape.kind != Landscape::Kind::quadratic)
    point.minima = langevin::Basins(p.landscape, point.box).minima();
  if (p.landscape.kind == Landscape::Kind::quadratic)
    point.minima = {{std::vector<double>(p.landscape.dimension, 0.0), 0, 1}};
  if (p.noise.kind == Noise::Kind::state) {
    for (const auto& minimum : point.minima)
      if (p.noise.base + p.noise.slope * minimum.loss < 0)
        throw ConfigError(fmt::format(
            "noise.kind = state: variance + slope l is {:.6g} at the minimum of loss {:.6g}; a variance must "
            "be at least 0: raise noise.variance",
            p.noise.base + p.noise.slope * minimum.loss, minimum.loss));
  }
  p.start = start(s, p, point);
  p.target = target(s, p, point);
  return point;
}

void check_langevin(const ScanPlan& plan) {
  constexpr KeyOfKind kKeys[] = {{"landscape.formula", "landscape.kind", "formula"},
                                 {"landscape.spectrum", "landscape.kind", "quadratic"},
                                 {"landscape.well_y", "landscape.kind", "wells"},
                                 {"noise.spectrum", "noise.kind", "spectrum"},
                                 {"noise.matrix", "noise.kind", "matrix"}};
  require_used(plan, kKeys);
}

LangevinRecord langevin_record(const Settings& common) {
  LangevinRecord record;
  langevin::Plan& plan = record.plan;
  plan.records = schedule(common, common.integer("sgd.steps"));
  plan.snapshots = common.integer("record.snapshots");
  constexpr double kMostSnapshots = 1e7;
  const double snapshots = static_cast<double>(plan.snapshots) * static_cast<double>(plan.records.size());
  if (snapshots > kMostSnapshots)
    throw ConfigError(
        fmt::format("record.snapshots = {} of {} records are {:.3g} snapshots; at most {:.0e} are taken: "
                    "record less often",
                    plan.snapshots, plan.records.size(), snapshots, kMostSnapshots));
  plan.histogram.bins = static_cast<std::size_t>(common.integer("record.bins"));
  plan.histogram.bins_2d = static_cast<std::size_t>(common.integer("record.bins_2d"));
  for (const std::string& word : common.list("record.observables")) {
    const auto names = observable_names();
    plan.observables.push_back(
        static_cast<langevin::Observable>(std::ranges::find(names, word) - names.begin()));
  }
  record.groups = static_cast<std::uint32_t>(common.integer("ensemble.groups"));
  const double walkers =
      static_cast<double>(record.groups) * static_cast<double>(common.integer("ensemble.walkers"));
  if (walkers > 4294967296.0)
    throw ConfigError(
        fmt::format("ensemble.groups times ensemble.walkers is {:.3g}; at most 2^32 walkers", walkers));
  return record;
}

}  // namespace soret::sims
