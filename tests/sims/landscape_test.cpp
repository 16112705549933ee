#include "sims/landscape/landscape.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <map>

#include "sims/landscape/options.hpp"
#include "soret/base/error.hpp"
#include "soret/measure/scores.hpp"
#include "soret/scan/runner.hpp"
#include "tests/data/files.hpp"
#include "tests/sims/trained.hpp"

namespace soret::sims {
namespace {

using data::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kSmooth = R"(
[network]
kind = mlp
hidden = 5-4
activation = tanh
[data]
kind = clusters
inputs = 6
classes = 3
separation = 2
training_samples = 41
test_samples = 17
[sgd]
batch_size = 10
learning_rate = 0.2
epochs = 3
[record]
observables = train_loss train_error test_loss test_error
)";

const std::string kNormalised = R"(
[network]
kind = f2
[data]
kind = clusters
inputs = 6
classes = 3
training_samples = 41
test_samples = 17
[sgd]
optimizer = adam
learning_rate = 0.003
batch_size = 12
epochs = 2
[record]
observables = train_loss train_error test_loss test_error
)";

/// What a landscape holds, by observable.
class Drawn {
 public:
  explicit Drawn(const std::vector<std::string>& overrides)
      : plan_(plan_of("simulation = landscape\n", overrides)),
        experiment_(landscape_simulation().prepare(plan_, {})) {
    std::vector<WorkUnit> units;
    for (std::size_t i = 0; i < experiment_->points(); ++i)
      units.push_back({i, 0, experiment_->trajectories()});
    results_.resize(units.size());
    const std::atomic<bool> never = false;
    experiment_->run_all(units, never, [&](const WorkUnit& unit, UnitResult&& result) {
      results_[unit.point] = std::move(result);
    });
  }
  double operator()(const std::string& observable, std::size_t point, std::uint32_t trajectory = 0) const {
    const auto& all = experiment_->observables();
    for (std::size_t k = 0; k < all.size(); ++k)
      if (all[k].name == observable)
        return results_[point].values[k * experiment_->trajectories() + trajectory];
    ADD_FAILURE() << observable;
    return 0;
  }
  std::map<std::string, std::vector<double>> derived(std::size_t point) const {
    const auto values = experiment_->derive(point, {});
    std::map<std::string, std::vector<double>> all;
    std::size_t at = 0;
    for (const auto& quantity : experiment_->derived()) {
      const std::size_t size = quantity.what.dimensions[0] == "checkpoint" ? 3 : 2;
      all[quantity.what.name] = {values.begin() + static_cast<std::ptrdiff_t>(at),
                                 values.begin() + static_cast<std::ptrdiff_t>(at + size)};
      at += size;
    }
    return all;
  }
  std::vector<double> values() const {
    std::vector<double> all;
    for (const auto& result : results_) all.insert(all.end(), result.values.begin(), result.values.end());
    return all;
  }
  std::size_t points() const { return experiment_->points(); }

 private:
  ScanPlan plan_;
  std::unique_ptr<Experiment> experiment_;
  std::vector<UnitResult> results_;
};

class Landscape : public data::FilesTest {
 protected:
  /// Two runs from different starts, on the same data, by the number of epochs.
  void train(const std::string& config) const {
    train_to(a(), config);
    train_to(b(), config, {"sgd.epochs=6"});
    train_to(c(), config, {"sgd.batch_size=14", "sgd.epochs=5"});
  }
  std::filesystem::path a() const { return directory / "a.h5"; }
  std::filesystem::path b() const { return directory / "b.h5"; }
  std::filesystem::path c() const { return directory / "c.h5"; }
  std::vector<std::string> with(std::vector<std::string> more) const {
    more.insert(more.begin(), {"landscape.from=" + a().string(), "landscape.to=" + b().string()});
    return more;
  }
  static const std::string kAll;
  /// What the run itself recorded at its end: train_loss, train_error, test_loss, test_error.
  static std::vector<double> recorded(const std::filesystem::path& file) {
    const store::Dataset checkpoint = store::read_checkpoint(file);
    const auto& values = checkpoint.at("recorded").reals();
    const std::size_t records = values.size() / 4;
    std::vector<double> last;
    for (std::size_t k = 1; k <= 4; ++k) last.push_back(values[k * records - 1]);
    return last;
  }
};
const std::string Landscape::kAll =
    "record.observables=train_loss train_accuracy test_loss test_accuracy parameter_norm distance";

// To the last bit, whatever the path, with and without batch normalisation.
TEST_F(Landscape, EndsAreTheCheckpoints) {
  for (const std::string& config : {kSmooth, kNormalised}) {
    train(config);
    // The runs evaluated batch by batch.
    const std::string size = config == kSmooth ? "10" : "12";
    const Drawn drawn(
        with({"landscape.kind=linear curved", "landscape.alpha=0 1", "landscape.batch_size=" + size}));
    ASSERT_EQ(drawn.points(), 4);
    for (const std::size_t path : {0, 1})
      for (const std::size_t end : {0, 1}) {
        const auto expected = recorded(end == 0 ? a() : b());
        EXPECT_EQ(drawn("train_loss", 2 * path + end), expected[0]);
        EXPECT_DOUBLE_EQ(drawn("train_accuracy", 2 * path + end), 1 - expected[1]);
        EXPECT_EQ(drawn("test_loss", 2 * path + end), expected[2]);
        EXPECT_DOUBLE_EQ(drawn("test_accuracy", 2 * path + end), 1 - expected[3]);
      }
  }
}

TEST_F(Landscape, PlaneThroughCheckpoints) {
  train(kSmooth);
  const Drawn drawn(with({"landscape.kind=checkpoints", "landscape.third=" + c().string(),
                          "landscape.alpha=0 1", "landscape.beta=0 1", "landscape.batch_size=10", kAll}));
  EXPECT_EQ(drawn("test_loss", 0), recorded(a())[2]);
  EXPECT_EQ(drawn("test_loss", 2), recorded(b())[2]);
  auto derived = drawn.derived(0);
  const double s = derived["checkpoint_alpha"][2];
  EXPECT_EQ(derived["checkpoint_alpha"], (std::vector{0.0, 1.0, s}));
  EXPECT_EQ(derived["checkpoint_beta"], (std::vector{0.0, 0.0, 1.0}));
  // The directions are at a right angle.
  const auto norms = derived["direction_norm"];
  EXPECT_NEAR(drawn("distance", 1), norms[1], 1e-5 * norms[1]);
  EXPECT_NEAR(drawn("distance", 2), norms[0], 1e-5 * norms[0]);
  EXPECT_NEAR(drawn("distance", 3), std::hypot(norms[0], norms[1]), 1e-5 * norms[0]);
  const Drawn third(with({"landscape.kind=checkpoints", "landscape.third=" + c().string(),
                          "landscape.alpha=-2 " + std::to_string(s), "landscape.beta=1"}));
  EXPECT_NEAR(third("test_loss", 1), recorded(c())[2], 1e-5);
}

// Along an eigenvector, and between two, the second derivative is the eigenvalue's.
TEST_F(Landscape, EigenvectorsHaveTheirCurvature) {
  train(kSmooth);
  const Drawn drawn(
      with({"landscape.kind=eigenvectors", "landscape.second_eigenvector=3", "landscape.alpha=-0.05 0 0.05",
            "landscape.beta=-0.05 0 0.05", "landscape.eigenvalue_tolerance=1e-6"}));
  const auto values = drawn.derived(0)["eigenvalue"];
  const auto loss = [&](int i, int j) {
    return drawn("train_loss", static_cast<std::size_t>(3 * (i + 1) + j + 1));
  };
  const double step = 0.05 * 0.05;
  const double noise = 1e-6 / step;  // rounding of losses of about one
  EXPECT_GT(values[0], values[1]);
  EXPECT_NEAR((loss(1, 0) + loss(-1, 0) - 2 * loss(0, 0)) / step, values[0], 0.01 * values[0] + noise);
  EXPECT_NEAR((loss(0, 1) + loss(0, -1) - 2 * loss(0, 0)) / step, values[1], 0.01 * values[0] + noise);
  EXPECT_NEAR((loss(1, 1) + loss(-1, -1) - loss(1, -1) - loss(-1, 1)) / (4 * step), 0,
              0.01 * values[0] + noise);
}

TEST_F(Landscape, RandomDirections) {
  train(kNormalised);
  for (const std::string kind : {"random", "filter_normalised"}) {
    const Drawn drawn(
        with({"landscape.kind=" + kind, "landscape.alpha=0 0.5", "ensemble.trajectories=3", kAll}));
    const double norm = drawn.derived(0)["direction_norm"][0];
    EXPECT_NEAR(drawn("distance", 1), 0.5 * norm, 1e-5 * norm) << kind;
    EXPECT_EQ(drawn("distance", 0), 0);
    EXPECT_NE(drawn("train_loss", 1, 0), drawn("train_loss", 1, 1));
    EXPECT_NE(drawn("train_loss", 1, 1), drawn("train_loss", 1, 2));
    EXPECT_EQ(drawn("train_loss", 0, 0), drawn("train_loss", 0, 2));
    // A trajectory is the same in another company.
    const Drawn alone(with({"landscape.kind=" + kind, "landscape.alpha=0.5 1", kAll}));
    EXPECT_EQ(alone("train_loss", 0), drawn("train_loss", 1, 0));
  }
}

TEST_F(Landscape, BatchNormPolicies) {
  train(kNormalised);
  const Drawn drawn(with({"landscape.batch_norm=interpolate reestimate batch", "landscape.alpha=0 0.5",
                          "landscape.batch_size=20", "data.training_samples=40"}));
  const auto at = [&](std::size_t alpha, std::size_t policy) {
    return drawn("test_loss", 3 * alpha + policy);
  };
  for (const std::size_t alpha : {0, 1}) {
    EXPECT_NE(at(alpha, 0), at(alpha, 1));
    EXPECT_NE(at(alpha, 1), at(alpha, 2));
  }
  // Statistics anew, and by each batch, at x_s.
  const TrainedNetwork network = TrainedNetworks()(a(), {.training_samples = 40});
  std::vector<float> x;
  const data::Dataset& set = network.set->train;
  x = set.images;  // vectors lie as networks read them
  measure::LossAt<float> loss{
      *network.network,           network.head(),        40, x.data(), {set.labels.data(), nullptr, false},
      network.weights.parameters, network.weights.state, 20, false};
  loss.batch_statistics = true;
  EXPECT_EQ(drawn("train_loss", 2), measure::scores(loss).loss);
  loss.batch_statistics = false;
  const auto statistics = measure::estimated_statistics(loss);
  loss.state = statistics;
  EXPECT_EQ(drawn("train_loss", 1), measure::scores(loss).loss);

  train(kSmooth);
  const Drawn plain(with({"landscape.batch_norm=interpolate reestimate batch", "landscape.alpha=0 0.5"}));
  EXPECT_EQ(plain("test_loss", 3), plain("test_loss", 4));
  EXPECT_EQ(plain("test_loss", 3), plain("test_loss", 5));
}

TEST_F(Landscape, ThreadsChangeNothing) {
  const auto expect_same = [&](std::vector<std::string> overrides) {
    overrides.push_back(kAll);
    const int before = omp_get_max_threads();
    omp_set_num_threads(1);
    const auto one = Drawn(with(overrides)).values();
    for (const int threads : {2, 3}) {
      omp_set_num_threads(threads);
      EXPECT_EQ(Drawn(with(overrides)).values(), one) << threads;
    }
    omp_set_num_threads(before);
  };
  train(kNormalised);
  expect_same({"landscape.batch_norm=interpolate reestimate batch", "landscape.alpha=-1 0.3",
               "landscape.batch_size=10", "data.training_samples=40"});
  train(kSmooth);
  expect_same({"landscape.kind=eigenvectors", "landscape.alpha=-1 0 1", "landscape.beta=0 1",
               "landscape.batch_size=10"});
}

// Cells of a file are taken over as they stand, here with a mark on one of them; only the others are
// computed.
TEST_F(Landscape, TakesCellsFromAnEarlierFile) {
  train(kSmooth);
  const auto earlier = directory / "earlier.h5";
  const std::vector<std::string> plane = {"landscape.kind=random", "ensemble.trajectories=2",
                                          "landscape.beta=0 1"};
  const auto setting = [&](const std::string& alpha, bool take) {
    auto all = with(plane);
    all.push_back("landscape.alpha=" + alpha);
    if (take) all.push_back("landscape.take_from=" + earlier.string());
    return all;
  };
  const ScanPlan plan = plan_of("simulation = landscape\n", setting("-1 0.5", false));
  const auto experiment = landscape_simulation().prepare(plan, {});
  const std::atomic<bool> never = false;
  run_scan(plan, *experiment, {.output = earlier, .stop = never, .quiet = true});
  store::Dataset file = store::read(earlier);
  for (auto& variable : file.variables)
    if (variable.name == "test_loss_block") std::get<std::vector<double>>(variable.data)[2 * 2 + 1] = 77;
  store::write(file, earlier);

  const Drawn whole(setting("-1 0 0.5 2", false));
  const Drawn taken(setting("-1 0 0.5 2", true));
  for (std::size_t cell = 0; cell < 8; ++cell)
    for (const std::uint32_t t : {0U, 1U}) {
      const bool marked = cell == 4 && t == 1;  // alpha = 0.5, beta = 0
      EXPECT_EQ(taken("test_loss", cell, t), marked ? 77 : whole("test_loss", cell, t)) << cell;
      EXPECT_EQ(taken("train_loss", cell, t), whole("train_loss", cell, t)) << cell;
    }
  const auto refused = [&](const std::string& other) {
    auto all = setting("0 1", true);
    all.push_back(other);
    return message_of<ConfigError>([&] { Drawn{all}; });
  };
  EXPECT_THAT(refused("ensemble.seed=2"),
              AllOf(HasSubstr("ensemble.seed = 1 there, 2 here"), HasSubstr("earlier.h5")));
  EXPECT_THAT(refused("ensemble.trajectories=3"), HasSubstr("ensemble.trajectories = 2 there, 3 here"));
  EXPECT_THAT(refused("record.observables=distance"), HasSubstr("holds no distance"));
  EXPECT_THAT(message_of<InputError>([&] {
                auto all = setting("0 1", false);
                all.push_back("landscape.take_from=" + a().string());
                Drawn{all};
              }),
              HasSubstr("no result of simulation = landscape"));
  train_to(a(), kSmooth, {"sgd.learning_rate=0.3"});
  EXPECT_THAT(message_of<ConfigError>([&] { Drawn{setting("0 1", true)}; }),
              AllOf(HasSubstr("earlier.h5"), HasSubstr("a.h5 when that held something else")));
}

TEST_F(Landscape, RefusesWhatCannotBeDrawn) {
  train(kSmooth);
  const auto message = [&](std::vector<std::string> overrides) {
    return message_of<ConfigError>([&] { Drawn{with(std::move(overrides))}; });
  };
  EXPECT_THAT(message({"landscape.alpha=linspace(2, -1, 4)"}),
              AllOf(HasSubstr("landscape.alpha"), HasSubstr("2 stands before 1")));
  EXPECT_THAT(message({"landscape.alpha=0 2 1"}), HasSubstr("ascending"));
  EXPECT_THAT(message({"landscape.alpha=0.5"}), AllOf(HasSubstr("0.5"), HasSubstr("at least two")));
  EXPECT_THAT(message({"landscape.beta=0 1"}), AllOf(HasSubstr("landscape.beta"), HasSubstr("is a line")));
  EXPECT_THAT(message({"landscape.from="}), HasSubstr("set landscape.from"));
  EXPECT_THAT(message({"landscape.to="}), HasSubstr("set landscape.to"));
  EXPECT_THAT(message({"landscape.kind=checkpoints"}), HasSubstr("set landscape.third"));
  EXPECT_THAT(message({"landscape.kind=checkpoints", "landscape.third=" + a().string()}),
              AllOf(HasSubstr("one line"), HasSubstr("a.h5")));
  EXPECT_THAT(message({"landscape.kind=eigenvectors", "landscape.second_eigenvector=75"}),
              AllOf(HasSubstr("landscape.second_eigenvector = 75"), HasSubstr("74 parameters")));
  EXPECT_THAT(message({"landscape.kind=eigenvectors", "landscape.second_eigenvector=1"}),
              HasSubstr("two directions"));
  EXPECT_THAT(message({"ensemble.trajectories=2"}), HasSubstr("nothing is drawn"));
  EXPECT_THAT(message({"data.training_samples=42"}), HasSubstr("was trained on 41"));
  EXPECT_THAT(message_of<InputError>([&] {
                Drawn({"landscape.from=" + (directory / "no.h5").string(), "landscape.to=" + a().string()});
              }),
              HasSubstr("no.h5"));
  train_to(b(), kSmooth, {"network.hidden=5-3"});
  EXPECT_THAT(message({}),
              AllOf(HasSubstr("dense2.weight"), HasSubstr("4 x 5 and 3 x 5"), HasSubstr("b.h5")));
  train_to(b(), kSmooth, {"data.separation=3"});
  EXPECT_THAT(message({}), HasSubstr("data.separation = 2 and 3"));
  train_to(a(), kNormalised);
  EXPECT_THAT(message({"landscape.kind=random", "landscape.batch_norm=batch", "landscape.batch_size=16",
                       "data.training_samples=32"}),
              AllOf(HasSubstr("landscape.batch_size = 16"), HasSubstr("17 test samples")));
}

}  // namespace
}  // namespace soret::sims
