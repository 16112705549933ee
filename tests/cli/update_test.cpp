#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "soret/store/checkpoint.hpp"
#include "soret/store/result_file.hpp"
#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::HasSubstr;

// Epochs of batches of 20, 20 and 7. Four updates are done; the next has micro-batches of 6, 6, 6 and 2.
constexpr const char* kConfig = R"(simulation = train
[network]
hidden = 5-4
activation = tanh
[data]
kind = clusters
inputs = 6
classes = 3
separation = 2
training_samples = 47
test_samples = 5
[sgd]
batch_size = 20
micro_batch_size = 6
learning_rate = 0.1
updates = 4
[penalty]
strength = 0.5
[record]
unit = updates
observables = step_gradient_norm
[checkpoint]
keep = final
)";
constexpr std::size_t kMicroBatch = 6;

using Vector = std::vector<double>;

double norm(const Vector& v) {
  return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
}

// ---- The network in plain loops ----

constexpr std::array<std::size_t, 4> kWidths = {6, 5, 4, 3};
const std::vector<std::string> kNames = {"dense1.weight", "dense1.bias",   "dense2.weight",
                                         "dense2.bias",   "dense3.weight", "dense3.bias"};

/// A function of the outputs of one sample, with its derivatives.
struct Scalar {
  std::function<double(const Vector& z)> value;
  std::function<Vector(const Vector& z)> derivative;
};
Scalar cross_entropy(std::int64_t label) {
  const auto k = static_cast<std::size_t>(label);
  const auto total = [](const Vector& z) {
    double sum = 0;
    for (const double x : z) sum += std::exp(x);
    return sum;
  };
  return {[=](const Vector& z) { return std::log(total(z)) - z[k]; },
          [=](const Vector& z) {
            Vector p;
            for (const double x : z) p.push_back(std::exp(x) / total(z));
            p[k] -= 1;
            return p;
          }};
}
Scalar along(const Vector& c) {
  return {[=](const Vector& z) { return std::inner_product(z.begin(), z.end(), c.begin(), 0.0); },
          [=](const Vector&) { return c; }};
}

/// Adds `weight` times the gradient for one sample, by weights and biases of the layers in order; returns the
/// value.
double add_gradient(const Vector& w, const float* x, const Scalar& s, double weight, Vector& gradient) {
  std::vector<Vector> a = {Vector(x, x + kWidths[0])};
  std::vector<std::size_t> offsets;
  std::size_t at = 0;
  for (std::size_t l = 0; l + 1 < kWidths.size(); ++l) {
    const std::size_t in = kWidths[l];
    const std::size_t out = kWidths[l + 1];
    offsets.push_back(at);
    Vector z(out);
    for (std::size_t o = 0; o < out; ++o) {
      z[o] = w[at + out * in + o];
      for (std::size_t i = 0; i < in; ++i) z[o] += w[at + o * in + i] * a[l][i];
      if (l + 2 < kWidths.size()) z[o] = std::tanh(z[o]);
    }
    at += out * in + out;
    a.push_back(z);
  }
  Vector d = s.derivative(a.back());
  for (std::size_t l = kWidths.size() - 1; l-- > 0;) {
    const std::size_t in = kWidths[l];
    const std::size_t out = kWidths[l + 1];
    Vector below(in, 0.0);
    for (std::size_t o = 0; o < out; ++o) {
      gradient[offsets[l] + out * in + o] += weight * d[o];
      for (std::size_t i = 0; i < in; ++i) {
        gradient[offsets[l] + o * in + i] += weight * d[o] * a[l][i];
        below[i] += d[o] * w[offsets[l] + o * in + i];
      }
    }
    for (std::size_t i = 0; i < in && l > 0; ++i) below[i] *= 1 - a[l][i] * a[l][i];
    d = below;
  }
  return s.value(a.back());
}

// ---- An update, from its two files ----

struct Files {
  store::Dataset checkpoint, update;

  double real(const std::string& name) const { return std::get<double>(update.attributes.at(name)); }
  std::int64_t integer(const std::string& name) const {
    return std::get<std::int64_t>(update.attributes.at(name));
  }
  std::string text(const std::string& name) const {
    return std::get<std::string>(update.attributes.at(name));
  }
  Vector start() const {
    Vector all;
    for (const auto& name : kNames) {
      const auto& own = checkpoint.at(name).singles();
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }
  /// Empty where the file has no such vector.
  Vector of(const std::string& suffix) const {
    Vector all;
    for (const auto& name : kNames)
      if (const auto* own = update.find(name + suffix))
        all.insert(all.end(), own->reals().begin(), own->reals().end());
    return all;
  }
  std::size_t samples() const { return update.size("sample"); }
};

/// Samples [first, last).
struct MicroBatch {
  std::size_t first, last;
};
std::vector<MicroBatch> micro_batches(std::size_t samples) {
  std::vector<MicroBatch> parts;
  for (std::size_t first = 0; first < samples; first += kMicroBatch)
    parts.push_back({first, std::min(first + kMicroBatch, samples)});
  return parts;
}

/// Of the mean of the scalars over a micro-batch; returns that mean.
double mean_gradient(const Files& files, const Vector& w, const MicroBatch& part,
                     const std::function<Scalar(std::size_t)>& scalar, Vector& gradient) {
  gradient.assign(w.size(), 0.0);
  double mean = 0;
  const double weight = 1.0 / static_cast<double>(part.last - part.first);
  for (std::size_t i = part.first; i < part.last; ++i)
    mean += weight * add_gradient(w, files.update.at("x").singles().data() + i * kWidths[0], scalar(i),
                                  weight, gradient);
  return mean;
}

/// s of docs/novack.md for sample i of micro-batch k.
Scalar penalised(const Files& files, std::size_t k, std::size_t i) {
  const std::string kind = files.text("penalty_kind");
  if (kind == "gradient_norm") return cross_entropy(files.update.at("label").integers()[i]);
  if (kind == "fisher_trace") return cross_entropy(files.update.at("drawn_label").integers()[i]);
  if (kind == "average_jacobian")
    return along(Vector(3, files.integer("penalty_sum_of_classes") == 1 ? 1.0 : 1.0 / 3));
  const auto& u = files.update.at("direction").singles();
  return along({u[3 * k], u[3 * k + 1], u[3 * k + 2]});
}

/// Loss and penalty with its strength.
double objective(const Files& files, const Vector& w) {
  const double strength = files.real("penalty_strength");
  const std::int64_t only = files.integer("penalty_only");
  const auto parts = micro_batches(files.samples());
  double sum = 0;
  Vector gradient;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const double share =
        static_cast<double>(parts[k].last - parts[k].first) / static_cast<double>(files.samples());
    const auto loss = [&](std::size_t i) { return cross_entropy(files.update.at("label").integers()[i]); };
    sum += share * mean_gradient(files, w, parts[k], loss, gradient);
    if (strength == 0 || (only >= 0 && only != static_cast<std::int64_t>(k))) continue;
    mean_gradient(
        files, w, parts[k], [&](std::size_t i) { return penalised(files, k, i); }, gradient);
    sum += strength * (only >= 0 ? 1 : share) * std::pow(norm(gradient), 2);
  }
  return sum;
}

Vector central_differences(const Files& files, Vector w, double h) {
  Vector gradient;
  for (double& x : w) {
    const double middle = x;
    x = middle + h;
    const double above = objective(files, w);
    x = middle - h;
    gradient.push_back((above - objective(files, w)) / (2 * h));
    x = middle;
  }
  return gradient;
}

/// [first, last) of the layers, or of the whole.
std::vector<std::pair<std::size_t, std::size_t>> parts_of_norms(bool per_layer, std::size_t size) {
  if (!per_layer) return {{0, size}};
  std::vector<std::pair<std::size_t, std::size_t>> parts;
  std::size_t first = 0;
  for (std::size_t l = 0; l + 1 < kWidths.size(); ++l) {
    const std::size_t last = first + kWidths[l + 1] * (kWidths[l] + 1);
    parts.emplace_back(first, last);
    first = last;
  }
  return parts;
}

class UpdateCommand : public ::testing::Test {
 protected:
  UpdateCommand() { folder_.write("method.cfg", kConfig); }
  Outcome command(const std::vector<std::string>& words) { return soret(words, {.folder = folder_.path()}); }
  void run(const std::vector<std::string>& settings, const std::string& output) {
    std::vector<std::string> words{"run", "method.cfg", "-o", output, "--quiet"};
    for (const auto& setting : settings) words.insert(words.end(), {"--set", setting});
    const Outcome outcome = command(words);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  /// The update after the last of a run.
  Files files(const std::string& run, const std::string& precision) {
    const std::string checkpoint = run + ".checkpoints/point0-run0.h5";
    const Outcome outcome =
        command({"update", checkpoint, "--precision", precision, "-o", "update.h5", "--json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    json_ = outcome.json();
    return {store::read_checkpoint(folder_ / checkpoint), store::read(folder_ / "update.h5")};
  }

  TemporaryFolder folder_;
  nlohmann::json json_;
};

struct Method {
  std::string name;
  std::vector<std::string> settings;
  double expected_norm = 0;  ///< of external grafting
};

// docs/novack.md: "An update by hand". The gradient is that of a network in plain loops, differentiated by
// differences of width 1e-4, whose error is about 1e-8 (h^2) and 1e-12 (rounding over h); the parameters
// after the update follow from it, in single precision.
TEST_F(UpdateCommand, WritesAllThatAnUpdateIsMadeOf) {
  run({"sgd.batch_size=6", "sgd.updates=9"}, "norms.h5");
  const auto norms = store::read(folder_ / "norms.h5").at("step_gradient_norm").reals();
  ASSERT_EQ(norms.size(), 10);
  const std::vector<Method> methods = {
      {"plain", {}},
      {"GN", {"penalty.kind=gradient_norm"}},
      {"FT", {"penalty.kind=fisher_trace"}},
      {"AJ", {"penalty.kind=average_jacobian"}},
      {"AJ, sum", {"penalty.kind=average_jacobian", "penalty.class_weight=sum"}},
      {"UJ", {"penalty.kind=unit_jacobian"}},
      {"GN, sample", {"penalty.kind=gradient_norm", "penalty.form=sample"}},
      {"FT, fixed sample", {"penalty.kind=fisher_trace", "penalty.form=fixed_sample"}},
      {"GN, not now", {"penalty.kind=gradient_norm", "penalty.every=3"}},
      {"iterative", {"graft.kind=iterative"}},
      {"iterative, per layer", {"graft.kind=iterative", "graft.per_layer=true"}},
      {"external", {"graft.kind=external", "graft.file=norms.h5"}, norms[5]},
      {"normalised", {"graft.kind=normalised"}},
      {"normalised, per layer", {"graft.kind=normalised", "graft.per_layer=true"}},
      {"Anti-PGD", {"noise.kind=anticorrelated", "noise.variance=1e-2"}},
      {"momentum", {"penalty.kind=gradient_norm", "sgd.optimizer=momentum", "sgd.weight_decay=0.1"}},
      {"Nesterov", {"graft.kind=normalised", "sgd.optimizer=nesterov"}}};
  for (const Method& method : methods) {
    SCOPED_TRACE(method.name);
    const std::string output = method.name + ".h5";
    run(method.settings, output);
    const Files now = files(output, "double");
    const Vector w = now.start();
    const Vector g = now.of(".gradient");
    ASSERT_EQ(g.size(), w.size());
    ASSERT_EQ(now.samples(), 20);
    EXPECT_EQ(now.integer("update"), 4);
    EXPECT_EQ(now.integer("micro_batch_size"), 6);
    const bool penalises =
        method.name != "GN, not now" && !method.settings.empty() && method.settings[0].starts_with("penalty");
    EXPECT_EQ(now.real("penalty_strength"), penalises ? 0.5 : 0);

    const Vector expected = central_differences(now, w, 1e-4);
    for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(g[i], expected[i], 1e-7) << i;
    EXPECT_NEAR(now.real("loss") + now.real("penalty_strength") * now.real("penalty"), objective(now, w),
                1e-13);
    EXPECT_NEAR(json_["gradient_norm"].get<double>(), norm(g), 1e-12);

    // Its length.
    Vector length = g;
    Vector micro(w.size(), 0.0);
    const std::string graft = now.text("graft_kind");
    if (graft == "iterative") {
      const auto which = static_cast<std::size_t>(now.integer("graft_micro_batch"));
      mean_gradient(
          now, w, micro_batches(20).at(which),
          [&](std::size_t i) { return cross_entropy(now.update.at("label").integers()[i]); }, micro);
      const Vector written = now.of(".micro_gradient");
      for (std::size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(written[i], micro[i], 1e-13);
    }
    if (graft == "external") {
      EXPECT_EQ(now.real("graft_norm"), method.expected_norm);
    }
    if (graft != "none") {
      const bool per_layer = method.name.ends_with("per layer");
      EXPECT_EQ(now.integer("graft_per_layer"), per_layer);
      for (const auto& [first, last] : parts_of_norms(per_layer, w.size())) {
        const auto part = [first = first, last = last](const Vector& v) {
          return norm(Vector(v.begin() + static_cast<std::ptrdiff_t>(first),
                             v.begin() + static_cast<std::ptrdiff_t>(last)));
        };
        const double wanted = graft == "iterative"  ? part(micro)
                              : graft == "external" ? method.expected_norm
                                                    : 1;
        for (std::size_t i = first; i < last; ++i) length[i] = wanted / part(g) * g[i];
      }
    }

    // What the rule and the noise make of it.
    Vector step = length;
    const std::string rule = now.text("optimizer");
    const Vector m = now.of(".momentum");
    EXPECT_EQ(m.empty(), rule == "sgd");
    if (rule != "sgd") {
      EXPECT_GT(norm(m), 0.1);
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double decayed = length[i] + (rule == "momentum" ? 0.1 * w[i] : 0);
        const double memory = 0.9 * m[i] + decayed;
        step[i] = rule == "momentum" ? memory : decayed + 0.9 * memory;
      }
    }
    const Vector noise = now.of(".noise");
    if (method.name == "Anti-PGD") {
      EXPECT_NEAR(norm(noise) / std::sqrt(2e-2 * 74), 1, 0.5);
    }
    const Vector after = now.of(".after");
    Vector moved(w.size());
    for (std::size_t i = 0; i < w.size(); ++i) {
      EXPECT_NEAR(after[i], w[i] - 0.1 * step[i] + (noise.empty() ? 0 : noise[i]), 1e-6) << i;
      moved[i] = after[i] - w[i];
    }
    EXPECT_NEAR(json_["update_norm"].get<double>(), norm(moved), 1e-12);
  }
}

// The precision is that of the gradient alone.
TEST_F(UpdateCommand, ComputesTheGradientInEitherPrecision) {
  run({"penalty.kind=gradient_norm"}, "run.h5");
  const Files in_double = files("run.h5", "double");
  const Files single = files("run.h5", "single");
  EXPECT_EQ(single.text("precision"), "single");
  EXPECT_EQ(single.of(".after"), in_double.of(".after"));
  const Vector a = single.of(".gradient");
  const Vector b = in_double.of(".gradient");
  EXPECT_NE(a, b);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5);
}

TEST_F(UpdateCommand, SaysWhatIsWrong) {
  const auto error = [&](std::vector<std::string> words, int code) {
    words.insert(words.begin(), "update");
    const Outcome outcome = command(words);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    return outcome.err;
  };
  run({}, "run.h5");
  const std::string checkpoint = "run.h5.checkpoints/point0-run0.h5";
  EXPECT_THAT(error({}, 2), HasSubstr("CHECKPOINT.h5 is missing"));
  EXPECT_THAT(error({checkpoint, "--precision", "doubel"}, 2), HasSubstr("did you mean 'double'?"));
  EXPECT_THAT(error({"none.h5"}, 3), HasSubstr("none.h5"));
  EXPECT_THAT(error({"method.cfg"}, 3), HasSubstr("method.cfg"));
  EXPECT_THAT(error({"run.h5"}, 3), HasSubstr("run.h5"));
}

}  // namespace
}  // namespace soret::test
