#include "sims/random_walk/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "sims/option_table.hpp"
#include "soret/base/error.hpp"
#include "soret/base/text.hpp"

namespace soret::sims {
namespace {

using walk::Boundary;
using walk::Coupling;
using walk::FieldKind;
using walk::Kick;
using walk::Start;

/// The words of the config, in the order of each enumeration.
const std::vector<std::string> kFields = {"constant", "linear",    "sinusoidal", "exponential", "power",
                                          "bump",     "quadratic", "neuron",     "formula"};
const std::vector<std::string> kCouplings = {"separate", "product"};
const std::vector<std::string> kKicks = {"rademacher", "gaussian", "uniform", "student_t"};
const std::vector<std::string> kBoundaries = {"line", "reflecting", "periodic", "absorbing"};
const std::vector<std::string> kPrecisions = {"double", "single"};
const std::vector<std::string> kStarts = {"point", "uniform", "gaussian", "stationary"};

template <class E>
E value_of(const std::vector<std::string>& words, const std::string& word) {
  return static_cast<E>(std::ranges::find(words, word) - words.begin());
}

std::vector<std::string> observable_names() {
  std::vector<std::string> names;
  for (int o = 0; o < walk::kObservables; ++o)
    names.emplace_back(walk::name(static_cast<walk::Observable>(o)));
  return names;
}

/// walk.shared: none, all, or the sizes of successive sets of coordinates, as 2+1.
std::vector<int> shares_of(const std::string& text, int dimensions) {
  std::vector<int> shares;
  if (text == "none" || text == "all") {
    for (int i = 0; i < dimensions; ++i) shares.push_back(text == "none" ? i : 0);
    return shares;
  }
  int set = 0;
  for (const std::string& word : split_words(text, "+")) {
    const auto size = parse_integer(word);
    if (!size || *size < 1 || *size > dimensions) {
      shares.clear();
      break;
    }
    shares.insert(shares.end(), static_cast<std::size_t>(*size), set++);
  }
  if (shares.size() != static_cast<std::size_t>(dimensions)) {
    throw ConfigError(fmt::format(
        "walk.shared = {}: write none, all, or sizes of successive sets of coordinates that add up "
        "to walk.dimensions = {}, such as {}",
        text, dimensions, dimensions > 1 ? fmt::format("{}+1", dimensions - 1) : "1"));
  }
  return shares;
}

std::vector<Formula> formulas_of(const std::string& text, int dimensions) {
  std::vector<Formula> formulas;
  try {
    for (std::size_t from = 0; from <= text.size();) {
      const std::size_t end = std::min(text.find(';', from), text.size());
      formulas.emplace_back(std::string(trim(std::string_view(text).substr(from, end - from))),
                            walk::formula_variables(dimensions));
      from = end + 1;
    }
  } catch (const ConfigError& error) {
    throw ConfigError(fmt::format("walk.g: {}", error.what()));
  }
  if (formulas.size() != 1 && formulas.size() != static_cast<std::size_t>(dimensions)) {
    throw ConfigError(fmt::format(
        "walk.g has {} formulas for walk.dimensions = {}: write one for all coordinates, or one for "
        "each, separated by ';'",
        formulas.size(), dimensions));
  }
  return formulas;
}

}  // namespace

std::vector<Option> random_walk_options() {
  return {
      fixed(integer("walk.dimensions", "1", 1, "number of coordinates", walk::kMaxDimensions)),
      positive(real("walk.learning_rate", "0.02", 0, "learning rate eta of q <- q - eta gamma g(q)")),
      fixed(integer("walk.steps", "10000", 1, "steps of every walker", 9e15)),
      text("walk.kick", "rademacher", kKicks,
           "law of gamma, mean 0 and variance 1: rademacher +-1 (Eq. 8), gaussian, uniform on [-sqrt 3, sqrt "
           "3], student_t"),
      positive(real("walk.degrees_of_freedom", "3", 0,
                    "nu of student_t; at nu <= 2 gamma has no variance and unit scale (our choice)")),
      text(
          "walk.shared", "none", {},
          "which coordinates share one gamma (the set U of Eq. 7): none, all, or sizes of successive sets as "
          "2+1"),

      text(
          "walk.field", "auto",
          [] {
            auto words = kFields;
            words.pop_back();
            words.insert(words.begin(), "auto");
            return words;
          }(),
          "amplitude g: constant g0; linear g0 + a d; sinusoidal g0 + a sin(2 pi d/period); exponential g0 "
          "e^(a d); power g0 |d|^exponent; bump g0 + a exp(-d^2/(2 width^2)); quadratic g0 + 1/2 d.A d; "
          "neuron; with d = q - centre. auto: walk.g if it is given, else sinusoidal"),
      fixed(text("walk.g", "", {},
                 "amplitude as a formula of q, or of q1, q2, ...; one for all coordinates or one for each, "
                 "separated by ';'")),
      text("walk.coupling", "separate", kCouplings,
           "profiles in several dimensions: separate g_i = g(q_i), product g_i = prod_j g(q_j)"),
      real("walk.level", "1", kAny, "g0 of the field"),
      real("walk.strength", "0.5", kAny,
           "a of the field; of quadratic: A = a ((1 - correlation) I + correlation 1)"),
      real("walk.centre", "0", kAny, "centre of the field, in every coordinate"),
      positive(real("walk.period", "1", 0, "period of sinusoidal")),
      positive(real("walk.width", "0.1", 0, "width of bump")),
      real("walk.exponent", "1", kAny, "exponent of power"),
      real("walk.correlation", "0", kAny, "off-diagonal share of quadratic"),
      positive(real("walk.weight_norm", "1", 0,
                    "||W|| of neuron: (q1, q2) = (V, b) of Eqs. 23-26, |p - y| = 1/2")),
      integer("walk.batch_size", "1", 1, "batch size |B| of neuron: g is divided by sqrt(|B|)"),

      text(
          "walk.boundary", "periodic", kBoundaries,
          "of every coordinate: line (no walls; lower and upper bound the histograms), reflecting, periodic, "
          "absorbing"),
      fixed(real("walk.lower", "0", kAny, "lower end of the domain")),
      fixed(real("walk.upper", "1", kAny, "upper end of the domain")),
      fixed(text(
          "walk.precision", "double", kPrecisions,
          "double; single: step lengths in single precision and places to 2^-32 of the domain, four times "
          "as fast, for ±1 steps in one dimension between reflecting walls or on a ring")),
      text("walk.start", "uniform", kStarts,
           "initial law of every coordinate: point, uniform in the domain, gaussian, stationary (1/g^2, one "
           "dimension)"),
      real("walk.start_position", "0.5", kAny, "the point, or the mean of gaussian"),
      positive(real("walk.start_width", "0.1", 0, "standard deviation of gaussian")),

      fixed(integer("ensemble.walkers", "65536", 4, "walkers per scan point", 4294967295.0)),
      fixed(integer("ensemble.groups", "64", 2,
                    "independent groups of walkers, each one sample of every mean: errors come from them",
                    1e6)),
      seed_option("seed of every random stream; walker w draws the same numbers at every scan point"),

      observables_option("position_mean position_variance density flux", observable_names()),
      fixed(integer("record.every", "1000", 1, "steps between records", 9e15)),
      fixed(integer("record.sample_every", "0", 0,
                    "the density gathers every so many steps since the last record; 0: the record alone",
                    9e15)),
      fixed(integer("record.bins", "50", 2, "bins of the domain", 1e6)),
      blocks_option("64", "groups"),
  };
}

std::vector<Observable> random_walk_observables() {
  const auto row = [](walk::Observable o, const char* meaning, const char* reference,
                      std::vector<std::string> dimensions = {}) {
    return Observable{.name = std::string(walk::name(o)),
                      .long_name = meaning,
                      .reference = reference,
                      .dimensions = std::move(dimensions)};
  };
  using O = walk::Observable;
  return {
      row(O::position_mean, "mean position; on a ring without the turns taken out", "seed 002 Eq. 8",
          {"axis"}),
      row(O::position_variance, "variance of the position; on a ring without the turns taken out",
          "seed 002 Eq. 8", {"axis"}),
      row(O::amplitude_mean,
          "mean of |g(q)|, of a neuron at batch size 1: how strongly the walkers are kicked",
          "seed 002 Eq. 6"),
      row(O::density, "density of walkers in the first coordinate, mean over the bin", "seed 002 Eq. 10",
          {"position"}),
      row(O::density_2d, "density of walkers in the first two coordinates, mean over the bin", "",
          {"position", "position_2"}),
      row(O::flux, "net crossings of a bin edge per walker and step since the last record, towards larger q",
          "seed 002 Eq. 10", {"edge"}),
      row(O::drift_density, "density times mean displacement per step, by starting bin", "", {"position"}),
      row(O::diffusion_density, "density times half the mean square displacement per step, by starting bin",
          "", {"position"}),
      row(O::survival, "share of walkers that have not reached an absorbing wall", ""),
      row(O::absorbed_at_upper, "share of walkers that were absorbed at an upper wall", ""),
      row(O::passage_time, "first-passage time, counted as 0 for walkers still alive", ""),
      row(O::passage_time_square, "square of the first-passage time, 0 for walkers still alive", ""),
  };
}

walk::Problem random_walk_point(const Settings& s) {
  walk::Problem p;
  p.dimensions = static_cast<int>(s.integer("walk.dimensions"));
  p.learning_rate = s.real("walk.learning_rate");
  p.kick = value_of<Kick>(kKicks, s.text("walk.kick"));
  p.degrees_of_freedom = s.real("walk.degrees_of_freedom");
  p.shares = shares_of(s.text("walk.shared"), p.dimensions);
  p.boundary = value_of<Boundary>(kBoundaries, s.text("walk.boundary"));
  p.lower = s.real("walk.lower");
  p.upper = s.real("walk.upper");
  p.single_precision = s.text("walk.precision") == "single";
  p.start = value_of<Start>(kStarts, s.text("walk.start"));
  p.start_position = s.real("walk.start_position");
  p.start_width = s.real("walk.start_width");
  p.seed = static_cast<std::uint64_t>(s.integer("ensemble.seed"));

  const std::string& word = s.text("walk.field");
  const std::string& formula = s.text("walk.g");
  if (!formula.empty() && word != "auto")
    throw ConfigError(fmt::format("walk.g and walk.field = {} contradict each other; leave one out", word));
  if (!formula.empty()) {
    p.field.kind = FieldKind::formula;
    p.formulas = formulas_of(formula, p.dimensions);
  } else {
    p.field.kind = value_of<FieldKind>(kFields, word == "auto" ? "sinusoidal" : word);
  }
  p.field.coupling = value_of<Coupling>(kCouplings, s.text("walk.coupling"));
  p.field.level = s.real("walk.level");
  p.field.strength = s.real("walk.strength");
  p.field.centre = s.real("walk.centre");
  p.field.inverse_period = 1 / s.real("walk.period");
  p.field.inverse_width = 1 / s.real("walk.width");
  p.field.exponent = s.real("walk.exponent");
  p.field.correlation = s.real("walk.correlation");
  p.field.weight_norm = s.real("walk.weight_norm");
  p.field.inverse_root_batch = 1 / std::sqrt(static_cast<double>(s.integer("walk.batch_size")));

  if (!(p.lower < p.upper) || !std::isfinite(p.width())) {
    throw ConfigError(fmt::format(
        "walk.lower = {} must be below walk.upper = {}, and the domain's width a number", p.lower, p.upper));
  }
  if (p.field.kind == FieldKind::neuron && p.dimensions != 2) {
    throw ConfigError(fmt::format(
        "walk.field = neuron has two coordinates (V, b): set walk.dimensions = 2, not {}", p.dimensions));
  }
  const bool somewhere = p.start == Start::point && p.boundary != Boundary::line;
  if (somewhere && !(p.lower <= p.start_position && p.start_position <= p.upper)) {
    throw ConfigError(fmt::format("walk.start_position = {} is outside the domain [{}, {}]", p.start_position,
                                  p.lower, p.upper));
  }
  walk::check(p);
  return p;
}

RandomWalkRecord random_walk_record(const Settings& s) {
  RandomWalkRecord record;
  record.steps = linear_schedule(0, s.integer("record.every"), s.integer("walk.steps"));
  record.sample_every = s.integer("record.sample_every");
  record.bins = static_cast<int>(s.integer("record.bins"));

  const std::int64_t walkers = s.integer("ensemble.walkers");
  const std::int64_t groups = s.integer("ensemble.groups");
  if (walkers % groups != 0 || walkers / groups < 2) {
    throw ConfigError(fmt::format(
        "ensemble.walkers = {} must be a multiple of ensemble.groups = {}, two walkers per group at "
        "least; the nearest that fits is {}",
        walkers, groups, std::max<std::int64_t>(2, (walkers + groups / 2) / groups) * groups));
  }
  record.groups = static_cast<std::uint32_t>(groups);
  record.walkers = static_cast<int>(walkers / groups);

  const std::int64_t dimensions = s.integer("walk.dimensions");
  for (const std::string& word : s.list("record.observables")) {
    record.observables.push_back(value_of<walk::Observable>(observable_names(), word));
    if (record.observables.back() == walk::Observable::density_2d && dimensions < 2)
      throw ConfigError("record.observables names density_2d, which needs walk.dimensions of at least 2");
    if (record.observables.back() == walk::Observable::density_2d && record.bins > 4096)
      throw ConfigError(
          fmt::format("record.observables names density_2d, which has at most 4096 bins along a coordinate, "
                      "not record.bins = {}",
                      record.bins));
  }
  return record;
}

}  // namespace soret::sims
