#include "sims/noise_scale/noise_scale.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "soret/base/error.hpp"
#include "soret/scan/runner.hpp"
#include "soret/store/result_file.hpp"
#include "tests/oracles/statistics.hpp"

namespace soret::sims {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

const std::string kSmall = R"(simulation = noise_scale
problem.inputs = 3
data.training_samples = 8
sgd.steps = 10
ensemble.trajectories = 2
)";

ScanPlan plan(const std::string& config, const std::vector<std::string>& overrides = {}) {
  const std::vector<std::string> known{"noise_scale"};
  const auto table = [](std::string_view) { return std::optional(noise_scale_simulation().options); };
  return parse_config(config, "test.cfg", {.overrides = overrides}, table, known);
}

class NoiseScale : public ::testing::Test {
 protected:
  NoiseScale() {
    std::string name = (fs::temp_directory_path() / "soret_noise_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~NoiseScale() override { fs::remove_all(folder_); }

  store::Dataset run(const std::string& config, int threads = 1) {
    const ScanPlan scan = plan(config);
    const auto experiment = noise_scale_simulation().prepare(scan, {Backend::Kind::cpu, threads});
    const std::atomic<bool> stop = false;
    const fs::path file = folder_ / (std::to_string(runs_++) + ".h5");
    run_scan(scan, *experiment, {.output = file, .stop = stop, .threads = threads, .quiet = true});
    return store::read(file);
  }

  static std::string refusal(const std::string& config, const std::vector<std::string>& overrides = {}) {
    try {
      noise_scale_simulation().prepare(plan(config, overrides), {Backend::Kind::cpu, 1});
    } catch (const ConfigError& error) {
      return error.what();
    }
    ADD_FAILURE() << "not refused: " << config;
    return "";
  }

  fs::path folder_;
  int runs_ = 0;
};
using NoiseScaleStatistics = NoiseScale;

TEST_F(NoiseScale, EnumerationSupportsOneLawForEachSampling) {
  const auto file = run(kSmall + R"(data.sampling = with_replacement without_replacement
sgd.batch_size = 2 3
noise.method = enumerate
record.observables = covariance_ratio noise_mean
)");
  EXPECT_EQ(file.at("enumerated_batches").reals(), (std::vector<double>{64, 512, 28, 56}));
  EXPECT_THAT(file.at("noise_mean").reals(), Each(::testing::DoubleNear(0, 1e-12)));
  EXPECT_THAT(file.at("covariance_ratio_stderr").reals(), Each(0));
  const std::size_t steps = file.size("step");
  const auto& ratio = file.at("covariance_ratio");
  ASSERT_EQ(ratio.dimensions, (std::vector<std::string>{"sampling", "batch_size", "step", "covariance_law"}));
  ASSERT_EQ(file.at("covariance_law").texts()[1], "eq14_unbiased");
  for (std::size_t point = 0; point < 4; ++point) {
    const std::size_t exact = point < 2 ? 2 : 1;
    for (std::size_t step = 0; step < steps; ++step)
      for (std::size_t law = 0; law < 4; ++law) {
        const std::size_t at = (point * steps + step) * 4 + law;
        EXPECT_EQ(std::abs(ratio.reals()[at] - 1) < 1e-12, law == exact);
        EXPECT_EQ(file.at("covariance_deviation").reals()[at] == 0, law == exact);
      }
  }
}

TEST_F(NoiseScale, TheScaleIsEquation24) {
  const auto file = run(kSmall + R"(sgd.batch_size = 1 2 5
sgd.learning_rate = 0.1 0.3
noise.method = enumerate
record.observables = noise_scale noise_displacement
)");
  const std::size_t steps = file.size("step");
  for (std::size_t point = 0; point < 6; ++point) {
    const double batch = std::array{1, 2, 5}[point / 2];
    const double rate = point % 2 == 0 ? 0.1 : 0.3;
    const double g = rate * (8 / batch - 1);  // Eq. 24
    for (std::size_t step = 0; step < steps; ++step) {
      EXPECT_NEAR(file.at("noise_scale").reals()[point * steps + step], g, 1e-12);
      // Eq. 23: the displacement is the time k rate / N times g tr F, here F over N - 1.
      const double time = static_cast<double>(file.at("step").integers()[step]) * rate / 8;
      const double displacement = time * g * file.at("gradient_covariance_trace").reals()[point] * 8 / 7;
      EXPECT_NEAR(file.at("noise_displacement").reals()[point * steps + step], displacement,
                  1e-12 * displacement);
    }
    EXPECT_NEAR(file.at("noise_scale_predicted").reals()[3 * point], g, 1e-15);
    EXPECT_NEAR(file.at("noise_scale_predicted").reals()[3 * point + 2], g, 1e-15);
  }
}

TEST_F(NoiseScale, EnumeratedMatrixIsItsPrediction) {
  const auto file = run(kSmall + R"(problem.loss = softmax
problem.outputs = 3
sgd.batch_size = 3
record.observables = covariance covariance_diagonal
record.points = 2
)");
  const std::size_t p = file.size("parameter");
  ASSERT_EQ(p, 12u);
  const auto& measured = file.at("covariance").reals();
  const auto& predicted = file.at("covariance_predicted").reals();
  for (std::size_t k = 0; k < p * p; ++k) EXPECT_NEAR(measured[k], predicted[k], 1e-11);
  for (std::size_t k = 0; k < p; ++k)
    EXPECT_NEAR(file.at("covariance_diagonal").reals()[k], predicted[k * p + k], 1e-11);
}

/// Everything that is sampled, at both ways of sampling, after some descent.
const std::string kSampled = R"(simulation = noise_scale
problem.loss = softmax
problem.inputs = 5
problem.outputs = 4
data.training_samples = 90
data.sampling = with_replacement without_replacement
data.kind = student_t
point.descent_steps = 0 7
sgd.batch_size = 30
sgd.steps = 60
noise.method = sample
ensemble.trajectories = 80
record.points = 4
record.observables = noise_mean covariance_trace covariance_leading covariance_ratio noise_scale noise_displacement gradient_norm_squared gradient_variance excess_kurtosis inverse_tail_index ks_distance
)";

TEST_F(NoiseScaleStatistics, SampledMeansAreTheExactOnes) {
  // 4 points of 80 trajectories of 60 batches of 30 of 90 samples.
  const auto file = run(kSampled);
  const std::size_t steps = file.size("step");
  const auto deviation = [&](const std::string& name, std::size_t point, double truth) {
    const std::size_t last = (point + 1) * steps - 1;
    return std::abs(file.at(name).reals()[last] - truth) / file.at(name + "_stderr").reals()[last];
  };
  for (std::size_t point = 0; point < 4; ++point) {
    const std::size_t law = point < 2 ? 2 : 1;  // with replacement first: eq15; then eq14_unbiased
    EXPECT_LT(deviation("noise_mean", point, 0), oracle::kFiveSigma);
    EXPECT_LT(
        deviation("covariance_trace", point, file.at("covariance_trace_predicted").reals()[4 * point + law]),
        oracle::kFiveSigma);
    EXPECT_LT(deviation("covariance_leading", point,
                        file.at("covariance_leading_predicted").reals()[4 * point + law]),
              oracle::kFiveSigma);
    EXPECT_LT(deviation("noise_scale", point, file.at("noise_scale_predicted").reals()[3 * point + 2]),
              oracle::kFiveSigma);
    EXPECT_LT(deviation("noise_displacement", point,
                        file.at("noise_displacement_predicted").reals()[(point + 1) * steps - 1]),
              oracle::kFiveSigma);
    EXPECT_LT(
        deviation("gradient_norm_squared", point, file.at("gradient_norm_squared_exact").reals()[point]),
        oracle::kFiveSigma);
    EXPECT_LT(deviation("gradient_variance", point, file.at("gradient_variance_exact").reals()[point]),
              oracle::kFiveSigma);
    EXPECT_LT(deviation("excess_kurtosis", point, file.at("excess_kurtosis_exact").reals()[point]),
              oracle::kFiveSigma);
    // Sampled deviations tell the two laws apart: N/B - 1 = 2 and N/B = 3.
    const std::size_t at = ((point + 1) * steps - 1) * 4;
    EXPECT_LT(std::abs(file.at("covariance_deviation").reals()[at + law]), oracle::kFiveSigma);
    EXPECT_GT(std::abs(file.at("covariance_deviation").reals()[at + (point < 2 ? 1 : 2)]), 10);
    // The critical batch size is a ratio of two unbiased means; its bias is of second order in their errors.
    const std::size_t last = (point + 1) * steps - 1;
    EXPECT_LT(std::abs(file.at("critical_batch_size_estimate").reals()[last] -
                       file.at("critical_batch_size_exact").reals()[point]) /
                  file.at("critical_batch_size_estimate_stderr").reals()[last],
              oracle::kFiveSigma);
  }
}

TEST_F(NoiseScaleStatistics, NoiseOfLargeBatchesTendsToAGaussian) {
  // Inputs with 10 degrees of freedom: single gradients, their products, have a tail index of about 5.
  const auto file = run(R"(simulation = noise_scale
problem.inputs = 2
problem.bias = false
data.kind = student_t
data.degrees_of_freedom = 10
data.training_samples = 30000
data.sampling = with_replacement
sgd.batch_size = 1 300
sgd.steps = 2000
ensemble.trajectories = 16
record.points = 2
record.observables = excess_kurtosis inverse_tail_index ks_distance
)");
  const auto deviation = [&](const std::string& name, std::size_t point, double truth) {
    return (file.at(name).reals()[2 * point + 1] - truth) / file.at(name + "_stderr").reals()[2 * point + 1];
  };
  const double tail = file.at("inverse_tail_index_gaussian").reals()[0];
  EXPECT_GT(deviation("inverse_tail_index", 0, tail), 20);
  EXPECT_LT(std::abs(deviation("inverse_tail_index", 1, tail)), oracle::kFiveSigma);
  const double distance = file.at("ks_distance_gaussian").reals()[1];
  EXPECT_GT(deviation("ks_distance", 0, distance), 20);
  EXPECT_LT(std::abs(deviation("ks_distance", 1, distance)), oracle::kFiveSigma);
  const auto& kurtosis = file.at("excess_kurtosis_exact").reals();
  EXPECT_GT(kurtosis[0], 3);
  EXPECT_NEAR(kurtosis[0], 300 * kurtosis[1], 1e-9 * kurtosis[0]);
  for (std::size_t k : {0, 1})
    EXPECT_LT(std::abs(deviation("excess_kurtosis", k, kurtosis[k])), oracle::kFiveSigma);
}

TEST_F(NoiseScale, ThreadsAndGroupsLeaveTheBits) {
  const ScanPlan scan = plan(kSampled);
  const auto experiment = noise_scale_simulation().prepare(scan, {Backend::Kind::cpu, 1});
  const std::atomic<bool> stop = false;
  const UnitResult together = experiment->run({.point = 3, .first = 5, .count = 3}, stop);
  for (std::uint32_t t = 0; t < 3; ++t) {
    const UnitResult alone = experiment->run({.point = 3, .first = 5 + t, .count = 1}, stop);
    ASSERT_EQ(alone.values.size() * 3, together.values.size());
    for (std::size_t cell = 0; cell < alone.values.size(); ++cell)
      ASSERT_EQ(alone.values[cell], together.values[3 * cell + t]);
  }
  const auto one = run(kSampled, 1);
  const auto two = run(kSampled, 2);
  for (const auto& variable : one.variables)
    EXPECT_EQ(variable.data, two.at(variable.name).data) << variable.name;
}

TEST_F(NoiseScale, OneTrajectoryHasNoDeviation) {
  const std::string config =
      "simulation = noise_scale\nensemble.trajectories = 1\nsgd.steps = 3\ndata.training_samples = 9\n"
      "record.observables = covariance_ratio\nsgd.batch_size = 3\n";
  EXPECT_THAT(run(config + "noise.method = sample\n").at("covariance_deviation").reals(),
              Each(::testing::IsNan()));
  EXPECT_EQ(run(config + "noise.method = enumerate\n").at("covariance_deviation").reals()[1], 0);
}

TEST_F(NoiseScale, WhatElseIsRecordedLeavesTheBits) {
  std::string config = kSampled.substr(0, kSampled.find("record.observables"));
  const auto all = run(kSampled);
  const auto some = run(config + "record.observables = ks_distance covariance_trace\n");
  for (const char* name : {"ks_distance", "covariance_trace", "critical_batch_size_exact"})
    EXPECT_EQ(all.at(name).reals(), some.at(name).reals()) << name;
}

TEST_F(NoiseScale, ALaterPointOfADescentIsThatOfAWholeOne) {
  // The scan visits 3, 8 and 0 steps, going on from where it can.
  const std::string config = kSmall + "problem.loss = logistic\npoint.start = random\n";
  const auto scan = run(config + "point.descent_steps = 3 8 0\n");
  for (std::size_t i = 0; i < 3; ++i) {
    const auto alone = run(config + "point.descent_steps = " + std::to_string(std::array{3, 8, 0}[i]) + "\n");
    EXPECT_EQ(scan.at("gradient_norm_squared_exact").reals()[i],
              alone.at("gradient_norm_squared_exact").reals()[0]);
  }
}

TEST_F(NoiseScale, TheMinimiserHasNoSignal) {
  const auto file = run(R"(simulation = noise_scale
data.training_samples = 200
problem.loss = linear logistic
point.start = minimiser
sgd.batch_size = 10
sgd.steps = 5
ensemble.trajectories = 2
)");
  EXPECT_THAT(file.at("signal_to_noise_exact").reals(), Each(::testing::Lt(1e-20)));
}

TEST_F(NoiseScale, ADatasetIsTakenAsItIs) {
  // Six images of 28 x 28 with one bright pixel, of three classes.
  const auto write = [&](const std::string& name, const std::string& bytes) {
    fs::create_directories(folder_ / "mnist");
    std::ofstream(folder_ / "mnist" / name, std::ios::binary) << bytes;
  };
  using namespace std::string_literals;
  for (const std::string part : {"train", "t10k"}) {
    std::string images = "\0\0\x08\x03\0\0\0\x06\0\0\0\x1c\0\0\0\x1c"s;
    for (std::size_t i = 0; i < 6; ++i) {
      std::string image(784, '\0');
      image[100 * i] = '\xff';
      images += image;
    }
    write(part + "-images-idx3-ubyte", images);
    write(part + "-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x06\x00\x01\x02\x00\x01\x02"s);
  }
  const std::string config =
      "simulation = noise_scale\ndata.kind = mnist\ndata.scaling = unit_interval\ndata.path = " +
      folder_.string() + "\nsgd.steps = 2\nensemble.trajectories = 2\n";
  const auto file = run(config + R"(problem.loss = softmax
problem.inputs = 784
problem.outputs = 10
problem.bias = false
data.labels = dataset
data.training_samples = 0
sgd.batch_size = 2
)");
  // At zero weights p = 1/10: a residual has squared length 0.9^2 + 9 * 0.1^2 = 0.9, an image 1; all images
  // are orthogonal, so that |gbar|^2 = 6 * 0.9 / 36 = 0.15 and tr F = 0.9 - 0.15.
  EXPECT_NEAR(file.at("gradient_norm_squared_exact").reals()[0], 0.15, 1e-12);
  EXPECT_NEAR(file.at("gradient_covariance_trace").reals()[0], 0.75, 1e-12);
  EXPECT_THAT(refusal(config + "problem.inputs = 10\ndata.training_samples = 6\n"),
              HasSubstr("set problem.inputs = 784"));
  EXPECT_THAT(refusal(config + "problem.inputs = 784\ndata.training_samples = 7\n"), HasSubstr("holds 6"));
  EXPECT_THAT(refusal(config + R"(problem.loss = softmax
problem.inputs = 784
problem.outputs = 3
data.labels = dataset
data.training_samples = 6
)"),
              HasSubstr("set problem.outputs = 10"));
}

TEST_F(NoiseScale, ContradictionsAreRefused) {
  const auto refused = [](const std::vector<std::string>& overrides) { return refusal(kSmall, overrides); };
  EXPECT_THAT(
      refused({"sgd.batch_size=4 9"}),
      AllOf(HasSubstr("sgd.batch_size = 9"), HasSubstr("only 8 samples"), HasSubstr("with_replacement")));
  EXPECT_THAT(refused({"sgd.batch_size=8"}), AllOf(HasSubstr("covariance_ratio"), HasSubstr("whole set")));
  EXPECT_THAT(refused({"record.observables=gradient_variance"}), HasSubstr("at least 2"));
  EXPECT_THAT(refused({"problem.inputs=64", "record.observables=covariance"}),
              AllOf(HasSubstr("65 x 65"), HasSubstr("at most 64")));
  EXPECT_THAT(refused({"problem.inputs=4096", "record.observables=covariance_diagonal"}), HasSubstr("4097"));
  EXPECT_THAT(refused({"problem.bias=true false", "record.observables=covariance"}),
              HasSubstr("same number of parameters"));
  EXPECT_THAT(refused({"problem.loss=softmax"}), HasSubstr("at least 2"));
  EXPECT_THAT(refused({"problem.outputs=3"}), HasSubstr("use softmax"));
  EXPECT_THAT(refused({"data.labels=dataset"}), HasSubstr("has no labels"));
  EXPECT_THAT(refused({"data.training_samples=0"}), HasSubstr("set how many"));
  EXPECT_THAT(refused({"data.training_samples=1"}), HasSubstr("at least 2"));
  EXPECT_THAT(refused({"noise.method=enumerate", "data.training_samples=100", "sgd.batch_size=50"}),
              AllOf(HasSubstr("1.01e+29"), HasSubstr("noise.enumeration_limit")));
  EXPECT_THAT(refused({"data.training_samples=4", "point.start=minimiser"}), HasSubstr("no gradient noise"));
  EXPECT_THAT(refused({"point.descent_rate=1e3", "point.descent_steps=1000"}),
              HasSubstr("point.descent_rate"));
  EXPECT_THROW(noise_scale_simulation().prepare(plan(kSmall), {Backend::Kind::cuda, 1}), ConfigError);
}

TEST_F(NoiseScale, AStoppedEnumerationIsDroppedAndRedone) {
  const ScanPlan scan = plan(kSmall);
  const auto experiment = noise_scale_simulation().prepare(scan, {Backend::Kind::cpu, 1});
  std::atomic<bool> stop = true;
  EXPECT_THROW(experiment->run({.point = 0, .first = 0, .count = 1}, stop), Stopped);
  stop = false;
  const auto other = noise_scale_simulation().prepare(scan, {Backend::Kind::cpu, 1});
  EXPECT_EQ(experiment->run({.point = 0, .first = 0, .count = 1}, stop).values,
            other->run({.point = 0, .first = 0, .count = 1}, stop).values);
}

}  // namespace
}  // namespace soret::sims
