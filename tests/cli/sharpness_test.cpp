#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/cli/command.hpp"

namespace soret::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kConfigs = std::string(SORET_SOURCE_DIR) + "/configs/lecture6/";

constexpr const char* kFormula = R"(simulation = sharpness
[function]
kind = formula
formula = x^2 + 3*y^2
point = 1:2
[sharpness]
epsilon = 0.1
[record]
observables = function_value gradient_norm sharpness maximum lambda_max hessian_trace log_determinant positive_eigenvalues sam_sharpness sam_step_sharpness best_point
)";

constexpr const char* kTrain = R"(simulation = train
[network]
hidden = 6-5
[data]
kind = clusters
inputs = 4
classes = 3
training_samples = 60
test_samples = 20
[sgd]
batch_size = 10
epochs = 3
learning_rate = 0.1 0.3
[record]
observables = train_loss lambda_max hessian_trace sharpness sharpness_half sam_sharpness
[checkpoint]
keep = final
)";

constexpr const char* kCheckpoint = R"(simulation = sharpness
[function]
kind = checkpoint
checkpoint = train.h5.checkpoints/point0-run0.h5 train.h5.checkpoints/point1-run0.h5
[matrix]
kind = gaussian
columns = 7
[ensemble]
trajectories = 2
[record]
observables = function_value sharpness lambda_max expected_sharpness
)";

void run(const TemporaryFolder& folder, std::vector<std::string> words) {
  words.insert(words.begin(), "run");
  const Outcome outcome = soret(words, {.folder = folder.path()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
}

std::vector<double> means(const TemporaryFolder& folder, const std::string& file, const std::string& name) {
  std::vector<double> values;
  const auto table = soret({"table", file, "--observable", name, "--json"}, {.folder = folder.path()}).json();
  for (const auto& number : table["numbers"]) values.push_back(number["mean"]);
  return values;
}

std::string rejection(const char* config, const std::vector<std::string>& words, int code = 2) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", config);
  std::vector<std::string> all{"run", "scan.cfg", "-o", "out.h5", "--quiet"};
  all.insert(all.end(), words.begin(), words.end());
  const Outcome outcome = soret(all, {.folder = folder.path()});
  EXPECT_EQ(outcome.exit_code, code) << outcome.err;
  return outcome.err;
}

// All sixteen rows of Table 1 to all printed digits, and nothing missed by the maximiser.
TEST(Sharpness, TableOneIsTheSeeds) {
  const TemporaryFolder folder;
  for (const char* name : {"table1_identity", "table1_random"}) {
    run(folder, {kConfigs + name + ".cfg", "-o", "out.h5", "--fresh"});
    const auto table =
        soret({"table", "out.h5", "--observable", "sharpness", "--json"}, {.folder = folder.path()}).json();
    ASSERT_EQ(table["numbers"].size(), 8U);
    for (const auto& number : table["numbers"]) {
      const double found = number["mean"];
      const double printed = number["reference"];
      const double unit = std::pow(10, std::floor(std::log10(printed)) - 1);  // of the second digit
      EXPECT_LE(std::abs(found - printed), 0.5 * unit * (1 + 1e-12)) << name << ' ' << printed;
    }
    for (const double gap : means(folder, "out.h5", "maximiser_gap")) EXPECT_NEAR(gap, 0, 1e-12);
    EXPECT_THAT(soret({"table", "out.h5"}, {.folder = folder.path()}).out, HasSubstr("seed 003 Table 1"));
  }
}

// f = x^2 + 3 y^2 at (1, 2): box half-widths 0.2 and 0.3, so the maximum is 1.2^2 + 3 * 2.3^2 = 17.31.
TEST(Sharpness, OfAFormulaIsWhatHandsGive) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", kFormula);
  run(folder, {"scan.cfg", "-o", "out.h5"});
  const auto value = [&](const char* name) { return means(folder, "out.h5", name).at(0); };
  EXPECT_DOUBLE_EQ(value("function_value"), 13);
  EXPECT_NEAR(value("gradient_norm"), std::sqrt(4.0 + 144), 1e-7);
  EXPECT_NEAR(value("maximum"), 17.31, 1e-12);
  EXPECT_NEAR(value("sharpness"), 100 * 4.31 / 14, 1e-11);
  const auto best = means(folder, "out.h5", "best_point");
  ASSERT_EQ(best.size(), 2U);
  EXPECT_DOUBLE_EQ(best[0], 0.2);
  EXPECT_DOUBLE_EQ(best[1], 0.3);
  EXPECT_NEAR(value("lambda_max"), 6, 1e-5);
  EXPECT_NEAR(value("hessian_trace"), 8, 1e-5);
  EXPECT_NEAR(value("log_determinant"), std::log(12), 1e-5);
  EXPECT_EQ(value("positive_eigenvalues"), 2);
  const double rho = 0.05;
  EXPECT_NEAR(value("sam_step_sharpness"), rho * std::sqrt(148.0) + rho * rho / 2 * (2 * 4 + 6 * 144) / 148,
              1e-6);
  EXPECT_GE(value("sam_sharpness"), value("sam_step_sharpness"));
}

// f = 100 x^2 and a ~ N(0, 1): phi = 10^4 epsilon^2 a^2 with epsilon = 0.01 is a chi-square variable of one
// degree, of mean 1 and variance 2, median 0.455 with density 0.471 there.
TEST(Sharpness, OfRandomMatricesHasItsDistribution) {
  const TemporaryFolder folder;
  folder.write("scan.cfg", R"(simulation = sharpness
[sharpness]
epsilon = 0.01
maximiser = vertices
[matrix]
kind = gaussian
columns = 1
[ensemble]
trajectories = 2000
[record]
observables = sharpness
blocks = 2000
)");
  run(folder, {"scan.cfg", "-o", "out.h5"});
  const double n = 2000;
  EXPECT_NEAR(means(folder, "out.h5", "sharpness").at(0), 1, 5 * std::sqrt(2 / n));
  const auto quantiles = means(folder, "out.h5", "sharpness_quantile");
  ASSERT_EQ(quantiles.size(), 5U);
  EXPECT_NEAR(quantiles[2], 0.4549, 5 * 0.5 / (0.471 * std::sqrt(n)));
  EXPECT_TRUE(std::ranges::is_sorted(quantiles));
}

// The loss and the curvature of the checkpoints of a run are what the run recorded at its end.
TEST(Sharpness, OfCheckpointsIsOfTheirRuns) {
  const TemporaryFolder folder;
  folder.write("train.cfg", kTrain);
  folder.write("scan.cfg", kCheckpoint);
  run(folder, {"train.cfg", "-o", "train.h5"});
  run(folder, {"scan.cfg", "-o", "one.h5", "--threads", "1"});
  run(folder, {"scan.cfg", "-o", "three.h5", "--threads", "3"});
  for (const auto& [here, there] :
       {std::pair{"function_value", "train_loss"}, {"lambda_max", "lambda_max"}}) {
    const auto found = means(folder, "one.h5", here);
    const auto recorded = means(folder, "train.h5", there);
    ASSERT_EQ(found.size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(found[i], recorded[i], 1e-3 * recorded[i]) << here;
  }
  for (const char* name : {"function_value", "sharpness", "lambda_max", "expected_sharpness"})
    EXPECT_EQ(means(folder, "one.h5", name), means(folder, "three.h5", name));
  // A search that does not reach its tolerance says so.
  const auto converged = [&](const std::string& tolerance, const std::string& products) {
    run(folder, {"scan.cfg", "-o", "largest.h5", "--fresh", "--set", "curvature.dense_parameters=0", "--set",
                 "curvature.tolerance=" + tolerance, "--set", "curvature.most_products=" + products, "--set",
                 "record.observables=lambda_max_converged"});
    return means(folder, "largest.h5", "lambda_max_converged");
  };
  EXPECT_EQ(converged("1e-3", "300"), (std::vector<double>{1, 1}));
  EXPECT_EQ(converged("1e-30", "1").at(0), 0);
  // What training recorded of flatness, by searches of as many iterations from other points.
  const auto flatness = [&](const std::string& epsilon, const char* name) {
    run(folder, {"scan.cfg", "-o", "flat.h5", "--fresh", "--set", "matrix.kind=identity", "--set",
                 "sharpness.iterations=10", "--set", "sharpness.epsilon=" + epsilon, "--set",
                 "record.observables=sharpness sam_sharpness"});
    return means(folder, "flat.h5", name);
  };
  for (const auto& [epsilon, here, there] : {std::tuple{"1e-3", "sharpness", "sharpness"},
                                             {"5e-4", "sharpness", "sharpness_half"},
                                             {"1e-3", "sam_sharpness", "sam_sharpness"}}) {
    const auto found = flatness(epsilon, here);
    const auto recorded = means(folder, "train.h5", there);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(found[i], recorded[i], 0.02 * recorded[i]) << there;
  }
  // The same network trained here instead.
  run(folder, {"scan.cfg",
               "-o",
               "here.h5",
               "--set",
               "function.kind=network",
               "--set",
               "function.checkpoint=",
               "--set",
               "network.hidden=6-5",
               "--set",
               "data.kind=clusters",
               "--set",
               "data.inputs=4",
               "--set",
               "data.classes=3",
               "--set",
               "data.training_samples=60",
               "--set",
               "data.test_samples=20",
               "--set",
               "sgd.batch_size=10",
               "--set",
               "sgd.learning_rate=0.1 0.3",
               "--set",
               "sgd.updates=18"});
  EXPECT_EQ(means(folder, "here.h5", "sharpness"), means(folder, "one.h5", "sharpness"));
  // Another network's parameters.
  const Outcome other = soret({"run",   "scan.cfg",
                               "-o",    "other.h5",
                               "--set", "function.kind=network",
                               "--set", "function.checkpoint=",
                               "--set", "network.start=train.h5.checkpoints/point0-run0.h5",
                               "--set", "network.hidden=6-4",
                               "--set", "data.kind=clusters",
                               "--set", "data.inputs=4",
                               "--set", "data.classes=3",
                               "--set", "data.training_samples=60",
                               "--set", "data.test_samples=20"},
                              {.folder = folder.path()});
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, AllOf(HasSubstr("point0-run0.h5"), HasSubstr("dense2.weight")));
}

// What a file was computed from is part of it: the same checkpoint trained again is, another in its place is
// not.
TEST(Sharpness, GoesOnOnlyWithTheCheckpointItBeganWith) {
  const TemporaryFolder folder;
  folder.write("train.cfg", kTrain);
  folder.write("scan.cfg", kCheckpoint);
  run(folder, {"train.cfg", "-o", "train.h5"});
  run(folder, {"scan.cfg", "-o", "out.h5"});
  run(folder, {"train.cfg", "-o", "train.h5", "--fresh"});
  run(folder, {"scan.cfg", "-o", "out.h5"});
  run(folder,
      {"train.cfg", "-o", "train.h5", "--fresh", "--set", "network.initialisation=framework_uniform"});
  const Outcome other = soret({"run", "scan.cfg", "-o", "out.h5"}, {.folder = folder.path()});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, AllOf(HasSubstr("train.h5.checkpoints/point0-run0.h5"), HasSubstr("something else"),
                               HasSubstr("--fresh")));
  run(folder, {"scan.cfg", "-o", "out.h5", "--fresh"});
}

TEST(Sharpness, BadInputIsAnError) {
  EXPECT_THAT(rejection(kFormula, {"--set", "sharpness.epsilon=0"}), HasSubstr("> 0"));
  EXPECT_THAT(rejection(kFormula, {"--set", "sharpness.epsilon=-1e-3"}), HasSubstr("sharpness.epsilon"));
  EXPECT_THAT(rejection(kFormula, {"--set", "matrix.kind=gaussian", "--set", "matrix.columns=3"}),
              AllOf(HasSubstr("matrix.columns = 3"), HasSubstr("1 to 2")));
  EXPECT_THAT(rejection(kFormula, {"--set", "matrix.kind=given", "--set", "matrix.entries=1:2;2:4"}),
              HasSubstr("rank 1"));
  EXPECT_THAT(rejection(kFormula, {"--set", "matrix.kind=given", "--set", "matrix.entries=1:2:3"}),
              HasSubstr("1 rows"));
  EXPECT_THAT(rejection(kFormula, {"--set", "matrix.kind=given", "--set", "matrix.entries=1:a;2:4"}),
              HasSubstr("'a' is no number"));
  EXPECT_THAT(rejection(kFormula, {"--set", "function.formula=sqrt(x) + y", "--set", "function.point=0.01:0",
                                   "--set", "sharpness.maximiser=vertices"}),
              AllOf(HasSubstr("scan point 0"), HasSubstr("in the box"), HasSubstr("epsilon")));
  EXPECT_THAT(rejection(kFormula, {"--set", "function.formula=x + y", "--set", "function.point=1:-2"}),
              HasSubstr("f(x) is -1"));
  EXPECT_THAT(rejection(kFormula, {"--set", "function.formula=1/x + y", "--set", "function.point=0:0"}),
              HasSubstr("function.point"));
  EXPECT_THAT(rejection(kFormula, {"--set", "function.formula=x + z"}), HasSubstr("function.formula"));
  EXPECT_THAT(rejection(kFormula, {"--set", "function.point=1"}), HasSubstr("1 numbers"));
  EXPECT_THAT(rejection(kFormula, {"--set", "record.observables=maximiser_gap"}),
              HasSubstr("function.convex"));
  EXPECT_THAT(rejection(kFormula, {"--set", "perturbation.normalisation=filter"}), HasSubstr("filters"));
  EXPECT_THAT(rejection(kFormula, {"--set", "rescaling.factor=2"}), HasSubstr("layers"));
  EXPECT_THAT(rejection(kFormula, {"--set", "matrix.entries=1:2"}), HasSubstr("does not read it"));
  EXPECT_THAT(rejection(kFormula, {"--set", "function.kind=sharp", "--set", "function.point="}),
              HasSubstr("function.formula is set"));
  EXPECT_THAT(rejection(kFormula, {"--set", "function.formula=", "--set", "function.kind=checkpoint"}),
              HasSubstr("function.checkpoint"));
  EXPECT_THAT(rejection(kFormula,
                        {"--set", "function.formula=", "--set", "function.kind=checkpoint", "--set",
                         "function.checkpoint=none.h5", "--set", "function.point="},
                        3),
              HasSubstr("none.h5"));
  const Outcome large = [] {
    const TemporaryFolder folder;
    folder.write("scan.cfg", R"(simulation = sharpness
[function]
kind = network
[network]
hidden = 4000
[data]
kind = clusters
inputs = 1000
training_samples = 10
test_samples = 10
[matrix]
kind = orthonormal
columns = 100000
)");
    return soret({"run", "scan.cfg", "-o", "out.h5"}, {.folder = folder.path()});
  }();
  EXPECT_EQ(large.exit_code, 2);
  EXPECT_THAT(large.err, AllOf(HasSubstr("GiB are free"), HasSubstr("matrix.columns")));
}

}  // namespace
}  // namespace soret::test
