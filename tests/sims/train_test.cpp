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
#include "sims/stoppable.hpp"
#include "sims/train/derived.hpp"
#include "sims/train/run.hpp"
#include "soret/base/error.hpp"
#include "tests/sims/trained.hpp"

namespace soret::sims {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using O = TrainObservable;

/// One scan point of a config.
struct Case {
  explicit Case(const std::string& text, const std::vector<std::string>& overrides = {})
      : plan(parse(text, overrides)), record(train_record(plan.common())) {
    problem = TrainProblems()(plan.at(0), record);
  }
  static ScanPlan parse(const std::string& text, const std::vector<std::string>& overrides) {
    return plan_of("simulation = train\n" + text, overrides);
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
    const auto* steps = steps_of(o, record);
    return (steps ? steps->size() : 1) * extent(o, record, problem.parts.size() - 1);
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

TEST(Stoppable, ThrowsOnceStopIsSet) {
  std::atomic<bool> stop = false;
  std::vector<double> out(2);
  const measure::Differentiable f = stoppable({2, [](std::span<const double> x) { return x[0]; },
                                               [](std::span<const double> x, std::span<double> slope) {
                                                 slope[0] = 1;
                                                 return x[1];
                                               }},
                                              stop);
  const measure::SymmetricOperator a = stoppable(
      {2, [](std::span<const double> v, std::span<double> product) { product[0] = 2 * v[0]; }}, stop);
  const std::vector<double> x = {3, 4};
  EXPECT_EQ(f.value(x), 3);
  EXPECT_EQ(f.gradient(x, out), 4);
  a.apply(x, out);
  EXPECT_EQ(out[0], 6);
  stop = true;
  EXPECT_THROW(f.value(x), Stopped);
  EXPECT_THROW(f.gradient(x, out), Stopped);
  EXPECT_THROW(a.apply(x, out), Stopped);
}

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

  // The good one now stands where the damaged one did.
  EXPECT_FALSE(fs::exists(folder_ / "run.h5.previous"));
  fs::resize_file(file(), 100);
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

// A loss that overflows in the box marks the run, like one that overflows where training is.
TEST_F(Train, OverflowAboutTheParametersIsDivergence) {
  for (const char* observable : {"sharpness", "sam_sharpness"}) {
    const Case far(kSmall + "[record]\nsharpness_epsilon = 1e39\nsharpness_radius = 1e39\nobservables = " +
                   observable + "\n");
    EXPECT_EQ(run(far).diverged_at, 0) << observable;
    const Case near(kSmall + "[record]\nobservables = " + observable + "\n");
    EXPECT_EQ(run(near).diverged_at, -1) << observable;
  }
}

// What is recorded, and on how many threads, changes nothing.
TEST_F(Train, RecordingMoreChangesNothing) {
  const std::string more =
      "train_loss test_error train_clean_error distance batch_gradient_norm implicit_term "
      "gradient_variance_layer "
      "fisher_trace sampled_gradient_square lambda_max eigenvalues lambda_max_layer hessian_trace_layer "
      "spectral_density trace_bound sharpness sharpness_half sam_sharpness selected_test_loss";
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

// Micro-batches are monitored with batch statistics; the running ones, which scores are taken with and which
// the next updates move on, are those of a run that is not monitored, and so is all else.
TEST_F(Train, MonitoringLeavesBatchNormalisationAlone) {
  const std::vector<std::string> settings = {"sgd.epochs=3", "checkpoint.keep=final", "record.every=1",
                                             "record.gradient_every=1", "sgd.switch_at=0"};
  const auto last = [&](const std::string& observables, TrainRun* values) {
    std::vector<std::string> all = settings;
    all.insert(all.end(), {"record.observables=" + observables, "record.monitored_size=9",
                           "record.monitored_batches=3"});
    const Case one_case(kMuch, all);
    TrainRun one = run_training(one_case.problem, one_case.record, 0, files(), never_, [](double) {});
    if (values) *values = one;
    store::Dataset data = store::read_checkpoint(file());
    store::remove_checkpoint(file());
    EXPECT_GT(std::ranges::count_if(data.variables,
                                    [](const auto& v) { return v.name.ends_with("running_variance"); }),
              0);
    std::erase_if(data.variables, [](const store::Variable& v) {  // what differs, rightly
      return v.name.starts_with("recorded") || v.name.starts_with("wall_seconds") ||
             v.name.starts_with("selected");
    });
    return data;
  };
  const std::string more = "train_loss micro_batch_norm micro_batch_square sampled_micro_batch_square";
  const store::Dataset plain = last("train_loss", nullptr);
  TrainRun values;
  const store::Dataset monitored = last(more, &values);
  ASSERT_EQ(plain.variables.size(), monitored.variables.size());
  for (const auto& variable : plain.variables)
    EXPECT_EQ(variable.data, monitored.at(variable.name).data) << variable.name;
  EXPECT_TRUE(std::ranges::all_of(values.values, [](double x) { return x > 0 && std::isfinite(x); }));
  const int threads = omp_get_max_threads();
  for (const int n : {1, 3}) {
    omp_set_num_threads(n);
    TrainRun again;
    last(more, &again);
    EXPECT_EQ(again.values, values.values) << n;
  }
  omp_set_num_threads(threads);
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

const std::string kPenalised = R"(
[scan]
mode = zip
[network]
hidden = 9-7
activation = tanh
[data]
kind = clusters
inputs = 6
classes = 3
separation = 2
training_samples = 65
validation_samples = 23
test_samples = 31
[sgd]
batch_size = 20
micro_batch_size = 6
learning_rate = 0.1
updates = 11
[record]
unit = updates
observables = train_loss penalty step_gradient_norm update_norm micro_batch_norm micro_batch_square sampled_micro_batch_square selected_test_error
monitored_size = 7
monitored_batches = 5
)";

/// A result file with norms over updates.
void write_norms(const fs::path& file, const std::string& unit, std::vector<std::int64_t> steps,
                 const std::vector<double>& norms) {
  store::Dataset data;
  const std::size_t points = norms.size() / steps.size();
  if (points > 1) data.dimensions.push_back({"batch_size", points});
  data.dimensions.push_back({"step", steps.size()});
  data.variables.push_back({"step", {"step"}, std::move(steps), {{"long_name", unit}}});
  std::vector<std::string> over{"step"};
  if (points > 1) over.insert(over.begin(), "batch_size");
  data.variables.push_back({"step_gradient_norm", over, norms, {}});
  store::write(data, file);
}

// Every method of seed 000 goes on where it was interrupted, across the smaller last batch of an epoch.
TEST_F(Train, MethodsGoOnWhereTheyWereInterrupted) {
  const fs::path norms = folder_ / "norms.h5";
  std::vector<std::int64_t> steps(42);
  std::iota(steps.begin(), steps.end(), 0);
  std::vector<double> lengths;
  for (const auto step : steps) lengths.push_back(1 + 0.5 * std::sin(static_cast<double>(step)));
  write_norms(norms, "update", steps, lengths);
  const std::vector<std::vector<std::string>> methods = {
      {"penalty.kind=gradient_norm", "penalty.form=sample", "penalty.every=2"},
      {"penalty.kind=fisher_trace", "penalty.strength_of=learning_rate", "schedule.kind=cosine"},
      {"penalty.kind=average_jacobian", "penalty.derivative=finite_difference"},
      {"penalty.kind=unit_jacobian", "penalty.form=fixed_sample", "sgd.optimizer=momentum"},
      {"graft.kind=iterative", "graft.per_layer=true"},
      {"graft.kind=external", "graft.file=" + norms.string()},
      {"graft.kind=normalised"},
      // Batch normalisation by chunks, of which two make a micro-batch.
      {"network.kind=f2", "penalty.kind=gradient_norm", "penalty.strength=1e-4", "sgd.learning_rate=0.001",
       "sgd.batch_size=10", "sgd.micro_batch_size=10", "sgd.chunk=5", "record.every=20"},
      {"noise.kind=anticorrelated", "noise.until=8", "noise.variance=1e-4"}};
  const TrainRun plain = run(Case(kPenalised, {"sgd.updates=41", "record.every=7"}));
  for (auto method : methods) {
    method.insert(method.begin(), {"sgd.updates=41", "record.every=7"});
    const Case one_case(kPenalised, method);
    const TrainRun whole = run(one_case);
    EXPECT_NE(one_case.of(whole, O::train_loss), one_case.of(plain, O::train_loss)) << method[2];
    TrainRun result;
    int interruptions = 0;
    while (interrupted(one_case, 1, result)) ++interruptions;
    EXPECT_GT(interruptions, 1) << method[2];
    EXPECT_EQ(whole.diverged_at, -1) << method[2];
    EXPECT_EQ(result.values, whole.values) << method[2];
    const int threads = omp_get_max_threads();
    omp_set_num_threads(3);
    EXPECT_EQ(run(one_case).values, whole.values) << method[2];
    omp_set_num_threads(threads);
    store::remove_checkpoint(file());
  }
}

// Fresh micro-batches M are uniform samples of the N = 65 without replacement. In the mean over them and over
// drawn labels, at any parameters: E|g_M|^2 = |g|^2 + tr Sigma/|M| (N - |M|)/(N - 1), and Tr(F)/|M| with
// drawn labels. n = 16 runs (each its own parameters and draws) of 50 micro-batches of 7: the ratios to
// these have the mean 1, with the standard error of their own spread, about 1% and 2%.
TEST_F(Train, MonitorsFreshMicroBatches) {
  const Case one_case(kPenalised, {"record.monitored_batches=50", "sgd.updates=1",
                                   "record.observables=micro_batch_norm micro_batch_square gradient_norm "
                                   "covariance_trace sampled_micro_batch_square fisher_trace train_loss"});
  std::vector<double> squares;
  std::vector<double> fishers;
  for (std::uint32_t k = 0; k < 16; ++k) {
    const TrainRun one = run(one_case, k);
    const double g = one_case.of(one, O::gradient_norm)[0];
    const double trace = one_case.of(one, O::covariance_trace)[0];  // over N
    const double square = one_case.of(one, O::micro_batch_square)[0];
    squares.push_back(square / (g * g + trace / 7 * (65 - 7) / 64.0));
    fishers.push_back(one_case.of(one, O::sampled_micro_batch_square)[0] /
                      (one_case.of(one, O::fisher_trace)[0] / 7));
    const double norm = one_case.of(one, O::micro_batch_norm)[0];
    EXPECT_LT(norm * norm, square);
  }
  for (const auto& ratios : {squares, fishers}) {
    const double n = 16;
    const double mean = std::accumulate(ratios.begin(), ratios.end(), 0.0) / n;
    double spread = 0;
    for (const double r : ratios) spread += (r - mean) * (r - mean) / (n - 1);
    const double standard_error = std::sqrt(spread / n);
    EXPECT_LT(standard_error, 0.03);
    EXPECT_NEAR(mean, 1, 5 * standard_error);
  }
}

// Micro-batches of one sample, as many as there are samples, are every sample once; one of all is the set.
TEST_F(Train, MonitorsTheWholeSetExactly) {
  const std::string observables =
      "record.observables=micro_batch_norm micro_batch_square gradient_norm empirical_fisher_trace";
  const Case singles(kPenalised, {"record.monitored_size=1", "record.monitored_batches=65", observables});
  const TrainRun one = run(singles);
  const auto squares = singles.of(one, O::micro_batch_square);
  const auto traces = singles.of(one, O::empirical_fisher_trace);
  for (std::size_t k = 0; k < squares.size(); ++k) EXPECT_NEAR(squares[k], traces[k], 1e-5 * traces[k]) << k;
  const Case whole(kPenalised, {"record.monitored_size=65", "record.monitored_batches=2", observables});
  const TrainRun all = run(whole);
  const auto norms = whole.of(all, O::micro_batch_norm);
  const auto gradients = whole.of(all, O::gradient_norm);
  for (std::size_t k = 0; k < norms.size(); ++k) {
    EXPECT_NEAR(norms[k], gradients[k], 1e-5 * gradients[k]) << k;
    EXPECT_NEAR(whole.of(all, O::micro_batch_square)[k], norms[k] * norms[k], 1e-5 * norms[k] * norms[k]);
  }
}

// With plain SGD a step is the learning rate times the gradient, whose norm is that of the update.
TEST_F(Train, RecordsGradientsOfSteps) {
  const Case one_case(kPenalised, {"penalty.kind=gradient_norm", "penalty.every=3"});
  const TrainRun one = run(one_case);
  const auto gradient = one_case.of(one, O::step_gradient_norm);
  const auto step = one_case.of(one, O::update_norm);
  const auto penalty = one_case.of(one, O::penalty);
  EXPECT_EQ(gradient[0], 0);
  for (std::size_t k = 1; k < gradient.size(); ++k) {
    EXPECT_NEAR(step[k], 0.1 * gradient[k], 1e-5 * step[k]);
    EXPECT_GT(penalty[k], 0) << k;  // of update k - 1, or of the last one that had a penalty
    EXPECT_EQ(penalty[k] != penalty[k - 1], (k - 1) % 3 == 0) << k;
  }
}

TEST_F(Train, GraftsTheNormsOfAnotherRun) {
  const fs::path norms = folder_ / "norms.h5";
  const std::string key = "graft.file=" + norms.string();
  const auto lengths = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all{"graft.kind=external", key, "sgd.updates=5"};
    all.insert(all.end(), more.begin(), more.end());
    const Case one_case(kPenalised, all);
    auto steps = one_case.of(run(one_case), O::update_norm);
    for (double& x : steps) x = std::round(x * 1e4) / 1e3;  // over the learning rate of 0.1
    return std::vector<double>(steps.begin() + 1, steps.end());
  };
  write_norms(norms, "update", {0, 1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 4, 5, 6});
  EXPECT_EQ(lengths({}), (std::vector<double>{1, 2, 3, 4, 5}));
  EXPECT_EQ(lengths({"graft.interval=2"}), (std::vector<double>{2, 2, 4, 4, 6}));
  write_norms(norms, "update", {0, 2, 4, 6}, {0, 1, 2, 3, 0, 4, 5, 6});
  EXPECT_EQ(lengths({"graft.point=1"}), (std::vector<double>{4, 4, 5, 5, 6}));

  const auto complaint = [&](const std::vector<std::string>& more) -> std::string {
    try {
      lengths(more);
    } catch (const std::exception& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(complaint({}),
              AllOf(HasSubstr("norms.h5"), HasSubstr("2 scan points"), HasSubstr("graft.point")));
  EXPECT_THAT(complaint({"graft.point=2"}), HasSubstr("no point 2"));
  EXPECT_THAT(complaint({"graft.point=0", "graft.interval=3"}), HasSubstr("no multiple"));
  EXPECT_THAT(complaint({"graft.point=0", "sgd.updates=9"}),
              AllOf(HasSubstr("9 updates"), HasSubstr("every 2 until 6")));
  EXPECT_THAT(complaint({"graft.point=0", "graft.observable=train_loss"}), HasSubstr("has no train_loss"));
  write_norms(norms, "update", {0, 1, 2, 4, 5}, {0, 1, 2, 4, 5});  // the third update has none
  EXPECT_THAT(complaint({}), HasSubstr("step 3"));
  write_norms(norms, "epoch", {0, 1}, {0, 1});
  EXPECT_THAT(complaint({}), HasSubstr("record.unit = updates"));
  write_norms(norms, "update", {0, 1, 2, 3, 4, 5}, {0, 1, 2, std::nan(""), 4, 5});
  EXPECT_THAT(complaint({}), HasSubstr("diverged or is unfinished"));
  fs::remove(norms);
  EXPECT_THAT(complaint({}), HasSubstr("norms.h5"));
  EXPECT_THAT(complaint({"graft.file="}), HasSubstr("set graft.file"));
}

TEST_F(Train, RefusesMethodsThatDoNotFit) {
  const auto complaint = [&](const std::vector<std::string>& settings) -> std::string {
    try {
      const Case one_case(kPenalised, settings);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "none";
  };
  EXPECT_THAT(complaint({"graft.kind=iterative", "penalty.kind=gradient_norm"}),
              HasSubstr("penalty.kind = none"));
  EXPECT_THAT(complaint({"penalty.strength=-0.1"}), AllOf(HasSubstr("penalty.strength"), HasSubstr("-0.1")));
  EXPECT_THAT(complaint({"sgd.chunk=4"}), HasSubstr("take chunks of 3 or 6"));
  EXPECT_THAT(complaint({"penalty.kind=gradient"}), HasSubstr("gradient_norm"));
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
  EXPECT_THAT(message({"sgd.batch_size=29", "sgd.chunk=14", "network.kind=f2", "network.batch_norm_group=7"}),
              HasSubstr("group of one sample"));
  EXPECT_THAT(message({"sgd.batch_size=30", "sgd.chunk=15", "network.kind=f2", "network.batch_norm_group=7"}),
              AllOf(HasSubstr("7 does not divide"), HasSubstr("15 samples")));
  EXPECT_THAT(message({"sgd.optimizer=adam", "sgd.beta2=1"}), HasSubstr("below 1"));
}

// The estimate is what passes plan and vectors take: it grows with the chunk, and with a penalty.
TEST(TrainMemory, GrowsWithChunksAndPenalties) {
  const auto bytes = [](const std::vector<std::string>& settings) {
    return memory_of_run(Case(kPenalised, settings).problem, 1);
  };
  const double plain = bytes({});
  EXPECT_GT(bytes({"penalty.kind=gradient_norm"}), 1.2 * plain);  // tangents
  EXPECT_GT(bytes({"sgd.chunk=18", "sgd.micro_batch_size=18"}), plain);
  EXPECT_GT(bytes({"sgd.optimizer=adam"}), plain);
  const Case one_case(kPenalised);
  const auto parameters = static_cast<double>(one_case.problem.network->parameter_count());
  EXPECT_GT(plain, 4 * 4 * parameters);
  // Several penalised micro-batches of a chunk need a direction of their own.
  const auto penalised = [&](const char* micro_batch) {
    return bytes({"penalty.kind=gradient_norm", "sgd.chunk=18", micro_batch});
  };
  EXPECT_EQ(penalised("sgd.micro_batch_size=6") - penalised("sgd.micro_batch_size=18"), 4 * parameters);
}

}  // namespace
}  // namespace soret::sims
