#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>
#include <string>

#include "sims/checkpoint.hpp"
#include "sims/simulation.hpp"
#include "sims/train/derived.hpp"
#include "sims/train/run.hpp"
#include "soret/base/error.hpp"

namespace soret::sims {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using O = TrainObservable;

/// One scan point of a config.
struct Case {
  explicit Case(const std::string& text, const std::vector<std::string>& overrides = {})
      : plan(parse(text, overrides)), record(train_record(plan.common())) {
    problem = TrainProblems()(plan.at(0), record);
  }
  static ScanPlan parse(const std::string& text, const std::vector<std::string>& overrides) {
    const OptionTable table = [](std::string_view name) -> std::optional<std::vector<Option>> {
      const auto* simulation = find_simulation(name);
      return simulation ? std::optional(simulation->options) : std::nullopt;
    };
    return parse_config("simulation = train\n" + text, "test.cfg", {.overrides = overrides}, table,
                        simulation_names());
  }
  /// The numbers of an observable over its records (and further dimension).
  std::vector<double> of(const TrainRun& run, O observable) const {
    std::size_t first = 0;
    for (const O o : record.observables) {
      const std::size_t size = cells(o);
      if (o == observable)
        return {run.values.begin() + static_cast<std::ptrdiff_t>(first),
                run.values.begin() + static_cast<std::ptrdiff_t>(first + size)};
      first += size;
    }
    ADD_FAILURE() << "not recorded";
    return {};
  }
  std::size_t cells(O o) const {
    const std::size_t records = o < kFirstGradient    ? record.steps.size()
                                : o < kFirstCurvature ? record.gradient_steps.size()
                                : o < kFirstFinal     ? record.curvature_steps.size()
                                                      : 1;
    if (o == O::eigenvalues) return records * static_cast<std::size_t>(record.eigenvalues);
    if (o == O::spectral_density) return records * record.density_places.size();
    if (o == O::wall_seconds_phase) return records * std::size(kPhases);
    const bool layers = o == O::parameter_norm_layer || o == O::gradient_variance_layer ||
                        o == O::fisher_trace_layer || o == O::lambda_max_layer || o == O::hessian_trace_layer;
    return records * (layers ? problem.parts.size() - 1 : 1);
  }

  ScanPlan plan;
  TrainRecord record;
  TrainProblem problem;
};

class Train : public ::testing::Test {
 protected:
  Train() {
    std::string name = (fs::temp_directory_path() / "soret_train_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Train() override { fs::remove_all(folder_); }
  fs::path file() const { return folder_ / "run.h5"; }
  RunFiles files() {
    return {file(), [this](const std::string& text) { notes_ += text + "\n"; }};
  }
  TrainRun run(const Case& one_case, std::uint32_t trajectory = 0) {
    return run_training(one_case.problem, one_case.record, trajectory, {}, never_, [](double) {});
  }
  /// Interrupts after so many reports of progress; true if it was.
  bool interrupted(const Case& one_case, int reports, TrainRun& result) {
    std::atomic<bool> stop = false;
    int left = reports;
    try {
      result = run_training(one_case.problem, one_case.record, 0, files(), stop, [&](double) {
        if (--left < 0) stop = true;
      });
      return false;
    } catch (const Stopped&) {
      return true;
    }
  }

  fs::path folder_;
  std::string notes_;
  std::atomic<bool> never_ = false;
};

const std::string kSmall = R"(
[network]
hidden = 9-7
activation = relu
[data]
kind = clusters
inputs = 6
classes = 3
separation = 2
training_samples = 60
validation_samples = 23
test_samples = 31
label_noise = 0.2
[sgd]
batch_size = 10
learning_rate = 0.1
epochs = 6
)";

const std::string kMuch = R"(
[network]
kind = f2
[data]
kind = clusters
inputs = 6
classes = 3
training_samples = 50
validation_samples = 11
test_samples = 13
[sgd]
optimizer = adam
learning_rate = 0.003
batch_size = 12
epochs = 12
switch_at = 6.5
switch_to = momentum
switch_factor = 3
[schedule]
kind = cosine
period = 7
warm_up = 2
[record]
observables = train_loss validation_error update_norm scheduled_learning_rate gradient_norm implicit_preconditioned gradient_variance selected_step selected_test_error stopped_at
every = 4
gradient_every = 5
)";

// Killed anywhere and gone on with, a run is the same: optimiser memory, the switch of the rule, batch-norm
// statistics, schedule, order of the samples, recordings and selection.
TEST_F(Train, GoesOnWhereItWasInterrupted) {
  const Case one_case(kMuch);
  const TrainRun whole = run(one_case);
  EXPECT_EQ(one_case.of(whole, O::stopped_at)[0], 12 * 5);
  for (const int reports : {1, 3}) {
    TrainRun result;
    int interruptions = 0;
    while (interrupted(one_case, reports, result)) ++interruptions;
    EXPECT_GT(interruptions, 0);
    EXPECT_EQ(result.values, whole.values) << reports;
    store::remove_checkpoint(file());
  }
  EXPECT_EQ(notes_, "");
}

TEST_F(Train, GoesOnFromTheCheckpointBeforeADamagedOne) {
  const Case one_case(kMuch);
  const TrainRun whole = run(one_case);
  TrainRun result;
  ASSERT_TRUE(interrupted(one_case, 1, result));
  ASSERT_TRUE(interrupted(one_case, 1, result));
  fs::resize_file(file(), fs::file_size(file()) - 100);
  ASSERT_FALSE(interrupted(one_case, 1000, result));
  EXPECT_EQ(result.values, whole.values);
  EXPECT_THAT(notes_, AllOf(HasSubstr("before the last"), HasSubstr("run.h5")));

  for (const char* name : {"run.h5", "run.h5.previous"}) fs::resize_file(folder_ / name, 100);
  ASSERT_FALSE(interrupted(one_case, 1000, result));
  EXPECT_EQ(result.values, whole.values);
  EXPECT_THAT(notes_, HasSubstr("starts over"));
}

TEST_F(Train, RefusesTheCheckpointOfAnotherConfig) {
  TrainRun result;
  ASSERT_TRUE(interrupted(Case(kMuch), 2, result));
  try {
    interrupted(Case(kMuch, {"ensemble.seed=2"}), 1000, result);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("ensemble.seed: 1 there, 2 here"), HasSubstr("--fresh")));
  }
}

// What is recorded, and on how many threads, changes nothing.
TEST_F(Train, RecordingMoreChangesNothing) {
  const std::string more =
      "train_loss test_error train_clean_error distance batch_gradient_norm implicit_term "
      "gradient_variance_layer "
      "fisher_trace sampled_gradient_square lambda_max eigenvalues lambda_max_layer hessian_trace_layer "
      "spectral_density trace_bound selected_test_loss";
  const Case few(kSmall + "[record]\nobservables = train_loss\n");
  const Case many(kSmall + "[record]\nobservables = " + more +
                  "\ncurvature_every = 3\nmeasured_samples = 20\nlanczos_steps = 5\nprobes = 2\n");
  const TrainRun plain = run(few);
  const TrainRun measured = run(many);
  EXPECT_EQ(few.of(plain, O::train_loss), many.of(measured, O::train_loss));
  EXPECT_TRUE(std::ranges::all_of(measured.values, [](double x) { return std::isfinite(x); }));
  const int threads = omp_get_max_threads();
  for (const int n : {1, 2, 3}) {
    omp_set_num_threads(n);
    EXPECT_EQ(run(many).values, measured.values) << n;
  }
  omp_set_num_threads(threads);
  EXPECT_NE(few.of(run(few, 1), O::train_loss), few.of(plain, O::train_loss));
}

// Seed 001 Eq. 2: exact for six equal batches; of batches of 16 the last is smaller and leaves a remainder.
TEST_F(Train, ImplicitTermSplits) {
  for (const int batch : {10, 16}) {
    const Case one_case(
        kSmall +
            "[record]\nobservables = implicit_term implicit_gradient_term implicit_deviation_term "
            "implicit_remainder gradient_norm batch_gradient_square implicit_literal\n",
        {"sgd.batch_size=" + std::to_string(batch)});
    const TrainRun one = run(one_case);
    const auto term = one_case.of(one, O::implicit_term);
    const auto gradient = one_case.of(one, O::implicit_gradient_term);
    const auto deviation = one_case.of(one, O::implicit_deviation_term);
    const auto remainder = one_case.of(one, O::implicit_remainder);
    for (std::size_t k = 0; k < term.size(); ++k) {
      EXPECT_GT(deviation[k], 0);
      EXPECT_NEAR(term[k], gradient[k] + deviation[k] + remainder[k], 1e-12 * term[k]);
      if (batch == 10) {
        EXPECT_NEAR(remainder[k], 0, 1e-12 * term[k]);
      }
      EXPECT_NEAR(term[k], 0.1 / 4 * one_case.of(one, O::batch_gradient_square)[k], 1e-12);
      EXPECT_NEAR(gradient[k], 0.1 / 4 * std::pow(one_case.of(one, O::gradient_norm)[k], 2), 1e-12);
    }
    EXPECT_EQ(one_case.of(one, O::implicit_literal), term);
  }
}

// For rmsprop the literal term weighs by s^2 what the preconditioned one weighs by about 1/s; s is below 1
// here.
TEST_F(Train, ImplicitTermsOfAdaptiveMethodsDiffer) {
  const Case one_case(kSmall +
                      "optimizer = rmsprop\n[record]\nobservables = implicit_term implicit_literal "
                      "implicit_preconditioned implicit_half_preconditioned\n");
  const TrainRun one = run(one_case);
  const auto plain = one_case.of(one, O::implicit_term);
  EXPECT_EQ(one_case.of(one, O::implicit_literal)[0], plain[0]);  // before the first update there is no s
  for (std::size_t k = 1; k < plain.size(); ++k) {
    EXPECT_LT(one_case.of(one, O::implicit_literal)[k], plain[k]);
    EXPECT_GT(one_case.of(one, O::implicit_half_preconditioned)[k], plain[k]);
    EXPECT_GT(one_case.of(one, O::implicit_preconditioned)[k],
              one_case.of(one, O::implicit_half_preconditioned)[k]);
  }
}

// A record at the very update of the switch finds the memory of the new rule, empty: whatever the old one
// kept, there is no s yet.
TEST_F(Train, RecordsWhereTheRuleSwitches) {
  for (const std::string from : {"sgd", "momentum", "adam"}) {
    for (const std::string to : {"rmsprop", "adam"}) {
      const Case one_case(
          kSmall + "switch_at = 2\n[record]\nobservables = implicit_term implicit_preconditioned\n",
          {"sgd.learning_rate=0.01", "sgd.optimizer=" + from, "sgd.switch_to=" + to});
      const TrainRun one = run(one_case);
      EXPECT_EQ(one.diverged_at, -1);
      const auto plain = one_case.of(one, O::implicit_term);
      const auto preconditioned = one_case.of(one, O::implicit_preconditioned);
      EXPECT_EQ(preconditioned[2], plain[2]) << from << " to " << to;
      EXPECT_GT(preconditioned[3], plain[3]) << from << " to " << to;
    }
  }
}

TEST_F(Train, SelectsByTheHeldOutSlice) {
  for (const std::string by : {"error", "loss"}) {
    const Case one_case(kSmall +
                            "[record]\nobservables = validation_error validation_loss test_error test_loss "
                            "selected_step selected_validation_error selected_validation_loss "
                            "selected_test_error selected_test_loss\n",
                        {"sgd.learning_rate=1", "record.select_by=" + by});
    const TrainRun one = run(one_case);
    const auto errors = one_case.of(one, O::validation_error);
    const auto losses = one_case.of(one, O::validation_loss);
    std::size_t best = 0;
    for (std::size_t k = 1; k < errors.size(); ++k) {
      const bool better = by == "loss"
                              ? losses[k] < losses[best]
                              : std::pair(errors[k], losses[k]) < std::pair(errors[best], losses[best]);
      if (better) best = k;
    }
    EXPECT_EQ(one_case.of(one, O::selected_step)[0], one_case.record.steps[best]);
    EXPECT_EQ(one_case.of(one, O::selected_validation_error)[0], errors[best]);
    EXPECT_EQ(one_case.of(one, O::selected_validation_loss)[0], losses[best]);
    EXPECT_EQ(one_case.of(one, O::selected_test_error)[0], one_case.of(one, O::test_error)[best]);
    EXPECT_EQ(one_case.of(one, O::selected_test_loss)[0], one_case.of(one, O::test_loss)[best]);
  }
}

// The trajectory ends at the first record that is good enough; what is recorded later is what it ended with.
TEST_F(Train, StopsAtAnAccuracy) {
  const std::string record = "[record]\nobservables = train_error parameter_norm gradient_norm stopped_at\n";
  const std::vector<std::string> longer = {"sgd.epochs=30", "sgd.learning_rate=0.3"};
  const Case unstopped(kSmall + record, longer);
  const auto errors = unstopped.of(run(unstopped), O::train_error);
  const Case stopped(kSmall + "stop_accuracy = 0.7\n" + record, longer);
  const TrainRun one = run(stopped);
  const auto good = std::ranges::find_if(errors, [](double error) { return 1 - error >= 0.7; });
  ASSERT_NE(good, errors.end());
  const auto at = good - errors.begin();
  ASSERT_GT(at, 0);
  ASSERT_LT(at, 30);
  EXPECT_EQ(stopped.of(one, O::stopped_at)[0], 6 * at);
  for (std::ptrdiff_t k = 0; k <= 30; ++k)
    EXPECT_EQ(stopped.of(one, O::train_error)[static_cast<std::size_t>(k)],
              errors[static_cast<std::size_t>(std::min(k, at))]);
  const auto gradients = stopped.of(one, O::gradient_norm);
  EXPECT_TRUE(
      std::all_of(gradients.begin() + at, gradients.end(), [&](double g) { return g == gradients.back(); }));
}

TEST_F(Train, SaysWhereItDiverged) {
  const Case one_case(kSmall + "[record]\nobservables = train_loss\n",
                      {"sgd.learning_rate=1e12", "network.loss=squared"});
  const TrainRun one = run(one_case);
  EXPECT_EQ(one.diverged_at, 1);
  EXPECT_TRUE(std::isfinite(one_case.of(one, O::train_loss)[0]));
}

// One update of the whole set takes the parameters so far that the loss is finite and its curvature is not.
TEST_F(Train, DivergesWhereTheCurvatureIsNotFinite) {
  const Case one_case(kSmall + "[record]\nobservables = lambda_max train_loss\n",
                      {"sgd.batch_size=60", "sgd.learning_rate=1e16", "network.loss=squared"});
  EXPECT_EQ(run(one_case).diverged_at, 1);
}

// A final checkpoint is where another run may begin.
TEST_F(Train, BeginsFromACheckpoint) {
  const std::string record = "[record]\nobservables = test_loss\n";
  const Case first(kSmall + record + "[checkpoint]\nkeep = final\n");
  const TrainRun one = run_training(first.problem, first.record, 0, files(), never_, [](double) {});
  const Case second(kSmall + record, {"network.start=" + file().string()});
  EXPECT_EQ(second.of(run(second), O::test_loss)[0], first.of(one, O::test_loss).back());

  const Case other(kSmall + record, {"network.hidden=9-8", "network.start=" + file().string()});
  try {
    beginning(other.problem, 0);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("dense2.weight"), HasSubstr("7 x 9 there"), HasSubstr("8 x 9 here")));
  }
  store::Dataset changed = store::read_checkpoint(file());
  changed.attributes["format"] = std::int64_t{99};
  store::write_checkpoint(changed, file());
  EXPECT_THROW(beginning(second.problem, 0), InputError);
}

TEST_F(Train, CheckpointsHoldNamedParameters) {
  const Case one_case(kSmall + "[checkpoint]\nkeep = final\n");
  run_training(one_case.problem, one_case.record, 0, files(), never_, [](double) {});
  const store::Dataset data = store::read_checkpoint(file());
  EXPECT_THAT(data.at("dense1.weight").dimensions,
              ::testing::ElementsAre("dense1.weight.out", "dense1.weight.in"));
  EXPECT_EQ(data.size("dense1.weight.out"), 9);
  EXPECT_EQ(data.size("dense1.weight.in"), 6);
  EXPECT_EQ(data.at("dense3.bias").singles().size(), 3);
  EXPECT_EQ(integer_attribute(data, "ended"), 1);
}

// Two blocks of one trajectory each whose losses fall linearly: everything about the crossing is known.
TEST(TrainDerived, ComparesAtEqualLoss) {
  TrainRecord record;
  record.steps = {0, 10, 20};
  record.observables = {O::test_error, O::train_loss};
  record.matched_losses = {1.5, 0.25};
  const auto wanted = derived_of(record);
  ASSERT_EQ(wanted.size(), 4);  // step and test error, with their errors
  const std::vector<double> a = {0.9, 0.5, 0.3, 2, 1, 0.5};
  const std::vector<double> b = {0.9, 0.7, 0.5, 2, 1.5, 1};
  std::vector<double> mean(6);
  for (std::size_t i = 0; i < 6; ++i) mean[i] = (a[i] + b[i]) / 2;
  const PointEnsemble ensemble{mean, {}, {a, b}, {1, 1}};
  const std::vector<std::size_t> offsets = {0, 3};
  const auto values = derive_train(record, wanted, offsets, ensemble);
  ASSERT_EQ(values.size(), 8);
  // mean loss 2, 1.25, 0.75: 1.5 at 2/3 of the first interval; alone a crosses at 1/2, b at 1.
  EXPECT_NEAR(values[0], 20.0 / 3, 1e-12);
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_NEAR(values[2], 2.5, 1e-12);  // jackknife of 5 and 10: sqrt(1/2 * 2 * 2.5^2)
  EXPECT_TRUE(std::isnan(values[3]));
  EXPECT_NEAR(values[4], 0.9 / 3 + 0.6 * 2 / 3, 1e-12);
  EXPECT_NEAR(values[6], 0, 1e-12);  // a at 1/2: 0.7, b at 1: 0.7
}

TEST(TrainOptions, RefusesWhatNoKeyAloneCanTell) {
  const auto message = [](const std::vector<std::string>& overrides) -> std::string {
    try {
      const Case one_case(kSmall, overrides);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "nothing was refused";
  };
  EXPECT_THAT(message({"network.hidden=9-x"}), HasSubstr("512-256-64"));
  EXPECT_THAT(message({"network.loss=logistic"}), HasSubstr("2 classes"));
  EXPECT_THAT(message({"network.kind=convolutional", "network.padding=0"}),
              AllOf(HasSubstr("conv1"), HasSubstr("5 x 5")));
  EXPECT_THAT(message({"data.flip=true"}), HasSubstr("data.flip"));
  EXPECT_THAT(message({"data.training_samples=0"}), HasSubstr("training_samples"));
  EXPECT_THAT(message({"sgd.batch_size=61"}), AllOf(HasSubstr("batch of 61"), HasSubstr("60")));
  EXPECT_THAT(message({"schedule.kind=step"}), HasSubstr("milestones"));
  EXPECT_THAT(message({"schedule.kind=step", "schedule.milestones=3-2"}), HasSubstr("ascending"));
  EXPECT_THAT(message({"record.unit=updates"}), HasSubstr("sgd.updates"));
  EXPECT_THAT(message({"sgd.updates=10"}), HasSubstr("record.unit = updates"));
  EXPECT_THAT(message({"record.matched_losses=1 -1"}), HasSubstr("'-1'"));
  EXPECT_THAT(message({"sgd.batch_size=59", "network.kind=f2"}), HasSubstr("group of one sample"));
  EXPECT_THAT(message({"sgd.batch_size=30", "sgd.chunk=15", "network.kind=f2", "network.batch_norm_group=7"}),
              HasSubstr("group of one sample"));
  EXPECT_THAT(message({"sgd.optimizer=adam", "sgd.beta2=1"}), HasSubstr("below 1"));
}

}  // namespace
}  // namespace soret::sims
