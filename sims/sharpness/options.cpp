#include "sims/sharpness/options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sims/model.hpp"
#include "sims/option_table.hpp"
#include "sims/train/options.hpp"
#include "sims/training_set.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::sims {
namespace {

using Kind = FunctionOptions::Kind;

const std::vector<std::string> kKinds = {"sharp",   "flat",    "sharp_sharp", "sharp_flat",
                                         "formula", "network", "checkpoint"};
const std::vector<std::string> kPrecisions = {"single", "double"};
const std::vector<std::string> kStatistics = {"running", "batch"};
const std::vector<std::string> kNormalisations = {"none", "filter"};

/// Those of measure::Columns, and `given`.
std::vector<std::string> matrix_kinds() {
  auto kinds = measure::columns_names();
  kinds.emplace_back("given");
  return kinds;
}

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (const auto& observable : sharpness_observables()) names.push_back(observable.name);
  return names;
}

/// "0.5:-1" as the numbers 0.5 and -1.
std::vector<double> numbers_of(const char* key, const std::string& text) {
  std::vector<double> numbers;
  for (const std::string& word : split_words(text, ":")) {
    const auto number = parse_real(trim(word));
    if (!number)
      throw ConfigError(
          fmt::format("{} = {}: '{}' is no number; write numbers with colons between them, as "
                      "0.5:-1",
                      key, text, word));
    numbers.push_back(*number);
  }
  return numbers;
}

/// "0.8:-0.58;0.2:-0.25": its rows.
Eigen::MatrixXd matrix_of(const char* key, const std::string& text) {
  std::vector<std::vector<double>> rows;
  for (const std::string& row : split_words(text, ";")) rows.push_back(numbers_of(key, row));
  if (rows.empty() || rows[0].empty())
    throw ConfigError(
        fmt::format("{} is empty; write rows with semicolons between them, as 0.8:-0.58;0.2:-0.25", key));
  Eigen::MatrixXd matrix(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(rows[0].size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() != rows[0].size())
      throw ConfigError(fmt::format("{} = {}: row {} has {} numbers, the first has {}", key, text, i + 1,
                                    rows[i].size(), rows[0].size()));
    for (std::size_t j = 0; j < rows[i].size(); ++j)
      matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = rows[i][j];
  }
  return matrix;
}

/// Rows of the table of `simulation = train`, so that they mean the same here.
void add_training_options(std::vector<Option>& options) {
  const auto all = train_options();
  for (const char* key : {"sgd.optimizer", "sgd.learning_rate", "sgd.batch_size"})
    options.push_back(*std::ranges::find(all, key, &Option::key));
  options.push_back(integer("sgd.updates", "0", 0,
                            "network: updates that it is trained by before it is measured, exactly as "
                            "trajectory 0 of simulation = train does them"));
}

FunctionOptions function_of(const Settings& s) {
  FunctionOptions f;
  f.kind = choice<Kind>(kKinds, s.text("function.kind"));
  f.formula = s.text("function.formula");
  f.variables = s.list("function.variables");
  f.point = numbers_of("function.point", s.text("function.point"));
  f.convex = s.flag("function.convex");
  f.checkpoint = s.text("function.checkpoint");
  f.samples = static_cast<int>(s.integer("measure.samples"));
  f.chunk = static_cast<int>(s.integer("measure.chunk"));
  f.in_double = s.text("measure.precision") == "double";
  f.batch_statistics = s.text("measure.batch_norm") == "batch";
  f.rescaled_layer = static_cast<int>(s.integer("rescaling.layer"));
  f.rescaling = s.real("rescaling.factor");
  f.filter_normalised = s.text("perturbation.normalisation") == "filter";

  if (f.kind == Kind::formula && f.formula.empty())
    throw ConfigError("function.kind = formula needs function.formula, for example 100*x^2 + y^8");
  if (f.kind == Kind::checkpoint && f.checkpoint.empty())
    throw ConfigError(
        "function.kind = checkpoint needs function.checkpoint, a file that simulation = train with "
        "checkpoint.keep = final left in OUTPUT.checkpoints");
  if (f.kind != Kind::checkpoint && !f.checkpoint.empty())
    throw ConfigError(fmt::format(
        "function.checkpoint is set, but function.kind = {} does not read it; set function.kind = "
        "checkpoint, or for the parameters alone network.start",
        s.text("function.kind")));
  if (f.is_analytic()) {
    if (f.filter_normalised)
      throw ConfigError(fmt::format(
          "perturbation.normalisation = filter is of networks, and function.kind = {} has no filters",
          s.text("function.kind")));
    if (f.rescaling != 1)
      throw ConfigError(fmt::format("rescaling.factor is of networks, and function.kind = {} has no layers",
                                    s.text("function.kind")));
  } else if (!f.point.empty()) {
    throw ConfigError(fmt::format("function.point is of formulas; function.kind = {} has its parameters",
                                  s.text("function.kind")));
  }
  return f;
}

}  // namespace

std::vector<Option> sharpness_options() {
  std::vector<Option> options = {
      text(
          "function.kind", "sharp", kKinds,
          "f: of seed 003 Table 1 sharp 100 x^2, flat x^8, sharp_sharp 100 (x^2 + y^2), sharp_flat 100 x^2 + "
          "y^8; formula: yours; network: the mean loss of [network] on [data]; checkpoint: that of a trained "
          "one"),
      fixed(text("function.formula", "", {}, "of formula: 100*x^2 + y^8")),
      {.key = "function.variables",
       .type = OptionType::list,
       .default_value = "x y",
       .help = "of formula: the names of its arguments, in order",
       .scannable = false},
      text("function.point", "", {},
           "x, where formulas are looked at, as 0.5:-1; empty: the origin, the minimum of Table 1's"),
      {.key = "function.convex",
       .type = OptionType::flag,
       .default_value = "false",
       .help = "formula: it is convex, so that vertices give exact_sharpness; Table 1's are"},
      text("function.checkpoint", "", {},
           "of checkpoint: the file; network, loss, data set and its training slice are as its run had them"),
      fixed(integer("measure.samples", "1000", 0,
                    "training samples, the first ones, that a network's loss is the mean over; 0: all")),
      integer("measure.chunk", "0", 0, "samples computed together, one chunk per thread; 0: at most 128"),
      text("measure.precision", "single", kPrecisions, "of the network's arithmetic"),
      text("measure.batch_norm", "running", kStatistics,
           "batch normalisation by running statistics, which perturbations leave as they are, or by those of "
           "the chunk"),
      integer("rescaling.layer", "1", 1,
              "a ReLU network's layer whose weights and bias are multiplied by `factor`, and the next one's "
              "weights divided, which leaves f as it is"),
      positive(real("rescaling.factor", "1", 0, "1: nothing is rescaled")),
      text("perturbation.normalisation", "none", kNormalisations,
           "filter: all measures are those of u -> f(x + s u) at u = 0, s[parameter] the norm of its filter "
           "(bias: its size), and do not change when layers are rescaled"),

      positive(real("sharpness.epsilon", "1e-3", 0, "of the box C_eps, Definition 2")),
      text("sharpness.maximiser", "lbfgsb", measure::maximiser_names(),
           "lbfgsb: 10 iterations are Keskar's; projected_gradient; vertices: all 2^p, exact for convex f, "
           "up to "
           "20 columns"),
      integer("sharpness.starts", "1", 1, "ascents, each from a random point"),
      integer("sharpness.iterations", "100", 1, "of an ascent, at most"),
      positive(
          real("sharpness.tolerance", "1e-6", 0,
               "of the projected gradient, in units of its largest entry met, that counts as converged")),
      text("matrix.kind", "identity", matrix_kinds(),
           "A: identity; independent N(0, 1) or U(-1, 1) entries; gaussian columns made orthonormal; or "
           "given"),
      integer("matrix.columns", "100", 1, "p of a random A; at most the arguments of f (Keskar's 100)"),
      text("matrix.entries", "", {}, "of given: rows with semicolons, as 0.8:-0.58;0.2:-0.25"),
      positive(real("ball.radius", "0.05", 0, "rho of the sam_ observables (Foret et al. 2021)")),
      positive(real("gaussian.deviation", "0.01", 0, "sigma of expected_sharpness (our choice)")),
      fixed(integer("gaussian.draws", "16", 1, "perturbations per trajectory (our choice)")),
      fixed(integer("curvature.dense_parameters", "512", 0,
                    "up to so many the whole Hessian is formed: no error of probes (our choice)", 8192)),
      fixed(integer("curvature.probes", "10", 1, "random vectors for traces and log determinants beyond")),
      fixed(integer("curvature.lanczos_steps", "30", 2, "of a log determinant's quadrature")),
      fixed(positive(real("curvature.tolerance", "1e-3", 0, "of lambda_max, relative"))),
      fixed(integer(
          "curvature.most_products", "300", 1,
          "about, of its search; what has not converged by then is recorded as found, a lower bound")),
      fixed(positive(real("curvature.threshold", "1e-6", 0,
                          "eigenvalues above it are the Hessian's positive part (our choice)"))),
  };
  const auto add = [&](std::vector<Option> more) {
    options.insert(options.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  add(model_options());
  add(data_options());
  add_training_options(options);
  add({
      fixed(integer("ensemble.trajectories", "1", 1,
                    "repetitions with other random matrices, starts, perturbations and probes")),
      seed_option("seed of every random stream; data and network are the same in all trajectories"),
      observables_option("function_value sharpness maximum evaluations converged", observable_names()),
      blocks_option("32", "trajectories"),
  });
  return options;
}

std::vector<Observable> sharpness_observables() {
  const auto row = [](const char* name, const char* meaning, const char* reference = "",
                      const char* unit = "1", std::vector<std::string> dimensions = {}) {
    return Observable{.name = name,
                      .unit = unit,
                      .long_name = meaning,
                      .reference = reference,
                      .dimensions = std::move(dimensions),
                      .recorded_over = ""};
  };
  const char* const kTwo = "seed 003 Eqs. 2-3";
  return {
      row("function_value", "f(x)"),
      row("gradient_norm", "L2 norm of the gradient of f at x"),
      row("sharpness", "phi of (C_eps, A), the largest rise found, over 1 + f(x)", kTwo, "percent"),
      row("maximum", "the largest f(x + A y) found", kTwo),
      row("evaluations", "of f on the way, with its gradient or without"),
      row("gradient_evaluations", "of its gradient, or of the differences that stand for it"),
      row("converged", "1 if the maximiser's tolerance was met at the best point, else 0"),
      row("best_point", "y of the largest f(x + A y) found", kTwo, "1", {"column"}),
      row("exact_sharpness", "phi by all vertices of the box, of convex f", kTwo, "percent"),
      row("maximiser_gap", "1 - sharpness / exact_sharpness"),
      row("sam_sharpness", "largest rise of f found in the ball of radius rho", "Foret et al. 2021, Eq. 1"),
      row("sam_step_sharpness", "rise of f by the step rho along its gradient", "Foret et al. 2021, Eq. 2"),
      row("sam_evaluations", "of f on the way"),
      row("sam_converged", "1 if the tolerance was met at the best point, else 0"),
      row("expected_sharpness", "mean rise of f under N(0, sigma^2) perturbations",
          "Neyshabur et al. 2017, section 2.4"),
      row("expected_sharpness_draw_error", "its standard error over a trajectory's own draws"),
      row("lambda_max", "largest eigenvalue of the Hessian"),
      row("lambda_max_converged",
          "1 if lambda_max is known to curvature.tolerance, else 0: then it is a lower bound"),
      row("hessian_trace", "trace of the Hessian"),
      row("hessian_trace_probe_error", "its standard error over a trajectory's own probes; 0 if exact"),
      row("log_determinant", "sum of log of the Hessian's eigenvalues above the threshold",
          "seed 003 Eq. 26"),
      row("positive_eigenvalues", "how many there are"),
  };
}

SharpnessPoint sharpness_point(const Settings& s) {
  SharpnessPoint p;
  p.function = function_of(s);
  const std::string& kind = s.text("matrix.kind");
  p.matrix.given = kind == "given";
  if (p.matrix.given)
    p.matrix.entries = matrix_of("matrix.entries", s.text("matrix.entries"));
  else
    p.matrix.kind = measure::parse_columns(kind);
  p.matrix.columns = static_cast<std::size_t>(s.integer("matrix.columns"));
  p.box = {.epsilon = s.real("sharpness.epsilon"),
           .maximiser = measure::parse_maximiser(s.text("sharpness.maximiser")),
           .starts = static_cast<int>(s.integer("sharpness.starts")),
           .most_iterations = static_cast<int>(s.integer("sharpness.iterations")),
           .tolerance = s.real("sharpness.tolerance")};
  p.ball = {.radius = s.real("ball.radius"),
            .starts = p.box.starts,
            .most_iterations = p.box.most_iterations,
            .tolerance = p.box.tolerance};
  p.deviation = s.real("gaussian.deviation");
  p.draws = static_cast<int>(s.integer("gaussian.draws"));
  p.dense_parameters = static_cast<int>(s.integer("curvature.dense_parameters"));
  p.probes = static_cast<int>(s.integer("curvature.probes"));
  p.lanczos_steps = static_cast<int>(s.integer("curvature.lanczos_steps"));
  p.eigenvalue_tolerance = s.real("curvature.tolerance");
  p.most_products = static_cast<int>(s.integer("curvature.most_products"));
  p.threshold = s.real("curvature.threshold");
  p.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));
  return p;
}

void check_sharpness(const ScanPlan& plan) {
  constexpr KeyOfKind kKeys[] = {{"function.formula", "function.kind", "formula"},
                                 {"function.checkpoint", "function.kind", "checkpoint"},
                                 {"matrix.entries", "matrix.kind", "given"}};
  require_used(plan, kKeys);
}

SharpnessRecord sharpness_record(const Settings& common) {
  SharpnessRecord record;
  record.trajectories = static_cast<std::uint32_t>(common.integer("ensemble.trajectories"));
  const auto names = observable_names();
  for (const std::string& word : common.list("record.observables"))
    record.observables.push_back(choice<SharpnessObservable>(names, word));
  return record;
}

bool SharpnessRecord::wants(SharpnessObservable o) const {
  return std::ranges::find(observables, o) != observables.end();
}

bool SharpnessRecord::wants_any(std::initializer_list<SharpnessObservable> some) const {
  return std::ranges::any_of(some, [&](SharpnessObservable o) { return wants(o); });
}

}  // namespace soret::sims
